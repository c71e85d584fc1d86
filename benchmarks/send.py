"""Sending a digest to many readers, beside what others need for it: messages per second and CPU time a message.

The whole product (ledger on disk, a mark before each body, every reader's own links) hands a digest of about 24 kB to
Debian's smtp-sink over 16 connections. In the same round, to the same sink: Postfix's smtp-source (C, one message
without composition or ledger, again and again), aiosmtplib with an EmailMessage for each reader, and smtplib with ready
bytes. Medians of several rounds; on a busy machine trust the ratios.

Run: .venv/bin/python benchmarks/send.py [--readers N] [--rounds N] [--lockstep] [--dkim rsa|ed25519]
Needs Debian's postfix package for smtp-sink and smtp-source.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
from opening import make

from feed_publisher.app import App
from feed_publisher.compose.dkim import new_key

CONNECTIONS = 64
ARTICLES = 11
"""So many make a digest of about 24 kB."""


def overrides(port: int) -> tuple[str, ...]:
    return (
        "smtp.host=127.0.0.1",
        f"smtp.port={port}",
        "smtp.tls=none",
        f"smtp.connections={CONNECTIONS}",
    )


@contextmanager
def sink(lockstep: bool) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    # -p: no PIPELINING; a process of root must give a user.
    words = ["smtp-sink", *(["-u", "nobody"] if os.geteuid() == 0 else []), *(["-p"] if lockstep else [])]
    process = subprocess.Popen([*words, f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()


# --- one sender each, in a process of its own


def ours(site: Path, port: int, count: int) -> int:
    with App(site, overrides(port)) as app, app.owning():

        async def go() -> int:
            async with app.relay() as mailer:
                return (await app.send_run(mailer).run()).total

        return asyncio.run(go())


def sample(site: Path) -> bytes:
    """The message of one reader, as prepare() kept it."""
    return (site / "sample.eml").read_bytes()


def with_aiosmtplib(site: Path, port: int, count: int) -> int:
    from email import message_from_bytes
    from email.policy import default

    message = message_from_bytes(sample(site), policy=default)
    assert isinstance(message, EmailMessage)
    text, html = (part.get_content() for part in (message.get_body(("plain",)), message.get_body(("html",))) if part)
    numbers = iter(range(count))

    async def lane() -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for number in numbers:
                mail = EmailMessage()
                mail["From"], mail["To"] = "digest@example.org", f"reader{number}@example.org"
                mail["Subject"] = message["Subject"]
                mail.set_content(text.replace("unsubscribe/", f"unsubscribe/{number}"))
                mail.add_alternative(html.replace("unsubscribe/", f"unsubscribe/{number}"), subtype="html")
                await client.send_message(mail)

    async def go() -> None:
        await asyncio.gather(*(lane() for _ in range(CONNECTIONS)))

    asyncio.run(go())
    return count


def with_smtplib(site: Path, port: int, count: int) -> int:
    raw = sample(site)
    with smtplib.SMTP("127.0.0.1", port) as client:
        for number in range(count):
            client.sendmail("digest@example.org", [f"reader{number}@example.org"], raw)
    return count


def with_smtp_source(site: Path, port: int, count: int) -> int:
    file = site.parent / "message.eml"
    file.write_bytes(sample(site).replace(b"\r\n", b"\n"))
    words = ["smtp-source", "-s", str(CONNECTIONS), "-d", "-m", str(count), "-F", str(file)]
    words += ["-f", "digest@example.org", "-t", "reader@example.org", f"127.0.0.1:{port}"]
    start = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    report(count, time.perf_counter() - start, spent)
    sys.exit(0)


SENDERS = {
    "feed-publisher, all of it": (ours, 1.0),
    "smtp-source (C, ready bytes)": (with_smtp_source, 1.0),
    "smtplib, ready bytes": (with_smtplib, 0.2),
    "aiosmtplib, EmailMessage each": (with_aiosmtplib, 0.03),
}
"""With the share of the messages that each is given: rates are what is compared."""


def report(count: int, seconds: float, spent: float) -> None:
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rate": count / seconds, "cpu": spent / count * 1e6, "memory": memory}))


def child(name: str, site: Path, port: int, count: int) -> None:
    """Imports and opening the site are not counted."""
    sender = SENDERS[name][0]
    wall, cpu = time.perf_counter(), time.process_time()
    sent = sender(site, port, count)
    assert sent == count, f"{sent} of {count}"
    report(count, time.perf_counter() - wall, time.process_time() - cpu)


def prepare(site: Path, readers: int, dkim: str) -> None:
    """An issue that is ready to leave."""
    make(site, 8000, readers, ARTICLES, 1)
    if dkim:
        (site / "key.pem").write_bytes(new_key(dkim))
        with (site / "publisher.toml").open("a") as settings:
            settings.write('[[dkim]]\ndomain = "example.org"\nselector = "s"\nkey_file = "key.pem"\n')
    with App(site, overrides(25)) as app, app.owning():
        (site / "sample.eml").write_bytes(next(iter(app.dry_run("digest", None))).message)
        assert app.open_manual("digest") is not None


def measure(name: str, site: Path, lockstep: bool, readers: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, sink(lockstep) as port:
        copy = Path(folder) / "site"
        shutil.copytree(site, copy)
        count = max(100, round(readers * SENDERS[name][1]))
        words = [sys.executable, __file__, "--child", name, str(copy), str(port), str(count)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lockstep", action="store_true", help="a sink that does not offer PIPELINING")
    parser.add_argument("--dkim", choices=["rsa", "ed25519"], default="")
    wanted = parser.parse_args()
    if not shutil.which("smtp-source"):
        sys.exit("smtp-source is missing; install Debian's postfix")
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        prepare(site, wanted.readers, wanted.dkim)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in SENDERS}
        for _ in range(wanted.rounds):
            for name, results in found.items():
                results.append(measure(name, site, wanted.lockstep, wanted.readers))
        size = len(sample(site))
    print(f"a digest of {size / 1000:.1f} kB, {CONNECTIONS} connections, medians of {wanted.rounds} rounds")
    mine = found["feed-publisher, all of it"]
    for name, results in found.items():
        rate, cpu = (statistics.median(each[key] for each in results) for key in ("rate", "cpu"))
        ratio = statistics.median(a["rate"] / b["rate"] for a, b in zip(mine, results, strict=True))
        memory = statistics.median(each["memory"] for each in results)
        print(f"{name:32} {rate:8.0f}/s {cpu:7.0f} us {memory:5.0f} MB   we are {ratio:6.2f} times as fast")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
