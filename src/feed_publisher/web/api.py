"""/api/v1: what is public, as JSON, described by /api/v1/openapi.json."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel

from feed_publisher.app import App
from feed_publisher.domain.model import Entry, EntryState
from feed_publisher.ports.pickup import Page


class TopicOut(BaseModel):
    """A topic and its feeds."""

    slug: str
    title: str
    feeds: dict[str, str]


class EntryOut(BaseModel):
    """A public entry, as in the feeds."""

    key: str
    id: str
    title: str
    authors: list[str]
    summary: str
    topics: list[str]
    published: datetime
    updated: datetime
    url: str


def router(app: App) -> APIRouter:
    """The routes of one site."""
    routes = APIRouter(prefix="/api/v1")

    def out(entry: Entry) -> EntryOut:
        return EntryOut(
            key=entry.key,
            id=entry.id,
            title=entry.title,
            authors=list(entry.authors),
            summary=entry.summary,
            topics=[topic.slug for topic in entry.topics],
            published=entry.published,
            updated=entry.updated,
            url=app.entry_url(entry),
        )

    @routes.get("/topics", summary="All topics with their feeds")
    def topics() -> list[TopicOut]:
        base = f"{app.base_url}/feeds"
        return [
            TopicOut(slug=t.slug, title=t.title, feeds={f: f"{base}/{t.slug}.{f}" for f in ("atom", "rss", "json")})
            for t in app.topics.all()
        ]

    @routes.get("/entries", summary="The newest public entries")
    def entries(
        topic: Annotated[str | None, Query(pattern="^[a-z0-9-]{1,80}$")] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> list[EntryOut]:
        if topic is not None:
            (topic,) = app.topics.today([topic])
            if app.topics.get(topic) is None:
                raise HTTPException(404, f"there is no topic {topic!r}")
        return [out(entry) for entry in app.entries.page(Page(limit=limit, state=EntryState.PUBLIC, topic=topic))]

    return routes
