"""The mailer against servers that fail in every way; the server's log says what was really sent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from faultsink import OFFERED, USUAL, Act, Connection, FaultSink, cut, drip, endless, hang, hang_up, say, say_then

from feed_publisher.adapters.smtp.mailer import SmtpMailer
from feed_publisher.adapters.smtp.relay import Relay
from feed_publisher.adapters.smtp.session import Limits
from feed_publisher.domain.delivery import Result
from feed_publisher.domain.errors import MailError
from feed_publisher.ports.sending import Outgoing, Take

pytestmark = pytest.mark.anyio
QUICK = Limits(connect=2, reply=0.3, dot=0.3, reset=0.3, quit=0.3, idle=0.3, take=0.02)
MESSAGE = b"Subject: hi\r\n\r\nhello\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True, params=[False, True], ids=["lockstep", "pipelined"])
def pipelined(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Each test is run with a relay that offers PIPELINING and with one that does not."""
    offered = [each for each in OFFERED if each != "PIPELINING" or request.param]
    monkeypatch.setattr("faultsink.OFFERED", offered)
    return bool(request.param)


def mail(number: int, message: bytes = MESSAGE, to: str = "", sender: str = "b@list.example") -> Outgoing:
    return Outgoing(delivery=number, attempt=1, mail_from=sender, rcpt_to=to or f"r{number}@x.example", message=message)


@dataclass
class Desk:
    """The caller's side: hands out messages, and writes down every settle call."""

    mails: list[Outgoing]
    calls: list[tuple[Result | None, int | None]] = field(default_factory=list)
    refuse: set[int] = field(default_factory=set)
    taken: list[int] = field(default_factory=list)

    async def take(self) -> Outgoing | None:
        if not self.mails:
            return None
        self.taken.append(self.mails[0].delivery)
        return self.mails.pop(0)

    async def settle(self, result: Result | None, mark: Outgoing | None) -> bool:
        self.calls.append((result, mark.delivery if mark else None))
        return mark is None or mark.delivery not in self.refuse

    @property
    def results(self) -> dict[int, Result]:
        settled = [result for result, _ in self.calls if result is not None]
        assert sorted(r.delivery for r in settled) == sorted(self.taken), "exactly one Result per taken message"
        return {result.delivery: result for result in settled}

    @property
    def outcomes(self) -> list[str]:
        """Per message "stage code", "-" for no reply."""
        found = sorted(self.results.items())
        return [f"{r.stage.value} {r.reply.code if r.reply else '-'}" for _, r in found]


def mailer(sink: FaultSink, connections: int = 1, limits: Limits = QUICK) -> SmtpMailer:
    relay = Relay(host="127.0.0.1", port=sink.port, tls="none", connections=connections)
    return SmtpMailer(relay, limits)


async def send(sink: FaultSink, desk: Desk, connections: int = 1, limits: Limits = QUICK) -> str:
    """The MailError's text, or an empty one."""
    async with sink.running():
        try:
            async with asyncio.timeout(10):
                await mailer(sink, connections, limits).run(desk.take, desk.settle)
        except MailError as error:
            return str(error)
        return ""


def script(stage: str, act: Act, after: int = 0) -> FaultSink:
    return FaultSink({stage: [None] * after + [act]})


async def test_messages_arrive_over_one_connection_and_each_is_settled_once() -> None:
    sink, desk = FaultSink(), Desk([mail(n) for n in range(5)])
    assert await send(sink, desk) == ""
    assert sink.accepted == [MESSAGE] * 5
    assert desk.outcomes == ["body 250"] * 5
    assert sink.connections == 1
    assert len(sink.seen("QUIT")) == 1
    assert sink.seen("MAIL")[0] == (1, "MAIL", f"FROM:<b@list.example> SIZE={len(MESSAGE)}")


async def test_no_connection_without_a_message() -> None:
    sink = FaultSink()
    assert await send(sink, Desk([]), connections=4) == ""
    assert sink.connections == 0


async def test_a_second_connection_only_for_a_second_message() -> None:
    sink = FaultSink()
    await send(sink, Desk([mail(1)]), connections=4)
    assert sink.connections == 1


async def test_at_most_the_configured_connections() -> None:
    sink, desk = FaultSink(), Desk([mail(n) for n in range(60)])
    assert await send(sink, desk, connections=3) == ""
    assert 2 <= sink.connections <= 3
    assert desk.outcomes == ["body 250"] * 60


async def test_the_result_before_and_the_mark_of_the_next_are_one_commit() -> None:
    desk = Desk([mail(n) for n in (1, 2, 3)])
    await send(FaultSink(), desk)
    assert [(r.delivery if r else None, mark) for r, mark in desk.calls] == [(None, 1), (1, 2), (2, 3), (3, None)]


async def test_no_body_byte_leaves_before_the_mark_is_granted() -> None:
    sink, desk, seen = FaultSink(), Desk([mail(n) for n in (1, 2)]), []

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        before = sum(sink.body_bytes.values())
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)  # a round trip: time for a leak to show
        await reader.readline()
        writer.close()
        if mark:
            seen.append((mark.delivery, len(sink.seen("DATA")), before, sum(sink.body_bytes.values())))
        return await desk.settle(result, mark)

    async with sink.running():
        await mailer(sink).run(desk.take, settle)
    size = len(MESSAGE) + 3
    assert seen == [(1, 1, 0, 0), (2, 2, size, size)]


async def wait_for_the_next(connection: Connection) -> bool:
    """Accept a message only when the whole envelope of the next one is here."""
    while b"DATA\r\n" not in connection.unread:
        kept, connection.unread = connection.unread, b""
        connection.unread = kept + await connection.some()
    return bool(await say(USUAL["dot"])(connection))


async def test_one_round_trip_a_message(pipelined: bool) -> None:
    """The envelope of the next message comes with the dot of the one before; without PIPELINING it must not."""
    sink, desk = FaultSink({"dot": [wait_for_the_next] * 2}), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == (["body 250"] * 3 if pipelined else ["body -", "body -", "body 250"])
    assert sink.connections == (1 if pipelined else 3)


async def test_a_relay_that_wants_a_body_without_a_recipient_gets_an_empty_one(pipelined: bool) -> None:
    sink, desk = script("RCPT", say(b"550 5.1.1 no such user\r\n"), after=1), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 250", "RCPT 550", "body 250"]
    assert sink.accepted == [MESSAGE, *[b""] * pipelined, MESSAGE], "not a byte of the message (RFC 2920 §3.1)"


async def test_the_first_refusal_counts_whatever_the_relay_says_to_what_follows_it() -> None:
    sink = FaultSink({"MAIL": [say(b"550 5.7.515 not you\r\n")], "RCPT": [say(b"503 5.5.1 MAIL first\r\n")]})
    desk = Desk([mail(1), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes[0] == "MAIL 550"
    assert desk.results[1].reply is not None
    assert desk.results[1].reply.text == "5.7.515 not you"


async def test_a_refused_mark_drops_the_connection_and_the_next_goes_over_a_fresh_one() -> None:
    sink, desk = FaultSink(), Desk([mail(n) for n in (1, 2, 3)], refuse={2})
    assert await send(sink, desk) == ""
    assert [line for line in sink.log if line[1] in ("DATA", "body", "dot", "QUIT", "closed")] == [
        (1, "DATA", ""), (1, "body"), (1, "dot"), (1, "DATA", ""), (1, "closed"),
        (2, "DATA", ""), (2, "body"), (2, "dot"), (2, "QUIT", ""), (2, "closed"),
    ]  # fmt: skip
    assert desk.outcomes == ["body 250", "DATA -", "body 250"]


async def test_a_result_is_settled_alone_when_the_next_message_is_slow_to_come() -> None:
    sink, desk = FaultSink(), Desk([mail(1)])
    settled = asyncio.Event()

    async def take() -> Outgoing | None:
        if not desk.mails and len(desk.taken) == 1:
            await settled.wait()
            desk.mails.append(mail(2))
        return await desk.take()

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        if result and result.delivery == 1 and mark is None:
            settled.set()
        return await desk.settle(result, mark)

    async with sink.running():
        await asyncio.wait_for(mailer(sink).run(take, settle), 5)
    assert desk.outcomes == ["body 250"] * 2
    assert sink.connections == 1


def take_after_closing(sink: FaultSink, desk: Desk) -> Take:
    """Hands out the second message only when the sink has seen the first connection end."""

    async def take() -> Outgoing | None:
        while len(desk.taken) == 1 and not sink.seen("closed"):
            await asyncio.sleep(0.002)
        return await desk.take()

    return take


async def test_an_idle_connection_is_given_back() -> None:
    sink, desk = FaultSink(), Desk([mail(1), mail(2)])
    async with sink.running():
        limits = Limits(idle=0.05, take=0.01)
        await asyncio.wait_for(mailer(sink, limits=limits).run(take_after_closing(sink, desk), desk.settle), 5)
    assert sink.connections == 2
    assert desk.outcomes == ["body 250"] * 2
    assert len(sink.seen("QUIT")) == 2


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
async def test_cut_before_the_body_waits_in_the_queue_and_the_rest_goes_on(stage: str, pipelined: bool) -> None:
    # A reset may swallow the answer to the message before, when both are on the wire: then that one is in doubt.
    sink, desk = script(stage, hang_up if pipelined else cut, after=1), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    again = pipelined and stage == "MAIL"  # announced with the message before, and not a word in answer
    assert desk.outcomes == ["body 250", "body 250" if again else f"{stage} -", "body 250"]
    assert sink.connections == 2
    assert len(sink.accepted) == 2 + again


@pytest.mark.parametrize("stage", ["body", "dot"])
async def test_cut_in_or_after_the_body_is_in_doubt(stage: str) -> None:
    sink, desk = script(stage, cut, after=1), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 250", "body -", "body 250"]


async def test_three_cuts_in_a_row_give_up_and_acceptance_starts_the_count_again(pipelined: bool) -> None:
    announced = [hang_up] * pipelined  # with the message before: it is offered once more over another connection
    sink = FaultSink({"MAIL": [cut, cut, None, *announced, cut, cut, cut]})
    desk = Desk([mail(n) for n in range(9)])
    error = await send(sink, desk)
    assert error.startswith(f"127.0.0.1:{sink.port}: ")
    assert "3 times" in error
    assert desk.outcomes == ["MAIL -"] * 2 + ["body 250"] + ["MAIL -"] * 3 + ["connect -"] * pipelined
    assert len(desk.mails) == 3 - pipelined


@pytest.mark.parametrize(
    "act", [cut, hang_up, say(b"421 4.3.2 not now\r\n"), say(b"554 go away\r\n"), hang, say(b"hello\r\n")]
)
async def test_a_first_connection_that_fails_ends_the_run(act: Act) -> None:
    sink, desk = script("connect", act), Desk([mail(1), mail(2)])
    error = await send(sink, desk, connections=4, limits=Limits(connect=0.2))
    assert error.startswith(f"127.0.0.1:{sink.port}: ")
    assert desk.outcomes == ["connect -"]
    assert len(desk.mails) == 1


async def test_nobody_listens() -> None:
    desk = Desk([mail(1)])
    relay = Relay(host="127.0.0.1", port=1, tls="none")
    with pytest.raises(MailError, match=r"^127\.0\.0\.1:1: "):
        await SmtpMailer(relay, QUICK).run(desk.take, desk.settle)
    assert desk.outcomes == ["connect -"]


async def test_one_connection_fails_while_another_goes_on() -> None:
    sink = FaultSink({"connect": [None, say(b"421 4.7.0 too many connections\r\n")]})
    desk = Desk([mail(n) for n in range(20)])
    assert await send(sink, desk, connections=2) == ""
    assert sorted(desk.outcomes) == ["body 250"] * 19 + ["connect -"]


@pytest.mark.parametrize("reply", [b"421 4.3.2 closing\r\n", b"454 4.7.1 not this one\r\n"])
async def test_one_recipient_that_is_answered_like_trouble_stops_no_other(reply: bytes) -> None:
    sink, desk = script("RCPT", say_then(reply, hang_up), after=1), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 250", f"RCPT {reply[:3].decode()}", "body 250"]


@pytest.mark.parametrize("stage", ["MAIL", "DATA", "dot"])
@pytest.mark.parametrize("reply", [b"421 4.3.2 shutting down\r\n", b"454 4.7.0 throttled\r\n"])
async def test_relay_trouble_at_each_stage_ends_the_run_with_the_reply_kept(
    stage: str, reply: bytes, pipelined: bool
) -> None:
    sink, desk = script(stage, say_then(reply, hang_up), after=1), Desk([mail(n) for n in (1, 2, 3)])
    error = await send(sink, desk)
    assert error == f"127.0.0.1:{sink.port}: {reply.decode().strip()}"
    refused = f"{'body' if stage == 'dot' else stage} {reply[:3].decode()}"
    assert desk.outcomes == ["body 250", refused] + ["connect -"] * (pipelined and stage == "dot")


async def test_421_while_idle_costs_no_message() -> None:
    sink, desk = FaultSink({"idle": [say_then(b"421 4.4.2 idle\r\n", hang_up)]}), Desk([mail(1), mail(2)])
    async with sink.running():
        await asyncio.wait_for(mailer(sink).run(take_after_closing(sink, desk), desk.settle), 5)
    assert desk.outcomes == ["body 250"] * 2
    assert sink.connections == 2
    assert len(sink.seen("QUIT")) == 1


@pytest.mark.parametrize(
    ("stage", "reply", "outcome"),
    [
        ("MAIL", b"550 5.7.515 not you\r\n", "MAIL 550"),
        ("RCPT", b"450 4.2.1 busy\r\n", "RCPT 450"),
        ("RCPT", b"451-4.7.1 grey\r\n451 4.7.1 listed\r\n", "RCPT 451"),
        ("RCPT", b"550 5.1.1 no such user\r\n", "RCPT 550"),
        ("DATA", b"451 4.3.0 later\r\n", "DATA 451"),
        ("dot", b"452 4.3.1 disk full\r\n", "body 452"),
        ("dot", b"552 5.3.4 too big\r\n", "body 552"),
        ("dot", b"554 5.7.1 spam\r\n", "body 554"),
    ],
)
async def test_a_refusal_is_kept_and_the_others_go_on_over_the_same_connection(
    stage: str, reply: bytes, outcome: str, pipelined: bool
) -> None:
    sink, desk = script(stage, say(reply), after=1), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 250", outcome, "body 250"]
    assert sink.connections == 1
    assert len(sink.seen("RSET")) == (0 if pipelined and stage == "dot" else 1), "none behind the next envelope"


@pytest.mark.parametrize("code", [452, 552, 554])
@pytest.mark.parametrize("then", [hang, hang_up])
async def test_a_refusal_at_the_dot_is_not_masked_when_the_relay_then_hangs(
    code: int, then: Act, pipelined: bool
) -> None:
    sink, desk = (
        script("dot", say_then(b"%d 5.3.4 refused\r\n" % code, then), after=1),
        Desk([mail(n) for n in (1, 2, 3)]),
    )
    assert await send(sink, desk) == ""
    announced = pipelined and then is hang  # and never answered
    assert desk.outcomes == ["body 250", f"body {code}", "MAIL -" if announced else "body 250"]


async def test_a_refusal_is_stored_before_rset_is_tried() -> None:
    sink, desk, resets = script("RCPT", say(b"550 5.1.1 no such user\r\n")), Desk([mail(1), mail(2)]), {}

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        resets[result.delivery if result else 0] = len(sink.seen("RSET"))
        return await desk.settle(result, mark)

    async with sink.running():
        await mailer(sink).run(desk.take, settle)
    assert desk.outcomes == ["RCPT 550", "body 250"]
    assert resets[1] == 0


async def test_a_result_is_stored_before_a_new_connection_is_made() -> None:
    sink, desk, connections = FaultSink(), Desk([mail(1), mail(2)]), {}

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        connections[result.delivery if result else 0] = sink.connections
        return await desk.settle(result, mark)

    async with sink.running():
        await mailer(sink, limits=Limits(messages=1)).run(desk.take, settle)
    assert connections[1] == 1
    assert sink.connections == 2


@pytest.mark.parametrize("act", [hang, cut, say(b"503 no\r\n"), say(b"what\r\n")])
async def test_a_failing_rset_masks_nothing(act: Act) -> None:
    sink = FaultSink({"RCPT": [say(b"550 5.1.1 no such user\r\n")], "RSET": [act]})
    desk = Desk([mail(1), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["RCPT 550", "body 250"]
    assert sink.connections == 2


@pytest.mark.parametrize(
    "act",
    [
        say(b"ok\r\n"),
        say(b"25\r\n"),
        say(b"250-a\r\n550 b\r\n"),
        say(b"\x00\xff\r\n"),
        say(b"199 x\r\n"),
        say(b"x" * 40_000),
        say(b"334 what\r\n"),
        endless(b"250-and on\r\n"),
        hang,
        endless(b"2"),
    ],
)
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
async def test_a_reply_that_is_none_drops_the_connection(act: Act, stage: str, pipelined: bool) -> None:
    sink, desk = script(stage, act, after=1), Desk([mail(n) for n in (1, 2, 3)])
    assert await send(sink, desk) == ""
    none = "body -" if stage == "dot" else f"{stage} -"
    expected = [["body 250", none, "body 250"]]
    if pipelined and stage == "MAIL":  # when it came with the answer before, the message goes over another connection
        expected.append(["body 250", "body 250", "body 250"])
    if pipelined and stage == "dot":  # when the answers to the envelope of the next message came with it
        expected.append(["body 250", "body -", "DATA -"])
    assert desk.outcomes in expected
    assert sink.connections == (1 if desk.outcomes[-1] == "DATA -" else 2)


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "dot"])
async def test_replies_in_pieces_are_understood(stage: str) -> None:
    usual = USUAL[stage]
    sink, desk = script(stage, drip(usual[:3] + b"-first line\r\n" + usual)), Desk([mail(1), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 250"] * 2
    assert sink.connections == 1


async def test_a_byte_now_and_then_does_not_extend_the_deadline() -> None:
    sink, desk = script("RCPT", drip(b"250-" + b"slow" * 200 + b"\r\n250 ok\r\n")), Desk([mail(1)])
    await send(sink, desk, limits=Limits(reply=0.1))
    assert desk.outcomes == ["RCPT -"]


async def test_an_unasked_reply_drops_the_connection_but_the_answer_before_it_counts(pipelined: bool) -> None:
    sink, desk = script("dot", say(b"250 taken\r\n250 extra\r\n")), Desk([mail(1), mail(2), mail(3)])
    assert await send(sink, desk) == ""
    # With an envelope on the wire it is taken for the answer to that; the one to DATA is then no 354.
    assert desk.outcomes == ["body 250", "DATA -" if pipelined else "body 250", "body 250"]
    assert sink.connections == 2


async def test_an_unasked_reply_before_the_body_keeps_the_body_back() -> None:
    sink, desk = script("DATA", say(b"354 go\r\n250 taken already\r\n")), Desk([mail(1), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["DATA -", "body 250"]
    assert 1 not in sink.body_bytes


@pytest.mark.parametrize(
    "message",
    [
        b".starts\r\nwith a dot\r\n",
        b"a\r\n.\r\nb\r\n..\r\n...c\r\n",
        b".\r\n",
        b"a\r\n.b",
        b"a\n.\r\nMAIL FROM:<evil@x>\r\n",
        b"x" * 900 + b"\r\n.",
    ],
)
async def test_dots_arrive_as_they_were(message: bytes) -> None:
    sink, desk = FaultSink(), Desk([mail(1, message), mail(2)])
    await send(sink, desk)
    assert desk.outcomes == ["body 250"] * 2
    assert len(sink.seen("MAIL")) == 2
    wire = sink.accepted[0]
    restored = b"\n".join(line.removeprefix(b".") for line in wire.split(b"\n"))
    assert restored == (message if message.endswith(b"\r\n") else message + b"\r\n")


async def test_a_large_message_goes_in_pieces() -> None:
    large = b"Subject: large\r\n\r\n" + b"." + (b"x" * 74 + b"\r\n.") * 65_000 + b"\r\n"
    assert len(large) > 5_000_000
    sink, desk = FaultSink(), Desk([mail(1, large), mail(2)])
    assert await send(sink, desk, limits=Limits()) == ""
    assert desk.outcomes == ["body 250"] * 2
    assert sink.accepted[0].replace(b"\r\n..", b"\r\n.") == large


async def test_a_relay_that_stops_reading_is_left() -> None:
    sink, desk = script("body", hang), Desk([mail(1, b"x" * 30_000_000), mail(2)])
    assert await send(sink, desk, limits=Limits(reply=0.2)) == ""  # long before the 600 s for the dot
    assert desk.outcomes == ["body -", "body 250"]


async def test_a_refusal_in_the_middle_of_the_body_counts() -> None:
    sink, desk = script("body", say_then(b"552 5.3.4 enough\r\n", hang)), Desk([mail(1, b"x" * 30_000_000), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 552", "body 250"]
    assert sink.connections == 2


async def test_an_acceptance_in_the_middle_of_the_body_is_in_doubt() -> None:
    sink, desk = script("body", say_then(b"250 fine\r\n", hang)), Desk([mail(1, b"x" * 30_000_000), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body -", "body 250"]


async def test_a_message_above_the_size_is_refused_by_us() -> None:
    sink, desk = FaultSink(extensions=("SIZE 100",)), Desk([mail(1, b"x" * 101), mail(2)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["MAIL 552", "body 250"]
    assert len(sink.seen("MAIL")) == 1


async def test_international_addresses_need_smtputf8() -> None:
    mails = [mail(1, to="jörg@x.example"), mail(2)]
    sink, desk = FaultSink(), Desk(list(mails))
    await send(sink, desk)
    assert desk.outcomes == ["MAIL 553", "body 250"]
    assert str(desk.results[1].reply) == "553 5.6.7 address needs SMTPUTF8, which the relay does not offer"
    sink, desk = FaultSink(extensions=("SMTPUTF8",)), Desk(list(mails))
    await send(sink, desk)
    assert desk.outcomes == ["body 250"] * 2
    assert [line[2] for line in sink.seen("MAIL")] == ["FROM:<b@list.example> SMTPUTF8", "FROM:<b@list.example>"]
    assert sink.seen("RCPT")[0][2] == "TO:<jörg@x.example>"


async def test_eight_bit_messages() -> None:
    sink, desk = FaultSink(), Desk([mail(1, "Subject: ä\r\n\r\n".encode())])
    await send(sink, desk)
    assert str(sink.seen("MAIL")[0][2]).endswith(" BODY=8BITMIME")
    assert desk.outcomes == ["body 250"]
    sink, desk = FaultSink(extensions=()), Desk([mail(1, "Subject: ä\r\n\r\n".encode())])
    await send(sink, desk)
    assert desk.outcomes == ["MAIL 554"]
    assert not sink.seen("MAIL")


async def test_a_relay_that_knows_only_helo() -> None:
    sink = FaultSink({"EHLO": [say(b"502 5.5.1 what?\r\n")], "HELO": [say(b"250 sink\r\n")]})
    desk = Desk([mail(1)])
    assert await send(sink, desk) == ""
    assert desk.outcomes == ["body 250"]


@pytest.mark.parametrize(
    "address",
    [
        "",
        "<>",
        "root",
        "a@x,b@y",
        "b@x> SIZE=1",
        "b@x\r\nRCPT TO:<c@x>",
        "a b@x",
        "a@x y",
        "a@b@c",
        "\ud800@x",
        "a\x00@x",
    ],
)
async def test_a_bad_address_is_never_sent(address: str) -> None:
    sink = FaultSink()
    bad = Outgoing(delivery=1, attempt=1, mail_from="b@list.example", rcpt_to=address, message=MESSAGE)
    desk = Desk([bad, mail(2)])
    await send(sink, desk)
    assert desk.outcomes == ["MAIL 553", "body 250"]
    assert len(sink.seen("RCPT")) == 1


@pytest.mark.parametrize("address", ['"a b"@x.example', "o'hara+tag@x.example", "a@[127.0.0.1]", '"a\\"@b"@x.example'])
async def test_unusual_addresses_are_sent(address: str) -> None:
    sink, desk = FaultSink(), Desk([mail(1, to=address)])
    await send(sink, desk)
    assert sink.seen("RCPT")[0][2] == f"TO:<{address}>"
    assert desk.outcomes == ["body 250"]


async def test_a_connection_is_replaced_after_its_share() -> None:
    sink, desk = FaultSink(), Desk([mail(n) for n in range(5)])
    await send(sink, desk, limits=Limits(messages=2))
    assert sink.connections == 3
    assert len(sink.seen("QUIT")) == 3
    sink, desk = FaultSink(), Desk([mail(n) for n in range(3)])
    await send(sink, desk, limits=Limits(lifetime=0))
    assert sink.connections == 3


async def test_quit_is_not_waited_for() -> None:
    sink, desk = script("QUIT", hang), Desk([mail(1)])
    assert await send(sink, desk, limits=Limits(quit=0.05)) == ""
    assert desk.outcomes == ["body 250"]


@pytest.mark.parametrize("stage", ["connect", "MAIL", "RCPT", "DATA", "dot"])
async def test_cancelling_settles_what_was_taken(stage: str, pipelined: bool) -> None:
    sink, desk = script(stage, hang), Desk([mail(1), mail(2)])
    async with sink.running():
        task = asyncio.create_task(mailer(sink, limits=Limits()).run(desk.take, desk.settle))
        while not sink.seen(stage):
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
    taken_ahead = ["connect -"] * (pipelined and stage != "connect")
    assert desk.outcomes == ["body -" if stage == "dot" else f"{stage} -", *taken_ahead]


async def test_cancelling_in_settle_lets_the_commit_end_and_sends_nothing(pipelined: bool) -> None:
    sink, desk, committing, go = FaultSink(), Desk([mail(1), mail(2)]), asyncio.Event(), asyncio.Event()

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        if mark:
            committing.set()
            await go.wait()
        return await desk.settle(result, mark)

    async with sink.running():
        task = asyncio.create_task(mailer(sink).run(desk.take, settle))
        await committing.wait()
        task.cancel()
        await asyncio.sleep(0)
        go.set()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
    assert desk.calls[0] == (None, 1)
    assert desk.outcomes == ["DATA -"] + ["connect -"] * pipelined
    assert not sink.body_bytes


async def test_cancelling_while_waiting_for_a_message() -> None:
    sink, desk, waiting = FaultSink(), Desk([mail(1)]), asyncio.Event()

    async def take() -> Outgoing | None:
        if not desk.mails:
            waiting.set()
            await asyncio.Event().wait()
        return await desk.take()

    async with sink.running():
        task = asyncio.create_task(mailer(sink).run(take, desk.settle))
        await waiting.wait()
        while not any(result for result, _ in desk.calls):
            await asyncio.sleep(0.002)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 2)
    assert desk.outcomes == ["body 250"]


async def test_a_failing_settle_stops_all_lanes_and_comes_out() -> None:
    sink, desk = FaultSink(), Desk([mail(n) for n in range(40)])

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        if len(desk.calls) > 5:
            raise RuntimeError("disk full")
        return await desk.settle(result, mark)

    async with sink.running():
        with pytest.raises(RuntimeError, match="disk full"):
            await asyncio.wait_for(mailer(sink, 3).run(desk.take, settle), 2)
    marked = [mark for _, mark in desk.calls if mark is not None]
    assert len(sink.seen("body")) <= len(marked)


async def test_a_failing_take_settles_what_is_held() -> None:
    sink, desk = FaultSink(), Desk([mail(1)])

    async def take() -> Outgoing | None:
        if not desk.mails:
            raise RuntimeError("no database")
        return await desk.take()

    async with sink.running():
        with pytest.raises(RuntimeError, match="no database"):
            await mailer(sink).run(take, desk.settle)
    assert desk.outcomes == ["body 250"]


async def test_probe_says_what_answers(pipelined: bool) -> None:
    sink = FaultSink()
    async with sink.running():
        line = await mailer(sink).probe()
    offered = "PIPELINING SIZE 8BITMIME" if pipelined else "SIZE 8BITMIME"
    assert line == f"127.0.0.1:{sink.port} answers, TLS none, {offered}"
    assert [line[1] for line in sink.log[:3]] == ["connect", "EHLO", "QUIT"]
