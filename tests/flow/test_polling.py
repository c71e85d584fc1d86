"""Fifty reader programs poll while articles are published: whole documents only, and never an older one again."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import pytest
from flow.flow_site import DAY
from flow.websub_world import Press, press
from lxml import etree

CODINGS = ("gzip", "br", "identity", "gzip, br")
CLIENTS, CHANGES = 50, 15


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Press]:
    with press(tmp_path / "site", sqlite_template, "") as made:
        yield made


def test_publishing_while_fifty_readers_poll(site: Press) -> None:
    answers = asyncio.run(_poll_and_publish(site))
    assert answers[200] > CLIENTS, answers
    assert answers[304] > CLIENTS, answers


async def _poll_and_publish(site: Press) -> dict[int, int]:
    ended = asyncio.Event()
    counts = {200: 0, 304: 0}
    last: set[str] = set()
    formats = ("atom", "rss", "json")

    async def poll(number: int) -> None:
        format = formats[number % 3]
        headers = {"accept-encoding": CODINGS[number % 4], "user-agent": f"reader {number}"}
        seen, newest, etag = "", 0.0, ""
        async with httpx2.AsyncClient(headers=headers, timeout=30) as client:
            final = False
            while not final:
                final = ended.is_set()  # once more after the last change
                answer = await client.get(
                    f"{site.base}/feeds/all.{format}", headers={"if-none-match": etag} if etag else {}
                )
                counts[answer.status_code] += 1
                modified = parsedate_to_datetime(answer.headers["last-modified"]).timestamp()
                assert modified >= newest, "an older document after a newer one"
                if answer.status_code == 304:
                    assert answer.headers["etag"] == etag
                    continue
                assert modified > newest, "another document of the same time"
                etag, newest = answer.headers["etag"], modified
                assert etag[1:33] == hashlib.sha256(answer.content).hexdigest()[:32], "torn"
                title = _newest_title(answer.content, format)
                assert title > seen, "an older document after a newer one"
                seen = title
        last.add(seen)

    async def publish() -> None:
        for number in range(CHANGES):
            site.site.now += DAY
            article = {"id": f"n{number}", "title": f"Number {number:03}", "summary": "New.", "topics": ["Ships"]}
            file = site.site.write(f"n{number}.json", json.dumps([article]))
            await site.app.intake.pickup([str(file)])
            await asyncio.to_thread(site.app.publish)
        ended.set()

    await asyncio.gather(publish(), *(poll(number) for number in range(CLIENTS)))
    assert last == {f"Number {CHANGES - 1:03}"}
    return counts


def _newest_title(document: bytes, format: str) -> str:
    """ "" while there is none of ours yet. Raises when the document is not well-formed."""
    if format == "json":
        titles = [item["title"] for item in json.loads(document)["items"]]
    else:
        titles = [element.text or "" for element in etree.fromstring(document).iter("{*}title", "title")]
    return max((title for title in titles if title.startswith("Number ")), default="0")
