"""One entry of a page, read from the element or the elements it consists of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from itertools import chain, islice

from feed_publisher.domain.model import Draft
from feed_publisher.parse.byline import is_certain, names_of, split_authors
from feed_publisher.parse.fields import MAX_MANY, MAX_SUMMARY
from feed_publisher.parse.pages.dates import machine_date, visible_date, without_date
from feed_publisher.parse.pages.flow import lines_in
from feed_publisher.parse.pages.pictures import card_picture, marked_picture
from feed_publisher.parse.pages.topics import topic_of
from feed_publisher.parse.pages.tree import HEADINGS, Element, Page, language_at, names_in, text_of, tokens
from feed_publisher.parse.text import clean, cut

MAX_ELEMENTS = 400  # of one entry that are looked at
ENOUGH_SUMMARY = 300  # characters; paragraphs are added until there are as many

_TITLE = re.compile(r"(?<![a-z])(?<!sub-)(?:headline|title|heading)(?![a-z])")
_SUMMARY = re.compile(
    r"(?<![a-z])(?:summary|excerpt|teaser-text|description|standfirst|dek|deck|lede|abstract|subtitle|sub-title|blurb)(?![a-z])"
)
_AUTHOR = re.compile(r"(?<![a-z])(?:byline|by-line|authors?|writer|contributors?)(?![a-z])")
_DATE = re.compile(r"(?<![a-z])(?:date|dateline|published|pubdate|posted|time|timestamp|meta)(?![a-z])")
_NOT_TITLE = re.compile(r"(?<![a-z])(?:author|byline|tag|tags|category|kicker|avatar|label|eyebrow)(?![a-z])")
_MORE = re.compile(
    r"[\s(\[]*(?:…|\.\.\.)?[\s)\]]*(?:read (?:more|on|the (?:full )?(?:story|article))|continue reading|full story"
    r"|more|weiterlesen|mehr|lire la suite|leer más|leggi tutto|المزيد|اقرأ المزيد|קרא עוד|המשך קריאה|ادامه مطلب)"
    r"\s*[»›→>…\.]*",
    re.IGNORECASE,
)
_PAGE = re.compile(r"page \d{1,9} of \d{1,9}\.?", re.IGNORECASE)
_BY = re.compile(
    r"(?:by|von|par|por|di|door|af|av|автор|بقلم|كتب|מאת|نوشته|نویسنده|作者|文)(?::|：|\s)\s*(?=\S)", re.IGNORECASE
)
_SEPARATOR = re.compile(r"\s+[|·•–—/]\s+|\s*[|·•]\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Elements known to hold a field. None: nothing is known, so it is looked for; empty: it has none."""

    title: Sequence[Element] | None = None
    link: Sequence[Element] | None = None
    summary: Sequence[Element] | None = None
    author: Sequence[Element] | None = None
    date: Sequence[Element] | None = None
    topic: Sequence[Element] | None = None
    identity: Sequence[Element] | None = None
    image: Sequence[Element] | None = None

    def or_else(self, others: Hints) -> Hints:
        """These, and where nothing is known, those of ``others``."""
        pairs = ((item.name, getattr(self, item.name)) for item in fields(self))
        return Hints(**{name: getattr(others, name) if mine is None else mine for name, mine in pairs})


def read_card(page: Page, tops: Sequence[Element], hints: Hints = Hints()) -> Draft | None:
    """None when it has no title, or when its title leads to what was paid for."""
    inside = _inside(page, tops)
    titled = hints.title[0] if hints.title else None
    if hints.title is None:
        titled = _title_element(page, inside)
    if titled is None:
        return None
    title, anchor = _words(titled), _title_link(page, titled)
    if not title or (anchor is not None and "sponsored" in tokens(anchor, "rel")):
        return None
    lines = [line.text for line in lines_in(page, tops, MAX_ELEMENTS)]
    authors = _authors(hints.author, inside, lines, title)
    link = _link(page, hints.link, anchor, inside)
    return Draft(
        title=title,
        where=page.where(titled),
        link=link,
        authors=authors[:MAX_MANY],
        summary=cut(_summary(hints.summary, inside, lines, title), MAX_SUMMARY),
        published=_published(hints.date, inside, title),
        topics=topic_of(page, titled, tops[0]) if hints.topic is None else _names_of_topics(hints.topic),
        explicit_id=next((page.link(_address(element)) for element in hints.identity or ()), None),
        language=_language(page, titled),
        image=marked_picture(page, hints.image or ()) or card_picture(page, tops, inside, link),
    )


def _names_of_topics(hinted: Sequence[Element]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(_words, hinted))))[:MAX_MANY]


def is_article_link(page: Page, element: Element) -> bool:
    if element.tag != "a" or page.link(element.get("href")) is None:
        return False
    return not {"author", "tag", "category"} & set(tokens(element, "rel")) and not _NOT_TITLE.search(names_in(element))


def has_words(text: str, words: int) -> bool:
    """At least so many words, or as many characters in a script that does not part words."""
    return text.count(" ") + 1 >= words or (len(text) >= words * 4 and not text.isascii())


def is_more(text: str) -> bool:
    return bool(_MORE.fullmatch(text))


def _inside(page: Page, tops: Sequence[Element]) -> list[Element]:
    found = islice((element for top in tops for element in top.iter()), MAX_ELEMENTS)
    return list(found) if tops[0] in page.outside else [element for element in found if element not in page.outside]


def _title_element(page: Page, inside: Sequence[Element]) -> Element | None:
    headings = [element for element in inside if element.tag in HEADINGS or element.get("role") == "heading"]
    headings = [element for element in headings if text_of(element)]
    linked = (element for element in headings if _title_link(page, element) is not None)
    named = (element for element in inside if _TITLE.search(names_in(element)) and text_of(element))
    found = next(chain(linked, headings, named), None)
    return _wordiest_link(page, inside) if found is None else found


def _wordiest_link(page: Page, inside: Sequence[Element]) -> Element | None:
    links = [element for element in inside if is_article_link(page, element)]
    texts = [(len(text), element) for element in links if (text := text_of(element)) and not is_more(text)]
    return max(texts, key=lambda pair: pair[0])[1] if texts else None


def _title_link(page: Page, titled: Element) -> Element | None:
    """The link in or around the title; the entry itself may be inside of a link."""
    for element in titled.iter("a"):
        if page.link(element.get("href")):
            return element
    around = islice(titled.iterancestors(), 12)
    return next((element for element in around if element.tag == "a" and page.link(element.get("href"))), None)


def _link(
    page: Page, hinted: Sequence[Element] | None, anchor: Element | None, inside: Sequence[Element]
) -> str | None:
    if hinted is not None:
        return next(filter(None, (page.link(_address(element)) for element in hinted)), None)
    if anchor is not None:
        return page.link(anchor.get("href"))
    links = [element for element in inside if is_article_link(page, element)]
    bookmark = next((element for element in links if "bookmark" in tokens(element, "rel")), None)
    more = next((element for element in links if is_more(text_of(element)) or not text_of(element)), None)
    best = bookmark if bookmark is not None else more
    return None if best is None else page.link(best.get("href"))


def _address(element: Element) -> str | None:
    """Of a link, of what carries one as an attribute, of a link in or around it, or in plain text."""
    for name in ("href", "content", "data-href", "src"):
        if element.get(name):
            return element.get(name)
    inner = element.find(".//a[@href]")
    outer = next(element.iterancestors("a"), None) if inner is None else inner
    found = None if outer is None else outer.get("href")
    return found or clean("".join(str(part) for part in element.itertext())) or None


def _words(element: Element) -> str:
    """What it says; machines read its ``content`` instead."""
    return clean(element.get("content") or "") or text_of(element)


def _authors(
    hinted: Sequence[Element] | None, inside: Sequence[Element], lines: Sequence[str], title: str
) -> tuple[str, ...]:
    if hinted is not None:
        return _names(_words(element) for element in hinted)
    named = [element for element in inside if "author" in tokens(element, "rel") + tokens(element, "itemprop")]
    if not named:
        labelled = [element for element in inside if _AUTHOR.search(names_in(element)) and element.tag not in HEADINGS]
        named = [element for element in labelled if not set(element.iterancestors()) & set(labelled)]
    names = _names(map(_words, named))
    return names or _names(_byline(line) for line in lines[:12] if line != title and is_certain(_byline(line)))


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for text in texts for name in author_names(text)))


def author_names(text: str) -> tuple[str, ...]:
    """Of "By Ann Po and Sam Lee | 22 November 2026", with or without the By, in several languages."""
    piece = _byline(text)
    names = names_of(piece)
    if names is None:
        names = _BY.sub("", piece, count=1) if _BY.match(piece) else piece
    return split_authors(names) if len(names) <= 300 and names.count(" ") < 30 and not visible_date(names) else ()


def _byline(text: str) -> str:
    return next(filter(None, _SEPARATOR.split(without_date(text))), "").strip(" ,")


def _published(hinted: Sequence[Element] | None, inside: Sequence[Element], title: str) -> datetime | None:
    if hinted is not None:
        return next(filter(None, (_date_of(element) for element in hinted)), None)
    times = [element for element in inside if element.tag == "time" or "datepublished" in tokens(element, "itemprop")]
    for element in times:
        if date := _date_of(element):
            return date
    for element in inside:
        if element.tag in HEADINGS or not (_DATE.search(names_in(element)) or not len(element)):
            continue
        text = text_of(element)
        if len(text) <= 80 and text != title and (date := visible_date(text)):
            return date
    return None


def _date_of(element: Element) -> datetime | None:
    for name in ("datetime", "content", "title"):
        if date := machine_date(element.get(name)):
            return date
    return visible_date(text_of(element)[:200])


def _summary(hinted: Sequence[Element] | None, inside: Sequence[Element], lines: Sequence[str], title: str) -> str:
    if hinted is not None:
        return without_more(" ".join(filter(None, map(_words, hinted))))
    for element in inside:
        if "description" in tokens(element, "itemprop") or _SUMMARY.search(names_in(element)):
            text = without_more(_words(element))
            if text and text != title:
                return text
    paragraphs = [text_of(element) for element in inside if element.tag in ("p", "dd", "blockquote")]
    return _prose(paragraphs, title) or _prose([_after(line, title) for line in lines], title)


def _prose(texts: Sequence[str], title: str) -> str:
    taken: list[str] = []
    for text in map(without_more, texts):
        if text != title and has_words(text, 3) and not _is_meta(text):
            taken.append(text)
        if sum(map(len, taken)) >= ENOUGH_SUMMARY:
            break
    return " ".join(taken)


def _is_meta(text: str) -> bool:
    """A byline, a date, or both; or the end of the page."""
    if _PAGE.fullmatch(text) or is_certain(_byline(text)) or (len(text) <= 80 and _BY.match(text)):
        return True
    return len(text) <= 60 and visible_date(text) is not None and not text.endswith((".", "?", "!"))


def _after(line: str, title: str) -> str:
    return line.removeprefix(title).lstrip(" :,;|·•–—-")


def without_more(text: str) -> str:
    """Without the "Read more" at its end."""
    start = max(len(text) - 60, 0)
    for found in _MORE.finditer(text, start):
        parted = not found.start() or text[found.start()] in " ….(["
        if found.end() == len(text) and parted:
            return text[: found.start()].rstrip()
    return text


def _language(page: Page, titled: Element) -> str | None:
    """Only where it is another than the page's."""
    for element in (titled, *titled.iterancestors()):
        if language := language_at(element):
            return language if language != page.language and element.tag != "html" else None
    return None
