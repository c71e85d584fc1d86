from __future__ import annotations

from pathlib import Path

import pytest

from feed_publisher.adapters.catalogs import Catalogs
from feed_publisher.adapters.templates import environment
from feed_publisher.compose.html import render
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.language import Say

HEAD = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n'


def own(folder: Path, name: str, *pairs: tuple[str, str]) -> Catalogs:
    words = "".join(f'\nmsgid "{message}"\nmsgstr "{text}"\n' for message, text in pairs)
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(HEAD + words, encoding="utf-8")
    return Catalogs(folder)


def test_from_a_variety_to_its_language_to_english() -> None:
    assert Catalogs().of("de-AT").gettext("Privacy") == "Datenschutz"
    assert Catalogs().of("fr").gettext("Privacy") == "Privacy"
    assert Catalogs().of("de").gettext("not in any catalog") == "not in any catalog"


def test_a_site_says_one_sentence_in_its_own_way(tmp_path: Path) -> None:
    catalogs = own(tmp_path, "de.po", ("Privacy", "Daten"))
    assert catalogs.of("de-CH").gettext("Privacy") == "Daten"
    assert catalogs.of("de").gettext("Imprint") == "Impressum"
    assert own(tmp_path, "de_CH.po", ("Privacy", "Privates")).of("de-CH").gettext("Privacy") == "Privates"


def test_also_the_english_ones(tmp_path: Path) -> None:
    catalogs = own(tmp_path, "en.po", ("Imprint", "About us"))
    assert catalogs.of("en-GB").gettext("Imprint") == "About us"
    assert catalogs.of("fr").gettext("Imprint") == "About us"
    assert catalogs.of("de").gettext("Imprint") == "Impressum"


def test_a_site_adds_a_language(tmp_path: Path) -> None:
    catalogs = own(tmp_path, "fr.po", ("Privacy", "Confidentialité"))
    assert catalogs.languages == {"en", "de", "ar", "fr"}
    assert catalogs.of("fr").gettext("Privacy") == "Confidentialité"
    assert catalogs.of("fr").gettext("Imprint") == "Imprint"


@pytest.mark.parametrize("text", ["Ausgabe %(nummer)s", "100 %", "Ausgabe %s"])
def test_a_sentence_with_a_slip_is_left_out(tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture) -> None:
    catalogs = own(tmp_path, "de.po", ("Issue %(number)s", text), ("Privacy", "Daten"))
    assert catalogs.of("de").gettext("Issue %(number)s") == "Ausgabe %(number)s"
    assert catalogs.of("de").gettext("Privacy") == "Daten"
    assert "de.po:5: " in caplog.text


def test_a_file_that_is_no_catalog_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "de.po").write_text(HEAD + "\nmsgid broken\n", encoding="utf-8")
    with pytest.raises(TemplateError, match=r"de\.po:5: "):
        Catalogs(tmp_path).of("de")
    (tmp_path / "de.po").write_bytes(HEAD.encode() + b'\nmsgid "a"\nmsgstr "\xff"\n')
    with pytest.raises(TemplateError, match=r"de\.po: "):
        Catalogs(tmp_path).of("de")


# How templates use them


def said(tmp_path: Path, source: str, language: str, name: str = "page.html", **values: object) -> str:
    (tmp_path / name).write_text(source, encoding="utf-8")
    return render(environment(tmp_path, "UTC", "en"), name, language=language, **values)


def test_the_page_is_in_the_language_it_is_rendered_in(tmp_path: Path) -> None:
    source = "{% trans number=n %}Issue {{ number }}{% endtrans %}"
    assert said(tmp_path, source, "de", n="<7>") == "Ausgabe &lt;7&gt;"
    assert said(tmp_path, source, "en", n=7) == "Issue 7"
    assert said(tmp_path, source, "ar", "mail.txt", n="<7>") == "العدد <7>"


MORE = (
    "{% trans count=n, shown=n | number %}{{ shown }} more article on the web"
    "{% pluralize %}{{ shown }} more articles on the web{% endtrans %}"
)


@pytest.mark.parametrize(
    ("language", "number", "text"),
    [
        ("en", 1, "1 more article on the web"),
        ("en", 1234, "1,234 more articles on the web"),
        ("de", 1, "1 weiterer Artikel im Web"),
        ("de", 1234, "1.234 weitere Artikel im Web"),
        ("ar", 1, "مقال آخر على الموقع"),
        ("ar", 2, "مقالان آخران على الموقع"),
        ("ar", 7, "7 مقالات أخرى على الموقع"),
        ("ar", 11, "11 مقالًا آخر على الموقع"),
        ("ar", 100, "100 مقال آخر على الموقع"),
    ],
)
def test_plurals(tmp_path: Path, language: str, number: int, text: str) -> None:
    assert said(tmp_path, MORE, language, n=number) == text


def test_a_sentence_from_the_code_is_said_where_it_is_printed(tmp_path: Path) -> None:
    sentence = Say("Issue %(number)s", number="<7>")
    assert sentence == "Issue <7>"
    assert said(tmp_path, "{{ it }} {{ [it][0] }}", "de", it=sentence) == "Ausgabe &lt;7&gt; Ausgabe &lt;7&gt;"
    within = Say("By %(authors)s", authors=Say("Privacy"))
    assert said(tmp_path, "{{ it }}", "de", it=within) == "Von Datenschutz"
    assert said(tmp_path, "{{ it | sentence }}", "de", it=Say("Privacy")) == "Datenschutz."


def test_names_of_the_other_direction_are_kept_apart(tmp_path: Path) -> None:
    apart = "{{ it | apart }}"
    assert said(tmp_path, apart, "ar", it="<Quay> 7") == '<span dir="ltr">&lt;Quay&gt; 7</span>'
    assert said(tmp_path, apart, "de", it="مقال") == '<span dir="rtl">مقال</span>'
    assert said(tmp_path, apart, "ar", "mail.txt", it="Quay") == "\u2068Quay\u2069"
    for language, text in (("de", "Quay & 7"), ("ar", "مقال 7"), ("ar", "24")):
        assert said(tmp_path, apart, language, "mail.txt", it=text) == text
