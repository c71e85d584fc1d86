"""WebSub, the publisher's part (W3C WebSub): which feeds are topics, and what our own hub is asked and says."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from urllib.parse import urlencode, urlsplit

from feed_publisher.domain.errors import InputError, NotFoundError

TOPIC_PATH = r"^feeds/((authors|lang|digests)/)?[a-z0-9+-]+(\.(full|summary))?\.(atom|rss|json)$"
"""A live feed. Pages of an archive (feeds/ships/3.atom) are never topics. Databases read it, too."""

CONTENT_TYPES = {
    "atom": "application/atom+xml; charset=utf-8",
    "rss": "application/rss+xml; charset=utf-8",
    "json": "application/feed+json",
}

RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))

LEASE = timedelta(days=10)
SHORTEST_LEASE = timedelta(hours=1)
LONGEST_LEASE = timedelta(days=30)

LONGEST_CALLBACK = 2048
LONGEST_HOST = 253
SECRET_BYTES = 199


class HubMode(StrEnum):
    """What a subscriber asks for."""

    SUBSCRIBE = "subscribe"
    UNSUBSCRIBE = "unsubscribe"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRequest:
    """A wish that counts once its callback has answered with the challenge. ``path`` is the topic's, in public/."""

    mode: HubMode
    topic: str
    path: str
    callback: str
    lease: timedelta
    secret: str = field(repr=False)
    challenge: str = field(repr=False)

    @property
    def key(self) -> str:
        """A topic and a callback make one subscription (WebSub §5.1)."""
        return hashlib.sha256(f"{self.topic}\n{self.callback}".encode()).hexdigest()

    @property
    def host(self) -> str:
        return host_of(self.callback)

    @property
    def verification(self) -> str:
        """The address that asks the subscriber whether it meant it (WebSub §5.3)."""
        query = {"hub.mode": str(self.mode), "hub.topic": self.topic, "hub.challenge": self.challenge}
        if self.mode is HubMode.SUBSCRIBE:
            query["hub.lease_seconds"] = str(int(self.lease.total_seconds()))
        return with_query(self.callback, query)


def read_request(form: Mapping[str, str], base_url: str, challenge: str) -> HubRequest:
    """The wish in a form; unknown fields are ignored. Raises InputError, NotFoundError for what is no topic of ours."""
    mode, secret = form.get("hub.mode", ""), form.get("hub.secret", "")
    if mode not in set(HubMode):
        raise InputError("hub.mode must be subscribe or unsubscribe; this hub learns of changes by itself")
    if len(secret.encode()) > SECRET_BYTES or not secret.isprintable():
        raise InputError(f"hub.secret must be printable and at most {SECRET_BYTES} bytes long")
    topic = form.get("hub.topic", "")
    return HubRequest(
        mode=HubMode(mode),
        topic=topic,
        path=_path(topic, base_url),
        callback=_callback(form.get("hub.callback", "")),
        lease=_lease(form.get("hub.lease_seconds", "")),
        secret=secret,
        challenge=challenge,
    )


def _path(topic: str, base_url: str) -> str:
    path = topic.removeprefix(f"{base_url}/")
    if path == topic or not is_topic(path):
        raise NotFoundError(f"this hub has only the feeds of {base_url}; hub.topic must be the address of one of them")
    return path


def is_topic(path: str) -> bool:
    """Whether a file in public/ is a live feed."""
    return "\n" not in path and re.search(TOPIC_PATH, path) is not None


def _callback(text: str) -> str:
    if len(text) > LONGEST_CALLBACK or not re.fullmatch(r"[!-~]+", text):
        raise InputError(f"hub.callback must be an address of at most {LONGEST_CALLBACK} characters, in ASCII")
    try:
        parts = urlsplit(text)
        well_formed = parts.port != 0 and 0 < len(parts.hostname or "") <= LONGEST_HOST
    except ValueError:  # "Invalid IPv6 URL", "Port out of range 0-65535"
        well_formed = False
    if not well_formed or parts.scheme not in ("http", "https") or "@" in parts.netloc or "#" in text:
        raise InputError("hub.callback must be an http or https address without a user name and a fragment")
    return text


def _lease(text: str) -> timedelta:
    if not text:
        return LEASE
    if not (text.isascii() and text.isdigit()):
        raise InputError("hub.lease_seconds must be a whole number")
    wanted = timedelta(seconds=int(text)) if len(text) < 10 else LONGEST_LEASE
    return min(max(wanted, SHORTEST_LEASE), LONGEST_LEASE)


def host_of(callback: str) -> str:
    """Subscriptions are counted by this."""
    return (urlsplit(callback).hostname or "").rstrip(".")


def server_of(callback: str) -> str:
    """Callbacks are called in turn by this: what is wrong with one port of a host is not wrong with another."""
    parts = urlsplit(callback)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def with_query(callback: str, query: Mapping[str, str]) -> str:
    """The query appended to what the callback has of its own (WebSub §5.3)."""
    joint = "?" if "?" not in callback else "" if callback.endswith(("?", "&")) else "&"
    return f"{callback}{joint}{urlencode(query)}"


def denial(topic: str, callback: str) -> str:
    """The address that tells a subscriber that there is no such topic any more (WebSub §5.2)."""
    reason = "there is no such feed any more"
    return with_query(callback, {"hub.mode": "denied", "hub.topic": topic, "hub.reason": reason})


def signature(body: bytes, secret: str) -> str:
    """The value of X-Hub-Signature (WebSub §7.1)."""
    return f"sha256={hmac.new(secret.encode(), body, 'sha256').hexdigest()}"


def pause_after(failures: int) -> timedelta:
    """The wait after so many failures in a row; the last one stays."""
    return RETRIES[min(failures, len(RETRIES)) - 1]
