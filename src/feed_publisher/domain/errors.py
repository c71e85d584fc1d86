"""The error tree: every error a person can meet, and the exit code it ends a command with.

FeedPublisherError            1
├── InputError                1   something given to us is wrong: says where and why
│   └── ConfigError           1   ... in publisher.toml, the environment or a flag
├── TemplateError             1   a template cannot be read or rendered: file and line
├── FeedError                 1   a feed would not be valid; the last good one stays
├── NotFoundError             1   no such entry, digest, issue, subscriber
├── StorageError              75  database or disk: locked, full, unwritable
│   ├── FileError             75  one file cannot be written; the others can
│   └── ForeignDatabaseError  1   a database that is not ours, or from a newer version
├── FetchError                75  an address cannot be fetched now: refused, slow, too large, not found
├── ResolveError              75  the DNS does not answer, or answers that it cannot tell
└── MailError                 75  the relay cannot be reached or refuses to talk
"""

from __future__ import annotations


class FeedPublisherError(Exception):
    """Base of all errors shown to people as one line."""

    exit_code = 1


class InputError(FeedPublisherError):
    """Refused input. ``where`` names the file:line, URL or field."""

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.where = where


class ConfigError(InputError):
    """A setting that is unknown, missing or wrong."""


class TemplateError(FeedPublisherError):
    """A template that cannot be found, parsed or rendered."""


class FeedError(FeedPublisherError):
    """A rendered feed that would not validate."""


class NotFoundError(FeedPublisherError):
    """Nothing has the name, key or number that was asked for."""


class StorageError(FeedPublisherError):
    """The database or the disk cannot do it now; the next run continues."""

    exit_code = 75


class NoRoomError(StorageError):
    """As many as there may be are there already; some of them make room one day."""


class FileError(StorageError):
    """A file that cannot be written or removed now."""


class ForeignDatabaseError(StorageError):
    """A file that is not our database, or one a newer version has written."""

    exit_code = 1


class FetchError(FeedPublisherError):
    """An address that could not be fetched. ``reason`` is without the address."""

    exit_code = 75

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = reason
        self.where = where


class ResolveError(FeedPublisherError):
    """The DNS could not tell; that says nothing about what it holds."""

    exit_code = 75


class MailError(FeedPublisherError):
    """The relay cannot be reached or will not talk to us now; mail stays queued."""

    exit_code = 75
