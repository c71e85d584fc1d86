"""The contrast of every text in a mail, light and dark, from inlined styles and the dark rules of its head."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from cssselect import HTMLTranslator, SelectorError
from lxml import html as lxml_html
from lxml.html import HtmlElement

from feed_publisher.compose.colour import READABLE, READABLE_LARGE, Colour, contrast, parse_colour
from feed_publisher.domain.finding import Finding, error

Styles = Mapping[HtmlElement, dict[str, str]]

_DARK = re.compile(r"@media[^{]*prefers-color-scheme:\s*dark[^{]*\{((?:[^{}]*\{[^{}]*\})*)\s*\}")
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def lint_colours(html: str) -> Iterator[Finding]:
    """One finding for each pair of colours that is hard to read."""
    root = lxml_html.document_fromstring(html)
    dark = _DARK.findall("\n".join(style.text or "" for style in root.iter("style")))
    for mode, styles in (("light", _inlined(root)), ("dark", _with_rules(root, "\n".join(dark)))):
        if mode == "light" or dark:
            yield from _contrasts(root, styles, mode)


def _contrasts(root: HtmlElement, styles: Styles, mode: str) -> Iterator[Finding]:
    seen: set[tuple[Colour, Colour, float]] = set()
    body = root.find("body")
    for element in () if body is None else body.iter():
        if not isinstance(element.tag, str) or not _has_words(element) or _is_hidden(element, styles):
            continue
        colour = _inherited(element, styles, ("color",)) or _BLACK
        background = _inherited(element, styles, ("background-color", "background")) or _WHITE
        least = READABLE_LARGE if _is_large(element, styles) else READABLE
        if contrast(colour, background) < least and (colour, background, least) not in seen:
            seen.add((colour, background, least))
            sample = " ".join((element.text or "").split())[:30]
            ratio = f"{contrast(colour, background):.1f} instead of at least {least}"
            yield error("contrast", f'"{sample}" is hard to read in {mode} mode: a contrast of {ratio}.')


def _has_words(element: HtmlElement) -> bool:
    own = (element.text or "") + "".join(child.tail or "" for child in element)
    return element.tag not in ("style", "script", "title") and bool(own.strip("\u00a0\u034f\u200c \r\n\t"))


def _inlined(root: HtmlElement) -> dict[HtmlElement, dict[str, str]]:
    return {element: _declared(element.get("style") or "") for element in root.iter() if isinstance(element.tag, str)}


def _with_rules(root: HtmlElement, rules: str) -> dict[HtmlElement, dict[str, str]]:
    """As if these rules held; they are marked important, so the later one of two wins over all inlined ones."""
    styles = _inlined(root)
    for selector, declarations in _RULE.findall(rules):
        try:
            path = HTMLTranslator().css_to_xpath(selector.strip())
        except SelectorError:
            continue
        found = root.xpath(path)
        for element in found if isinstance(found, list) else ():
            if isinstance(element, HtmlElement) and element in styles:
                styles[element] |= _declared(declarations)
    return styles


def _declared(text: str) -> dict[str, str]:
    pairs = (part.partition(":") for part in text.split(";"))
    return {name.strip().lower(): value.replace("!important", "").strip() for name, _, value in pairs if value}


def _inherited(element: HtmlElement, styles: Styles, names: tuple[str, ...]) -> Colour | None:
    for each in (element, *element.iterancestors()):
        for name in names:
            colour = parse_colour(styles.get(each, {}).get(name, ""))
            if colour is not None:
                return colour
    return None


def _is_hidden(element: HtmlElement, styles: Styles) -> bool:
    return any(styles.get(each, {}).get("display") == "none" for each in (element, *element.iterancestors()))


def _is_large(element: HtmlElement, styles: Styles) -> bool:
    size = _nearest(element, styles, "font-size", r"([\d.]+)px") or "16"
    weight = _nearest(element, styles, "font-weight", r"\b(bold|[6-9]00|normal|[1-5]00)\b")
    bold = weight is not None and weight not in ("normal", "100", "200", "300", "400", "500")
    return float(size) >= (18.66 if bold else 24)


def _nearest(element: HtmlElement, styles: Styles, name: str, pattern: str) -> str | None:
    """What the element, or its nearest ancestor that says so, declares by itself or in the shorthand."""
    for each in (element, *element.iterancestors()):
        declared = styles.get(each, {})
        for value in (declared.get(name, ""), declared.get("font", "")):
            if found := re.search(pattern, value):
                return found[1]
    return None
