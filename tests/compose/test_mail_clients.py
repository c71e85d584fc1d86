"""What the shipped templates are written with works in the mail programs most people use, or has a known fallback."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from compose.test_digest import DIGEST, SUN, edition, line, shipped
from compose.test_digest_look import BOAT, LOGO
from lxml import html as lxml_html

from feed_publisher.compose.html import inline_css
from feed_publisher.compose.mailcss import AT_RULES, ELEMENTS, PROPERTIES, foreign_properties, foreign_rules
from feed_publisher.domain.issue import Edition, Images

__all__ = ["shipped"]
TEMPLATES = Path(__file__).parents[2] / "templates" / "email"


@pytest.fixture(scope="module")
def mail(shipped) -> Edition:
    told = replace(LOGO, footer="x https://harbour.example/", imprint="y")
    lines = [line(1, image=BOAT), line(2, SUN), line(3, language="ar")]
    return edition(shipped, lines, site=told, digest=replace(DIGEST, images=Images.ALL), maximum=2)


def sheets(html: str) -> str:
    return "\n".join(re.findall(r"<style[^>]*>(.*?)</style>", html, re.S))


def test_only_known_html_and_css_is_used(mail):
    root = lxml_html.document_fromstring(mail.html)
    assert {element.tag for element in root.iter() if isinstance(element.tag, str)} <= set(ELEMENTS)
    for element in root.iter():
        assert foreign_properties(element.get("style") or "") == set(), element.get("style")
    for declarations in re.findall(r"\{([^{}]*)\}", sheets(mail.html)):
        assert foreign_properties(declarations) == set()
    assert foreign_rules(sheets(mail.html)) == set()


def test_every_style_of_the_templates_is_in_the_table(mail):
    """Those of letters, too, which no digest has."""
    source = (TEMPLATES / "base.html").read_text()
    declared = re.findall(r"\{([^{}]*)\}", re.sub(r"\{\{.*?\}\}", "#000000", sheets(source)))
    assert len(declared) > 30
    assert {name for each in declared for name in foreign_properties(each)} == set()
    names = {part.partition(":")[0].strip() for each in declared for part in each.split(";") if ":" in part}
    spare = set(PROPERTIES) - names - {"background-color", "border-bottom", "border-bottom-color", "padding-bottom"}
    assert all(PROPERTIES[name] == "" for name in spare), f"no longer used: {spare}"


def test_what_matters_is_inlined(mail):
    """Gmail for other accounts, and Word in part, leave the style elements out."""
    root = lxml_html.document_fromstring(re.sub(r"<style.*?</style>", "", mail.html, flags=re.S))
    for cell in root.xpath("//td[contains(@class, 'cell')]"):
        assert {"color", "font", "padding"} <= {part.partition(":")[0].strip() for part in cell.get("style").split(";")}
    assert "display: none" in root.xpath("//div[contains(@class, 'preheader')]")[0].get("style")


def test_dark_mode_and_phones_are_parted(mail):
    """A program that stumbles over one sheet keeps the other; Gmail drops a sheet above 16 kB."""
    found = re.findall(r"<style[^>]*>(.*?)</style>", mail.html, re.S)
    assert ["max-width" in sheet for sheet in found] == [True, False]
    assert ["prefers-color-scheme" in sheet for sheet in found] == [False, True]
    assert all(len(sheet) < 16_000 for sheet in found)
    assert all("/*" not in sheet for sheet in found)


def test_one_column_that_fits_everywhere(mail):
    root = lxml_html.document_fromstring(mail.html)
    assert all(len(row.findall("td")) == 1 for row in root.iter("tr"))
    assert all(table.get("role") == "presentation" for table in root.iter("table"))
    assert mail.html.count("<!--[if mso]>") == mail.html.count("<![endif]-->") == 2


def test_important_is_written_as_gmail_and_outlook_want_it(mail):
    for rule in re.findall(r"[^ ]*!\s*important", sheets(mail.html), re.I):
        assert rule == "!important"
    assert "!important" not in re.sub(r"<style.*?</style>", "", mail.html, flags=re.S), "Word ignores it inline"


def test_the_table_says_what_happens_where_something_does_not_work():
    assert all(PROPERTIES[name] for name in ("border-radius", "max-width", "display", "text-decoration-thickness"))
    assert all(AT_RULES.values())
    assert foreign_properties("colour: red; position: fixed") == {"colour", "position"}
    assert foreign_rules("@import url(x); @media (max-width: 9px) {} @supports (x) {}") == {
        "@import url(x)",
        "@supports (x)",
    }


def test_only_the_style_element_is_parted():
    title = "@media (prefers-color-scheme: dark)"
    made = inline_css(f"<head><title>{title}</title><style>p {{ color: red }}</style></head><p>{title}</p>")
    assert made.count(title) == 2
    assert "</style>\n<style>" not in made
