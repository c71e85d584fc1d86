from __future__ import annotations

from datetime import UTC, datetime

import pytest

from feed_publisher.compose.lint import lint
from feed_publisher.compose.message import Personal, Sender, Skeleton, encode_body
from feed_publisher.domain.finding import Finding, Level

URL = "https://harbour.news/unsubscribe/" + "A" * 56
TEXT = f"A tide.\n\nTo unsubscribe:\n{URL}\n"
STYLE = """<style>@media (prefers-color-scheme: dark) { .cell, a { color: #e3e9ec !important; }
 .sheet { background: #151f25 !important; } }</style>"""
HTML = f"""<!DOCTYPE html><html lang="en"><head><title>Tide</title>{STYLE}</head>
<body><table role="presentation" class="sheet" style="background: #ffffff"><tr><td class="cell" style="color: #17242b">
<h1 style="font: bold 34px Georgia">Tide</h1><p>A tide. <a href="{URL}">Unsubscribe</a></p>%s
<p class="postal">1 Quay Street</p></td></tr></table></body></html>"""
SENDER = Sender(name="News", address="news@harbour.news", reply_to="desk@harbour.news", list_id="weekly.harbour.news")


def mail(
    extra: str = "", *, html: str = HTML, text: str = TEXT, subject: str = "Tide", sender: Sender = SENDER
) -> bytes:
    personal = Personal(
        to="ann@harbour.news",
        message_id="1.2@harbour.news",
        date=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
        values={},
        unsubscribe_url=URL if sender.list_id else "",
    )
    whole = html.replace("%s", extra)
    return Skeleton(sender, subject, whole, text, "en", "0" * 32).message(personal)


def rules(message: bytes) -> list[str]:
    return [finding.rule for finding in lint(message)]


def test_a_good_mail_gives_no_findings() -> None:
    assert lint(mail()) == ()


def test_a_letter_to_one_person_needs_no_way_out() -> None:
    letter = mail(
        sender=Sender(name="News", address="news@harbour.news"), text="Hi", html=HTML.replace(URL, "https://a.news")
    )
    assert lint(letter) == ()


def test_errors_come_first_and_each_is_said_once() -> None:
    found = lint(mail("{{ x }} <a href='https://a.news/'></a> <a href='https://a.news/'></a>"))
    assert [(each.level, each.rule) for each in found] == [(Level.ERROR, "link text"), (Level.ADVICE, "placeholder")]
    assert all(isinstance(each, Finding) and each.text.endswith(("?", ".")) for each in found)


WIRE = [
    (b"Subject: Tide\r\n", b"Subject: Tide\n", "line ends"),
    (b"A tide.", "Ä tide.".encode(), "8-bit"),
    (b"A tide.", b"A tide." + b"x" * 1000, "line length"),
    (b"Subject: Tide\r\n", b"Subject: Tide\r\nSubject: Other\r\n", "headers"),
    (b"MIME-Version: 1.0\r\n", b"", "headers"),
    (b"Date: Sun, 22 Nov 2026 09:30:00 +0000", b"Date: today", "date"),
    (b"Message-ID: <1.2@harbour.news>", b"Message-ID: 1.2", "message id"),
    (b"To: ann@harbour.news", b"To: ann@harbour.news, bo@harbour.news", "address"),
    (b"Reply-To: desk@harbour.news", b"Reply-To: desk", "address"),
    (b"Subject: Tide", b"Subject:", "subject"),
    (b"List-Id: <weekly.harbour.news>", b"List-Id: =?utf-8?q?weekly?= <weekly.harbour.news>", "list headers"),
    (b"List-Unsubscribe: <https:", b"List-Unsubscribe:\r\n <https:", "list headers"),
    (b"List-Unsubscribe: <https", b"List-Unsubscribe: <http", "one click"),
    (b"List-Unsubscribe=One-Click", b"One-Click", "one click"),
    (b"multipart/alternative", b"multipart/mixed", "parts"),
    (b"Content-Type: text/html", b"Content-Type: text/plain", "parts"),
]


@pytest.mark.parametrize(("old", "new", "rule"), WIRE)
def test_what_mail_servers_stumble_on(old: bytes, new: bytes, rule: str) -> None:
    assert old in mail()
    assert rule in rules(mail().replace(old, new))


def test_an_empty_part() -> None:
    assert "parts" in rules(mail(text=" \n"))
    assert "parts" in rules(mail(html=""))


def test_a_long_subject() -> None:
    assert rules(mail(subject="x" * 78)) == []
    assert rules(mail(subject="x" * 79)) == ["subject"]


HTMLS = [
    ('<a href="https://a.news/"> </a>', "link text"),
    ('<a href="https://a.news/"><img src="https://a.news/a.png" width="9" height="9" alt=""></a>', "link text"),
    ("<a>Here</a>", "link"),
    ('<a href="javascript:x()">Here</a>', "link"),
    ('<a href="/entries/1">Here</a>', "link"),
    ('<img src="https://a.news/a.png" width="300">', "alt text"),
    ('<img src="http://a.news/a.png" width="300" alt="">', "picture"),
    ('<img src="https://a.news/a.png" alt="">', "picture"),
    ('<img src="https://a.news/a.png" width="601" alt="">', "picture"),
    ('<img src="https://a.news/a.png" width="1" height="1" alt="">', "tracking"),
    ("<table><tr><td>x</td></tr></table>", "role"),
    ("<h2> </h2>", "heading"),
    ("<script>x</script>", "element"),
    ("<form></form>", "element"),
    ('<p style="color: #999999">x</p>', "contrast"),
    ('<p style="color: rgb(250, 250, 250)">x</p>', "contrast"),
    ('<div style="background: #17242b">x</div>', "contrast"),
    ('<p class="pale" style="color: #767676; font: 16px Arial">x</p>', ""),
    ('<p style="color: #949494; font: 24px Arial">x</p>', ""),
    ('<p style="color: #949494; font: 20px Arial">x</p>', "contrast"),
    ('<p style="color: #949494"><b style="font: bold 19px Arial">x</b></p>', ""),
    ('<p style="color: #eeeeee; display: none">x</p>', ""),
    ("{% if x %}", "placeholder"),
    ("<b>None</b>", "placeholder"),
    ('<a href="None">x</a>', "placeholder"),
    ("None of the ships", ""),
    ("fpm0123456789abcdefunsubscribe_urlmpf", "placeholder"),
    ('<a href="http://localhost:8000/">x</a>', "dead link"),
    ('<a href="https://www.example.org/">x</a>', "dead link"),
    ('<a href="https://example-news.org/">x</a>', ""),
    ('<a href="http://127.0.0.1:8000/entries/1">x</a>', "dead link"),
    ('<a href="https://[broken/">x</a>', ""),
    ('<a href="https://a.news/"><img src="https://a.news/a.png" width="9" height="9" alt="Home"></a>', ""),
]


@pytest.mark.parametrize(("extra", "rule"), HTMLS)
def test_what_readers_stumble_on(extra: str, rule: str) -> None:
    found = rules(mail(extra, html=HTML.replace(STYLE, "")))
    assert rule in found if rule else found == []


def test_contrast_in_dark_mode_is_judged_by_the_dark_rules() -> None:
    grey = '<p style="color: #51606a">x</p>'
    [found] = lint(mail(grey))
    assert found.rule == "contrast"
    assert "dark mode" in found.text
    mended = HTML.replace(".cell, a {", ".cell, a, p {")
    assert lint(mail(grey, html=mended)) == ()


def test_what_is_missing() -> None:
    for gone, rule in (
        ('<html lang="en">', "language"),
        ("<title>Tide</title>", "title"),
        (' class="postal"', "postal address"),
        (f'<a href="{URL}">Unsubscribe</a>', "unsubscribe"),
    ):
        assert gone in HTML
        assert rule in rules(mail(html=HTML.replace(gone, "<html>" if "html" in gone else "")))
    assert "unsubscribe" in rules(mail(text="A tide."))
    assert rules(mail(html=HTML.replace("<h1", "<!--" + "x" * 40_000 + "--><h1"))) == ["unsubscribe"]


def test_the_size_at_which_gmail_cuts() -> None:
    assert rules(mail("x" * 90_000)) == []
    assert rules(mail("x" * 100_000)) == ["size"]


@pytest.mark.parametrize("raw", [b"", b"\r\n", b"x", b"\xff\xfe", encode_body("<p>" * 500)])
def test_any_bytes_give_findings(raw: bytes) -> None:
    assert "headers" in rules(raw)
