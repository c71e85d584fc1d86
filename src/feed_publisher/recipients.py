"""Who gets each digest: its readers, or the operators only. Like app.py, a place where services meet adapters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from feed_publisher import wiring
from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.desk import SqlDeskStore
from feed_publisher.adapters.database.store.people import SqlPeopleStore
from feed_publisher.adapters.database.store.shadows import SqlShadowStore
from feed_publisher.config.models import Digest, Settings
from feed_publisher.domain.address import Address
from feed_publisher.services.shadowing import Shadowing
from feed_publisher.services.words import many


class Recipients:
    """Of one site."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        people: SqlPeopleStore,
        desk: SqlDeskStore,
        key_of: Callable[[Address], str],
    ) -> None:
        self._people = people
        self._desk = desk
        desks = {digest.slug: wiring.desk(settings, digest) for digest in settings.digests}
        self._shadowing = Shadowing(SqlShadowStore(database), desks, key_of)

    def declare(self, now: datetime) -> None:
        """What the settings say counts from now on."""
        self._shadowing.declare(now)

    def stand_down(self, now: datetime) -> None:
        """Before any issue is opened: mail of digests that rest does not leave, and that is told."""
        if ended := self._shadowing.stand_down(now):
            mails = "1 mail that had not left was" if ended == 1 else f"{ended:,} mails that had not left were"
            sentence = (
                f"{mails} ended, because publisher.toml says that their newsletter goes to others now. Nothing is "
                "lost: their articles come in the next issue."
            )
            self._desk.tell(f"stood down {now.isoformat()}", sentence, now)

    def sentence(self, digest: Digest) -> str:
        """Who gets it while it goes to the operators only; "" for one that goes to its readers."""
        if digest.recipients == "subscribers":
            return ""
        operators, readers = (self._people.count_active(slug) for slug in (digest.shadow.slug, digest.slug))
        wait = "1 reader waits" if readers == 1 else f"{readers:,} readers wait"
        return f"goes to the {many(operators, 'operator')} only; {wait}"
