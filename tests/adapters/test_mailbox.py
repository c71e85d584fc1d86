"""The built-in mailbox with the real mailer in front of it."""

from __future__ import annotations

import asyncio
import logging
import mailbox
import smtplib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest

from feed_publisher.adapters.mailbox import SIZE_CAP, BuiltinMailbox
from feed_publisher.adapters.smtp.mailer import SmtpMailer
from feed_publisher.adapters.smtp.relay import Relay
from feed_publisher.domain.delivery import Result
from feed_publisher.domain.errors import NotFoundError
from feed_publisher.ports.sending import Outgoing

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[tuple[BuiltinMailbox, int]]:
    built_in = BuiltinMailbox(tmp_path / "mail")
    port = await built_in.start()
    yield built_in, port
    await built_in.stop()


def letter(subject: str, to: str = "Jörg <header@x.example>") -> bytes:
    message = EmailMessage()
    message["From"] = "Die Zeitung <news@list.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Sun, 01 Mar 2026 08:30:00 +0100"
    message.set_content("Grüße, plain\n.\n..dots\n")
    message.add_alternative("<p>Grüße, <b>html</b></p>", subtype="html")
    message.add_attachment("not this one", subtype="html", filename="x.html")
    return message.as_bytes(policy=message.policy.clone(linesep="\r\n", cte_type="7bit"))


async def deliver(port: int, *messages: bytes, to: str = "reader@x.example") -> list[Result]:
    mails = [
        Outgoing(delivery=n, attempt=1, mail_from="bounce+1@list.example", rcpt_to=to, message=message)
        for n, message in enumerate(messages)
    ]
    results: list[Result] = []

    async def take() -> Outgoing | None:
        return mails.pop(0) if mails else None

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        results.extend([result] if result else [])
        return True

    await SmtpMailer(Relay(host="127.0.0.1", port=port, tls="none", connections=1)).run(take, settle)
    return results


async def test_a_message_comes_back_as_it_was_sent(box: tuple[BuiltinMailbox, int]) -> None:
    built_in, port = box
    sent = letter("Grüße aus Köln — " + "lang " * 30)
    (result,) = await deliver(port, sent)
    assert result.reply is not None
    assert result.reply.code == 250
    (line,) = built_in.list(limit=10, offset=0)
    assert line.to == "reader@x.example"
    assert line.subject == ("Grüße aus Köln — " + "lang " * 30)
    assert line.date == datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
    mail = built_in.read(line.id)
    assert mail.raw == b"Return-Path: <bounce+1@list.example>\r\nDelivered-To: reader@x.example\r\n" + sent
    assert mail.html.strip() == "<p>Grüße, <b>html</b></p>"
    assert mail.text.replace("\r\n", "\n") == "Grüße, plain\n.\n..dots\n"
    assert mail.from_ == "Die Zeitung <news@list.example>"
    assert mail.to == "reader@x.example"
    assert ("To", "Jörg <header@x.example>") in mail.headers
    assert mail.headers[:2] == [("Return-Path", "<bounce+1@list.example>"), ("Delivered-To", "reader@x.example")]


async def test_newest_first_in_pages(box: tuple[BuiltinMailbox, int]) -> None:
    built_in, port = box
    await deliver(port, *(letter(f"number {n}") for n in range(25)))
    assert built_in.count() == 25
    assert [line.subject for line in built_in.list(limit=10, offset=0)] == [f"number {n}" for n in range(24, 14, -1)]
    assert [line.subject for line in built_in.list(limit=10, offset=20)] == [f"number {n}" for n in range(4, -1, -1)]
    assert built_in.list(limit=10, offset=25) == []


async def test_other_programs_can_read_and_move_it(box: tuple[BuiltinMailbox, int], tmp_path: Path) -> None:
    built_in, port = box
    await deliver(port, letter("one"))
    (line,) = built_in.list()
    maildir = mailbox.Maildir(tmp_path / "mail", create=False)
    ((key, message),) = maildir.items()
    message.set_subdir("cur")
    message.add_flag("S")
    maildir[key] = message
    (moved,) = built_in.list()
    assert moved.id == line.id
    assert built_in.read(line.id).subject == "one"


@pytest.mark.parametrize(
    "id",
    ["", ".", "..", "../secret", "/etc/passwd", "new/x", "a\\b", "a\x00b", "x" * 300, "nothing", "%2e%2e", ".hidden"],
)
async def test_only_ids_of_messages_are_read(box: tuple[BuiltinMailbox, int], tmp_path: Path, id: str) -> None:
    (tmp_path / "mail" / "secret").write_text("no")
    (tmp_path / "mail" / "new" / ".hidden").write_text("no")
    with pytest.raises(NotFoundError):
        box[0].read(id)


async def test_reading_needs_no_server_and_no_folder(tmp_path: Path) -> None:
    built_in = BuiltinMailbox(tmp_path / "none yet")
    assert built_in.count() == 0
    assert built_in.list() == []
    with pytest.raises(NotFoundError):
        built_in.read("x")
    await built_in.stop()


async def test_broken_messages_are_still_listed_and_read(box: tuple[BuiltinMailbox, int]) -> None:
    built_in, port = box
    nasty = [
        b"",
        b"no header at all\r\n",
        b"Subject: =?nope?q?a?=\r\nDate: tomorrow\r\n\r\n",
        b"Subject: =?utf-8?b?!!!?=\r\nDate: Sun, 01 Mar 2026 08:30:00 -0000\r\n\r\n",
        b"Content-Type: text/html; charset=nope\r\n\r\n<p>x</p>\r\n",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
        "Subject: roh ä\r\n\r\nä\r\n".encode(),
        b"Subject: \xff\xfe\r\n\r\n",
    ]
    results = await deliver(port, *nasty)
    assert [r.reply.code for r in results if r.reply] == [250] * len(nasty)
    lines = built_in.list()
    assert len(lines) == len(nasty)
    assert all(line.date.tzinfo is not None for line in lines)
    assert lines[1].subject == "roh ä"
    assert [built_in.read(line.id).to for line in lines] == ["reader@x.example"] * len(nasty)
    assert built_in.read(lines[3].id).html.strip() == "<p>x</p>"


async def test_international_recipient(box: tuple[BuiltinMailbox, int]) -> None:
    built_in, port = box
    await deliver(port, letter("hi"), to="jörg@x.example")
    assert built_in.list()[0].to == "jörg@x.example"


async def test_two_recipients_are_two_messages(box: tuple[BuiltinMailbox, int]) -> None:
    built_in, port = box

    def send() -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("a@x.example", ["b@x.example", "c@x.example"], letter("both"))

    await asyncio.to_thread(send)
    assert {line.to for line in built_in.list()} == {"b@x.example", "c@x.example"}


async def test_too_large_is_refused_and_nothing_is_left_behind(box: tuple[BuiltinMailbox, int], tmp_path: Path) -> None:
    built_in, port = box
    (result,) = await deliver(port, b"\r\n" + b"x\r\n" * (SIZE_CAP // 3 + 1))
    assert result.reply is not None
    assert result.reply.code == 552
    assert built_in.count() == 0
    assert not list((tmp_path / "mail" / "tmp").iterdir())


async def test_it_is_silent_and_stops_with_open_connections(
    box: tuple[BuiltinMailbox, int], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    built_in, port = box
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    await deliver(port, letter("one"))
    with caplog.at_level(logging.WARNING):
        await asyncio.wait_for(built_in.stop(), 2)
    assert await reader.read() == b"" or reader.at_eof()
    writer.close()
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
    assert built_in.count() == 1
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_full_disk_is_said_as_452(box: tuple[BuiltinMailbox, int], tmp_path: Path) -> None:
    (tmp_path / "mail" / "tmp").rmdir()
    (result,) = await deliver(box[1], letter("one"))
    assert result.reply is not None
    assert result.reply.code == 452


async def test_nobody_else_reads_mails(box: tuple[BuiltinMailbox, int], tmp_path: Path) -> None:
    built_in, port = box
    await deliver(port, letter("private"))
    paths = [tmp_path / "mail", *(tmp_path / "mail").rglob("*")]
    assert built_in.count() == 1
    assert [path for path in paths if path.stat().st_mode & 0o077] == []
