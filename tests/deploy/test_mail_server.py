"""A real mail server from end to end: Postfix with STARTTLS and AUTH (Dovecot), OpenDKIM, a mailbox, and mutt.

Needs root: Postfix keeps its own users apart. Everything lives in a folder of its own and listens on 127.0.0.1.
"""

from __future__ import annotations

import email
import email.policy
import os
import pty
import pwd
import re
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path

import pytest
from flow.flow_site import Site, listing
from programs import needed

from feed_publisher.compose.dkim import Signer, new_key

pytestmark = pytest.mark.timeout(180)
DOMAIN = "harbour.example"
READERS = ("ann", "ben", "cleo")

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = localhost
mydestination =
alias_maps =
virtual_mailbox_domains = example.org
virtual_mailbox_base = {folder}
virtual_mailbox_maps = static:mailbox/
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_transport = virtual
smtpd_tls_security_level = encrypt
smtpd_tls_cert_file = {folder}/certificate.pem
smtpd_tls_key_file = {folder}/key.pem
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_tls_auth_only = yes
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = permit_sasl_authenticated, reject
smtpd_milters = inet:127.0.0.1:{milter}
milter_default_action = tempfail
"""
MASTER_CF = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """
base_dir = {folder}/dovecot
log_path = {folder}/dovecot.log
protocols =
ssl = no
passdb {{
  driver = static
  args = password=s3cret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}
}}
service auth {{
  unix_listener {folder}/queue/private/auth {{
    mode = 0660
    user = postfix
    group = postfix
  }}
}}
"""
OPENDKIM = """
Mode v
Syslog no
Socket inet:{milter}@127.0.0.1
TestPublicKeys {folder}/keys
InternalHosts {folder}/nobody
AuthservID localhost
"""


@dataclass(frozen=True)
class Server:
    folder: Path
    port: int

    def mails(self) -> list[EmailMessage]:
        found = []
        for file in sorted((self.folder / "mailbox" / "new").glob("*")):
            message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            found.append(message)
        return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait(until: Callable[[], bool], what: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while not until():
        said = log.read_text() if log.exists() else "no log"
        assert time.monotonic() < deadline, f"{what} did not come\n{said}"
        time.sleep(0.05)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def program(*words: object) -> Iterator[None]:
    process = subprocess.Popen([str(word) for word in words])
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("postfix", "dovecot", "opendkim", "openssl"):
        needed(name, "mail is not sent through a real mail server")
    if os.geteuid() != 0:
        pytest.skip("Postfix needs root")
    folder = Path(tempfile.mkdtemp(prefix="mail-"))  # not in pytest's, which others cannot enter
    folder.chmod(0o755)
    postfix = pwd.getpwnam("postfix")
    places = {
        "folder": folder,
        "port": free_port(),
        "milter": free_port(),
        "uid": postfix.pw_uid,
        "gid": postfix.pw_gid,
    }
    for name in ("etc", "queue", "data", "mailbox", "dovecot"):
        (folder / name).mkdir()
    for name in ("data", "mailbox"):
        shutil.chown(folder / name, "postfix", "postfix")
    (folder / "etc" / "main.cf").write_text(MAIN_CF.format(**places))
    (folder / "etc" / "master.cf").write_text(MASTER_CF.format(**places))
    (folder / "dovecot.conf").write_text(DOVECOT.format(**places))
    (folder / "opendkim.conf").write_text(OPENDKIM.format(**places))
    (folder / "nobody").write_text("192.0.2.1\n")
    pem = new_key("rsa")
    (folder / "dkim.pem").write_bytes(pem)
    signer = Signer.of(DOMAIN, "fp1", pem)
    (folder / "keys").write_text(f"{signer.name} {signer.record}\n")
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    subprocess.run([*words.split(), *files], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "certificate.pem"))
    log = folder / "mail.log"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.enter_context(program("opendkim", "-f", "-x", folder / "opendkim.conf"))
        control = ["postfix", "-c", str(folder / "etc")]
        subprocess.run([*control, "check"], check=True, capture_output=True)
        stack.enter_context(program("dovecot", "-F", "-c", folder / "dovecot.conf"))
        subprocess.run([*control, "start"], check=True, capture_output=True)
        stack.callback(subprocess.run, [*control, "stop"], capture_output=True, check=False)
        wait(lambda: listens(places["milter"]) and (folder / "queue/private/auth").exists(), "OpenDKIM, Dovecot", log)
        wait(lambda: listens(places["port"]), "Postfix", log)
        yield Server(folder, places["port"])


def made(folder: Path, server: Server, password: str = "s3cret") -> Site:
    overrides = ("smtp.host=localhost", f"smtp.port={server.port}", "smtp.tls=required", "smtp.username=letter")
    site = Site(folder / "site", overrides=(*overrides, "smtp.password_file=password")).make()
    (site.folder / "password").write_text(password)
    with (site.folder / "publisher.toml").open("a") as settings:
        settings.write(f'[[dkim]]\ndomain = "{DOMAIN}"\nselector = "fp1"\nkey_file = "{server.folder}/dkim.pem"\n')
    site.write("one.txt", listing("Ships", [1, 2]))
    site.pickup()
    site.join("email\n" + "".join(f"{name}@example.org\n" for name in READERS))
    return site


def test_from_the_ledger_to_a_mailbox_and_a_mail_program(server: Server, tmp_path: Path) -> None:
    site = made(tmp_path, server)
    issue = site.send()
    assert issue is not None
    assert site.books(issue.id) == {"sent": len(READERS)}
    wait(lambda: len(server.mails()) == len(READERS), "the mail", server.folder / "mail.log")
    for mail in server.mails():
        assert "with ESMTPSA" in str(mail["Received"]), "encrypted, and logged in"
        assert re.search(rf"dkim=pass .*header\.d={re.escape(DOMAIN)}", str(mail["Authentication-Results"]), re.DOTALL)
        assert mail["Return-Path"] == f"<letter@{DOMAIN}>"
    assert {str(mail["To"]) for mail in server.mails()} == {f"{name}@example.org" for name in READERS}
    screen = in_mutt(server.folder / "mailbox")
    assert "The Letter" in screen
    assert "Article 0001" in screen
    site.assert_books_balance()


def test_a_wrong_password_sends_nothing(server: Server, tmp_path: Path) -> None:
    site = made(tmp_path, server, password="guessed")
    with pytest.raises(Exception, match="login refused: 535"):
        site.send()
    assert server.mails() == []
    (issue,) = site.issues()
    assert site.books(issue.id) == {"queued": len(READERS)}


def in_mutt(mailbox: Path) -> str:
    """What mutt shows: the list of mails, and the first one opened."""
    needed("mutt", "no mail program has shown our mail")
    words = ["mutt", "-n", "-F", "/dev/null", "-R", "-f", str(mailbox)]
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"TERM": "vt100", "LINES": "60", "COLUMNS": "100", "HOME": "/nonexistent"}
        os.execvp(words[0], words)
    shown = b""
    try:
        for keys in (b"", b"\r", b" ", b"q", b"x"):
            os.write(terminal, keys)
            while select.select([terminal], [], [], 1.0)[0]:
                shown += os.read(terminal, 65536)
    except OSError:
        pass  # it has ended
    finally:
        os.close(terminal)
        os.waitpid(process, 0)
    return re.sub(r"\x1b[\[(][0-9;?]*[A-Za-z]", "", shown.decode("utf-8", "replace"))
