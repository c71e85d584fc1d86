"""The doctor at the command line: check, a large send refused and forced, and what is told of scheduled issues."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dns_server import Dns, serving
from faults.relay import Relay
from programs import needed
from test_commands import Cli, cli, full, listing

from feed_publisher.app import App
from feed_publisher.cli.common import Out
from feed_publisher.cli.run import _tick
from feed_publisher.scheduler import Scheduler

__all__ = ["cli", "full"]
HOST = "127.1"
"""This machine by a name that does not say so: a mail server elsewhere, as far as the program can tell."""

DOMAIN = "harbour.example"
MANY = 501


@dataclass
class Sending:
    """A site that mails through a server elsewhere, and the DNS that its receivers ask."""

    site: Cli
    dns: Dns
    relay: Relay

    def check(self, *words: str) -> dict[str, dict[str, object]]:
        return {each["name"]: each for each in self.site("check", *words, "--json").json["mail"]}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needed("openssl", "there is no certificate to test with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 40 -subj /CN=relay -addext subjectAltName=DNS:{HOST}"
    made = path.with_suffix(".crt")
    subprocess.run([*command.split(), "-keyout", path, "-out", made], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + made.read_bytes())
    return path


@pytest.fixture
def sending(full: Cli, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sending]:
    """All is well, and there are more readers than are mailed unseen."""
    file = full.folder / "publisher.toml"
    file.write_text(file.read_text().replace("digest@example.org", f"digest@{DOMAIN}"))
    readers = full.folder / "readers.csv"
    readers.write_text("email\n" + "".join(f"r{number}@example.org\n" for number in range(MANY)))
    full.ok("subscribers", "import", readers, "--digest", "weekly", "--confirmed")
    key = full.json("dkim", "new", DOMAIN, "fp1")
    with file.open("a") as settings:
        settings.write(f'\n[[dkim]]\ndomain = "{DOMAIN}"\nselector = "fp1"\nkey_file = "dkim-fp1.pem"\n')
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serving() as dns, Relay(tls=context) as relay:
        dns.txt(DOMAIN, f"v=spf1 a:{HOST} -all")
        dns.txt(key["name"], key["record"])
        dns.txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject")
        dns.put(DOMAIN, "MX", f"10 mail.{DOMAIN}.")
        for name in (HOST, f"mail.{DOMAIN}", f"www.{DOMAIN}"):
            dns.put(name, "A", "93.184.215.14")
        dns.name_of("93.184.215.14", f"mail.{DOMAIN}")
        full.overrides = (
            *(f"smtp.host={HOST}", f"smtp.port={relay.port}", f"mail.dns_server={dns.address}"),
            *(f"site.base_url=https://www.{DOMAIN}", "site.postal_address=4 Net Loft Lane"),
        )
        yield Sending(full, dns, relay)


def test_check_says_what_mailbox_providers_see(sending: Sending) -> None:
    done = sending.site("check")
    lines = [line for line in done.out.splitlines() if " mail " in line[:10]]
    assert done.code == 0, done.out
    assert f"ok   mail {DOMAIN} SPF: one record, ends in -all" in done.out
    assert f"ok   mail fp1._domainkey.{DOMAIN} DKIM: the DNS has our key" in done.out
    assert f"ok   mail {HOST} TLS: TLSv1.3, its certificate is good until" in done.out
    assert "warn mail relay HELO" in done.out
    assert any(line.startswith("ok   mail sample mail of weekly: ") for line in lines)
    assert not any(line.startswith("BAD") for line in lines)
    assert sending.relay.accepted == []


def test_check_says_what_to_put_into_the_dns(sending: Sending) -> None:
    sending.dns.txt(f"_dmarc.{DOMAIN}")
    done = sending.site("check")
    assert done.code == 1
    assert (
        f"BAD  mail {DOMAIN} DMARC: there is no record; large mailbox providers ask for one. Put into the DNS:\n"
        f'       _dmarc.{DOMAIN}.  TXT  "v=DMARC1; p=none"\n'
    ) in done.out
    each = sending.check()[f"mail {DOMAIN} DMARC"]
    assert (each["level"], each["dns"], each["stops"]) == ("bad", f'_dmarc.{DOMAIN}.  TXT  "v=DMARC1; p=none"', False)


def test_offline_asks_nobody(sending: Sending) -> None:
    done = sending.site("check", "--offline")
    assert (done.code, sending.dns.asked) == (0, [])
    assert "--offline asks nobody" in done.out
    assert "mail server:" not in done.out
    assert sending.check("--offline") == {}


@pytest.mark.parametrize("overrides", [(), ("smtp.host=localhost", "smtp.tls=none", "smtp.port=1")])
def test_a_trial_on_this_machine_asks_nobody(sending: Sending, overrides: tuple[str, ...]) -> None:
    sending.site.overrides = (f"mail.dns_server={sending.dns.address}", *overrides)
    assert sending.check() == {}
    assert sending.dns.asked == []


def test_a_dns_server_that_is_none_is_refused(sending: Sending) -> None:
    for wrong in ("dns.example", "127.0.0.1:99999", "127.0.0.1:x", "[::1"):
        sending.site.overrides = (f"mail.dns_server={wrong}",)
        assert "mail.dns_server" in sending.site.fails("check"), wrong


def test_a_large_send_is_refused_while_there_are_red_lines(sending: Sending) -> None:
    sending.dns.txt(f"fp1._domainkey.{DOMAIN}", "v=DKIM1; k=rsa; p=")
    done = sending.site("send", "weekly", "--yes")
    assert (done.code, sending.relay.accepted) == (1, [])
    assert f"BAD  mail fp1._domainkey.{DOMAIN} DKIM: the key is revoked" in done.out
    assert done.err.startswith("error: nothing was sent: 1 red line above"), done.err
    assert sending.site.json("issues", "list")["issues"] == []
    sent = sending.site("send", "weekly", "--yes", "--force", "--json")
    assert (sent.code, sent.json["books"]["sent"]) == (0, MANY + 3)
    assert len(sending.relay.accepted) == MANY + 3


@pytest.mark.parametrize("change", ["site.postal_address=", f"site.base_url=http://www.{DOMAIN}"])
def test_what_settings_alone_make_a_red_line(sending: Sending, change: str) -> None:
    sending.site.overrides += (change,)
    assert "1 red line" in sending.site("send", "weekly", "--yes").err
    assert sending.relay.accepted == []


def test_a_dns_that_cannot_tell_stops_nothing(sending: Sending) -> None:
    sending.dns.txt(f"fp1._domainkey.{DOMAIN}")
    sending.dns.broken = {f"fp1._domainkey.{DOMAIN}": "SERVFAIL"}
    assert sending.site("send", "weekly", "--yes").code == 0


def test_neither_few_readers_nor_a_mail_server_of_this_machine_are_looked_at(sending: Sending) -> None:
    sending.dns.txt(f"fp1._domainkey.{DOMAIN}")
    with App(sending.site.folder, sending.site.overrides) as app:
        assert len(asyncio.run(app.checkup.red_lines(MANY))) == 1
        assert asyncio.run(app.checkup.red_lines(MANY - 1)) == []
    here = (*sending.site.overrides, "smtp.host=localhost", "smtp.tls=none")
    with App(sending.site.folder, here) as app:
        sending.dns.asked.clear()
        assert asyncio.run(app.checkup.red_lines(1_000_000)) == []
        assert sending.dns.asked == []
        assert any(each.stops for each in asyncio.run(app.checkup.examine())), "but check tells of it"


@pytest.mark.parametrize("way", ["tick", "serve"])
def test_a_scheduled_issue_leaves_and_the_operator_is_told_once_a_day(sending: Sending, way: str) -> None:
    file = sending.site.folder / "publisher.toml"
    file.write_text(re.sub(r"^cadences = .*$", 'cadences = ["daily"]', file.read_text(), flags=re.MULTILINE))
    with sqlite3.connect(sending.site.folder / "var" / "publisher.sqlite3") as database:
        database.execute("UPDATE subscription SET cadence = 'daily'")
    database.close()
    sending.dns.txt(f"fp1._domainkey.{DOMAIN}")
    told, noon = [], datetime.now(UTC).replace(hour=12)
    for day in range(1, 4):
        sending.site.write(f"day{day}.txt", listing("Harbour news", [20 + day]))
        run_at(sending, noon + timedelta(days=day), way)
        sending.dns.asked.clear()
        with App(sending.site.folder, sending.site.overrides, clock=lambda day=day: noon + timedelta(days=day)) as app:
            asyncio.run(app.checkup.tell(app.issues.newest(5, "weekly")))
        assert (sending.dns.asked == []) is (day != 3), "what was told of a day is not looked at again"
        told.append([each for each in notices(sending) if each.startswith("An issue for 504 readers leaves")])
        if day == 2:
            sending.dns.txt(f"fp1._domainkey.{DOMAIN}", key_record(sending))
    assert [len(each) for each in told] == [1, 2, 2]
    assert "DKIM: there is no record; mail is signed, but receivers cannot tell. `check` tells" in told[0][0]
    assert len(sending.relay.accepted) == 3 * (MANY + 3)


def run_at(sending: Sending, now: datetime, way: str) -> None:
    with App(sending.site.folder, sending.site.overrides, clock=lambda: now) as app, app.owning():
        asyncio.run(app.intake.pickup())
        if way == "tick":
            asyncio.run(_tick(app, Out(True)))
        else:
            asyncio.run(_open_in_scheduler(app))


async def _open_in_scheduler(app: App) -> None:
    async with app.relay() as mailer:
        await Scheduler(app, mailer).open_issues()
        await app.send_due(mailer)


def notices(sending: Sending) -> list[str]:
    with App(sending.site.folder, sending.site.overrides) as app:
        return [each.sentence for each in app.desk.notices(50)]


def key_record(sending: Sending) -> str:
    (key,) = sending.site.json("dkim", "show")["keys"]
    return str(key["record"])
