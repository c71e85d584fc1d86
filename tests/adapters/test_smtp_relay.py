"""Connections: encrypted and verified, or none; no password in clear, none in an error."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from faultsink import FaultSink, say
from programs import needed

from feed_publisher.adapters.smtp.mailer import SmtpMailer
from feed_publisher.adapters.smtp.relay import Relay, Tls
from feed_publisher.adapters.smtp.session import Limits
from feed_publisher.domain.delivery import Result, Stage
from feed_publisher.domain.errors import MailError
from feed_publisher.ports.sending import Outgoing

pytestmark = pytest.mark.anyio
QUICK = Limits(connect=2, reply=1, dot=1, quit=0.2)
SECRET = "s3cret-pass"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed, for localhost."""
    needed("openssl", "there is no certificate to test with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    subprocess.run(
        [*command.split(), "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def mailer(port: int, tls: Tls = "required", host: str = "localhost", username: str | None = None) -> SmtpMailer:
    relay = Relay(host=host, port=port, tls=tls, username=username, password=SECRET if username else None)
    return SmtpMailer(relay, QUICK)


async def send_one(port: int, tls: Tls, **options: str) -> Result:
    mails = [Outgoing(delivery=1, attempt=1, mail_from="a@x.example", rcpt_to="b@x.example", message=b"\r\nhi\r\n")]
    results: list[Result] = []

    async def take() -> Outgoing | None:
        return mails.pop() if mails else None

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        results.extend([result] if result else [])
        return True

    await mailer(port, tls, **options).run(take, settle)
    (result,) = results
    return result


class Inbox:
    """A real aiosmtpd with TLS and a login."""

    def __init__(self, certificate: Path | None, *, implicit: bool = False, auth: bool = False) -> None:
        self._context = server_tls(certificate) if certificate else None
        self._implicit = implicit
        self._auth = auth
        self.mails: list[tuple[bool, bytes]] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        encrypted = server.transport is not None and server.transport.get_extra_info("sslcontext") is not None
        self.mails.append((encrypted, envelope.original_content or b""))
        return "250 2.0.0 taken"

    def _login(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        return AuthResult(success=data == (b"me", SECRET.encode()), handled=False)

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="localhost",
            loop=asyncio.get_running_loop(),
            tls_context=None if self._implicit else self._context,
            require_starttls=self._context is not None and not self._implicit,
            auth_required=self._auth,
            auth_require_tls=not self._implicit,
            authenticator=self._login,
        )

    async def __aenter__(self) -> int:
        context = self._context if self._implicit else None
        self._server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0, ssl=context)
        return int(self._server.sockets[0].getsockname()[1])

    async def __aexit__(self, *_: object) -> None:
        self._server.close()


@pytest.mark.parametrize(
    "host", ["mail.example.org", "10.0.0.1", "192.168.1.5", "127.0.0.1.example.org", "0.0.0.0", ""]
)
async def test_no_plain_text_beyond_this_machine(host: str) -> None:
    with pytest.raises(MailError, match="only for a relay on this machine"):
        Relay(host=host, port=25, tls="none")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST"])
async def test_plain_text_on_this_machine(host: str) -> None:
    assert Relay(host=host, port=25, tls="none").tls == "none"


async def test_other_nonsense_is_refused_at_once() -> None:
    with pytest.raises(MailError, match="tls must be"):
        Relay(host="x.example", port=25, tls="maybe")  # type: ignore[arg-type]
    with pytest.raises(MailError, match="at least 1"):
        Relay(host="x.example", port=25, connections=0)


async def test_the_password_is_not_shown() -> None:
    assert SECRET not in repr(Relay(host="x.example", port=587, username="me", password=SECRET))


async def test_a_stripped_starttls_sends_nothing() -> None:
    sink = FaultSink(extensions=("AUTH PLAIN LOGIN",))
    async with sink.running():
        with pytest.raises(MailError, match=r"offers no STARTTLS.*nothing was sent"):
            await mailer(sink.port, username="me").probe()
    assert {line[1] for line in sink.log} <= {"connect", "EHLO", "closed"}


@pytest.mark.parametrize("reply", [b"454 4.7.0 TLS not available\r\n", b"220 go\r\n250 injected\r\n", b"220 go\r\n"])
async def test_a_starttls_that_leads_nowhere_sends_nothing(reply: bytes) -> None:
    sink = FaultSink({"STARTTLS": [say(reply)]}, extensions=("STARTTLS", "AUTH PLAIN"))
    async with sink.running():
        with pytest.raises(MailError, match=r"^localhost:"):
            await mailer(sink.port, username="me").probe()
    assert not sink.seen("AUTH")
    assert not sink.seen("MAIL")


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_self_signed_certificate_is_refused_with_advice(certificate: Path, implicit: bool) -> None:
    inbox = Inbox(certificate, implicit=implicit)
    async with inbox as port:
        with pytest.raises(MailError) as caught:
            await send_one(port, "implicit" if implicit else "required")
    assert str(caught.value).startswith(f"localhost:{port}: the relay's certificate cannot be trusted (self")
    assert "SSL_CERT_FILE" in str(caught.value)
    assert caught.value.__cause__ is not None
    assert inbox.mails == []


@pytest.mark.parametrize("implicit", [True, False])
async def test_a_trusted_certificate_for_another_name_is_refused(
    certificate: Path, implicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    async with Inbox(certificate, implicit=implicit) as port:
        with pytest.raises(MailError, match=r"cannot be trusted \(IP address mismatch.*set host to the name"):
            await send_one(port, "implicit" if implicit else "required", host="127.0.0.1")


@pytest.mark.parametrize("implicit", [True, False])
async def test_an_encrypted_message_with_login_arrives(
    certificate: Path, implicit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    inbox = Inbox(certificate, implicit=implicit, auth=not implicit)
    tls: Tls = "implicit" if implicit else "required"
    async with inbox as port:
        result = await send_one(port, tls, **({} if implicit else {"username": "me"}))
        assert "TLSv1." in await mailer(port, tls).probe()
    assert result.stage is Stage.BODY
    assert result.reply is not None
    assert result.reply.code == 250
    assert inbox.mails == [(True, b"\r\nhi\r\n")]


async def test_a_large_message_over_tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    sink = FaultSink(tls=server_tls(certificate))
    large = b"\r\n" + b"y" * 3_000_000 + b"\r\n"
    mails, results = [Outgoing(delivery=1, attempt=1, mail_from="a@x", rcpt_to="b@x", message=large)], []

    async def take() -> Outgoing | None:
        return mails.pop() if mails else None

    async def settle(result: Result | None, mark: Outgoing | None) -> bool:
        results.append(result)
        return True

    async with sink.running():
        await mailer(sink.port, "implicit").run(take, settle)
    assert sink.accepted == [large]
    assert results[-1] is not None
    assert results[-1].stage is Stage.BODY


async def test_a_wrong_password_names_the_relay_but_not_the_password(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    inbox = Inbox(certificate, auth=True)
    async with inbox as port:
        with pytest.raises(MailError, match=f"^localhost:{port}: login refused: 535") as caught:
            await send_one(port, "required", username="somebody")
    assert SECRET not in str(caught.value)
    assert inbox.mails == []


async def test_tls_to_a_plain_port_says_what_to_check() -> None:
    sink = FaultSink()
    async with sink.running():
        with pytest.raises(MailError, match=r"no TLS with the relay .*465 is implicit"):
            await mailer(sink.port, "implicit").probe()


async def test_an_old_tls_version_is_refused(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))
    context = server_tls(certificate)
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with FaultSink(tls=context).running() as sink:
        with pytest.raises(MailError, match=r"^localhost:"):
            await mailer(sink.port, "implicit").probe()
    assert not sink.seen("EHLO")


async def test_an_unknown_host() -> None:
    with pytest.raises(MailError, match=r"^nowhere\.invalid:587: \S"):
        await mailer(587, host="nowhere.invalid").probe()
