"""Readers are written to, and answered, in their language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from lxml import html
from spoken_site import left_in_english, page_of, reader_pages, shown, spoken
from web_site import ELSEWHERE, filled

from feed_publisher.domain.address import parse_address
from feed_publisher.domain.token import Purpose
from feed_publisher.parse.subscribers import SubscriberRow


@pytest.mark.parametrize(
    ("language", "of_digest", "subject", "tag"),
    [
        ("ar", "", "يرجى التأكيد: The Tides", "ar"),
        ("de-AT", "", "Bitte bestätigen: The Tides", "de-AT"),
        (None, 'language = "de"', "Bitte bestätigen: The Tides", "de"),
        ("fi", 'language = "de"', "Bitte bestätigen: The Tides", "de"),
        (None, "", "Please confirm: The Tides", "en"),
    ],
)
def test_letters_are_in_the_language_of_the_reader_or_of_the_digest(
    tmp_path: Path, sqlite_template: Path, language: str | None, of_digest: str, subject: str, tag: str
) -> None:
    rest = f'[[digests]]\nslug = "hello"\ntitle = "The Tides"\nfrom_address = "h@harbour.example"\n{of_digest}\n'
    with filled(tmp_path / "site", sqlite_template, rest=rest) as site:
        reader = parse_address("new@example.org")
        row = SubscriberRow(line=1, address=reader, language=language)
        site.app.add_subscribers("hello", iter([row]), active=False, file="file.csv")
        site.app.subscribe.ask("hello", reader, None, site.clock())
        (mail,) = site.letters()
    assert mail.subject == subject
    assert f"Content-Language: {tag}\r\n" in mail.raw.decode()
    assert f'lang="{tag}" dir="{"rtl" if tag == "ar" else "ltr"}"' in mail.html


@pytest.mark.parametrize("language", ["de", "ar"])
def test_no_page_has_english_left(tmp_path: Path, sqlite_template: Path, language: str) -> None:
    with spoken(tmp_path / "site", sqlite_template, language) as site:
        for address in reader_pages(site, language):
            page = page_of(site, address)
            head = f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">'
            assert head in page, address
            assert left_in_english(shown(page), language) == [], address


@pytest.mark.parametrize(("language", "word"), [("de", "Abbestellen"), ("ar", "إلغاء الاشتراك")])
def test_a_reader_of_another_language_than_the_site(
    tmp_path: Path, sqlite_template: Path, language: str, word: str
) -> None:
    """From the sign-up page to leaving, on an English site."""
    with filled(tmp_path / "site", sqlite_template, site='languages = ["de", "ar"]') as site:
        client = site.client(ELSEWHERE)

        def check(page: str) -> html.HtmlElement:
            root = html.fromstring(page)
            assert root.get("lang") == language
            assert left_in_english(shown(page), language) == []
            return root

        offered = html.fromstring(client.get("/digests/weekly").text).xpath("//nav[@class='tongues']//a")
        assert [each.get("hreflang") for each in offered] == ["en", "de", "ar"]
        (link,) = (each.get("href") for each in offered if each.get("hreflang") == language)
        form = check(client.get(link).text).forms[0]
        wrong = client.post(form.action, data={**dict(form.fields), "email": "ann@@example.org"})
        check(wrong.text)
        check(client.post(form.action, data={**dict(form.fields), "email": "ann@example.org"}).text)
        (letter,) = site.letters()
        assert f"Content-Language: {language}\r\n" in letter.raw.decode()
        assert left_in_english([*letter.text.split("\n"), letter.subject, *shown(letter.html)], language) == []

        confirm = urlsplit(next(word for word in letter.text.split() if "/confirm/" in word)).path
        check(client.get(confirm).text)
        check(client.post(confirm, data={"confirm": "yes"}).text)
        site.mail()
        issue = next(mail for mail in site.letters() if mail.to == "ann@example.org" and "/preferences/" in mail.text)
        assert left_in_english([*issue.text.split("\n"), issue.subject, *shown(issue.html)], language) == []
        assert word in issue.html

        mine = urlsplit(next(word for word in issue.text.split() if "/preferences/" in word)).path
        check(client.get(mine).text)
        saved = client.post(mine, data={"digest": "weekly", "action": "save", "cadence": "weekly", "hour": "x"})
        assert saved.status_code == 422
        check(saved.text)
        leave = urlsplit(next(word for word in issue.text.split() if "/unsubscribe/" in word)).path
        check(client.get(leave).text)
        check(client.post(leave, data={"action": "pause"}).text)
        check(client.post(leave, data={"List-Unsubscribe": "One-Click"}).text)
        assert site.state("ann@example.org") == "unsubscribed"


def test_a_reader_changes_the_language_and_nothing_else(tmp_path: Path, sqlite_template: Path) -> None:
    with filled(tmp_path / "site", sqlite_template, site='languages = ["de", "ar"]') as site:
        site.join("ann@example.org")
        before = site.reader("ann@example.org")
        page = f"/preferences/{site.token(Purpose.PREFERENCES, before.subscription)}"
        client = site.client(ELSEWHERE)
        for tongue in ("ar", "ar", "xx"):
            answer = client.post(page, data={"digest": "weekly", "action": "language", "language": tongue})
            assert answer.status_code == (422 if tongue == "xx" else 303)
        after = site.reader("ann@example.org")
        assert after == replace(before, language="ar")
        assert 'lang="ar" dir="rtl"' in client.get(page).text
        history = site.app.preferences.history(after)
        assert (history[0].what, history[0].detail) == ("changed", "language ar")
        assert len(history) == 3  # asked, joined, changed


def test_a_stranger_changes_no_readers_language(tmp_path: Path, sqlite_template: Path) -> None:
    with filled(tmp_path / "site", sqlite_template, site='languages = ["de", "ar"]') as site:
        site.ask("ann@example.org", language="de")
        site.ask("ann@example.org", language="ar")
        assert site.reader("ann@example.org").language == "ar", "not confirmed yet: the last word counts"
        site.client().post(site.confirm_url("ann@example.org", 1), data={"confirm": "yes"})
        site.clock.pass_(days=2)
        site.ask("ann@example.org", language="de")
        site.client(ELSEWHERE).post("/digests/towns", data={"email": "ann@example.org", "language": "de"})
        assert site.reader("ann@example.org").language == "ar"


def test_only_languages_on_offer(tmp_path: Path, sqlite_template: Path) -> None:
    with filled(tmp_path / "site", sqlite_template) as site:
        for address in ("/digests/weekly", "/digests/weekly?language=de"):
            page = site.client(ELSEWHERE).get(address, headers={"accept-language": "de"}).text
            assert '<html lang="en"' in page
            assert "tongues" not in page
        site.ask("ann@example.org", language="de")
        assert site.reader("ann@example.org").language is None
