"""What SpamAssassin's local rules say of our mails. Nothing is asked over the network."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from compose.test_digest import DIGEST, SUN, edition, line, shipped
from compose.test_digest_look import BOAT, LOGO
from compose.test_mail_lint import message
from compose.test_sponsor_mail import BOATS, NETS, mail, spoken
from flow_site import Site
from programs import needed

from feed_publisher.compose.digest import TemplateSet
from feed_publisher.compose.lint import lint
from feed_publisher.domain.issue import Images
from feed_publisher.ports.people import Letter
from feed_publisher.services.letters import KINDS

__all__ = ["shipped", "spoken"]
MOST = 1.0
"""Points; SpamAssassin's own limit is 5."""


def judge(raw: bytes) -> tuple[float, str]:
    """The points of a mail, and the rules that gave them."""
    command = [
        needed("spamassassin", "whether mails look like spam is not tried"),
        "-L",
        "-t",
        "-x",
        "--cf=use_bayes 0",
    ]
    report = subprocess.run(command, input=raw, capture_output=True, check=True).stdout.decode("utf-8", "replace")
    points = re.search(r"Content analysis details:\s+\((-?[\d.]+) points", report)
    assert points is not None, report[-2000:]
    return float(points[1]), report[points.start() :]


def check(raw: bytes) -> None:
    points, rules = judge(raw)
    assert points <= MOST, rules


GERMAN = {"title": "Über die Förde: Größe ist nicht alles", "summary": "Ein Fährmann erzählt, weshalb er übersetzt."}
ARABIC = {"title": "العبّارة الأخيرة قبل الجليد", "summary": "كل شتاء يقرر قبطان واحد متى تفقد الجزر طريقها إلى البر."}


def test_spam_is_told_from_mail() -> None:
    """The judge is awake."""
    shout = "X-Spam: x\r\nSubject: FREE VIAGRA!!! MAKE MONEY FAST\r\nFrom: a@b.biz\r\n\r\n"
    points, _ = judge(shout.encode() + b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n")
    assert points > MOST


@pytest.mark.parametrize(
    ("language", "words"), [("en", {}), ("de", GERMAN), ("ar", ARABIC)], ids=["english", "german", "arabic"]
)
@pytest.mark.parametrize("images", [Images.NONE, Images.ALL])
def test_digests(shipped: TemplateSet, language: str, words: dict[str, str], images: Images) -> None:
    lines = [line(1, image=BOAT, language=language, **words), line(2, SUN, image=BOAT), line(3)]
    made = edition(shipped, lines, language=language, site=LOGO, digest=replace(DIGEST, images=images))
    check(message(made))


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_digest_with_sponsors(spoken: TemplateSet, language: str) -> None:
    check(message(mail(spoken, BOATS, NETS, site=LOGO, language=language)))


@pytest.mark.parametrize("kind", KINDS)
def test_letters(tmp_path: Path, kind: str) -> None:
    site = Site(tmp_path / "site").make()
    site.configure(site='base_url = "https://harbour.news"\npostal_address = "1 Quay Street, Port Town"')
    letter = Letter(subscription=1, request=1, kind=kind, address="ann@harbour.news", digest="weekly")
    with site.open() as app:
        raw = app.letters().compose(letter, site.now).message
    check(raw)
    assert lint(raw) == ()
