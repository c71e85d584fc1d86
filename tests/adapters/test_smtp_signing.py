"""Signed mail as it comes out at the other end."""

from __future__ import annotations

import re

import dkim
import pytest
from faultsink import FaultSink
from test_smtp_mailer import QUICK, Desk, mail

from feed_publisher.adapters.smtp.mailer import SmtpMailer
from feed_publisher.adapters.smtp.relay import Relay
from feed_publisher.adapters.smtp.signing import SigningMailer
from feed_publisher.compose.dkim import Signer, new_key

pytestmark = pytest.mark.anyio
MESSAGE = b"From: a@list.example\r\nTo: %d@x.example\r\nSubject: hi\r\n\r\n.\r\n..\r\nhello\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_each_mail_arrives_with_a_signature_that_is_good(kind: str) -> None:
    signer = Signer.of("list.example", "s", new_key(kind))
    sink, desk = FaultSink(), Desk([mail(number, MESSAGE % number) for number in range(1, 41)])
    async with sink.running():
        relay = Relay(host="127.0.0.1", port=sink.port, tls="none", connections=3)
        mailer = SigningMailer(SmtpMailer(relay, QUICK), [signer])
        assert "answers" in await mailer.probe()
        await mailer.run(desk.take, desk.settle)
    assert desk.outcomes == ["body 250"] * 40
    assert {re.findall(rb"To: (\d+)@", each)[0] for each in sink.accepted} == {b"%d" % n for n in range(1, 41)}
    for stuffed in sink.accepted:
        message = re.sub(rb"^\.", b"", stuffed, flags=re.MULTILINE)
        assert dkim.DKIM(message).verify(dnsfunc=lambda name, timeout=5: signer.record.encode())


async def test_an_error_of_the_caller_still_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    async def broken() -> None:
        raise RuntimeError("no more")

    sink = FaultSink()
    async with sink.running():
        relay = Relay(host="127.0.0.1", port=sink.port, tls="none")
        mailer = SigningMailer(SmtpMailer(relay, QUICK), [Signer.of("list.example", "s", new_key("rsa"))])
        with pytest.raises(RuntimeError, match="no more"):
            await mailer.run(broken, Desk([]).settle)
