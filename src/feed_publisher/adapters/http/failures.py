"""What went wrong, said so that an operator can act on it."""

from __future__ import annotations

import os
import ssl

import anyio
import h11
import httpcore2

from feed_publisher.domain.errors import FetchError

FOREIGN = (
    httpcore2.TimeoutException,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.ProxyError,
    httpcore2.UnsupportedProtocol,
    h11.ProtocolError,
    anyio.BrokenResourceError,
    anyio.ClosedResourceError,
    anyio.EndOfStream,
    OSError,
    ValueError,
)
"""Everything the libraries below us raise for what a server does; OSError has TimeoutError and TLS in it."""


def is_hang_up(error: Exception) -> bool:
    """Whether the connection ended before any answer, as a kept one does that the server has just given up."""
    silent = isinstance(error, httpcore2.RemoteProtocolError) and _cause(error) is error
    return silent or isinstance(error, httpcore2.ReadError)


def explain(error: Exception) -> str:
    """One clause, without the address."""
    if isinstance(error, FetchError):
        return error.reason
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate cannot be trusted ({cause.verify_message}); if it is your own, add its authority to "
            "this machine's (or to the file named by SSL_CERT_FILE)"
        )
    if isinstance(cause, ssl.SSLError):
        return f"no TLS could be agreed on ({cause.reason or 'broken off'})"
    if isinstance(error, httpcore2.ConnectTimeout):
        return "nobody answers there (no connection in time)"
    if isinstance(error, httpcore2.TimeoutException):
        return "the server fell silent"
    if isinstance(error, TimeoutError):
        return "the server is too slow"
    if isinstance(error, httpcore2.ConnectError):
        return f"no connection ({_words(cause)})"
    if isinstance(error, (httpcore2.LocalProtocolError, httpcore2.UnsupportedProtocol, ValueError)):
        return "this cannot be asked over HTTP; check the address and the headers of the source"  # never the headers
    if isinstance(error, (httpcore2.RemoteProtocolError, h11.RemoteProtocolError)):
        return "the server broke off or does not speak HTTP"
    if isinstance(error, httpcore2.ProxyError):
        return "the proxy refused"
    return f"the connection broke ({_words(cause)})"


def _cause(error: Exception) -> BaseException:
    """The libraries pass the error they met as the argument of theirs, and lose its __cause__ on the way."""
    inner = error.args[0] if error.args else None
    if not isinstance(inner, BaseException):
        return error
    while inner.__cause__ is not None:
        inner = inner.__cause__
    return inner


def _words(cause: BaseException) -> str:
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else type(cause).__name__
