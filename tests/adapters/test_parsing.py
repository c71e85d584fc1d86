import io
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from feed_publisher.adapters.parsing import BoundedParser, _Unpickler
from feed_publisher.domain.errors import StorageError
from feed_publisher.domain.model import Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.document import read_document

RULES = ParseRules()
SMALL = b"Topic\n\nTitle\nBy Ann Po\nText.\n"
ROWS = (b"Title %d,<p>A <b>fog</b> bell<p>rings\n" % place for place in range(49_999))
SLOW = b"title,content_html\n" + b"".join(ROWS)
SLOWER = b"title,content_html\n" + (b"Title," + b"<p>A <b>fog</b> bell<p>rings" * 13 + b"\n") * 49_999


def children(parent: int) -> list[int]:
    """Those that are no zombies."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, ppid = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(ppid) == parent and state != "Z" and b"parsing_child" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def cpu_ticks(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except OSError:
        return 0


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "never came true"
        threading.Event().wait(0.005)


def cpu_seconds() -> float:
    """Of all our children, those that have ended included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    alive = sum(map(cpu_ticks, children(os.getpid()))) / os.sysconf("SC_CLK_TCK")
    return ended.ru_utime + alive


def peak_memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.fixture(scope="module")
def parser():
    with BoundedParser() as parser:
        yield parser


def test_pictures_and_files_come_back_from_a_child() -> None:
    parts = b'<enclosure url="https://a.test/e.mp3"/><itunes:image href="https://a.test/p.jpg"/>'
    feed = b"<rss version='2.0'><channel><item><title>T</title>" + parts + b"</item></channel></rss>"
    with BoundedParser() as parser:
        (draft,) = parser.parse(feed, "a.rss", RULES).drafts
    assert draft == read_document(feed, "a.rss", RULES).drafts[0]
    assert draft.image
    assert draft.enclosures


def test_a_large_parent_wears_out_no_child(parser):
    ballast = b"x" * 300_000_000
    parser.parse(b"One\n", "a.txt", ParseRules())
    before = set(children(os.getpid()))
    with BoundedParser() as own:
        own.parse(b"One\n", "a.txt", ParseRules())
        assert len(set(children(os.getpid())) - before) == 1
    assert len(ballast) > 0


def test_it_reads_as_read_document_does_in_one_child():
    before = set(children(os.getpid()))
    with BoundedParser() as parser:
        for data, name in [
            (SMALL, "a.txt"),
            (b'[{"title": "Fog", "date": "2026-11-22"}, 3]', "a.json"),
            (b"\0", "\udcff"),
        ]:
            assert parser.parse(data, name, RULES) == read_document(data, name)
        assert len(set(children(os.getpid())) - before) == 1


def test_too_large_is_refused_without_a_child():
    before = children(os.getpid())
    with BoundedParser() as parser:
        assert "larger than 20 MB" in parser.parse(bytes(20_000_001), "a.txt", RULES).problems[0].reason
        assert children(os.getpid()) == before


def test_what_takes_too_long_is_cut_while_others_are_read():
    with BoundedParser(seconds=3, children=2) as parser, ThreadPoolExecutor() as threads:
        slow = threads.submit(parser.parse, SLOWER, "slow.csv", RULES)
        small = [parser.parse(SMALL, "a.txt", RULES) for _ in range(20)]
        assert all(reading.drafts for reading in small)
        (problem,) = slow.result().problems
        assert problem.where == "slow.csv"
        assert problem.reason.startswith("takes longer than 3 s to read")
        assert parser.parse(SMALL, "a.txt", RULES).drafts


def test_what_needs_too_much_memory_is_refused_alone():
    with BoundedParser(memory=120_000_000) as parser:
        (problem,) = parser.parse(b"[" + b"0," * 9_000_000 + b"0]", "wide.json", RULES).problems
        assert "needs more than 120 MB of memory" in problem.reason
        assert parser.parse(SMALL, "a.txt", RULES).drafts


def test_no_memory_even_to_be_given_the_document():
    with BoundedParser(memory=50_000_000) as parser:
        assert parser.parse(SMALL, "a.txt", RULES).drafts
        (problem,) = parser.parse(SMALL + bytes(19_000_000), "a.txt", RULES).problems
        assert "may need too much memory" in problem.reason
        assert parser.parse(SMALL, "a.txt", RULES).drafts


def test_a_child_that_cannot_start_is_no_fault_of_the_document(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with BoundedParser() as parser, pytest.raises(StorageError, match="cannot start the process"):
        parser.parse(SMALL, "a.txt", RULES)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with BoundedParser() as parser, pytest.raises(StorageError, match="cannot start the process"):
        parser.parse(SMALL, "a.txt", RULES)


def test_a_killed_child_costs_one_document():
    with BoundedParser() as parser, ThreadPoolExecutor() as threads:
        before = set(children(os.getpid()))
        assert parser.parse(SMALL, "a.txt", RULES).drafts
        (child,) = set(children(os.getpid())) - before
        ticks = cpu_ticks(child)
        slow = threads.submit(parser.parse, SLOW, "slow.csv", RULES)
        until(lambda: cpu_ticks(child) > ticks + 5)
        os.kill(child, signal.SIGKILL)
        (problem,) = slow.result().problems
        assert "SIGKILL" in problem.reason
        assert parser.parse(SMALL, "a.txt", RULES).drafts
        assert child not in children(os.getpid())


def test_a_child_that_died_idle_costs_nothing():
    with BoundedParser() as parser:
        before = set(children(os.getpid()))
        parser.parse(SMALL, "a.txt", RULES)
        (child,) = set(children(os.getpid())) - before
        os.kill(child, signal.SIGKILL)
        until(lambda: not is_alive(child))
        assert parser.parse(SMALL, "a.txt", RULES).drafts


def test_many_threads_share_few_children_and_none_is_left():
    before = set(children(os.getpid()))
    with BoundedParser(children=3) as parser, ThreadPoolExecutor(8) as threads:
        names = [f"{number}.txt" for number in range(80)]
        readings = list(threads.map(lambda name: parser.parse(SMALL, name, RULES), names))
        assert [reading.drafts[0].where for reading in readings] == [f"{name}:3" for name in names]
        mine = set(children(os.getpid())) - before
        assert 1 <= len(mine) <= 3
    for pid in mine:
        assert not Path(f"/proc/{pid}").exists()


def test_children_outlive_the_thread_that_started_them():
    with BoundedParser() as parser:
        before = set(children(os.getpid()))
        for _ in range(2):
            thread = threading.Thread(target=parser.parse, args=(SMALL, "a.txt", RULES))
            thread.start()
            thread.join()
        (first,) = set(children(os.getpid())) - before
        assert parser.parse(SMALL, "a.txt", RULES).drafts
        assert first in children(os.getpid())


PARENT = """
import sys
from feed_publisher.adapters.parsing import BoundedParser
from feed_publisher.domain.source import ParseRules
parser = BoundedParser()
parser.parse(b"Title", "a.txt", ParseRules())
print("idle", flush=True)
parser.parse(sys.stdin.buffer.read(), sys.argv[1], ParseRules())
"""


@pytest.mark.parametrize("is_busy", [True, False])
def test_a_killed_parent_leaves_no_orphan(is_busy):
    command = [sys.executable, "-c", PARENT, "slow.csv"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        parent.stdout.readline()
        (child,) = children(parent.pid)
        if is_busy:
            ticks = cpu_ticks(child)
            parent.stdin.write(SLOW)
            parent.stdin.close()
            until(lambda: cpu_ticks(child) > ticks + 10)
        ticks = cpu_ticks(child)
        parent.kill()
        until(lambda: not is_alive(child) or cpu_ticks(child) > ticks + 50)
        assert not is_alive(child)


def test_a_child_holds_nothing_of_ours(tmp_path, monkeypatch):
    monkeypatch.setenv("FEED_PUBLISHER_SMTP__PASSWORD", "secret")
    before = set(children(os.getpid()))
    with socket.create_server(("127.0.0.1", 0)) as server, open(tmp_path / "database", "wb") as file:
        os.set_inheritable(server.fileno(), True)
        os.set_inheritable(file.fileno(), True)
        with BoundedParser() as parser:
            parser.parse(SMALL, "a.txt", RULES)
            (child,) = set(children(os.getpid())) - before
            held = {os.readlink(link) for link in Path(f"/proc/{child}/fd").iterdir()}
            assert {name.partition(":")[0] for name in held} <= {"pipe", "/dev/null"}
            assert b"secret" not in Path(f"/proc/{child}/environ").read_bytes()
            assert os.getsid(child) == child != os.getsid(0)  # Ctrl-C in our terminal is not for it


def test_only_readings_come_back():
    with pytest.raises(pickle.UnpicklingError):
        _Unpickler(io.BytesIO(pickle.dumps(os.system))).load()


ITEM = "<item><title>{title}</title><link>https://a.test/{number}</link><description>{text}</description></item>"


def rss(items: str, dtd: str = "") -> bytes:
    head = f'<?xml version="1.0"?>{dtd}<rss version="2.0"><channel><title>A</title><link>https://a.test/</link>'
    return f"{head}{items}</channel></rss>".encode()


def item(text: str, number: int = 1) -> str:
    return ITEM.format(title=f"Title {number}", number=number, text=text)


def laughs() -> str:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE rss [<!ENTITY l0 "ha">{levels}]>'


HOSTILE = {
    "billion laughs": (rss(item("&l9;"), laughs()), 3),
    "quadratic": (rss(item("&q;" * 50_000), f'<!DOCTYPE rss [<!ENTITY q "{"a" * 50_000}">]>'), 3),
    "file": (rss(item("&x;"), '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), 3),
    "nested in text": (rss(item("&lt;div&gt;" * 30_000)), 3),
    "nested elements": (rss("<a>" * 30_000), 3),
    "10 MB entry": (rss(item("&lt;p&gt;word " * 700_000)), 20),
    "many entries": (rss("".join(item("x", number) for number in range(100_000))), 20),
    "nested page": (b"<!doctype html>" + b"<div>" * 30_000, 3),
    "unclosed page": (b"<!doctype html>" + b"<p><b><a href=x><h2>y" * 5000, 15),
    "nested json": (b'{"a":' * 1_000_000, 3),
    "open quotes": (b'title,link\n"a' * 100_000, 3),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_documents_stay_in_bounds(parser, what):
    data, seconds = HOSTILE[what]
    parser.parse(rss(item("warm")), "a.xml", RULES)
    start = cpu_seconds()
    reading = parser.parse(data, "a", RULES)
    assert cpu_seconds() - start < seconds
    assert isinstance(reading, Reading)
    assert "root:" not in repr(reading)
    assert not any("mistake of ours" in problem.reason for problem in reading.problems)
    assert all(peak_memory(pid) < 600_000_000 for pid in children(os.getpid()))
    assert parser.parse(SMALL, "a.txt", RULES).drafts


def test_nothing_is_fetched(parser):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        for dtd in (
            f'<!DOCTYPE rss SYSTEM "{address}">',
            f'<!DOCTYPE rss [<!ENTITY x SYSTEM "{address}">]>',
            f'<!DOCTYPE rss [<!ENTITY % p SYSTEM "{address}"> %p;]>',
            f'<?xml-stylesheet href="{address}"?>',
        ):
            parser.parse(rss(item("&x;"), dtd), "a.xml", RULES)
        parser.parse(f'<html><link rel=stylesheet href="{address}"><img src="{address}">'.encode(), "a.html", RULES)
        parser.parse(address.encode(), address, ParseRules(kind="feed"))
        with pytest.raises(BlockingIOError):
            server.accept()
