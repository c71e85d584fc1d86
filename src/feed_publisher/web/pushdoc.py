"""What /api/v1/openapi.json says of pushing. The values themselves are read where all entries are: in parse."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from feed_publisher.services.push import MOST

_EXAMPLE: dict[str, Any] = {
    "id": "https://harbour.example/2026/ferry",
    "title": "The Last Ferry Before the Ice",
    "link": "https://harbour.example/2026/ferry",
    "authors": ["Ingrid Solvane"],
    "summary": "She left with the tide.",
    "content_html": "<p>She left with the tide, and nobody waved.</p>",
    "topics": ["Coastal shipping"],
    "published": "2026-11-22T07:30:00Z",
    "language": "en",
}


class EntryIn(BaseModel):
    """One entry. Other names, as JSON Feed has them, are taken too: url, date_published, tags, description, …"""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    title: str = Field(max_length=500)
    id: str | int | None = Field(None, description="Your own lasting name for it; an entry with a known id is updated")
    link: str | None = Field(None, description="Its address on the web: http or https", max_length=2048)
    authors: list[str | dict[str, str]] | str | None = None
    summary: str | None = Field(None, description="Plain text", max_length=20_000)
    content_html: str | None = Field(None, description="Sanitised by us; or content_text")
    content_text: str | None = None
    topics: list[str] | str | None = Field(None, description="Titles of topics; unknown ones are made")
    published: str | None = Field(None, description="2026-11-22 or 2026-11-22T07:30:00Z; a date to come is waited for")
    language: str | None = Field(None, description="A code such as en or pt-BR")


FIELDS = (
    *("id", "title", "link", "url", "external_url", "summary", "description", "content_html", "content_text"),
    *("authors", "author", "topics", "topic", "categories", "category", "tags"),
    *("published", "date_published", "date", "language", "lang"),
)
"""All names that are read."""


def _body() -> dict[str, Any]:
    entry = EntryIn.model_json_schema()
    many = {
        "type": "object",
        "title": "Entries",
        "properties": {"entries": {"type": "array", "items": entry, "minItems": 1, "maxItems": MOST}},
        "required": ["entries"],
        "additionalProperties": False,
    }
    examples = {
        "one": {"summary": "One entry", "value": _EXAMPLE},
        "several": {"summary": "Several entries", "value": {"entries": [_EXAMPLE]}},
    }
    return {
        "required": True,
        "content": {"application/json": {"schema": {"anyOf": [entry, many]}, "examples": examples}},
    }


BODY = _body()
"""The requestBody of POST /api/v1/entries."""


class EntryResult(BaseModel):
    """What became of one entry; ``reason`` says why it is held."""

    key: str
    title: str
    result: Literal["new", "changed", "unchanged", "held"]
    reason: str | None = None


class Pushed(BaseModel):
    """In the order of the request."""

    entries: list[EntryResult]


class Withdrawn(BaseModel):
    """Titles."""

    withdrawn: list[str]


class Fault(BaseModel):
    """``entry`` counts from 0; null means the request as a whole."""

    entry: int | None
    field: str
    reason: str


class Refused(BaseModel):
    """Nothing was stored."""

    errors: list[Fault]


class Refusal(BaseModel):
    """Why, in one sentence."""

    detail: str
