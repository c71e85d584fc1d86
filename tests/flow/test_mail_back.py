"""Mail that comes back to a whole site: each kind, to the address that the mail itself gave, and what follows."""

from __future__ import annotations

import asyncio
import json
import re
import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from click.testing import CliRunner
from flow_site import DAY, HOUR, Site

from feed_publisher.app import App
from feed_publisher.cli.group import cli
from feed_publisher.compose.lint import lint
from feed_publisher.domain.finding import Level
from feed_publisher.services.answering import AN_HOUR

DOMAIN = "back.harbour.example"
MORE = f"""
[mail]
bounce_domain = "{DOMAIN}"
[bounces]
maildir = "back"
soft_limit = 3
"""


@pytest.fixture
def site(site: Site) -> Site:
    return prepared(site)


def prepared(site: Site) -> Site:
    site.configure(digest='reply_to = "desk@harbour.example"' + MORE)
    for name in ("new", "cur", "tmp"):
        (site.folder / "back" / name).mkdir(parents=True)
    site.join("email\nann@example.org\nben@example.org\n")
    return issued(site, 1)


def issued(site: Site, number: int) -> Site:
    site.write(f"{number}.md", f"---\ntitle: Article {number}\n---\nText {number}.\n")
    site.pickup()
    assert site.send() is not None
    return site


def envelope_senders(site: Site) -> dict[str, str]:
    """Of the newest mail to each reader."""
    mails = [message_from_bytes(mail.raw) for mail in site.mails()]
    return {str(mail["Delivered-To"]): str(mail["Return-Path"]).strip("<>") for mail in mails}


def arrive(site: Site, to: str, mail: bytes, name: str = "1", mail_from: str = "") -> None:
    """What a mail server puts into the Maildir; then it is read."""
    head = f"Return-Path: <{mail_from}>\r\nDelivered-To: {to}\r\n".encode()
    (site.folder / "back" / "new" / name).write_bytes(head + mail)
    poll(site)


def poll(site: Site) -> int:
    with site.open() as app:
        return asyncio.run(app.returns.poll())


def dsn(status: str = "5.1.1", said: str = "550 5.1.1 User unknown", action: str = "failed") -> bytes:
    return (
        "From: MAILER-DAEMON@mx.example.org\r\nTo: whoever@example.org\r\nSubject: Undelivered Mail\r\n"
        "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="B"\r\n\r\n'
        "--B\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
        "--B\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example.org\r\n\r\n"
        f"Final-Recipient: rfc822; somebody-else@example.org\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"Diagnostic-Code: smtp; {said}\r\n\r\n--B--\r\n"
    ).encode()


def written(to: str, text: str = "Thank you!", **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann Po <ann@example.org>", to, headers.pop("subject", "Re: Article 1")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes(policy=policy.SMTP)


def complaint(mail: bytes) -> bytes:
    return (
        b"From: fbl@provider.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/report; report-type=feedback-report; boundary="B"\r\n\r\n'
        b"--B\r\nContent-Type: text/plain\r\n\r\nAn abuse report.\r\n"
        b"--B\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: Feedback/1\r\n\r\n"
        b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + mail + b"\r\n--B--\r\n"
    )


def states(site: Site) -> dict[str, tuple[str, str]]:
    """(state, subscription) by address, of the newest issue."""
    rows = site.sql(
        "SELECT s.address, d.state, n.state FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id"
        " JOIN subscription n ON n.id = d.subscription_id WHERE d.issue_id = (SELECT max(id) FROM issue)"
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def never_mailed(site: Site) -> list[str]:
    with site.open() as app:
        return [address for address, _, _ in app.people.suppressions()]


def received(site: Site) -> dict[str, int]:
    with site.open() as app:
        return app.bounces.counts(site.now.date())


def run(site: Site, *words: str) -> str:
    done = CliRunner().invoke(cli, ["--site", str(site.folder), *words])
    return done.stdout if "--json" in words else done.output or str(done.exception)


def test_each_mail_has_a_sender_of_its_own_and_nothing_else_changes(site: Site) -> None:
    senders = envelope_senders(site)
    assert len(set(senders.values())) == 2
    for mail in site.mails():
        message = message_from_bytes(mail.raw)
        local, _, domain = str(message["Return-Path"]).strip("<>").partition("@")
        assert domain == DOMAIN
        assert re.fullmatch(r"b-[a-z2-7]{32}", local)
        assert message["From"] == '"The Letter" <letter@harbour.example>'
        assert re.fullmatch(
            rf"<http[^>]+/unsubscribe/[^>]+>, <mailto:u-[a-z2-7]{{32}}@{DOMAIN}\?subject=unsubscribe>",
            str(message["List-Unsubscribe"]),
        )
        assert [found.text for found in lint(mail.raw.partition(b"\r\n")[2]) if found.level is Level.ERROR] == []


def test_without_a_domain_all_stays_as_it_was(site: Site) -> None:
    site.configure(digest="")
    issued(site, 2)
    mail = message_from_bytes(site.mails()[-1].raw)
    assert mail["Return-Path"] == "<letter@harbour.example>"
    assert "mailto:" not in mail["List-Unsubscribe"]


def test_an_address_that_does_not_exist_is_mailed_once(site: Site) -> None:
    arrive(site, envelope_senders(site)["ann@example.org"].upper(), dsn())
    assert states(site) == {"ann@example.org": ("bounced", "active"), "ben@example.org": ("sent", "active")}
    assert never_mailed(site) == ["ann@example.org"]
    issued(site, 2)
    assert states(site) == {"ann@example.org": ("suppressed", "active"), "ben@example.org": ("sent", "active")}
    shown = run(site, "subscribers", "show", "ann@example.org")
    assert "never mailed: no such address: 550 5.1.1 User unknown" in shown
    (listed,) = json.loads(run(site, "bounces", "list", "--json"))["bounces"]
    assert (listed["address"], listed["kind"], listed["digest"]) == ("ann@example.org", "hard", "weekly")
    assert "came back: 1 no such address" in run(site, "issues", "show", "1")


def test_a_refusal_that_may_pass_brings_the_articles_again(site: Site) -> None:
    arrive(site, envelope_senders(site)["ann@example.org"], dsn("5.2.2", "552 5.2.2 mailbox full"))
    assert states(site)["ann@example.org"] == ("bounced", "active")
    assert never_mailed(site) == []
    site.now += DAY
    issued(site, 2)
    by_reader = {mail.to: mail.text for mail in site.mails()}
    assert "Text 1." in by_reader["ann@example.org"]
    assert "Text 1." not in by_reader["ben@example.org"]


def test_an_address_that_keeps_refusing_is_given_up_and_each_day_counts_once(site: Site) -> None:
    for number in range(2, 6):
        for name in ("a", "b"):  # the same report twice
            arrive(site, envelope_senders(site)["ann@example.org"], dsn("4.2.2", "452 4.2.2 full"), name)
        gone = never_mailed(site)
        assert gone == (["ann@example.org"] if number >= 4 else [])
        site.now += DAY
        issued(site, number)
    history = run(site, "subscribers", "show", "ann@example.org")
    assert "never mailed: came back on 3 days, at last: 452 4.2.2 full" in history


def test_days_that_are_long_ago_do_not_count(site: Site) -> None:
    for number in range(2, 7):
        arrive(site, envelope_senders(site)["ann@example.org"], dsn("4.2.2", "452 4.2.2 full"))
        site.now += 46 * DAY  # a day counts for 90
        issued(site, number)
    assert never_mailed(site) == []


def test_what_is_about_us_takes_nobody_off_and_is_told(site: Site) -> None:
    arrive(site, envelope_senders(site)["ann@example.org"], dsn("5.7.515", "550 5.7.515 not authenticated"))
    assert states(site)["ann@example.org"] == ("bounced", "active")
    assert never_mailed(site) == []
    assert any("because of who sends it" in notice and "5.7.515" in notice for notice in site.notices())


def test_a_delay_is_noted_and_no_more(site: Site) -> None:
    arrive(site, envelope_senders(site)["ann@example.org"], dsn("4.4.1", "no answer", "delayed"))
    assert states(site)["ann@example.org"] == ("sent", "active")
    assert received(site) == {"delayed": 1}


@pytest.mark.parametrize(("action", "state"), [("delivered", "sent"), ("failed", "bounced"), ("delayed", "unknown")])
def test_a_report_resolves_a_doubt(site: Site, action: str, state: str) -> None:
    site.sql("UPDATE delivery SET state = 'unknown'")
    arrive(
        site, envelope_senders(site)["ann@example.org"], dsn("2.0.0" if action == "delivered" else "5.0.0", "", action)
    )
    assert states(site)["ann@example.org"][0] == state
    assert states(site)["ben@example.org"][0] == "unknown"


def test_who_complains_is_unsubscribed_and_never_mailed(site: Site) -> None:
    (mail,) = (mail for mail in site.mails() if mail.to == "ann@example.org")
    arrive(site, f"complaints@{DOMAIN}", complaint(mail.raw), mail_from="fbl@provider.example")
    assert states(site) == {"ann@example.org": ("sent", "unsubscribed"), "ben@example.org": ("sent", "active")}
    assert never_mailed(site) == ["ann@example.org"]


def test_a_complaint_without_the_envelope_names_the_subscription(site: Site) -> None:
    (mail,) = (mail for mail in site.mails() if mail.to == "ann@example.org")
    arrive(site, f"complaints@{DOMAIN}", complaint(mail.raw.partition(b"\r\n")[2]), mail_from="fbl@provider.example")
    assert states(site)["ann@example.org"] == ("sent", "unsubscribed")
    assert never_mailed(site) == ["ann@example.org"]


def test_forged_addresses_change_nothing(site: Site) -> None:
    before = states(site)
    true = envelope_senders(site)["ann@example.org"]
    forged = true[:10] + ("a" if true[10] != "a" else "b") + true[11:]
    for to in (forged, f"ann@{DOMAIN}", true.replace(DOMAIN, "elsewhere.example"), true.replace("b-", "u-", 1)):
        arrive(site, to, dsn())
    assert states(site) == before
    assert never_mailed(site) == []
    assert received(site) == {"not ours": 4}


def test_a_report_of_an_earlier_attempt_changes_nothing_in_the_one_that_counts(site: Site) -> None:
    earlier = envelope_senders(site)["ann@example.org"]
    arrive(site, earlier, dsn("5.2.2", "full"), "first")
    with site.open() as app, app.owning():
        app.ledger.resend(1, ["bounced"], None, site.now)
        assert site.deliver() is not None
    assert envelope_senders(site)["ann@example.org"] != earlier
    arrive(site, earlier, dsn("5.2.2", "full"), "again")
    assert states(site)["ann@example.org"][0] == "sent"
    assert received(site) == {"soft": 1, "other": 1}


def test_a_report_that_overtakes_the_answer_waits_for_it(site: Site) -> None:
    site.sql("UPDATE delivery SET state = 'transmitting'")
    arrive(site, envelope_senders(site)["ann@example.org"], dsn())
    assert [file.name for file in (site.folder / "back" / "new").iterdir()] == ["1"]
    site.sql("UPDATE delivery SET state = 'sent'")
    assert poll(site) == 1
    assert states(site)["ann@example.org"][0] == "bounced"


def test_a_mail_unsubscribes_whatever_it_says(site: Site) -> None:
    (mail,) = (message_from_bytes(mail.raw) for mail in site.mails() if mail.to == "ann@example.org")
    to = re.search(r"mailto:([^?]+)", str(mail["List-Unsubscribe"]))
    assert to is not None
    away = written(to[1], subject="Out of office", Auto_Submitted="auto-replied")
    arrive(site, to[1], away, mail_from="ann@example.org")
    arrive(site, to[1], dsn())
    assert states(site)["ann@example.org"] == ("sent", "active")
    arrive(site, to[1], written(to[1], "", subject=""), mail_from="ann@example.org")
    assert states(site) == {"ann@example.org": ("sent", "unsubscribed"), "ben@example.org": ("sent", "active")}
    assert never_mailed(site) == []
    assert "left: by mail" in run(site, "subscribers", "show", "ann@example.org")


def test_a_program_that_was_told_to_unsubscribe_may(site: Site) -> None:
    (mail,) = (message_from_bytes(mail.raw) for mail in site.mails() if mail.to == "ann@example.org")
    to = str(mail["List-Unsubscribe"]).partition("mailto:")[2].partition("?")[0]
    arrive(site, to, written(to, subject="unsubscribe", Auto_Submitted="auto-generated"), mail_from="ann@example.org")
    assert states(site)["ann@example.org"] == ("sent", "unsubscribed")


def passed_on(site: Site) -> list[EmailMessage]:
    """What a round of letters brings to the desk."""

    async def send(app: App) -> None:
        async with app.relay() as mailer:
            await app.send_letters(mailer)

    with site.open() as app:
        asyncio.run(send(app))
    files = sorted((site.folder / "var" / "mailbox" / "new").glob("*"))
    mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    return [mail for mail in mails if isinstance(mail, EmailMessage) and mail["Delivered-To"] == "desk@harbour.example"]


def test_an_answer_is_passed_on_once_and_never_back(site: Site) -> None:
    to = envelope_senders(site)["ann@example.org"]
    answer = written(to, "Grüße aus Kesby, 10 €", subject="Re: Größe\u202e")
    for name in ("1", "2"):  # a crash between dealing with it and moving it away
        arrive(site, to, answer, name, "ann@example.org")
    (mail,) = passed_on(site)
    assert mail["From"] == "The Letter <letter@harbour.example>"
    assert mail["Reply-To"] == "ann@example.org"
    assert mail["Subject"] == "Re: Größe"
    body = mail.get_body(("plain",))
    assert body is not None
    assert "ann@example.org answered" in body.get_content()
    assert "Grüße aus Kesby, 10 €" in body.get_content()
    assert len(list(mail.iter_attachments())) == 1
    assert len(passed_on(site)) == 1
    arrive(site, to, mail.as_bytes(policy=policy.SMTP), "3", "letter@harbour.example")
    assert len(passed_on(site)) == 1, "what we have sent ourselves is not passed on"
    assert received(site)["our own"] == 1


def test_answers_by_themselves_are_counted_only(site: Site) -> None:
    to = envelope_senders(site)["ann@example.org"]
    by_itself = (
        written(to, subject="Abwesenheitsnotiz: bin im Urlaub"),
        written(to, Auto_Submitted="auto-replied (vacation)"),
        written(to, X_Autoreply="yes"),
        written(to, Precedence="bulk"),
    )
    for mail in by_itself:
        arrive(site, to, mail, mail_from="ann@example.org")
    assert passed_on(site) == []
    assert received(site) == {"auto-reply": 4}
    assert states(site)["ann@example.org"] == ("sent", "active")


def test_a_loop_stays_small(site: Site) -> None:
    to = envelope_senders(site)["ann@example.org"]
    for number in range(AN_HOUR + 5):
        arrive(site, to, written(to, f"Text {number}"), f"{number:03}", "ann@example.org")
    for _ in range(6):
        passed_on(site)
    assert len(passed_on(site)) == AN_HOUR
    site.now += HOUR
    assert len(passed_on(site)) == AN_HOUR + 5, "nothing is dropped"


def test_the_listener_of_a_running_site(site: Site) -> None:
    site.configure(digest=f'[mail]\nbounce_domain = "{DOMAIN}"\n[bounces]\nlisten = "127.0.0.1:1"')
    to = envelope_senders(site)["ann@example.org"]
    with site.open() as app:
        app.returns._settings = app.settings.model_copy(
            update={"bounces": app.settings.bounces.model_copy(update={"listen": f"127.0.0.1:{free_port()}"})}
        )

        async def listen() -> None:
            async with app.returns.listening() as port:
                await asyncio.to_thread(deliver, port)

        def deliver(port: int) -> None:
            with smtplib.LMTP("127.0.0.1", port) as server:
                server.sendmail("", [to.upper()], dsn())

        asyncio.run(listen())
    assert states(site)["ann@example.org"] == ("bounced", "active")


def free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_check_says_which_ways_in_there_are(site: Site) -> None:
    def said() -> str:
        return next(line for line in run(site, "check").splitlines() if "bounces:" in line)

    assert said().startswith("ok")
    assert "Maildir" in said()
    (site.folder / "back" / "cur").rmdir()
    assert "BAD" in said()
    assert "it has no cur/" in said()
    site.configure(digest=f'[mail]\nbounce_domain = "{DOMAIN}"')
    assert "BAD" in said()
    assert "nothing reads it" in said()
    site.configure(digest="")
    assert said().startswith("ok")
    assert "not read" in said()
    site.configure(digest='[bounces]\nmaildir = "back"')
    assert "set bounce_domain in [mail]" in run(site, "check")


def test_erasing_blanks_what_was_said(site: Site) -> None:
    arrive(site, envelope_senders(site)["ann@example.org"], dsn("5.2.2", "ann@example.org is full"))
    run(site, "subscribers", "erase", "ann@example.org")
    (listed,) = json.loads(run(site, "bounces", "list", "--json"))["bounces"]
    assert (listed["address"], listed["reason"]) == ("", "")
    arrive(site, envelope_senders(site)["ann@example.org"], dsn())
    assert never_mailed(site) == []


def test_tick_reads_what_has_come_back(site: Site) -> None:
    to = envelope_senders(site)["ann@example.org"]
    (site.folder / "back" / "new" / "1").write_bytes(f"Delivered-To: {to}\r\n".encode() + dsn())
    run(site, "tick")
    assert site.books(1) == {"sent": 1, "bounced": 1}
