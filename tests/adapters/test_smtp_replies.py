"""The reply parser: any cutting of the same bytes gives the same replies, and nothing grows without bound."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.adapters.smtp.replies import REPLY_BYTES, ReplyParser
from feed_publisher.domain.delivery import Reply


def parse(*pieces: bytes) -> list[Reply]:
    parser = ReplyParser()
    return [reply for piece in pieces for reply in parser.feed(piece)]


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"250 ok\r\n", 250, "ok"),
        (b"250\r\n", 250, ""),
        (b"250 \r\n", 250, ""),
        (b"354 go\n", 354, "go"),
        (b"550-5.1.1 no\r\n550 5.1.1 such user\r\n", 550, "5.1.1 no 5.1.1 such user"),
        (b"550-no\r\n550\r\n", 550, "no"),
        (b"550 \x1b[31mred\x00\r\n", 550, "[31mred"),
        ("550 kein Empfänger\r\n".encode(), 550, "kein Empfänger"),
        (b"550 \xff\r\n", 550, "\ufffd"),
        (b"550 " + b"x" * 2000 + b"\r\n", 550, "x" * 500),
    ],
)
def test_replies(data: bytes, code: int, text: str) -> None:
    assert parse(data) == [Reply(code=code, text=text)]


@pytest.mark.parametrize(
    "data",
    [b"\r\n", b"ok\r\n", b"25 x\r\n", b"2500 x\r\n", b"199 x\r\n", b"650 x\r\n", b"250_x\r\n", b"250-a\r\n251 b\r\n"],
)
def test_what_is_no_reply(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an SMTP reply"):
        parse(data)


@pytest.mark.parametrize("data", [b"x" * (REPLY_BYTES + 1), b"250-" + b"x" * REPLY_BYTES, b"250-more\r\n" * 4000])
def test_no_reply_is_longer_than_the_cap(data: bytes) -> None:
    with pytest.raises(ValueError, match="longer than"):
        parse(data)
    with pytest.raises(ValueError, match="longer than"):
        parse(*(data[start : start + 100] for start in range(0, len(data), 100)))


@given(st.lists(st.integers(min_value=0, max_value=60)))
def test_cutting_changes_nothing(cuts: list[int]) -> None:
    data = b"220 hi\r\n250-a\r\n250-b\r\n250 c\r\n354\r\n550-5.1.1 x\r\n550 y\r\n"
    edges = [0, *sorted(cuts), len(data)]
    assert parse(*(data[a:b] for a, b in pairwise(edges))) == parse(data)


def test_partial() -> None:
    parser = ReplyParser()
    assert not parser.partial
    for piece, partial in ((b"2", True), (b"50-a\r\n", True), (b"250 b\r\n", False)):
        list(parser.feed(piece))
        assert parser.partial is partial
