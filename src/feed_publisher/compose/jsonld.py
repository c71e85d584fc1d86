"""An article as data for programs that read pages (JSON-LD with the words of schema.org)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from feed_publisher.domain.model import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Who publishes. ``logo`` is an absolute address or ""; ``language`` that of entries that do not say theirs."""

    name: str
    url: str
    logo: str
    language: str


def article(entry: Entry, url: str, authors: Mapping[str, str], publication: Publication) -> dict[str, object]:
    """``url`` is where the article is read; ``authors`` holds the addresses of authors' pages by name.

    The template writes it with ``tojson``, which leaves no "<" that could end the element it stands in.
    """
    said = {
        "@context": "https://schema.org",
        "@type": "Article",
        "headline": entry.title,
        "description": entry.summary,
        "datePublished": _moment(entry.published),
        "dateModified": _moment(entry.updated),
        "author": [_named("Person", name, authors.get(name, "")) for name in entry.authors],
        "publisher": _named("Organization", publication.name, publication.url) | _logo(publication.logo),
        "image": [entry.image.url] if entry.image else [],
        "articleSection": [topic.title for topic in entry.topics],
        "inLanguage": entry.language or publication.language,
        "mainEntityOfPage": url,
    }
    return {name: value for name, value in said.items() if value}


def _named(kind: str, name: str, url: str) -> dict[str, object]:
    said: dict[str, object] = {"@type": kind, "name": name}
    return said | ({"url": url} if url else {})


def _logo(url: str) -> dict[str, object]:
    return {"logo": {"@type": "ImageObject", "url": url}} if url else {}


def _moment(time: datetime) -> str:
    """Whole seconds: the fraction of ``updated`` is no time."""
    return time.isoformat(timespec="seconds")
