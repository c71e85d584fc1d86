"""A site whose mail goes to a real mail server, with readers who are asked whether they still want its digest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from faults.relay import Relay
from flow.flow_site import Mail, Site, parse_mail
from sqlalchemy import func, select
from starlette.testclient import TestClient

from feed_publisher.adapters.database.schema import asked, subscriber, subscription
from feed_publisher.app import App
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.asking import AskState, Patience
from feed_publisher.ports.asking import Part, Round
from feed_publisher.ports.people import SubscriberView
from feed_publisher.services.asking import AskOrder
from feed_publisher.web.site import build

ORDER = AskOrder(
    digest="weekly",
    part=Part(unconfirmed=True),
    patience=Patience(remind_after=7, pause_after=14),
    again_after=180,
    rehearsal=False,
)
SUBJECTS = ("Do you still want The Letter?", "Shall we pause The Letter?")


@dataclass(slots=True)
class Asked:
    """``order`` is what ``ask`` begins."""

    site: Site
    relay: Relay
    order: AskOrder = ORDER
    app: App | None = None

    def opened(self) -> AbstractContextManager[App]:
        """The one that stays open, if there is one."""
        return nullcontext(self.app) if self.app is not None else self.site.open()

    def ask(self, **changes: object) -> Round:
        with self.site.open() as app:
            return app.asking().begin(replace(self.order, **changes), self.site.now)  # type: ignore[arg-type]

    def count(self, **changes: object) -> dict[str, int]:
        """How many would be asked, and how many not, and why."""
        with self.site.open() as app:
            order = replace(self.order, **changes)  # type: ignore[arg-type]
            found = app.asking().foresee(order, self.site.now)
        return {str(fit): count for fit, count in found.counts.items()}

    def states(self, number: int = 1) -> dict[str, str]:
        """Of the readers of a round, by the local part of their address."""
        query = (
            select(subscriber.c.address, asked.c.state)
            .join(subscription, subscription.c.subscriber_id == subscriber.c.id)
            .join(asked, asked.c.subscription_id == subscription.c.id)
            .where(asked.c.asking_id == number)
        )
        with self.opened() as app, app.database.read() as connection:
            return {row.address.partition("@")[0]: row.state for row in connection.execute(query)}

    def mails(self, name: str = "") -> list[Mail]:
        """Those that ask, to one reader or to all."""
        found = [parse_mail(raw, to) for to, raw in self.relay.accepted]
        return [mail for mail in found if mail.subject in SUBJECTS and mail.to.startswith(name)]

    def asked_of(self) -> Counter[str]:
        return Counter(mail.to.partition("@")[0] for mail in self.mails())

    def view(self, name: str) -> SubscriberView:
        with self.site.open() as app:
            (found,) = app.people.find(app.subscribe.key_of(parse_address(f"{name}@example.org")))
        return found

    def consent(self, name: str) -> tuple[datetime | None, str]:
        query = select(subscription.c.consented_at, subscription.c.consent_source)
        with self.site.open() as app, app.database.read() as connection:
            row = connection.execute(query.where(subscription.c.id == self.view(name).subscription)).one()
            return row.consented_at, row.consent_source

    def history(self, name: str) -> list[tuple[str, str]]:
        """Oldest first."""
        with self.site.open() as app:
            return [(each.what, each.detail) for each in app.preferences.history(self.view(name))][::-1]

    def readers(self) -> int:
        with self.opened() as app, app.database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(subscription)).scalar_one())

    @contextmanager
    def browser(self) -> Iterator[TestClient]:
        with self.site.open() as app, TestClient(build(app), follow_redirects=False) as client:
            yield client

    def press(self, name: str, page: str = "keep", **fields: str) -> str:
        """The button of a page that the newest mail to this reader leads to."""
        with self.browser() as client:
            answer = client.post(link(self.mails(name)[-1], page), data=fields or {"keep": "yes"})
        assert answer.status_code in (200, 303), answer.text
        return answer.text

    def is_paused(self, name: str) -> bool:
        until = self.view(name).paused_until
        return until is not None and until > self.site.now


def link(mail: Mail, page: str) -> str:
    found = re.search(rf"^http://127.0.0.1:8000(/{page}/\S+)$", mail.text, re.MULTILINE)
    assert found is not None
    return found[1]


def is_over(app: App) -> bool:
    return app.asking().rounds("weekly")[0][0].ended_at is not None


def addresses(names: Sequence[str]) -> str:
    return "email\n" + "".join(f"{name}@example.org\n" for name in names)


def made(folder: Path, relay: Relay, url: str = "", digest: str = 'cadences = ["weekly", "daily"]') -> Asked:
    """The readers join by ``site.join``, which is the operator's word for them."""
    overrides = (*relay.overrides, *([f"database.url={url}"] if url else []))
    return Asked(Site(folder, overrides=overrides, digest=digest).make(), relay)


KEPT, PAUSED, LEFT = AskState.KEPT.value, AskState.PAUSED.value, AskState.LEFT.value
