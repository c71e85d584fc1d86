"""The examples for nginx and Caddy, run: feeds from the folder, everything else from the program."""

from __future__ import annotations

import gzip
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli
import httpx2
import pytest
from flow.flow_site import Site, listing
from programs import needed

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
NGINX = """
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {config}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("deploy") / "site").make()
    site.write("a.txt", listing("Ships", range(60)))
    site.pickup()
    return site.folder / "public"


@pytest.fixture(scope="module")
def program() -> Iterator[int]:
    """Stands for `serve`: it says what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"program: {self.path} {self.headers['Host']} {self.headers['X-Forwarded-For']}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def running(command: list[str], port: int, log: Path, environment: dict[str, str]) -> Iterator[httpx2.Client]:
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env={**os.environ, **environment})
        try:
            deadline = time.monotonic() + 30
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            with httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Host": "mag.example"}) as client:
                yield client
        finally:
            process.terminate()
            process.wait(20)


def replaced(text: str, changes: dict[str, str]) -> str:
    """Each line that the example says to change, changed; one that is not there is a mistake in this test."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@pytest.fixture(params=["nginx", "caddy"])
def client(request: pytest.FixtureRequest, public: Path, program: int, tmp_path: Path) -> Iterator[httpx2.Client]:
    start: dict[str, Callable[[str, int, Path], list[str]]] = {"nginx": nginx_command, "caddy": caddy_command}
    name, port = str(request.param), free_port()
    path = needed(name, "its example is not tested")
    changes = {"127.0.0.1:8000": f"127.0.0.1:{program}", "/srv/my-site/public": str(public)}
    changes["# With a WebSub hub (each feed names it too): "] = ""
    config = tmp_path / "config"
    config.write_text(replaced((DEPLOY / {"nginx": "nginx.conf", "caddy": "Caddyfile"}[name]).read_text(), changes))
    command = [path, *start[name](config.read_text(), port, tmp_path)]
    with running(command, port, tmp_path / "output", {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path)}) as client:
        yield client


def nginx_command(config: str, port: int, folder: Path) -> list[str]:
    file = folder / "nginx.conf"
    here = replaced(config, {"listen 80;": f"listen 127.0.0.1:{port};"})
    user = "user root;" if os.geteuid() == 0 else ""  # else its worker may not look into the folders of the tests
    file.write_text(NGINX.format(user=user, folder=folder, config=here))
    return ["-c", str(file)]


def caddy_command(config: str, port: int, folder: Path) -> list[str]:
    file = folder / "Caddyfile"
    here = replaced(config, {"mag.example {": f"http://mag.example:{port} {{\n\tbind 127.0.0.1"})
    file.write_text("{\n\tadmin off\n}\n" + here)
    return ["run", "--config", str(file), "--adapter", "caddyfile"]


TYPES = {"atom": "application/atom+xml", "rss": "application/rss+xml", "json": "application/feed+json"}


def test_feeds_come_from_the_folder(client: httpx2.Client, public: Path) -> None:
    for kind, media_type in TYPES.items():
        answer = client.get(f"/feeds/ships.{kind}?utm_source=x", headers={"Accept-Encoding": "identity"})
        assert answer.status_code == 200
        assert answer.content == (public / "feeds" / f"ships.{kind}").read_bytes()
        assert answer.headers["content-type"].split(";")[0] == media_type
        assert answer.headers["cache-control"].startswith("public, max-age=1800")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["access-control-allow-origin"] == "*"
        links = ", ".join(answer.headers.get_list("link"))
        assert f'<http://mag.example/feeds/ships.{kind}>; rel="self"' in links
        assert '<https://mag.example/hub>; rel="hub"' in links
    assert client.get("/feeds.opml").headers["content-type"] == "text/x-opml; charset=utf-8"
    assert client.get("/feeds/ships/1.atom").status_code == 200


def test_the_compressed_files_are_sent_as_they_are(client: httpx2.Client, public: Path) -> None:
    plain = (public / "feeds" / "ships.atom").read_bytes()
    packed = (public / "feeds" / "ships.atom.gz").read_bytes()
    with client.stream("GET", "/feeds/ships.atom", headers={"Accept-Encoding": "gzip"}) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in answer.headers["vary"]
        assert b"".join(answer.iter_raw()) == packed
    assert gzip.decompress(packed) == plain == brotli.decompress((public / "feeds" / "ships.atom.br").read_bytes())


def test_who_has_a_feed_gets_304(client: httpx2.Client) -> None:
    first = client.get("/feeds/ships.atom")
    for name, condition in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
        again = client.get("/feeds/ships.atom", headers={condition: first.headers[name]})
        assert (again.status_code, again.content) == (304, b"")


def test_everything_else_comes_from_the_program(client: httpx2.Client) -> None:
    for path in ("/", "/topics/ships", "/feeds/a+b.atom", "/feeds/authors/ann.rss", "/feeds/none.atom", "/hub"):
        answer = client.get(path)
        assert answer.text.startswith(f"program: {path} mag.example"), answer.text
        assert answer.text.endswith("127.0.0.1")
