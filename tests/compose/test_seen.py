"""A message as people see it: its parts, what stands beside the subject, and light or dark."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from feed_publisher.compose.message import Personal, Sender, Skeleton
from feed_publisher.compose.seen import OPENING, in_scheme, seen

SENDER = Sender(name="Hafen & Söhne", address="letter@harbour.example", list_id="weekly.harbour.example")
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


def message(body: str, subject: str = "Über =?utf-8?q?x?= den Häfen", text: str = "Grüße\nund mehr") -> bytes:
    html = f"<!DOCTYPE html><html><head><title>Not this</title></head><body>{body}</body></html>"
    personal = Personal(to="ann@example.org", message_id="1@x", date=NOW, values={})
    return Skeleton(SENDER, subject, html, text, "de", "0" * 32).message(personal)


def test_all_is_decoded_as_a_mail_program_does() -> None:
    raw = message("<p>Grüße aus dem Hafen</p>")
    shown = seen(raw)
    assert shown.subject == "Über =?utf-8?q?x?= den Häfen"
    assert shown.from_ == "Hafen & Söhne <letter@harbour.example>"
    assert (shown.to, shown.text, shown.size) == ("ann@example.org", "Grüße\nund mehr", len(raw))
    assert "<p>Grüße aus dem Hafen</p>" in shown.html
    assert dict(shown.headers)["List-Id"] == "<weekly.harbour.example>"
    assert [name for name, _ in shown.headers][:3] == ["To", "Date", "Message-ID"]


@pytest.mark.parametrize(
    ("body", "opening"),
    [
        ("<p>One</p><p>Two <b>three</b></p>", "One Two three"),
        ("<div style='display: none'>Four days’ notice." + "&#847;&zwnj;&nbsp;" * 60 + "</div><p>Below</p>", None),
        ("<!-- remark --><p>Words</p><!-- remark -->", "Words"),
        ("", ""),
    ],
)
def test_the_opening_is_what_lists_of_mails_show(body: str, opening: str | None) -> None:
    assert seen(message(body)).opening == ("Four days’ notice." if opening is None else opening)


def test_a_long_opening_is_cut() -> None:
    opening = seen(message(f"<p>{'word ' * 60}</p>")).opening
    assert OPENING - 10 < len(opening) <= OPENING + 1
    assert seen(message(f"<p>{'x' * 500}</p>")).opening == "x" * OPENING + "…"


HTML = """<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content='light dark'>
<style>:root { color-scheme: light dark; supported-color-schemes:light dark; }
@media (prefers-color-scheme: dark) { p { color: white } }
@media screen and ( Prefers-Color-Scheme:dark ) and (max-width: 480px) { p { color: grey } }
@media (prefers-color-scheme: light) { p { color: black } }</style>
<source media="(prefers-color-scheme: dark)" srcset="x">A light dark story"""


@pytest.mark.parametrize(
    ("dark", "name", "if_dark", "if_light"), [(True, "dark", "min", "max"), (False, "light", "max", "min")]
)
def test_the_scheme_is_the_one_asked_for(dark: bool, name: str, if_dark: str, if_light: str) -> None:
    html = in_scheme(HTML, dark)
    assert "prefers" not in html.lower()
    assert html.count(f"({if_dark}-width: 0)") == 3
    assert html.count(f"({if_light}-width: 0)") == 1
    assert f"@media screen and ({if_dark}-width: 0) and (max-width: 480px)" in html
    assert f'name="color-scheme" content="{name}"' in html
    assert f"content='{name}'" in html
    assert f"color-scheme: {name}; supported-color-schemes:{name};" in html
    assert "A light dark story" in html
