"""An edition: the digest mail shared by all readers with the same entries, rendered once."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from babel.core import Locale, UnknownLocaleError
from babel.lists import format_list
from jinja2 import Environment
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError
from jinja2.meta import find_referenced_templates

from feed_publisher.compose.html import inline_css, render
from feed_publisher.compose.message import LINKS, clean_header, marker
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import Edition
from feed_publisher.domain.language import direction, isolated, primary_language
from feed_publisher.domain.model import Entry, TopicRef

TEMPLATES = ("email/base.html", "email/digest.html", "email/digest.txt", "email/subject.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """What templates may say about the site."""

    title: str
    url: str
    language: str
    postal_address: str
    imprint_url: str
    privacy_url: str
    accent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """What templates may say about the digest; ``url`` is its page for subscribing."""

    title: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    """``number`` is None in rehearsals and previews."""

    number: int | None
    date: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of an edition under the topic that made it due; ``url`` is absolute."""

    entry: Entry
    topic: TopicRef
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateSet:
    """The templates of one edition and the hash they are stored by."""

    environment: Environment
    hash: str
    source: str


def template_set(environment: Environment) -> TemplateSet:
    """Read the digest's templates as they are now, with all that they extend, include or import by name."""
    loader = environment.loader
    if loader is None:
        raise TemplateError("no templates were handed in")
    found: dict[str, str] = {}
    waiting = list(TEMPLATES)
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        try:
            found[name] = loader.get_source(environment, name)[0]
        except TemplateNotFound as error:
            if name in TEMPLATES:
                raise TemplateError(f"there is no template {error.name}") from error
            continue  # rendering says where, unless the template can do without it
        waiting += _references(environment, found[name])
    source = "\n".join(f"--- {name}\n{text}" for name, text in found.items())
    return TemplateSet(environment=environment, hash=hashlib.sha256(source.encode()).hexdigest(), source=source)


def _references(environment: Environment, source: str) -> list[str]:
    try:
        return [name for name in find_referenced_templates(environment.parse(source)) if name is not None]
    except TemplateSyntaxError:
        return []  # rendering says where


def fingerprint(lines: Sequence[Line], more: int, templates: TemplateSet, language: str) -> str:
    """What makes two editions of an issue the same: entry revisions, their topics, templates, language."""
    rows = [f"{line.entry.number}.{line.entry.revision}.{line.topic.slug}" for line in lines]
    return hashlib.sha256("\n".join([templates.hash, language, str(more), *rows]).encode()).hexdigest()


def render_edition(
    templates: TemplateSet,
    site: SiteView,
    digest: DigestView,
    issue: IssueView,
    lines: Sequence[Line],
    *,
    language: str,
    maximum: int,
    nonce: str,
    topic_url: str,
) -> Edition:
    """Render subject, HTML and text. Entries past ``maximum`` are counted as "more on the web", and as received.

    ``topic_url`` is the address of topic pages up to the slug; ``nonce`` is hexadecimal and unpredictable.
    """
    shown, more = lines[:maximum], max(0, len(lines) - maximum)
    words = _known_language(language, site.language)
    context: dict[str, object] = {
        "site": site,
        "digest": digest,
        "issue": issue,
        "lead": _entry(shown[0], words, site.language),
        "count": len(lines),
        "sections": _sections(shown, words, site.language, topic_url),
        "more": more,
        "more_url": digest.url,
        "preheader": shown[0].entry.summary[:160],
        **{name: marker(nonce, name) for name in LINKS},
        "language": words,
        "direction": direction(words),
        "accent": site.accent,
    }
    subject = clean_header(render(templates.environment, "email/subject.txt", **context))
    context["subject"] = subject
    return Edition(
        fingerprint=fingerprint(lines, more, templates, language),
        subject=subject,
        html=inline_css(render(templates.environment, "email/digest.html", **context)),
        text=render(templates.environment, "email/digest.txt", **context),
        template=templates.hash,
        language=language,
        nonce=nonce,
        entries=tuple((line.entry.number, line.entry.revision, line.topic.slug) for line in lines),
        shown=len(shown),
    )


def authors_text(authors: Sequence[str], language: str) -> str:
    """The byline as people write it: "A, B and C" in the language."""
    return enumerated([isolated(name, direction(language)) for name in authors], language)


def enumerated(names: Sequence[str], language: str) -> str:
    """ "A, B and C" in the language."""
    return format_list(list(names), locale=Locale.parse(_known_language(language), sep="-")) if names else ""


def _known_language(language: str, instead: str = "en") -> str:
    """The language, or as much of it as there are words for, so that no reader's wish stops an issue."""
    for candidate in (language, language.split("-")[0], instead):
        try:
            Locale.parse(candidate, sep="-")
        except (UnknownLocaleError, ValueError):
            continue
        return candidate
    return "en"


def _sections(lines: Sequence[Line], language: str, usual: str, topic_url: str) -> list[dict[str, object]]:
    by_topic: dict[TopicRef, list[Line]] = {}
    for line in lines:
        by_topic.setdefault(line.topic, []).append(line)
    return [
        {
            "title": topic.title,
            "url": topic_url + topic.slug,
            "entries": [_entry(line, language, usual) for line in group],
        }
        for topic, group in by_topic.items()
    ]


def _entry(line: Line, language: str, usual: str) -> dict[str, str]:
    """``lang`` and ``dir`` are "" where they are those of the mail; ``usual``: of entries that do not say theirs."""
    own = line.entry.language or usual
    return {
        "lang": own if primary_language(own) != primary_language(language) else "",
        "dir": direction(own) if direction(own) != direction(language) else "",
        "title": line.entry.title,
        "url": line.url,
        "authors_text": authors_text(line.entry.authors, language),
        "summary": line.entry.summary,
    }
