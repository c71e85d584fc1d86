"""Entries from a JSON Feed 1.0 or 1.1 (jsonfeed.org) read over HTTP: milder than our own JSON files."""

from __future__ import annotations

from collections.abc import Mapping

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import About, Draft, Problem, Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.charset import to_text
from feed_publisher.parse.feedentry import MAX_CONTENT, MAX_ENTRIES, SHORT, TOO_LONG, Document, too_many
from feed_publisher.parse.fields import MAX_LINE, MAX_LINK, MAX_SUMMARY, Fields, absolute, date_of, language_of
from feed_publisher.parse.jsonfile import content_of, join_place, load_json
from feed_publisher.parse.media import MAX_FILES, Media, file, picture, settled
from feed_publisher.parse.text import clean, cut, lines_of


def read_jsonfeed(data: bytes, name: str, rules: ParseRules) -> Reading:
    """Drafts in the order of the document. Never raises: what cannot be read is a Problem."""
    try:
        feed, items = _feed(load_json("\n".join(lines_of(to_text(data, [rules.charset])))))
    except InputError as error:
        return Reading(problems=(Problem(where=join_place(name, error.where), reason=error.reason),))
    base = rules.base or absolute(feed.get("feed_url"), "") or absolute(feed.get("home_page_url"), "") or ""
    about = _about(feed, base)
    document = Document(name=name, base=base, is_atom=False, language=about.language, authors=_authors(feed))
    drafts, problems = _drafts(items[:MAX_ENTRIES], document)
    if len(items) > MAX_ENTRIES:
        problems.append(too_many(name, len(items)))
    return Reading(drafts=tuple(drafts), problems=tuple(problems), about=about)


def _feed(document: object) -> tuple[Mapping[str, object], list[object]]:
    items = document.get("items") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(items, list):
        raise InputError('is JSON, but not a JSON Feed: it has no list of "items"; check the address')
    return document, items


def _authors(feed: Mapping[str, object]) -> tuple[str, ...]:
    """Those of the feed; wrong ones cost no entry."""
    try:
        return Fields(values=feed).authors()
    except InputError:
        return ()


def _about(feed: Mapping[str, object], base: str) -> About:
    return About(
        kind="json feed",
        title=cut(_text(feed, "title"), MAX_LINE),
        language=language_of(feed.get("language")),
        older=absolute(feed.get("next_url"), base),
        hub=_hub(feed.get("hubs"), base),
        itself=absolute(feed.get("feed_url"), base),
    )


def _hub(hubs: object, base: str) -> str | None:
    """There may be hubs of other protocols, such as rssCloud."""
    found = [hub for hub in hubs if isinstance(hub, dict)] if isinstance(hubs, list) else []
    named = (absolute(hub.get("url"), base) for hub in found if str(hub.get("type")).lower() == "websub")
    return next(filter(None, named), None)


def _drafts(items: list[object], document: Document) -> tuple[list[Draft], list[Problem]]:
    drafts: list[Draft] = []
    problems: list[Problem] = []
    for index, item in enumerate(items):
        where = f"{document.name}: items[{index}]"
        try:
            draft, fault = _draft(item, where, index, document)
        except InputError as error:
            problems.append(Problem(where=f"{where}.{error.where}" if error.where else where, reason=error.reason))
            continue
        drafts.append(draft)
        if fault:
            problems.append(Problem(where=where, reason=fault))
    return drafts, problems


def _draft(item: object, where: str, place: int, document: Document) -> tuple[Draft, str]:
    """The draft, and why its content was left out."""
    if not isinstance(item, dict):
        raise InputError("is not an object; give every item an id and a title")
    fields = Fields(values=item)
    link = absolute(item.get("url"), document.base)  # external_url is what the entry is about, not the entry
    base = document.base or link or ""
    content, words, fault = _content(fields, base)
    summary = cut(_text(item, "summary"), MAX_SUMMARY) or cut(words, SHORT)
    title = cut(_text(item, "title"), MAX_LINE) or cut(summary, 80)
    if not title:
        raise InputError('has neither a title nor a text; give it a "title"')
    image, enclosures = _media(item, base)
    draft = Draft(
        title=title,
        where=where,
        place=place,
        authors=fields.authors() or document.authors,
        summary=summary,
        content_html=content,
        topics=fields.many("tags"),
        explicit_id=_identity(item),
        link=link,
        published=date_of(item.get("date_published")) or date_of(item.get("date_modified")),
        language=_other_language(item, document.language),
        image=image,
        enclosures=enclosures,
    )
    return draft, fault


def _content(fields: Fields, base: str) -> tuple[str, str, str]:
    if any(len(fields.raw(key)) > MAX_CONTENT for key in ("content_html", "content_text")):
        return "", "", TOO_LONG
    try:
        return *content_of(fields, base), ""
    except InputError as error:
        return "", "", f"its content was left out: {error.reason}"


def _media(item: Mapping[str, object], base: str) -> Media:
    attachments = item.get("attachments")
    listed = attachments[: MAX_FILES * 2] if isinstance(attachments, list) else []
    files = (
        file(each.get("url"), base, each.get("mime_type"), each.get("size_in_bytes"), _text(each, "title"))
        for each in listed
        if isinstance(each, dict)
    )
    return settled(picture(item.get("image"), base) or picture(item.get("banner_image"), base), files)


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return clean(value) if isinstance(value, str) else ""


def _identity(item: Mapping[str, object]) -> str | None:
    """The standard asks for a text; numbers are read as one."""
    value = item.get("id")
    text = str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _text(item, "id")
    if len(text) > MAX_LINK:
        raise InputError(f"is longer than {MAX_LINK:,} characters; shorten it", "id")
    return text or None


def _other_language(item: Mapping[str, object], of_feed: str | None) -> str | None:
    found = language_of(item.get("language"))
    return None if found is None or (of_feed and found.lower() == of_feed.lower()) else found
