import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from feed_publisher.compose.message import (
    Personal,
    Sender,
    Skeleton,
    clean_header,
    encode_address,
    encode_body,
    encode_header,
    marker,
)

NONCE = "0123456789abcdef"
SENDER = Sender(
    name="Harbour News",
    address="news@harbour.example",
    reply_to="desk@harbour.example",
    list_id="weekly.harbour.example",
    message_id_domain="harbour.example",
)
URL = "https://harbour.example/unsubscribe/" + "A" * 56
PERSONAL = Personal(
    to="ann@example.org",
    message_id="7.42@harbour.example",
    date=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    values={"unsubscribe_url": URL},
    unsubscribe_url=URL,
)
LETTER = Sender(name="Harbour News", address="news@harbour.example")
SLOT = marker(NONCE, "unsubscribe_url")

ANY = st.text(st.characters(exclude_categories=()))
PIECES = st.lists(
    st.one_of(
        ANY,
        st.sampled_from(
            [
                ".",
                "..",
                "From ",
                "\nFrom ann\n",
                " ",
                "  \n",
                "\t",
                "\t\n",
                "\n.\n",
                "\r\n",
                "\r",
                "=",
                "=\n",
                "=20",
                "--",
                "\x0b",
                "\x0c",
                "\x85",
                "\u2028",
                "\0",
                "ü" * 80,
                "x" * 2000,
                "x" * 75,
                "x" * 76,
                "🌊" * 30,
                " " * 90,
                '<a href="',
                '">',
            ]
        ),
    ),
    max_size=8,
).map("".join)


def build(
    html: str = "<p>Hi</p>",
    text: str = "Hi",
    subject: str = "Tide",
    sender: Sender = SENDER,
    personal: Personal = PERSONAL,
    language: str = "en",
) -> bytes:
    return Skeleton(sender, subject, html, text, language, NONCE).message(personal)


def parse(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    assert not [defect for part in message.walk() for defect in part.defects]
    return message


def bodies(raw: bytes) -> tuple[str, str]:
    """The decoded text and HTML parts, without the line end that belongs to the boundary."""
    message = parse(raw)
    plain, html = list(message.iter_parts())
    assert [plain.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    decoded = [part.get_payload(decode=True).decode("utf-8") for part in (plain, html)]
    return decoded[0], decoded[1]


def check_wire(raw: bytes) -> None:
    assert all(byte < 128 for byte in raw)
    assert raw.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    head, _, body = raw.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 78
    assert b"\0" not in head


def on_the_wire(text: str) -> str:
    """What must arrive: line ends are CRLF, halves of surrogate pairs cannot be written."""
    unified = re.sub(r"\r\n|\r|\n", "\r\n", text)
    return unified.encode("utf-8", "replace").decode()


def test_headers_once_each():
    raw = build()
    check_wire(raw)
    message = parse(raw)
    assert message.keys() == [
        "To",
        "Date",
        "Message-ID",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "From",
        "Reply-To",
        "Subject",
        "MIME-Version",
        "Content-Language",
        "Auto-Submitted",
        "List-Id",
        "Precedence",
        "Content-Type",
    ]
    assert message["To"] == "ann@example.org"
    assert message["From"] == "Harbour News <news@harbour.example>"
    assert message["Reply-To"] == "desk@harbour.example"
    assert message["Message-ID"] == "<7.42@harbour.example>"
    assert parsedate_to_datetime(message["Date"]) == PERSONAL.date
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Precedence"] == "bulk"
    assert message["Content-Language"] == "en"
    assert message["Bcc"] is None
    assert message.get_content_type() == "multipart/alternative"


def test_the_date_may_be_given_in_any_zone():
    moved = replace(PERSONAL, date=PERSONAL.date.astimezone(timezone(timedelta(hours=-5))))
    assert parsedate_to_datetime(parse(build(personal=moved))["Date"]) == PERSONAL.date


# --- subjects and names from anywhere


def shown_name(line: bytes) -> str:
    """The display name as RFC 2047 §6.2 has it; Python 3.11's policy leaves spaces between its encoded-words."""
    value = re.sub(r"\r\n(?= )", "", line.decode().removeprefix("From: ").removesuffix("\r\n"))
    name = value.removesuffix("news@harbour.example").removesuffix("<news@harbour.example>").strip()
    return name[1:-1] if name.startswith('"') else str(make_header(decode_header(name)))


HOSTILE = [
    "a\nBcc: x@evil.example",
    "a\r\nBcc: x@evil.example\r\n\r\nbody",
    "a\rBcc: x@evil.example",
    "=?utf-8?q?a=0D=0ABcc:_x@evil.example?=",
    "=?utf-8?b?YQ0KQmNjOiB4QGV2aWwuZXhhbXBsZQ==?=",
    "=?utf-8?q?evil=40x=2C?=",
    "a\u2028Bcc: x@evil.example",
    "a\u2029Bcc: x@evil.example",
    "a\x85Bcc: x@evil.example",
    "a\x0bBcc: x@evil.example",
    "a\0b",
    "\ud800lone",
    "lone\udfff",
    "x" * 5000,
    "ü" * 5000,
    "🌊 " * 400,
    "word " * 1000,
    "",
    "   ",
    ":",
    "Re: a, b; c",
    "<x@evil.example>",
    '"quoted\\" <x@evil.example>',
    "a, x@evil.example",
    "(comment",
    "group: a@b.example;",
]


@pytest.mark.parametrize("subject", HOSTILE)
def test_hostile_subjects(subject):
    raw = build(subject=subject)
    check_wire(raw)
    message = parse(raw)
    assert message.keys() == parse(build()).keys()
    assert message["Subject"] == clean_header(subject)
    assert len(message["Subject"]) <= 200
    assert list(bodies(raw)) == ["Hi", "<p>Hi</p>"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_display_names(name):
    raw = build(sender=replace(SENDER, name=name))
    check_wire(raw)
    message = parse(raw)
    assert message.keys() == parse(build()).keys()
    [sender] = message["From"].addresses
    assert sender.addr_spec == "news@harbour.example"
    assert shown_name(encode_address("From", name, "news@harbour.example")) == clean_header(name, 100)
    assert encode_address("From", name, "news@harbour.example") in raw


@given(ANY)
@example("a" * 199 + "üü")
@example("ü " * 40 + "=?utf-8?q?x?=")
def test_any_subject_arrives_as_one_clean_line(subject):
    line = encode_header("Subject", subject)
    assert all(byte < 128 for byte in line)
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", line)
    assert re.fullmatch(rb"Subject: [^\r\n]*\r\n( [^\r\n]+\r\n)*", line)
    assert max(map(len, line.split(b"\r\n"))) <= 78
    message = parse(line + b"\r\n")
    assert message.keys() == ["Subject"]
    assert message["Subject"] == clean_header(subject)


@given(ANY)
def test_any_display_name_keeps_one_address(name):
    line = encode_address("From", name, "news@harbour.example")
    assert all(byte < 128 for byte in line)
    message = parse(line + b"\r\n")
    assert message.keys() == ["From"]
    assert [a.addr_spec for a in message["From"].addresses] == ["news@harbour.example"]
    assert shown_name(line) == clean_header(name, 100)


@given(ANY, st.integers(2, 200))
def test_clean_header(text, limit):
    clean = clean_header(text, limit)
    assert len(clean) <= limit
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]|  |^ | $", clean)
    assert clean_header(clean, limit) == clean


def test_clean_header_keeps_words_apart_and_marks_a_cut():
    assert clean_header(" a\r\n\tb\u2028c\0d ") == "a b c d"
    assert clean_header("x" * 200) == "x" * 200
    assert clean_header("x" * 201) == "x" * 199 + "…"
    assert clean_header("x" * 198 + " yyy") == "x" * 198 + "…"


@pytest.mark.parametrize("bad", ["\r\nBcc: x@evil.example", "\n", "\r", "\0", "\u2028", "\x85"])
@pytest.mark.parametrize("where", ["to", "message_id", "unsubscribe_url"])
def test_a_control_character_in_a_personal_header_is_refused(where, bad):
    with pytest.raises(ValueError, match="control character"):
        build(personal=replace(PERSONAL, **{where: f"a{bad}b"}))


@pytest.mark.parametrize("bad", ["\r\nBcc: x@evil.example", "\n", "\0"])
@pytest.mark.parametrize("where", ["address", "reply_to", "list_id"])
def test_a_control_character_in_a_fixed_header_is_refused(where, bad):
    with pytest.raises(ValueError, match="control character"):
        build(sender=replace(SENDER, **{where: f"a{bad}b"}))


# --- unsubscribing


@pytest.mark.parametrize("length", [60, 75, 76, 77, 78, 120, 200, 400])
def test_list_headers_are_one_line_as_they_are(length):
    url = URL + "x" * (length - len(URL)) if length > len(URL) else URL[:length]
    raw = build(personal=replace(PERSONAL, unsubscribe_url=url))
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert f"List-Unsubscribe: <{url}>".encode() in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert b"List-Id: <weekly.harbour.example>" in lines
    check_wire(raw)


def test_pages_of_the_list_are_named_where_there_are_some():
    pages = replace(
        SENDER, list_help="https://harbour.example/help", list_archive="https://harbour.example/" + "a" * 90
    )
    lines = build(sender=pages).partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert b"List-Help: <https://harbour.example/help>" in lines
    assert b"List-Archive: <https://harbour.example/" + b"a" * 90 + b">" in lines
    assert b"List-Help" not in build()
    assert b"List-" not in build(sender=replace(pages, list_id=""), personal=replace(PERSONAL, unsubscribe_url=""))


def test_a_letter_has_no_list_headers():
    message = parse(build(sender=LETTER, personal=replace(PERSONAL, unsubscribe_url="")))
    assert not [name for name in message if name.startswith("List-") or name == "Precedence"]
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Reply-To"] is None


def test_an_issue_without_a_link_promises_no_one_click():
    names = parse(build(personal=replace(PERSONAL, unsubscribe_url=""))).keys()
    assert [name for name in names if name.startswith("List-")] == ["List-Id"]


# --- bodies


@given(PIECES)
@settings(max_examples=300)
def test_quoted_printable_decodes_back_exactly(text):
    raw = build(html=text, text=text)
    check_wire(raw)
    assert bodies(raw) == (on_the_wire(text), on_the_wire(text))


@given(PIECES)
def test_no_line_ends_in_a_space(text):
    assert not re.search(rb"[ \t](\r\n|$)", encode_body(text))


@given(st.lists(st.one_of(PIECES, st.just(SLOT)), max_size=7), PIECES)
@settings(max_examples=300)
@example([SLOT, SLOT], "x")
@example(["a \n", SLOT, "\n", SLOT, " b"], "")
@example(['<a href="', SLOT, '">x</a>'], "https://x.example/?a=1&b=" + "ü" * 300)
def test_slots_anywhere(pieces, value):
    personal = replace(PERSONAL, values={"unsubscribe_url": value})
    raw = build(html="".join(pieces), text="".join(pieces), personal=personal)
    check_wire(raw)
    parts = [on_the_wire(part) for part in "".join(pieces).split(SLOT)]  # a line end cut in two by a value is two
    assert bodies(raw) == (on_the_wire(value).join(parts),) * 2


def test_each_value_goes_to_its_slot():
    values = {"confirm_url": "one", "unsubscribe_url": "two"}
    text = f"{marker(NONCE, 'confirm_url')}{SLOT} {marker(NONCE, 'confirm_url')}"
    assert bodies(build(text=text, personal=replace(PERSONAL, values=values)))[0] == "onetwo one"


def test_the_marker_of_another_nonce_is_left_alone():
    forged = marker("f" * 16, "unsubscribe_url")
    plain, html = bodies(build(text=f"{forged} {SLOT}", html=forged))
    assert plain == f"{forged} {URL}"
    assert html == forged


def test_a_value_is_never_searched_for_markers():
    assert bodies(build(text=SLOT, personal=replace(PERSONAL, values={"unsubscribe_url": SLOT})))[0] == SLOT


@pytest.mark.parametrize(
    "almost", [f"fpm{NONCE}mpf", f"fpm{NONCE}UPPERmpf", f"fpm{NONCE}", "fpmmpf", SLOT[:-1], SLOT[1:]]
)
def test_what_is_no_marker_is_left_alone(almost):
    assert bodies(build(text=f"{almost} x"))[0] == f"{almost} x"


def test_a_slot_without_a_value_stops_the_message():
    with pytest.raises(KeyError):
        build(text=marker(NONCE, "unknown"))


def test_markers_are_letters_and_digits():
    assert re.fullmatch(r"[a-z0-9_]+", SLOT)


# --- the same bytes


@given(PIECES, ANY)
@settings(max_examples=30)
def test_the_same_bytes_for_the_same_arguments(text, subject):
    one, other = (build(html=text + SLOT, text=SLOT + text, subject=subject) for _ in range(2))
    assert one == other


def test_one_skeleton_serves_all_readers():
    skeleton = Skeleton(SENDER, "Tide", f"<p>{SLOT}</p>", SLOT, "en", NONCE)
    first = skeleton.message(PERSONAL)
    bo = replace(
        PERSONAL,
        to="bo@example.org",
        message_id="7.43@harbour.example",
        values={"unsubscribe_url": "https://x.example/"},
    )
    second = skeleton.message(replace(bo, unsubscribe_url="https://x.example/"))
    assert b"ann@example.org" not in second
    assert b"AAAA" not in second
    assert parse(first).get_boundary() != parse(second).get_boundary()
    assert skeleton.message(PERSONAL) == first


def test_the_boundary_is_in_no_body():
    boundary = parse(build()).get_boundary()
    assert boundary is not None
    text = f"--{boundary}\n\n--{boundary}--\n"
    assert bodies(build(text=text, html=text)) == (on_the_wire(text),) * 2
