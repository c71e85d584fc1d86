"""Posts of mail services, wired: the signature each has, what it tells, and the service that deals with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from feed_publisher import wiring
from feed_publisher.config.models import Settings
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import ConfigError, FetchError, InputError
from feed_publisher.parse.hook_signatures import (
    certificate_url,
    confirm_url,
    is_generic,
    is_mailgun,
    is_postmark,
    is_sendgrid,
    is_sns,
)
from feed_publisher.parse.mailhooks import Told, read_hook, read_json
from feed_publisher.returning import Returns
from feed_publisher.services.bounce import Notification

Fetch = Callable[[str], Awaitable[bytes]]


class NotGenuine(InputError):
    """The signature is not that of the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """``headers`` by their names in lower case."""

    headers: Mapping[str, str]
    body: bytes


class MailHooks:
    """``key_of``: an address as the database knows it; ``fetch``: what is at an address of Amazon's."""

    def __init__(
        self,
        returns: Returns,
        settings: Settings,
        key_of: Callable[[Any], str],
        clock: Callable[[], datetime],
        fetch: Fetch,
    ) -> None:
        self._returns = returns
        self._settings = settings
        self._key_of = key_of
        self._clock = clock
        self._fetch = fetch
        self._certificates: dict[str, bytes] = {}

    async def take(self, name: str, posted: Posted) -> bool:
        """Act on what was posted; False: it must come again. Raises NotGenuine, InputError, ConfigError, FetchError."""
        document = await self._genuine(name, posted)
        if document is None:
            return True
        return await asyncio.to_thread(self._tell, read_hook(name, document))

    def _tell(self, reports: list[Told]) -> bool:
        service, now = self._returns.service(), self._clock()
        received = [service.told(self._notification(told), now) for told in reports]
        return not any(each.later for each in received)

    def _notification(self, told: Told) -> Notification:
        try:
            key = self._key_of(parse_address(told.address)) if told.address else ""
        except InputError:
            key = ""
        return Notification(report=told.report, mail_from=told.mail_from, message_id=told.message_id, address_key=key)

    async def _genuine(self, name: str, posted: Posted) -> Any:
        """What the service says, as JSON; None when there is nothing in it to act on."""
        if name == "ses":
            return await self._of_sns(posted)
        if not self._is_signed(name, posted):
            raise NotGenuine("the signature is not that of the service")
        return read_json(posted.body)

    def _is_signed(self, name: str, posted: Posted) -> bool:
        bounces, headers, now = self._settings.bounces, posted.headers, self._clock()
        if name == "generic":
            secret = self._returns.secret(bounces.hook_secret_file, "bounces.hook_secret_file")
            return is_generic(headers.get("x-signature", ""), posted.body, secret, now)
        if name == "postmark":
            secret = self._returns.secret(bounces.postmark_password_file, "bounces.postmark_password_file")
            return is_postmark(headers.get("authorization", ""), secret)
        if name == "mailgun":
            secret = self._returns.secret(bounces.mailgun_key_file, "bounces.mailgun_key_file")
            document = read_json(posted.body)
            signature = document.get("signature") if isinstance(document, dict) else None
            return isinstance(signature, dict) and is_mailgun(signature, secret, now)
        key = self._returns.secret(bounces.sendgrid_key_file, "bounces.sendgrid_key_file")
        prefix = "x-twilio-email-event-webhook-"
        said, seconds = headers.get(f"{prefix}signature", ""), headers.get(f"{prefix}timestamp", "")
        try:
            return is_sendgrid(said, seconds, posted.body, key, now)
        except ValueError as error:
            raise ConfigError("is not the public key that SendGrid shows", "bounces.sendgrid_key_file") from error

    async def _of_sns(self, posted: Posted) -> Any:
        """Amazon's certificate comes from Amazon alone, and once."""
        message = read_json(posted.body)
        url = certificate_url(message) if isinstance(message, dict) else None
        if url is None or message.get("TopicArn") not in self._settings.bounces.ses_topics:
            raise NotGenuine("it is of no topic in bounces.ses_topics, or its certificate is not Amazon's")
        if not is_sns(message, await self._certificate(url), self._clock()):
            raise NotGenuine("the signature is not that of the service")
        if message["Type"] == "Notification":
            return read_json(str(message.get("Message", "")).encode("utf-8", "replace"))
        if (confirm := confirm_url(message)) is not None:
            await self._fetch(confirm)
        return None

    async def _certificate(self, url: str) -> bytes:
        if url not in self._certificates:
            if len(self._certificates) > 10:
                self._certificates.clear()
            self._certificates[url] = await self._fetch(url)
        return self._certificates[url]


def fetching(settings: Settings) -> Fetch:
    """From the web, past the guard for private hosts."""

    async def fetch(url: str) -> bytes:
        async with wiring.fetcher(settings, allow=()) as fetcher:
            fetched = await fetcher.get_exactly(url)
        if not fetched.body:
            raise FetchError(f"it answered {fetched.status}", url)
        return fetched.body

    return fetch
