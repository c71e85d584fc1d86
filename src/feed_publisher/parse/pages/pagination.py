"""The page with older entries."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from feed_publisher.parse.pages.selectors import Chosen
from feed_publisher.parse.pages.tree import Element, Page, found_at, names_in, text_of, tokens
from feed_publisher.parse.text import clean

MAX_LINKS = 2_000  # the last of the page

_COUNT = re.compile(r"\bpage\s+(\d{1,6})\s+(?:of|/)\s+(\d{1,6})\b", re.IGNORECASE)
_PARAMETERS = ("page", "paged", "pg", "p", "page_no", "pagenum")
_IN_PATH = re.compile(r"/page/\d{1,6}(?=/|$)")
_CURRENT = re.compile(r"(?<![a-z])(?:current|active|selected|on)(?![a-z])")
_OLDER = re.compile(
    r"[\s»›→>]*"
    r"(?:next(?: page)?|older(?: (?:posts|entries|articles|stories))?|weiter|nächste(?: seite)?"
    r"|ältere(?: beiträge)?"
    r"|(?:page )?suivante?|siguiente|próxima|successiva|volgende|التالي|الصفحة التالية|הבא|לעמוד הבא|بعدی|صفحه بعد)"
    r"[\s»›→>]*",
    re.IGNORECASE,
)


def older_page(page: Page, chosen: Chosen, guess: bool) -> str | None:
    """The next page of the listing on the same host; ``guess``: make its address up when nothing leads there."""
    if "next" in chosen.paths:
        return _first(page, (_anchor(element) for element in chosen.find("next", page.root)))
    stated = [element for element in page.root.iter("link", "a") if "next" in tokens(element, "rel")]
    links = [element for element in page.body.iter("a") if element.get("href")][-MAX_LINKS:]
    count = _count(page)
    if count is not None and count[0] >= count[1]:
        return _first(page, stated)
    number = count[0] if count else _current(links, page)
    numbered = [link for link in links if number is not None and text_of(link) == str(number + 1)]
    worded = [link for link in links if _OLDER.fullmatch(text_of(link) or clean(link.get("aria-label") or ""))]
    found = _first(page, [*stated, *_among_others(numbered, count is not None), *worded])
    if found or count is None or not guess or not page.address:
        return found
    return _on_host(page, _guessed(page.address, count[0] + 1))


def _first(page: Page, elements: Iterable[Element | None]) -> str | None:
    links = (page.link(element.get("href")) for element in elements if element is not None)
    return next(filter(None, (_on_host(page, link) for link in links)), None)


def _on_host(page: Page, link: str | None) -> str | None:
    """Also not the page itself, nor anything while it is not known where the page is."""
    here, there = urlsplit(page.address), urlsplit(link or "")
    return link if link and page.address and here.netloc == there.netloc and link != page.address else None


def _anchor(element: Element) -> Element | None:
    """A link is often chosen by its list item or its icon."""
    if element.get("href"):
        return element
    inner = element.find(".//a[@href]")
    return next(element.iterancestors("a"), None) if inner is None else inner


def _count(page: Page) -> tuple[int, int] | None:
    """The last "Page n of m" of the page."""
    found = [(int(n), int(m)) for n, m in _COUNT.findall(text_of(page.body))]
    return found[-1] if found else None


def _current(links: list[Element], page: Page) -> int | None:
    """The number that stands out among linked numbers: said to be current, or no link."""
    numbered = {text_of(link): link for link in links if text_of(link).isdecimal() and len(text_of(link)) < 7}
    for element in found_at(page.body, ".//*[@aria-current='page']"):
        if (text := text_of(element)) and text.isdecimal() and len(text) < 7:
            return int(text)
    for link in numbered.values():
        for element in _neighbours(link):
            text = text_of(element) if page.sizes[element] < 7 else ""
            stands_out = not _links_away(element) or _CURRENT.search(names_in(element))
            if text.isdecimal() and stands_out:
                return int(text)
    return None


def _neighbours(link: Element) -> list[Element]:
    """What stands beside a link, which may be boxed in a list item."""
    parent = link.getparent()
    around = [] if parent is None else list(islice(parent, 20))
    above = None if parent is None else parent.getparent()
    return around if len(around) > 1 or above is None else [*around, *islice(above, 20)]


def _links_away(element: Element) -> bool:
    return bool(element.get("href")) or element.find(".//a[@href]") is not None


def _among_others(numbered: list[Element], is_counted: bool) -> list[Element]:
    """A number alone may be a chapter or a count of comments."""
    return numbered if is_counted or len(numbered) < 3 else []


def _guessed(address: str, number: int) -> str:
    parts = urlsplit(address)
    if _IN_PATH.search(parts.path):
        return urlunsplit(parts._replace(path=_IN_PATH.sub(f"/page/{number}", parts.path, count=1), fragment=""))
    query = parse_qsl(parts.query, keep_blank_values=True)
    name = next((name for name in _PARAMETERS if name in dict(query)), "page")
    query = [(key, value) for key, value in query if key != name] + [(name, str(number))]
    return urlunsplit(parts._replace(query=urlencode(query), fragment=""))
