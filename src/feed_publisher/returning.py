"""Mail that comes back, wired: the ways in of the settings meet the service that deals with it.

Imports inside methods keep mail libraries out of the way of commands that need none of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from feed_publisher import wiring
from feed_publisher.adapters.database.store.bounces import SqlBounceStore
from feed_publisher.adapters.database.store.people import SqlPeopleStore
from feed_publisher.config.models import Settings
from feed_publisher.domain.bounce import Patience
from feed_publisher.domain.errors import ConfigError, FeedPublisherError, InputError

if TYPE_CHECKING:
    from feed_publisher.adapters.mailin.imap import ImapBox
    from feed_publisher.services.answering import Answering
    from feed_publisher.services.bounce import Bounces

log = logging.getLogger("feed_publisher")

WAYS = "set one of listen, maildir, imap_host and a web hook in [bounces]; docs/delivery.md tells how"


class Returns:
    """The ways in, and what is done with what comes in by them."""

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        store: SqlBounceStore,
        people: SqlPeopleStore,
        tell: Callable[[str, str], object],
        clock: Callable[[], datetime],
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._store = store
        self._people = people
        self._tell = tell
        self._clock = clock

    def service(self) -> Bounces:
        """The one service that all ways in hand their mail to."""
        from feed_publisher.services.bounce import Bounces

        bounces = self._settings.bounces
        patience = Patience(limit=bounces.soft_limit, lasting=bounces.soft_for)
        domain, keys = self._settings.mail.bounce_domain, self._people.secrets("token")
        return Bounces(self._store, self._people, domain, keys, patience, self._tell)

    def answering(self) -> Answering:
        """The service that passes on what readers have answered."""
        from feed_publisher.services.answering import Answering

        senders = {each.slug: wiring.sender(self._settings, each) for each in self._settings.digests}
        return Answering(self._store, senders, self._tell)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int | None]:
        """The port on which mail is taken while the context is open; None when none is."""
        if not self._settings.bounces.listen:
            yield None
            return
        from feed_publisher.adapters.mailin.listener import Listener

        service, (host, port) = self.service(), self._settings.bounces.address

        def receive(raw: bytes, to: str, mail_from: str) -> bool:
            return not service.receive(raw, (to,), mail_from, self._clock()).later

        listener = Listener(host, port, self._settings.bounces.protocol, service.is_ours, receive)
        yield_port = await listener.start()
        try:
            yield yield_port
        finally:
            await listener.stop()

    def poll_maildir(self) -> int:
        """Deal with what has been delivered to the Maildir; how many."""
        if not self._settings.bounces.maildir:
            return 0
        from feed_publisher.adapters.mailin.maildir import poll_maildir

        polled = poll_maildir(self.maildir, self._receiver())
        self._tell_large(polled.large, f"{self.maildir}/cur")
        return polled.read

    def poll_imap(self) -> int:
        """Deal with what is unseen in the mailbox; how many. Raises MailError."""
        if not self._settings.bounces.imap_host:
            return 0
        from feed_publisher.adapters.mailin.imap import poll_imap

        polled = poll_imap(self._box(), self._receiver())
        self._tell_large(polled.large, f"{self._settings.bounces.imap_folder} at {self._settings.bounces.imap_host}")
        return polled.read

    def _tell_large(self, names: list[str], where: str) -> None:
        for name in names:
            sentence = f"A mail that came back has more than 2 MB and was not read; it is in {where}."
            self._tell(f"large mail {where} {name}", sentence)

    def _receiver(self) -> Callable[[bytes], bool]:
        service = self.service()

        def receive(raw: bytes) -> bool:
            try:
                return not service.receive(raw, (), None, self._clock()).later
            except FeedPublisherError:
                raise
            except Exception:
                log.exception("a mail that came back could not be dealt with; it stays where it is")
                return False

        return receive

    @property
    def maildir(self) -> Path:
        """Where the Maildir is."""
        return self._folder / self._settings.bounces.maildir

    def _box(self) -> ImapBox:
        from feed_publisher.adapters.mailin.imap import ImapBox

        bounces = self._settings.bounces
        return ImapBox(
            host=bounces.imap_host,
            port=bounces.imap_port,
            user=bounces.imap_user,
            password=self.secret(bounces.imap_password_file, "bounces.imap_password_file"),
            folder=bounces.imap_folder,
        )

    def secret(self, name: str, where: str) -> str:
        """What stands in a file of the settings. Raises ConfigError."""
        try:
            found = (self._folder / name).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self._folder / name} cannot be read: {error}", where) from error
        if not found:
            raise ConfigError(f"{self._folder / name} is empty", where)
        return found

    def check(self) -> str:
        """Which ways in there are, each tried as far as it can be. Raises InputError, MailError."""
        bounces, domain = self._settings.bounces, self._settings.mail.bounce_domain
        for name in ("hook_secret_file", "postmark_password_file", "sendgrid_key_file", "mailgun_key_file"):
            if getattr(bounces, name):
                self.secret(getattr(bounces, name), f"bounces.{name}")
        ways = [*self._mail_ways(), *(f"/hooks/mail/{name}" for name in bounces.hooks)]
        if domain and not ways:
            raise InputError(f"mail comes back to {domain}, where nothing reads it; {WAYS}", "mail.bounce_domain")
        if not ways:
            return "not read; what comes back after the mail server has accepted a mail goes to from_address"
        return f"mail to {domain or 'from_address'} comes in by {', '.join(ways)}"

    def _mail_ways(self) -> list[str]:
        bounces, ways = self._settings.bounces, list[str]()
        if bounces.listen:
            ways.append(f"{bounces.protocol} on {bounces.listen} (while `serve` runs)")
        if bounces.maildir:
            from feed_publisher.adapters.mailin.maildir import check_maildir

            check_maildir(self.maildir)
            ways.append(f"the Maildir {self.maildir}")
        if bounces.imap_host:
            from feed_publisher.adapters.mailin.imap import probe_imap

            ways.append(f"IMAP at {bounces.imap_host}, {probe_imap(self._box())} unread")
        return ways

    async def poll(self) -> int:
        """All that waits to be fetched; how many mails."""
        read = await asyncio.to_thread(self.poll_maildir)
        return read + await asyncio.to_thread(self.poll_imap)
