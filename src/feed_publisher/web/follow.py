"""Pages about what can be followed: topics, authors, several topics together. They say how, and change nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from feed_publisher import wiring
from feed_publisher.domain.archive import TOPICS_MOST, fits_together
from feed_publisher.domain.language import Say
from feed_publisher.domain.model import EntryState, FeedFormat, TopicRef
from feed_publisher.ports.pickup import Page
from feed_publisher.web.pages import LISTED, Pages

NO_TOPIC = Say("No such topic"), Say("It may have been renamed, or never existed.")
_SLUG = re.compile(r"[a-z0-9-]{1,80}")

READERS = {
    "Feedly": "https://feedly.com/i/subscription/feed%2F",
    "Inoreader": "https://www.inoreader.com/?add_feed=",
    "NewsBlur": "https://www.newsblur.com/?url=",
    "The Old Reader": "https://theoldreader.com/feeds/subscribe?url=",
    "Feedbin": "https://feedbin.com/?subscribe=",
}
"""Where readers on the web take a new feed; its address follows, percent-encoded."""


def follow_view(pages: Pages, request: Request, slug: str, title: str) -> dict[str, object]:
    """All that is offered for one feed; ``title`` is what programs call it.

    ``unreachable``: the site is on this machine only, so that no reader on the web can fetch it.
    """
    site = wiring.feed_site(pages.app.settings)
    feeds = {format.value: url for format, url in site.feed_urls(slug).items()}
    address = feeds[FeedFormat.ATOM]
    return {
        "title": title,
        "feeds": feeds,
        "other_form": site.other_form,
        "other_url": site.feed_urls(f"{slug}.{site.other_form}")[FeedFormat.ATOM],
        "readers": [{"name": name, "url": start + quote(address, safe="")} for name, start in READERS.items()],
        "app_url": f"feed:{address}",
        "unreachable": pages.app.settings.site.is_loopback,
        "for_operator": pages.is_local(request),
    }


def topic_feed(pages: Pages, topic: TopicRef) -> dict[str, str]:
    """What a page about something else says of a topic's feed: one format, which all readers know."""
    site = wiring.feed_site(pages.app.settings)
    return {"title": f"{topic.title} – {site.title}", "url": site.feed_urls(topic.slug)[FeedFormat.ATOM]}


class FollowPages:
    """Handlers; each reads its input, asks the stores and shows the result."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._app = pages.app

    def routes(self) -> list[Route]:
        return [
            Route("/topics/{slug}", self.topic),
            Route("/authors/{slug}", self.author),
            Route("/follow", self.follow),
        ]

    async def topic(self, request: Request) -> Response:
        return await run_in_threadpool(self._topic, request)

    def _topic(self, request: Request) -> Response:
        slug = request.path_params["slug"]
        topic = self._app.topics.get(slug) if _SLUG.fullmatch(slug) else None
        if topic is None:
            return self._pages.error(request, 404, *NO_TOPIC)
        entries = self._app.entries.page(Page(limit=LISTED, state=EntryState.PUBLIC, topic=slug))
        return self._pages.page(
            request,
            "topic",
            topic={
                "title": topic.title,
                "url": f"{self._pages.absolute}/topics/{slug}",
                "ended": slug in self._app.topics.ended(),
            },
            others_url=f"{self._pages.base}/follow",
            follow=self._follow_view(request, slug, topic.title),
            digests=self._pages.digests(slug),
            entries=self._pages.entry_lines(entries),
        )

    async def author(self, request: Request) -> Response:
        return await run_in_threadpool(self._author, request)

    def _author(self, request: Request) -> Response:
        slug = request.path_params["slug"]
        author = self._app.authors.get(slug) if _SLUG.fullmatch(slug) else None
        if author is None:
            message = Say("There is nobody of this name, or none of their articles is public.")
            return self._pages.error(request, 404, Say("No such author"), message)
        return self._pages.page(
            request,
            "author",
            author={"name": author.name, "url": self._pages.author_url(author)},
            follow=self._follow_view(request, f"authors/{slug}", author.name),
            entries=self._pages.entry_lines(self._app.authors.newest(slug, LISTED)),
        )

    # --- several topics together

    async def follow(self, request: Request) -> Response:
        return await run_in_threadpool(self._follow, request)

    def _follow(self, request: Request) -> Response:
        topics = self._app.topics.current()
        chosen = set(request.query_params.getlist("topic"))
        found = sorted((topic for topic in topics if topic.slug in chosen), key=lambda topic: topic.slug)
        status, trouble = _trouble(len(chosen), [topic.slug for topic in found])
        ready = bool(found) and not trouble
        return self._pages.page(
            request,
            "follow",
            status,
            trouble=trouble,
            chosen=[{"title": topic.title, "url": f"{self._pages.base}/topics/{topic.slug}"} for topic in found],
            follow=self._combined(request, found) if ready else None,
            choices=self._choices(topics, chosen),
            most=TOPICS_MOST,
            named=self._named(),
            form_url=f"{self._pages.base}/follow",
        )

    def _combined(self, request: Request, topics: list[TopicRef]) -> dict[str, object]:
        """``topics`` are in the order of their slugs, which a feed of several has in its address."""
        slug = "+".join(topic.slug for topic in topics)
        return self._follow_view(request, slug, " + ".join(topic.title for topic in topics))

    def _choices(self, topics: Iterable[TopicRef], chosen: set[str]) -> list[dict[str, Any]]:
        base = self._pages.base
        return [
            {
                "slug": topic.slug,
                "title": topic.title,
                "url": f"{base}/topics/{topic.slug}",
                "checked": topic.slug in chosen,
            }
            for topic in sorted(topics, key=lambda topic: topic.title.casefold())
        ]

    def _named(self) -> list[dict[str, object]]:
        """The combinations of the configuration, which have feeds and no pages."""
        site = wiring.feed_site(self._app.settings)
        return [
            {"title": each.title, "feeds": {f.value: url for f, url in site.feed_urls(each.slug).items()}}
            for each in self._app.settings.feeds
        ]

    def _follow_view(self, request: Request, slug: str, title: str) -> dict[str, object]:
        return follow_view(self._pages, request, slug, f"{title} – {self._app.settings.site.title}")


def _trouble(chosen: int, found: list[str]) -> tuple[int, str]:
    """The status, and what is wrong with the choice or ""."""
    if len(found) < chosen:
        return 404, Say("A topic of this address does not exist, or no longer. Please choose from those below.")
    if len(found) > TOPICS_MOST:
        message = Say("One feed can have at most %(most)d topics, and you chose %(chosen)d. Please leave some out.")
        return 422, message.filled(most=TOPICS_MOST, chosen=len(found))
    if not fits_together(found):
        return 422, Say("The address of a feed of all these topics would be too long. Please leave some out.")
    return 200, ""
