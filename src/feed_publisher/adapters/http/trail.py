"""The way from one address through its redirects: where it may go, what it forgets, and what is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from feed_publisher.adapters.http.addresses import port_of, read_url
from feed_publisher.adapters.http.failures import FOREIGN, explain
from feed_publisher.domain.errors import FetchError
from feed_publisher.domain.model import escaped

_REDIRECTS = (301, 302, 303, 307, 308)
_PERMANENT = (301, 308)


class Trail:
    """``url`` is where to ask now. ``is_home``: no redirect has led away from scheme, host and port of the first.

    ``moved_to`` is where permanent redirects alone have led, None when nowhere else.
    """

    def __init__(self, url: httpx2.URL) -> None:
        self.url = url
        self.is_home = True
        self.moved_to: str | None = None
        self._lasting = True
        self._seen = {str(url)}

    @property
    def steps(self) -> int:
        return len(self._seen) - 1

    def follow(self, status: int, location: str, most: int) -> bool:
        """Whether the answer leads on; if so, ``url`` is the next address. Raises FetchError."""
        if status not in _REDIRECTS or not location:
            return False
        if self.steps >= most:
            raise FetchError(f"it redirects more than {most} times")
        self._go(self._next(location), status)
        return True

    def _next(self, location: str) -> httpx2.URL:
        try:
            url = read_url(str(self.url.join(location)))
        except (httpx2.InvalidURL, ValueError) as error:
            raise FetchError("it redirects to something that is no address") from error
        except FetchError as error:
            raise FetchError(f"it redirects to {shown(location)}: {error.reason}") from error
        if str(url) in self._seen:
            raise FetchError(f"its redirects lead in a circle, to {shown(str(url))} again")
        return url

    def _go(self, url: httpx2.URL, status: int) -> None:
        downgrade = self.url.scheme == "https" and url.scheme == "http"
        self._lasting = self._lasting and status in _PERMANENT and not downgrade
        if self._lasting:
            self.moved_to = str(url)
        self.is_home = self.is_home and _origin(url) == _origin(self.url)
        self._seen.add(str(url))
        self.url = url

    def explained(self, reason: str) -> str:
        """The reason, with the place where it happened when that is not where we began."""
        return f"it redirects to {shown(str(self.url))}: {reason}" if self.steps else reason


@contextmanager
def trail_from(address: str) -> Iterator[Trail]:
    """A trail on which all that goes wrong is told as a FetchError about ``address``."""
    trail: Trail | None = None
    try:
        trail = Trail(read_url(address))
        yield trail
    except (FetchError, *FOREIGN) as error:
        reason = explain(error)
        raise FetchError(trail.explained(reason) if trail else reason, shown(address)) from error


def _origin(url: httpx2.URL) -> tuple[str, bytes, int]:
    return url.scheme, url.raw_host, port_of(url)


def shown(address: str) -> str:
    """An address a stranger gave, fit for a line of text: short, without tricks, without a password."""
    scheme, slashes, rest = address.partition("//")
    authority, slash, path = rest.partition("/")
    return escaped(f"{scheme}{slashes}{authority.rpartition('@')[2]}{slash}{path}"[:200])
