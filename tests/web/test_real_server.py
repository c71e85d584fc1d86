"""What only shows over a real connection: the server that `serve` uses, on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path

import httpx2
import pytest
import uvicorn
from web_site import Site, filled


@contextmanager
def running(site: Site) -> Iterator[int]:
    """uvicorn in a thread; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready.set()

    config = uvicorn.Config(
        site.asgi, log_level="critical", access_log=False, server_header=False, proxy_headers=False, lifespan="off"
    )
    server = Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    assert ready.wait(20)
    try:
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[int]:
    with filled(tmp_path_factory.mktemp("real") / "site", sqlite_template) as site, running(site) as port:
        yield port


def raw(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Exactly these bytes; status, headers and body of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    return int(status.split()[1]), {k.lower(): v for k, v in message_from_bytes(headers).items()}, body


def get(port: int, target: str, *headers: str, host: str = "127.0.0.1") -> tuple[int, dict[str, str], bytes]:
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return raw(port, ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))


def test_conditional_get_over_a_connection(port: int) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as client:
        first = client.get("/feeds/all.atom", headers={"accept-encoding": "gzip"})
        again = client.get("/feeds/all.atom", headers={"if-none-match": first.headers["etag"]})
        head = client.head("/feeds/all.atom", headers={"accept-encoding": "gzip"})

    assert first.status_code == 200
    assert first.headers["content-encoding"] == "gzip"
    assert (again.status_code, again.content) == (304, b"")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == first.headers["content-length"]
    assert "server" not in first.headers


@pytest.mark.parametrize(
    "target",
    [
        "/feeds/../../publisher.toml",
        "/feeds/../../../../../../etc/passwd",
        "/feeds/%2e%2e/%2e%2e/publisher.toml",
        "/feeds/..%5c..%5cpublisher.toml",
        "/static/../publisher.toml",
        "/mailbox/..%2f..%2f..%2fpublisher.toml/raw",
        "//evil.example/%2e%2e",
        "/feeds/%c0%ae%c0%ae/x.atom",
        "/topics/%ff%fe",
    ],
)
def test_no_address_leads_out_of_the_site(port: int, target: str) -> None:
    status, headers, body = get(port, target)

    assert status == 404
    assert b"base_url" not in body
    assert b"root:" not in body
    assert "location" not in headers


@pytest.mark.parametrize("host", ["[", "x:y", "é.example", "evil.example", "127.evil.example"])
def test_strange_hosts_are_served_without_the_mailbox(port: int, host: str) -> None:
    status, _, body = get(port, "/", host=host)
    assert (status, b"/mailbox" in body) == (200, False)
    assert get(port, "/mailbox", host=host)[0] == 404
    assert get(port, "/nothing?\xff", host=host)[0] in (400, 404)


def test_an_endless_form_is_cut(port: int) -> None:
    chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
    head = b"POST /digests/weekly HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    head += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"

    status, _, body = raw(port, head + chunk * 10)  # and no end

    assert status == 413
    assert b"too large" in body


def test_no_redirect_believes_the_host_header(port: int) -> None:
    for target in ("/topics/harbour-towns/", "/digests/weekly/", "/mailbox/", "/api/v1/topics/"):
        status, headers, _ = get(port, target, host="evil.example")
        assert (status, headers.get("location")) == (404, None)
