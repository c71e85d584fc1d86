"""Maildir and IMAP: what leaves them, what stays, and what a crash in between does."""

from __future__ import annotations

import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from feed_publisher.adapters.mailin.imap import ImapBox, poll_imap, probe_imap
from feed_publisher.adapters.mailin.maildir import check_maildir, poll_maildir
from feed_publisher.adapters.mailin.polled import SIZE_CAP
from feed_publisher.domain.errors import FileError, InputError, MailError, StorageError


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (tmp_path / name).mkdir()
    return tmp_path


def put(maildir: Path, **mails: bytes) -> None:
    for name, raw in mails.items():
        (maildir / "new" / name).write_bytes(raw)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_mails_are_handed_over_in_order_and_put_away(maildir: Path) -> None:
    put(maildir, b2=b"two", a1=b"one")
    seen: list[bytes] = []
    polled = poll_maildir(maildir, lambda raw: seen.append(raw) is None)
    assert seen == [b"one", b"two"]
    assert (polled.read, polled.later, polled.large) == (2, 0, [])
    assert names(maildir / "new") == []
    assert names(maildir / "cur") == ["a1:2,S", "b2:2,S"]


def test_what_comes_too_early_stays_and_holds_up_nothing(maildir: Path) -> None:
    put(maildir, a1=b"one", b2=b"two")
    polled = poll_maildir(maildir, lambda raw: raw == b"two")
    assert (polled.read, polled.later) == (1, 1)
    assert names(maildir / "new") == ["a1"]


def test_a_crash_loses_nothing(maildir: Path) -> None:
    put(maildir, a1=b"one", b2=b"two", c3=b"three")
    seen: list[bytes] = []

    def crashing(raw: bytes) -> bool:
        seen.append(raw)
        if raw == b"two" and seen.count(raw) == 1:
            raise StorageError("the disk is full")
        return True

    with pytest.raises(StorageError):
        poll_maildir(maildir, crashing)
    assert names(maildir / "new") == ["b2", "c3"]
    poll_maildir(maildir, crashing)
    assert seen == [b"one", b"two", b"two", b"three"]
    assert names(maildir / "new") == []


def test_large_mails_and_what_is_no_mail(maildir: Path, tmp_path: Path) -> None:
    put(maildir, big=b"x" * (SIZE_CAP + 1))
    (maildir / "new" / "link").symlink_to("/etc/passwd")
    (maildir / "new" / "folder").mkdir()
    put(maildir, **{".hidden": b"x"})
    seen: list[bytes] = []
    assert poll_maildir(maildir, lambda raw: seen.append(raw) is None).large == ["big"]
    assert seen == []
    assert names(maildir / "cur") == ["big:2,S"]


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"bounces\.maildir: .*new"):
        poll_maildir(tmp_path, lambda raw: True)
    with pytest.raises(InputError, match="has no new/"):
        check_maildir(tmp_path)


class Imap(socketserver.ThreadingTCPServer):
    """As much of an IMAP server as is asked for here: LOGIN, SELECT, SEARCH UNSEEN, FETCH, STORE, LOGOUT."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, mails: dict[int, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Imap)
        self.mails = mails
        self.seen: set[int] = set()
        self.folder = ""
        self.cut_at = ""

    @property
    def box(self) -> ImapBox:
        return ImapBox(host="127.0.0.1", port=self.server_address[1], user="back", password="s3cret word")


class _Imap(socketserver.StreamRequestHandler):
    server: Imap

    def handle(self) -> None:
        self.wfile.write(b"* OK ready\r\n")
        for line in self.rfile:
            tag, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
            words = rest.split()
            verb = words[1] if words[0] == "UID" else words[0]
            if verb == self.server.cut_at:
                return
            answer = getattr(self, verb.lower(), lambda _words: "OK")(words)
            self.wfile.write(f"{tag} {answer} done\r\n".encode())
            if verb == "LOGOUT":
                return

    def capability(self, _words: list[str]) -> str:
        self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
        return "OK"

    def login(self, words: list[str]) -> str:
        return "OK" if words[1:] == ["back", '"s3cret', 'word"'] else "NO login failed for s3cret"

    def select(self, words: list[str]) -> str:
        self.server.folder = words[1]
        self.wfile.write(f"* {len(self.server.mails)} EXISTS\r\n".encode())
        return "OK [READ-WRITE]"

    examine = select

    def search(self, _words: list[str]) -> str:
        unseen = sorted(set(self.server.mails) - self.server.seen)
        self.wfile.write(f"* SEARCH {' '.join(map(str, unseen))}\r\n".encode())
        return "OK"

    def fetch(self, words: list[str]) -> str:
        raw = self.server.mails[int(words[2])]
        if "SIZE" in words[3]:
            self.wfile.write(f"* 1 FETCH (UID {words[2]} RFC822.SIZE {len(raw)})\r\n".encode())
        else:
            assert words[3] == "(BODY.PEEK[])", "reading must not mark it as seen"
            self.wfile.write(f"* 1 FETCH (UID {words[2]} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")
        return "OK"

    def store(self, words: list[str]) -> str:
        assert words[3:] == ["+FLAGS.SILENT", r"(\Seen)"]
        self.server.seen.add(int(words[2]))
        return "OK"


@contextmanager
def imap(**mails: bytes) -> Iterator[Imap]:
    with Imap({int(uid.strip("u")): raw for uid, raw in mails.items()}) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_what_is_dealt_with_is_marked_as_seen() -> None:
    with imap(u3=b"early", u7=b"two\r\n)\r\n", u9=b"x" * (SIZE_CAP + 1)) as server:
        seen: list[bytes] = []
        polled = poll_imap(server.box, lambda raw: seen.append(raw) is None and raw != b"early", 5)
        assert seen == [b"early", b"two\r\n)\r\n"]
        assert (polled.read, polled.later, polled.large) == (1, 1, ["9"])
        assert server.seen == {7, 9}
        assert server.folder == '"INBOX"'
        assert probe_imap(server.box, 5) == 1


@pytest.mark.parametrize("verb", ["LOGIN", "SELECT", "SEARCH", "FETCH", "STORE"])
def test_a_connection_that_breaks_is_named_and_loses_nothing(verb: str) -> None:
    with imap(u1=b"one") as server:
        server.cut_at = verb
        with pytest.raises(MailError, match=r"bounces\.imap_host: 127\.0\.0\.1:\d+: "):
            poll_imap(server.box, lambda raw: True, 5)
        assert server.seen == set()
        server.cut_at = ""
        assert poll_imap(server.box, lambda raw: True, 5).read == 1


def test_a_wrong_password_is_not_shown() -> None:
    with imap() as server:
        box = ImapBox(host="127.0.0.1", port=server.server_address[1], user="back", password="s3cret")
        with pytest.raises(MailError) as raised:
            poll_imap(box, lambda raw: True, 5)
    assert "s3cret" not in str(raised.value)
    assert "s3cret" not in repr(box)


def test_nothing_is_said_without_tls_elsewhere() -> None:
    assert ImapBox(host="mail.example", user="a", password="b", port=143).tls
    assert ImapBox(host="127.0.0.1", user="a", password="b", port=993).tls
    assert not ImapBox(host="127.0.0.1", user="a", password="b", port=143).tls
