"""A Maildir that a mail server delivers to. A file leaves new/ only when it has been dealt with."""

from __future__ import annotations

import os
from pathlib import Path

from feed_publisher.adapters.mailin.polled import SIZE_CAP, Polled, Receive
from feed_publisher.domain.errors import FileError, InputError

AT_A_TIME = 200


def poll_maildir(folder: Path, receive: Receive, most: int = AT_A_TIME) -> Polled:
    """Hand over what is in new/, the oldest first. After a crash the same mail is handed over again.

    Raises FileError when the folder cannot be used, and what ``receive`` raises; the rest stays where it is.
    """
    polled = Polled()
    for name in _names(folder)[:most]:
        raw = _content(folder / "new" / name)
        if raw is None:
            polled.large.append(name)
        elif not receive(raw):
            polled.later += 1
            continue
        else:
            polled.read += 1
        _settle(folder, name)
    return polled


def check_maildir(folder: Path) -> None:
    """Raises InputError when it is none, or may not be changed."""
    for name in ("new", "cur"):
        if not (folder / name).is_dir():
            raise InputError(f"is no Maildir, it has no {name}/; your mail server makes it", str(folder))
        if not os.access(folder / name, os.R_OK | os.W_OK | os.X_OK):
            raise InputError("this user may not move files in it; change its owner or group", str(folder / name))


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder / "new") as items:
            found = [(item.name, item.is_file(follow_symlinks=False)) for item in items]
    except OSError as error:
        raise FileError(f"bounces.maildir: {folder / 'new'}: cannot be read: {error.strerror}") from error
    return sorted(name for name, is_file in found if is_file and not name.startswith("."))


def _content(file: Path) -> bytes | None:
    """None for what is larger than a mail that comes back should be."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as opened:
            raw = opened.read(SIZE_CAP + 1)
    except FileNotFoundError:
        return b""  # another process has dealt with it
    except OSError as error:
        raise FileError(f"bounces.maildir: {file}: cannot be read: {error.strerror}") from error
    return None if len(raw) > SIZE_CAP else raw


def _settle(folder: Path, name: str) -> None:
    try:
        os.rename(folder / "new" / name, folder / "cur" / (name if ":" in name else f"{name}:2,S"))
    except FileNotFoundError:
        pass
    except OSError as error:
        raise FileError(f"bounces.maildir: {folder / 'cur'}: {name} cannot be moved there: {error.strerror}") from error
