"""The relay we hand mail to: who it is, how long we wait for it, and how a connection to it is opened."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import Literal, cast

import aiosmtplib

from feed_publisher.adapters.smtp.session import Limits, Session
from feed_publisher.domain.errors import MailError

Tls = Literal["required", "implicit", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """``required`` is STARTTLS or nothing; ``none`` is for loopback only. ``hostname`` is our name in EHLO."""

    host: str
    port: int
    tls: Tls = "required"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    hostname: str = "localhost"
    connections: int = 4

    def __post_init__(self) -> None:
        if self.tls not in ("required", "implicit", "none"):
            raise MailError(f'{self}: tls must be "required", "implicit" or "none", not "{self.tls}"')
        if self.tls == "none" and not is_loopback(self.host):
            raise MailError(f'{self}: tls = "none" is only for a relay on this machine; use "required" or "implicit"')
        if self.connections < 1:
            raise MailError(f"{self}: connections must be at least 1")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Judged by the text alone: a name that merely resolves to loopback today does not count."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


async def connect(relay: Relay, limits: Limits) -> Session:
    """A connection past greeting, TLS, EHLO and AUTH. Raises MailError; nothing secret was sent in clear."""
    try:
        client = _client(relay, limits)
    except ValueError as error:
        raise MailError(f"{relay}: {error}") from error
    try:
        async with asyncio.timeout(limits.connect):
            greeting = await client.connect()
            if client.is_ehlo_or_helo_needed:
                await _greet(client)
        return _hand_over(client, limits, greeting.message.partition(" ")[0])
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise MailError(f"{relay}: {_explain(error, relay)}") from error
    finally:
        client.close()


def _client(relay: Relay, limits: Limits) -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=relay.host.strip("[]"),
        port=relay.port,
        username=relay.username,
        password=relay.password,
        local_hostname=relay.hostname,  # the default is a blocking look-up of our own name
        timeout=limits.connect,
        use_tls=relay.tls == "implicit",
        start_tls=relay.tls == "required",  # never None, its default: a stripped STARTTLS would leak the password
        validate_certs=True,
    )


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        await client.helo()


def _hand_over(client: aiosmtplib.SMTP, limits: Limits, greeting: str) -> Session:
    """Take the transport away from aiosmtplib: it mixes up stages, masks a refusal by a failed RSET, and is slow."""
    transport = cast("asyncio.Transport | None", client.transport)  # one of uvloop is no instance of it
    if transport is None or transport.is_closing():
        raise aiosmtplib.SMTPServerDisconnected("the relay closed the connection after its greeting")
    session = Session(transport, dict(client.esmtp_extensions), limits, greeting)
    transport.set_protocol(session)
    client.transport = None  # its close() must not close ours
    return session


def _explain(error: BaseException, relay: Relay) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"the relay's certificate cannot be trusted ({cause.verify_message}); set host to the name in its "
            "certificate, or add its authority to this machine's (or to the file named by SSL_CERT_FILE)"
        )
    if isinstance(cause, ssl.SSLError):
        return f"no TLS with the relay ({cause.reason}); check port and tls: 465 is implicit, 587 and 25 are required"
    if isinstance(error, aiosmtplib.SMTPResponseException):
        what = "login refused: " if isinstance(error, aiosmtplib.SMTPAuthenticationError) else ""
        return f"{what}{error.code} {' '.join(error.message.split())[:500]}"
    if isinstance(error, aiosmtplib.SMTPException) and "STARTTLS" in str(error):
        return f'the relay offers no STARTTLS and tls is "{relay.tls}"; nothing was sent'
    if isinstance(cause, TimeoutError):
        return "no answer in time"
    return (cause.strerror if isinstance(cause, OSError) else None) or str(cause) or type(cause).__name__
