"""An edition: the digest mail shared by all readers with the same entries, rendered once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import cast

from babel.core import Locale, UnknownLocaleError
from babel.lists import format_list
from jinja2 import Environment
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError
from jinja2.meta import find_referenced_templates

from feed_publisher.compose.colour import palette
from feed_publisher.compose.html import inline_css, render
from feed_publisher.compose.links import host_of, with_parameters
from feed_publisher.compose.message import LINKS, clean_header, marker
from feed_publisher.compose.sponsor import sponsor_views
from feed_publisher.domain.editing import paragraphs
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import Edition, Images, IssueEdits
from feed_publisher.domain.language import direction, direction_of, isolated, primary_language
from feed_publisher.domain.model import Entry, Image, TopicRef
from feed_publisher.domain.sponsor import SponsorBlock

MOST_HTML = 98_000
"""Bytes. Gmail cuts mails at 102 kB, and a reader's own links are still to come."""

OTHER_LEADS = 4
"""Articles a subject may name instead of the first one."""

UNEDITED = IssueEdits()

TEMPLATES = ("email/base.html", "email/digest.html", "email/digest.txt", "email/subject.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """What templates may say about the site. ``footer`` and ``imprint`` are plain text, some lines each.

    ``own_hosts`` are where links get the digest's parameters, beside the host of ``url``.
    """

    title: str
    url: str
    language: str
    postal_address: str
    imprint_url: str
    privacy_url: str
    accent: str
    logo: str = ""
    footer: str = ""
    imprint: str = ""
    own_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestView:
    """What templates may say about the digest; ``url`` is its page for subscribing.

    Without ``images`` a mail has no picture from the web at all, the site's logo included.
    """

    title: str
    url: str
    footer: str = ""
    images: Images = Images.NONE
    link_parameters: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueView:
    """``number`` is None in rehearsals and previews; ``web_url`` is its page in the archive, "" without one."""

    number: int | None
    date: datetime
    web_url: str = ""


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
        except (TemplateNotFound, OSError, UnicodeDecodeError):
            continue  # rendering says where, unless the template can do without it
        waiting += _references(environment, found[name])
    source = "\n".join(f"--- {name}\n{text}" for name, text in found.items())
    return TemplateSet(environment=environment, hash=hashlib.sha256(source.encode()).hexdigest(), source=source)


@lru_cache(64)  # asked for at every look for due issues, and parsing is slow
def _references(environment: Environment, source: str) -> tuple[str, ...]:
    try:
        return tuple(name for name in find_referenced_templates(environment.parse(source)) if name is not None)
    except TemplateSyntaxError:
        return ()  # rendering says where


def arranged(lines: Sequence[Line], order: Sequence[str], maximum: int) -> tuple[Line, ...]:
    """The lines of a mail by section: topics in ``order`` (slugs), then the others as they come.

    The first ``maximum`` stand in the mail and the rest is counted, so it is these that are arranged: given newest
    first, the newest stay. Arranging again what is left of an arranged mail changes no more than it must.
    """
    shown, counted = lines[:maximum], lines[maximum:]
    rank = {slug: place for place, slug in enumerate(order)}
    sections = dict.fromkeys(line.topic for line in shown)
    ranked = sorted(sections, key=lambda topic: rank.get(topic.slug, len(rank)))
    return (*(line for topic in ranked for line in shown if line.topic == topic), *counted)


def fingerprint(
    lines: Sequence[Line],
    more: int,
    templates: TemplateSet,
    language: str,
    site: SiteView,
    digest: DigestView,
    edits: IssueEdits = UNEDITED,
    left_out: Sequence[Line] = (),
    sponsors: Sequence[SponsorBlock] = (),
) -> str:
    """What makes two editions of an issue the same: entry revisions, topics, templates, language, settings, edits.

    Two that differ in what was left out are not: it may be put back.
    """
    rows = [f"{line.entry.number}.{line.entry.revision}.{line.topic.slug}" for line in lines]
    rows += [f"-{line.entry.number}.{line.entry.revision}.{line.topic.slug}" for line in left_out]
    rows += [repr(text) for text in (edits.subject, edits.note) if text]
    rows += map(repr, sponsors)
    parts = [templates.hash, language, str(more), repr(site), repr(digest), *rows]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def first_choice(candidates: Sequence[str]) -> str:
    """The subject of a mail that belongs to no issue."""
    return candidates[0]


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
    choose: Callable[[Sequence[str]], str] = first_choice,
    edits: IssueEdits = UNEDITED,
    left_out: Sequence[Line] = (),
    revision: int = 0,
    sponsors: Sequence[SponsorBlock] = (),
) -> Edition:
    """Render subject, HTML and text. Entries past ``maximum``, or past what fits, are counted as "more on the web".

    ``topic_url`` is the address of topic pages up to the slug; ``nonce`` is hexadecimal and unpredictable; ``choose``
    takes one of the possible subjects, the wanted one first. ``lines`` are those that remain after ``edits``, the lead
    first; ``left_out`` are only remembered. ``sponsors`` stand beside them, their links as they are.
    """
    words = _known_language(language, site.language)
    tagged = _Tagger(digest.link_parameters, {host_of(site.url), *site.own_hosts})
    entries = [_entry(line, words, site.language, tagged) for line in lines]
    context = _context(site, digest, issue, words, tagged) | {
        "lead": entries[0],
        "count": len(lines),
        "preheader": _preheader(lines),
        "note": paragraphs(edits.note),
        "sponsors": sponsor_views(sponsors, words, site.language, digest.images is not Images.NONE),
        **{name: marker(nonce, name) for name in LINKS},
    }
    leads = entries[: min(maximum, OTHER_LEADS + 1)]
    own = clean_header(edits.subject)
    context["subject"] = choose([own] if own else _subjects(templates.environment, context, leads, issue.date))
    shown, html = list(range(min(maximum, len(lines)))), ""
    while not html or (len(shown) > 1 and len(html.encode()) >= MOST_HTML):
        shown = _newest(lines, shown, len(shown) * 4 // 5) if html else shown
        sections = _sections([(lines[place], entries[place]) for place in shown], digest.images, tagged, topic_url)
        context |= {
            "sections": sections,
            "more": len(lines) - len(shown),
            "picture_hosts": _picture_hosts(sections, context),
        }
        html = inline_css(render(templates.environment, "email/digest.html", **context))
    more = max(0, len(lines) - maximum)
    return Edition(
        fingerprint=fingerprint(lines, more, templates, language, site, digest, edits, left_out, sponsors),
        subject=str(context["subject"]),
        html=html,
        text=render(templates.environment, "email/digest.txt", **context),
        template=templates.hash,
        language=language,
        nonce=nonce,
        entries=_numbered([*(lines[place] for place in shown), *_without(lines, shown)]),
        shown=len(shown),
        left_out=_numbered(left_out),
        revision=revision,
    )


def _newest(lines: Sequence[Line], places: Sequence[int], count: int) -> list[int]:
    """So many of these places, in their order: the lead, which the subject names, and the newest others."""
    lead, *others = places
    newest = sorted(others, key=lambda each: (lines[each].entry.published, lines[each].entry.number), reverse=True)
    return sorted([lead, *newest[: max(1, count) - 1]])


def _without(lines: Sequence[Line], places: Collection[int]) -> list[Line]:
    gone = set(places)
    return [line for place, line in enumerate(lines) if place not in gone]


def _numbered(lines: Sequence[Line]) -> tuple[tuple[int, int, str], ...]:
    return tuple((line.entry.number, line.entry.revision, line.topic.slug) for line in lines)


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


@dataclass(frozen=True, slots=True)
class _Tagger:
    """Adds the digest's parameters to links that lead to the site's own hosts."""

    parameters: str
    hosts: Collection[str]

    def __call__(self, url: str) -> str:
        return with_parameters(url, self.parameters, self.hosts)


def _context(site: SiteView, digest: DigestView, issue: IssueView, language: str, tagged: _Tagger) -> dict[str, object]:
    """What does not depend on the articles."""
    return {
        "site": replace(site, url=tagged(site.url)),
        "digest": replace(digest, url=tagged(digest.url)),
        "issue": replace(issue, web_url=tagged(issue.web_url)),
        "more_url": tagged(digest.url),
        "footer": digest.footer or site.footer,
        "logo": site.logo if digest.images is not Images.NONE else "",
        "language": language,
        "direction": direction(language),
        "accent": site.accent,
        "colours": palette(site.accent),
    }


def _sections(
    shown: Sequence[tuple[Line, dict[str, object]]], images: Images, tagged: _Tagger, topic_url: str
) -> list[dict[str, object]]:
    by_topic: dict[TopicRef, list[dict[str, object]]] = {}
    for place, (line, entry) in enumerate(shown):
        with_image = images is Images.ALL or (images is Images.LEAD and place == 0)
        by_topic.setdefault(line.topic, []).append(entry if with_image else entry | {"image": None})
    return [
        {"title": topic.title, "url": tagged(topic_url + topic.slug), "entries": group}
        for topic, group in by_topic.items()
    ]


def _entry(line: Line, language: str, usual: str, tagged: _Tagger) -> dict[str, object]:
    """``lang`` and ``dir`` are "" where they are those of the mail; ``usual``: of entries that do not say theirs."""
    entry, own = line.entry, line.entry.language or usual
    written = direction_of(entry.title, entry.language, usual)
    return {
        "lang": own if primary_language(own) != primary_language(language) else "",
        "dir": written if written != direction(language) else "",
        "title": entry.title,
        "url": tagged(line.url),
        "authors_text": authors_text(entry.authors, language),
        "summary": entry.summary,
        "image": entry.image if entry.image and entry.image.url.startswith("https://") else None,
    }


def _subjects(
    environment: Environment, context: Mapping[str, object], leads: Sequence[Mapping[str, object]], date: datetime
) -> tuple[str, ...]:
    """The wanted subject first, then what to take when earlier issues had that: other articles, then a date."""

    def made(lead: Mapping[str, object], again: bool = False) -> str:
        return clean_header(render(environment, "email/subject.txt", **{**context, "lead": lead, "again": again}))

    first = made(leads[0]) or "…"
    dates = [f"{date:%Y-%m-%d}", *(f"{date:%Y-%m-%d}, {count}" for count in range(2, 10))]
    dated = [f"{clean_header(first, 160)} ({date})" for date in dates]
    return tuple(dict.fromkeys(filter(None, [first, *map(made, leads[1:]), made(leads[0], again=True), *dated])))


def _preheader(lines: Sequence[Line]) -> str:
    """What lists of mails show beside the subject: the first summary, else what else there is."""
    return lines[0].entry.summary or " · ".join(line.entry.title for line in lines[1:4])


def _picture_hosts(sections: Sequence[Mapping[str, object]], context: Mapping[str, object]) -> list[str]:
    """Where the pictures of a mail come from, so that it can say so."""
    entries = [entry for section in sections for entry in cast("list[dict[str, object]]", section["entries"])]
    shown = [*entries, *cast("list[dict[str, object]]", context["sponsors"])]
    urls = [str(context["logo"]), *(image.url for each in shown if isinstance(image := each["image"], Image))]
    return sorted({host_of(url) for url in urls if url})
