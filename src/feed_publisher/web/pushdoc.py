"""What /api/v1/openapi.json says of pushing. The values themselves are read where all entries are: in parse."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from feed_publisher.parse.media import MAX_FILES
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
    "image": {"url": "https://harbour.example/2026/ferry.jpg", "alt": "A ferry in the ice", "credit": "Ida Holm"},
    "enclosures": [{"url": "https://harbour.example/2026/ferry.mp3", "type": "audio/mpeg", "length": 4200000}],
}


class ImageIn(BaseModel):
    """The picture of an entry."""

    url: str = Field(description="http or https", max_length=2048)
    alt: str | None = Field(None, description="What it shows, in words", max_length=500)
    credit: str | None = Field(None, description="Whose it is", max_length=500)


class EnclosureIn(BaseModel):
    """A file that belongs to an entry, such as an episode."""

    url: str = Field(description="http or https", max_length=2048)
    type: str | None = Field(None, description="A media type such as audio/mpeg; else by the extension, or mime_type")
    length: int | None = Field(None, description="Bytes; or size_in_bytes", ge=0)
    title: str | None = Field(None, max_length=500)


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
    image: str | ImageIn | None = Field(None, description="Its picture, or the address of it; or banner_image")
    enclosures: list[str | EnclosureIn] | None = Field(None, description="Or attachments", max_length=MAX_FILES)


FIELDS = (
    *("id", "title", "link", "url", "external_url", "summary", "description", "content_html", "content_text"),
    *("authors", "author", "topics", "topic", "categories", "category", "tags"),
    *("published", "date_published", "date", "language", "lang"),
    *("image", "banner_image", "enclosures", "attachments"),
)
"""All names that are read."""


def _inlined(value: Any, parts: dict[str, Any]) -> Any:
    """Without references to ``parts``, which would lead elsewhere in the document that this one becomes a part of."""
    if isinstance(value, list):
        return [_inlined(each, parts) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _inlined(parts[value["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(each, parts) for key, each in value.items()}


def _body() -> dict[str, Any]:
    schema = EntryIn.model_json_schema()
    entry = _inlined(schema, schema.pop("$defs"))
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
