"""Readers are written to, and answered, in their language."""

from __future__ import annotations

from pathlib import Path

import pytest
from web_site import filled

from feed_publisher.domain.address import parse_address
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
