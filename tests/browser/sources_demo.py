"""Sources in every state, with articles over twelve weeks, for their pages in a browser."""

from __future__ import annotations

from datetime import timedelta

from web_site import Site

from feed_publisher.domain.model import EntryState
from feed_publisher.domain.source import Outcome, SourceState, Validators
from feed_publisher.ports.pickup import Page

SETTINGS = """
[[sources]]
slug = "quay-blog"
kind = "feed"
location = "https://quay.example/feed.xml"

[[sources]]
slug = "town-hall"
kind = "page"
location = "https://town.example/news/a-rather-long-address-without-any-place-to-break-it-anywhere-at-all"

[[sources]]
slug = "desk"
kind = "push"

[[sources]]
slug = "wire"
kind = "push"

[[sources]]
slug = "archive-of-the-harbour-master-with-a-long-name"
kind = "sitemap"
location = "https://archive.example/sitemap.xml"

[[sources]]
slug = "files"
location = "entries"
"""
ADDRESSES = [
    "/admin/sources",
    "/admin/sources/quay-blog",
    "/admin/sources/town-hall",
    "/admin/sources/desk",
    "/admin/sources/wire",
    "/admin/sources/archive-of-the-harbour-master-with-a-long-name",
    "/admin/sources/files",
]
PER_WEEK = (4, 2, 0, 7, 3, 12, 5, 1, 0, 6, 4, 3)


def fill(site: Site) -> None:
    """At the end it is the time of the site's clock as it was."""
    end = site.clock()
    site.clock.pass_(weeks=-len(PER_WEEK) + 1)
    site.app.intake.configured()
    token = site.app.intake.pushing().new_token("desk")
    push(site, token, ["First contact, which is in no chart"])
    site.clock.pass_(minutes=1)
    for week, count in enumerate(PER_WEEK):
        push(site, token, [f"Tide table {week}.{number}, and what the pilots say of it" for number in range(count)])
        site.clock.pass_(weeks=1)
    site.clock.now = end
    for each in site.app.entries.page(Page(limit=2)):
        reason = "came with 39 other new articles at once, far more than usual for this source"
        site.app.entries.change_state(each.number, [EntryState.PUBLIC], EntryState.HELD, reason, end)
    hub = ("https://hub.example/", "https://quay.example/feed.xml")
    due = end + timedelta(minutes=24)
    quay = Outcome(slug="quay-blog", at=end, due_at=due, validators=Validators(etag='"1"'), hub=hub)
    town = Outcome(slug="town-hall", at=end, due_at=due, error="answered 503 Service Unavailable, and asks for an hour")
    site.app.sources.record([quay, town, town, town])
    site.app.entries.end_first_contact("quay-blog", end)
    site.app.sources.claim_hub("quay-blog", "secret", end + timedelta(days=9), end + timedelta(days=9))
    site.app.sources.set_state("archive-of-the-harbour-master-with-a-long-name", SourceState.PAUSED, "too slow", end)


def push(site: Site, token: str, titles: list[str]) -> None:
    if titles:
        body = {"entries": [{"title": title, "id": title} for title in titles]}
        answer = site.client().post("/api/v1/entries", json=body, headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
