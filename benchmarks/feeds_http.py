"""Feeds over HTTP beside nginx serving the same file, one process each, in turn in the same run.

Prints requests per second of `serve` as a share of nginx's, medians over several rounds, for a feed of about 55 KB:
200 with gzip, and 304. Goal: at least 0.25. Needs nginx and wrk.

Run: make bench, or .venv/bin/python benchmarks/feeds_http.py [--rounds N] [--seconds N]
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; root {public}; gzip_static on; sendfile on; keepalive_requests 1000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  types {{ application/atom+xml atom; }}
  server {{ listen 127.0.0.1:{port}; }}
}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def make_site(folder: Path, port: int) -> None:
    (folder / "entries").mkdir(parents=True)
    (folder / "publisher.toml").write_text(
        f'[site]\ntitle = "Bench"\nbase_url = "http://127.0.0.1:{port}"\n'
        '[[sources]]\nslug = "entries"\nlocation = "entries"\n'
        '[[digests]]\nslug = "weekly"\ntitle = "Weekly"\nfrom_address = "digest@example.org"\n'
    )
    articles = [
        {"id": f"urn:example:{n}", "title": f"Article {n}", "content_html": f"<p>{'Words of article ' * 55}{n}.</p>"}
        for n in range(50)
    ]
    (folder / "entries" / "a.json").write_text(json.dumps(articles))


@contextmanager
def running(command: list[str], address: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not answers(address):
            assert time.monotonic() < deadline, f"{command[0]} does not answer"
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(20)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def etag(address: str) -> str:
    request = urllib.request.Request(address, headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return str(answer.headers["ETag"])


def per_second(address: str, seconds: int, *headers: str) -> float:
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-H", "Accept-Encoding: gzip"]
    for header in headers:
        command += ["-H", header]
    output = subprocess.run([*command, address], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output or headers, output
    found = re.search(r"Requests/sec:\s+([\d.]+)", output)
    assert found, output
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    given = parser.parse_args()
    missing = [name for name in ("nginx", "wrk") if not shutil.which(name)]
    if missing:
        print(f"feeds over HTTP: not measured, {' and '.join(missing)} is missing")
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder, ours, theirs = Path(temporary), free_port(), free_port()
        make_site(folder / "site", ours)
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, public=folder / "site" / "public", port=theirs))
        folder.chmod(0o755)  # nginx's worker is another user
        serve = [sys.executable, "-m", "feed_publisher", "--site", str(folder / "site"), "serve", "--port", str(ours)]
        urls = {name: f"http://127.0.0.1:{port}/feeds/all.atom" for name, port in (("us", ours), ("nginx", theirs))}
        with running(serve, urls["us"]), running(["nginx", "-c", str(config)], urls["nginx"]):
            size = len(urllib.request.urlopen(urls["us"], timeout=5).read())
            for kind in ("200 gzip", "304"):
                speeds: dict[str, list[float]] = {"us": [], "nginx": []}
                for _ in range(given.rounds):
                    for name, url in urls.items():
                        headers = [f"If-None-Match: {etag(url)}"] if kind == "304" else []
                        speeds[name].append(per_second(url, given.seconds, *headers))
                ratio = statistics.median(a / b for a, b in zip(speeds["us"], speeds["nginx"], strict=True))
                medians = {name: f"{statistics.median(values):.0f}/s" for name, values in speeds.items()}
                print(f"{kind}, {size // 1000} KB: {medians['us']}, nginx {medians['nginx']}: {ratio:.2f} (goal 0.25)")


if __name__ == "__main__":
    main()
