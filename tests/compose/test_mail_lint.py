"""The lint over real messages: whatever articles, names and addresses hold, what leaves is a clean mail."""

from __future__ import annotations

import re
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from compose.test_digest import DIGEST, NOW, SITE, SUN, edition, line, shipped
from compose.test_digest_look import BOAT, LOGO
from compose.test_message import HOSTILE
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from feed_publisher.compose.digest import TemplateSet
from feed_publisher.compose.lint import lint
from feed_publisher.compose.message import Links, Personal, Sender, Skeleton, clean_header
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.finding import Finding
from feed_publisher.domain.issue import Edition, Images
from feed_publisher.domain.model import Image, TopicRef

__all__ = ["shipped"]

LINKS = Links(
    unsubscribe="https://harbour.news/unsubscribe/" + "A" * 120,
    preferences="https://harbour.news/preferences/" + "B" * 120,
)
SENDER = Sender(
    name="Harbour News",
    address="news@harbour.news",
    reply_to="desk@harbour.news",
    list_id="weekly.harbour.news",
    message_id_domain="harbour.news",
)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
ODD = st.one_of(TEXT, st.sampled_from([text for text in HOSTILE if not re.search("[\ud800-\udfff]", text)]))
NAMED = ODD.filter(lambda text: clean_header(text) != "")
COMMON = ("From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type", "List-Id")


def message(made: Edition, sender: Sender = SENDER, to: str = "ann@harbour.news") -> bytes:
    skeleton = Skeleton(sender, made.subject, made.html, made.text, made.language, made.nonce)
    personal = Personal(
        to=to, message_id="7.1@harbour.news", date=NOW, values=LINKS.values, unsubscribe_url=LINKS.unsubscribe
    )
    return skeleton.message(personal)


def errors(raw: bytes) -> list[str]:
    """All but what follows from the names of hosts reserved for examples."""
    return [finding.text for finding in lint(raw) if finding.rule not in ("dead link", "placeholder")]


def check(raw: bytes, sender: Sender = SENDER) -> EmailMessage:
    """delivery's rules for messages, asked without our own lint as well."""
    assert errors(raw) == []
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    head, _, body = raw.partition(b"\r\n\r\n")
    for folded in re.split(rb"\r\n(?![ \t])", head):
        lines = folded.split(b"\r\n")
        assert max(map(len, lines)) <= (998 if folded.startswith((b"List-", b"To:", b"Message-ID:")) else 78)
        assert not (folded.startswith(b"List-") and (len(lines) > 1 or b"=?" in folded))
    assert max(map(len, body.split(b"\r\n"))) <= 78
    parsed = message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    names = [name.lower() for name in parsed.keys()]  # noqa: SIM118
    assert all(names.count(name.lower()) == 1 for name in COMMON)
    assert len(names) == len(set(names))
    assert "bcc" not in names
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    for name, address in (("From", sender.address), ("Reply-To", sender.reply_to)):
        assert [each.addr_spec for each in parsed[name].addresses] == [address]
    assert parsed["List-Unsubscribe"] == f"<{LINKS.unsubscribe}>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return parsed


@pytest.fixture(scope="module")
def templates(shipped: TemplateSet) -> TemplateSet:
    """Without its source, which would fill the screen when an example fails."""
    return replace(shipped, source="")


SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(NAMED, ODD, ODD, ODD)
@example("=?utf-8?q?hi=0D=0ABcc:_x?=", "a\r\nBcc: x@evil.news", "\u202e", "<b>")
@example("\u0600", "None", "{{ x }}", "fpm0123456789abcdefunsubscribe_urlmpf")
@SLOW
def test_whatever_articles_hold(templates, title, summary, author, topic):
    lines = [
        line(1, TopicRef(slug="a", title=clean_header(topic) or "x"), title=title, summary=summary, authors=(author,)),
        line(2, SUN),
    ]
    parsed = check(message(edition(templates, lines)))
    assert str(parsed["Subject"]).endswith(", and 1 more")


@given(ODD, ODD, ODD)
@SLOW
def test_whatever_the_settings_hold(templates, name, title, footer):
    told = replace(SITE, title=clean_header(name) or "x", footer=footer, imprint=footer, postal_address=name or "x")
    made = edition(templates, [line(1)], site=told, digest=replace(DIGEST, title=clean_header(title) or "x"))
    sender = replace(SENDER, name=name)
    check(message(made, sender), sender)


DOMAINS = ["x.news", "ünïcode.news", "a-b.c.news", "[1.2.3.4]", "x.news\r\nBcc: y@z.news"]
LOCAL = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}", fullmatch=True)


@given(st.one_of(LOCAL, ODD), st.sampled_from(DOMAINS))
@SLOW
def test_whatever_addresses_hold(templates, local, domain):
    """What the door lets in makes a clean mail; what it refuses never gets here."""
    try:
        address = parse_address(f"{local}@{domain}")
    except InputError:
        return
    if address.needs_smtputf8:
        return
    made = edition(templates, [line(1)])
    parsed = check(message(made, to=address.envelope))
    assert [each.addr_spec for each in parsed["To"].addresses] == [address.envelope]


@given(st.text(st.characters(categories=("L", "N", "P", "S", "Z")), min_size=1, max_size=80), ODD)
@SLOW
def test_whatever_pictures_hold(templates, url, alt):
    image = Image(url=f"https://pictures.news/{url}", alt=alt, credit=alt)
    made = edition(templates, [line(1, image=image)], site=LOGO, digest=replace(DIGEST, images=Images.ALL))
    check(message(made))


def findings(raw: bytes) -> set[Finding]:
    return {finding for finding in lint(raw) if finding.rule != "dead link"}


@pytest.mark.parametrize("language", ["en", "de", "ar", "ja"])
@pytest.mark.parametrize("images", list(Images))
def test_the_shipped_mail_gives_no_findings(templates, language, images):
    lines = [line(1, image=BOAT), line(2, SUN, language="ar", title="مرحبا"), line(3, summary="", authors=())]
    told = replace(LOGO, footer="x", imprint="y")
    made = edition(templates, lines, language=language, site=told, digest=replace(DIGEST, images=images), maximum=2)
    assert findings(message(made)) == set()
