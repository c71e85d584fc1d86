"""Feeds over HTTP: conditions, codings, strange addresses (feeds.md §2), on the application itself."""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
from pathlib import Path

import brotli
import pytest
from starlette.testclient import TestClient
from web_site import ELSEWHERE, Site, opened

from feed_publisher.web.feeds import FeedFront
from feed_publisher.web.limits import Limits
from feed_publisher.web.site import build

ADDRESS = "/feeds/harbour-towns.atom"
PLAIN = {"accept-encoding": "identity"}


@pytest.fixture
def client(shared: Site) -> TestClient:
    return shared.client(ELSEWHERE)


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        ("atom", "application/atom+xml; charset=utf-8"),
        ("rss", "application/rss+xml; charset=utf-8"),
        ("json", "application/feed+json"),
    ],
)
def test_a_feed_is_its_file_with_its_headers(shared: Site, client: TestClient, kind: str, type_: str) -> None:
    answer = client.get(f"/feeds/all.{kind}?utm_source=x", headers=PLAIN)

    data = (shared.folder / "public" / "feeds" / f"all.{kind}").read_bytes()
    assert (answer.status_code, answer.content) == (200, data)
    assert dict(answer.headers) == {
        "content-type": type_,
        "content-length": str(len(data)),
        "etag": f'"{hashlib.sha256(data).hexdigest()[:32]}"',
        "last-modified": answer.headers["last-modified"],
        "cache-control": "public, max-age=1800, stale-while-revalidate=600, stale-if-error=86400",
        "vary": "Accept-Encoding",
        "link": f'<http://127.0.0.1:8000/feeds/all.{kind}>; rel="self"',
        "x-content-type-options": "nosniff",
        "access-control-allow-origin": "*",
    }


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_head_has_the_headers_of_get_and_no_body(client: TestClient, coding: str) -> None:
    got = client.get(ADDRESS, headers={"accept-encoding": coding})
    head = client.head(ADDRESS, headers={"accept-encoding": coding})

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers == got.headers


TAGS = {
    "the same": '"{tag}"',
    "weakened by a proxy": 'W/"{tag}"',
    "of the gzip coding": '"{tag}-gz"',
    "of the gzip coding, weak": 'W/"{tag}-gz"',
    "with Apache's suffix": '"{tag}-gzip"',
    "with Apache's suffix on ours": 'W/"{tag}-gz-gzip"',
    "with Jetty's suffix": '"{tag}--gzip"',
    "any": "*",
    "in a list": '"other", W/"{tag}","third"',
    "in a list without spaces": '"a","b","{tag}-gz"',
    "among empty items": ', "{tag}" ,',
}
OTHER_TAGS = {
    "of other bytes": '"00000000000000000000000000000000"',
    "a part of ours": '"{half}"',
    "ours and more": '"{tag}0"',
    "empty": "",
    "nonsense": "!!",
    "empty tag": '""',
}


@pytest.mark.parametrize("coding", ["gzip", "identity"])
@pytest.mark.parametrize("tag", TAGS.values(), ids=TAGS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_it_gets_304(client: TestClient, tag: str, coding: str, method: str) -> None:
    first = client.get(ADDRESS, headers={"accept-encoding": coding})
    etag = first.headers["etag"].strip('"').removesuffix("-gz")

    again = client.request(
        method, ADDRESS, headers={"accept-encoding": coding, "if-none-match": tag.format(tag=etag, half=etag[:16])}
    )

    assert (again.status_code, again.content) == (304, b"")
    names = ("etag", "last-modified", "cache-control", "vary", "link")
    assert [again.headers[name] for name in names] == [first.headers[name] for name in names]
    assert "content-type" not in again.headers
    assert "content-length" not in again.headers


@pytest.mark.parametrize("tag", OTHER_TAGS.values(), ids=OTHER_TAGS)
def test_who_has_something_else_gets_the_feed(client: TestClient, tag: str) -> None:
    etag = client.get(ADDRESS, headers=PLAIN).headers["etag"].strip('"')
    asked = {"if-none-match": tag.format(tag=etag, half=etag[:16])}

    assert client.get(ADDRESS, headers=asked).status_code == 200


def test_conditions_by_date(client: TestClient) -> None:
    stored = client.get(ADDRESS).headers["last-modified"]

    def status(date: str) -> int:
        return client.get(ADDRESS, headers={"if-modified-since": date}).status_code

    assert status(stored) == 304
    assert status("Sun, 01 Nov 2020 00:00:00 GMT") == 200
    assert status("Fri, 01 Jan 2199 00:00:00 GMT") == 200  # not yet: somebody's clock is wrong
    assert status("yesterday") == 200
    assert status("") == 200
    assert status("Sun, 99 Nov 2020 00:00:00 GMT") == 200
    assert status("Sun, 01 Nov 99999999999 00:00:00 GMT") == 200


def test_the_tag_decides_alone_when_both_are_there(client: TestClient) -> None:
    first = client.get(ADDRESS).headers

    fresh = {"if-none-match": first["etag"], "if-modified-since": "Sun, 01 Nov 2020 00:00:00 GMT"}
    stale = {"if-none-match": '"old"', "if-modified-since": first["last-modified"]}

    assert client.get(ADDRESS, headers=fresh).status_code == 304
    assert client.get(ADDRESS, headers=stale).status_code == 200


def test_tags_on_several_lines_are_one_list(shared: Site) -> None:
    front = FeedFront(shared.folder / "public", "", shared.asgi)
    etag = dict(front.answer(ADDRESS, "GET", {})[1])[b"etag"]
    client = shared.client()

    answer = client.get(ADDRESS, headers=[("if-none-match", etag.decode()), ("if-none-match", '"other"')])

    assert answer.status_code == 304


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, gzip;q=0.5", "gzip"),
        ("br,gzip", "br"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("GZIP", "gzip"),
        ("*", "br"),
        ("*;q=0, gzip", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.000", ""),
        ("gzip;q=0, *", "br"),
        ("br;q=0, gzip;q=0", ""),
        ("identity", ""),
        ("br", "br"),
        ("zstd", ""),
        ("", ""),
        (";;,,q=", ""),
    ],
)
def test_codings(shared: Site, accepted: str, coding: str) -> None:
    status, headers, body = FeedFront(shared.folder / "public", "", shared.asgi).answer(
        ADDRESS, "GET", {b"accept-encoding": accepted.encode()}
    )

    plain = (shared.folder / "public" / ADDRESS[1:]).read_bytes()
    unpack = {"gzip": gzip.decompress, "br": brotli.decompress}.get(coding, bytes)
    assert status == 200
    assert unpack(body) == plain
    assert dict(headers).get(b"content-encoding", b"").decode() == coding
    assert dict(headers)[b"content-length"] == str(len(body)).encode()


def test_a_compressed_file_of_another_version_is_not_sent(site: Site) -> None:
    """While the three files are being replaced, or when somebody has written the document alone."""
    file = site.folder / "public" / ADDRESS[1:]
    file.write_bytes(file.read_bytes().replace(b"Floods", b"Dries!"))
    front = FeedFront(site.folder / "public", "", site.asgi)

    for accepted, coding in ((b"br", None), (b"gzip", b"gzip"), (b"gzip, br", b"gzip")):
        status, headers, body = front.answer(ADDRESS, "GET", {b"accept-encoding": accepted})
        assert (status, dict(headers).get(b"content-encoding")) == (200, coding)
        assert b"Dries!" in (gzip.decompress(body) if coding else body)


def test_hubs_are_told_of_before_the_feed_itself(shared: Site) -> None:
    hubs = ["https://hub.example/", "https://mag.example/hub"]
    front = FeedFront(shared.folder / "public", "https://mag.example", shared.asgi, hubs=hubs)
    wanted = b'<https://hub.example/>; rel="hub", <https://mag.example/hub>; rel="hub"'
    for asked in ({}, {b"if-none-match": b"*"}):
        link = dict(front.answer(ADDRESS, "GET", asked)[1])[b"link"]
        assert link == wanted + b', <https://mag.example/feeds/harbour-towns.atom>; rel="self"'
    assert b"hub" not in dict(front.answer("/feeds.opml", "GET", {})[1])[b"link"]


def test_an_archive_page_may_be_kept_for_a_day(site: Site) -> None:
    for number in range(60):
        site.add(f"Article {number}")
    site.app.publish()
    front = FeedFront(site.folder / "public", "", site.asgi, hubs=["https://hub.example/"])
    status, headers, _ = front.answer("/feeds/all/1.rss", "GET", {})
    assert status == 200
    assert dict(headers)[b"cache-control"] == b"public, max-age=86400, stale-if-error=604800"
    assert b"hub" not in dict(headers)[b"link"]


def test_a_reader_may_subscribe_and_is_then_told_to_wait(shared: Site) -> None:
    now = [0.0]
    front = FeedFront(shared.folder / "public", "", shared.asgi, limits=Limits(lambda: now[0]))

    def ask(asker: str = "192.0.2.7 Reader", **asked: bytes) -> tuple[int, dict[bytes, bytes]]:
        status, headers, _ = front.answer(
            ADDRESS, "GET", {n.replace("_", "-").encode(): v for n, v in asked.items()}, asker
        )
        return status, dict(headers)

    assert [ask()[0] for _ in range(6)] == [200] * 5 + [429]
    assert ask()[1][b"retry-after"] == b"60"
    etag = ask("")[1][b"etag"]
    assert [ask(if_none_match=etag)[0] for _ in range(50)] == [304] * 50, "who asks rightly may ask"
    assert ask(if_none_match=b'"old"')[0] == 200, "news are never withheld"
    assert ask("192.0.2.8 Reader")[0] == 200
    assert ask("")[0] == 200, "this machine"
    now[0] += 60
    assert [ask()[0] for _ in range(2)] == [200, 429]
    now[0] += 1000
    assert [ask()[0] for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("/feeds/ships+birds.atom", "/feeds/birds+ships.atom"),
        ("/feeds/birds+ships+birds.summary.json", "/feeds/birds+ships.summary.json"),
        ("/feeds/birds+birds.rss", "/feeds/birds.rss"),
    ],
)
def test_a_combined_feed_has_one_address(shared: Site, client: TestClient, asked: str, answer: str) -> None:
    found = client.get(asked, follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (301, f"{shared.app.base_url}{answer}")
    many = "+".join(f"t{number}" for number in range(9))
    assert client.get(f"/feeds/{many}.atom", follow_redirects=False).status_code == 404


def test_every_coding_has_a_tag_of_its_own(client: TestClient) -> None:
    plain, packed = (client.get(ADDRESS, headers={"accept-encoding": c}).headers["etag"] for c in ("identity", "gzip"))

    assert plain != packed
    assert not plain.startswith("W/")


def test_a_changed_feed_is_never_304(site: Site) -> None:
    client = site.client(ELSEWHERE)
    before = client.get(ADDRESS).headers
    asked = {"if-none-match": before["etag"], "if-modified-since": before["last-modified"]}
    assert client.get(ADDRESS, headers=asked).status_code == 304

    site.add("Who Owns a Slipway?")
    site.app.publish()  # in the same second: the clock of the test stands still
    after = client.get(ADDRESS, headers=asked)

    assert after.status_code == 200
    assert b"Who Owns a Slipway?" in after.content
    assert after.headers["etag"] != before["etag"]
    assert after.headers["last-modified"] != before["last-modified"]
    assert client.get(ADDRESS, headers={"if-modified-since": before["last-modified"]}).status_code == 200


def test_a_restart_changes_nothing(site: Site) -> None:
    client = site.client(ELSEWHERE)
    before = client.get(ADDRESS)
    site.app.publish(every=True)

    after = TestClient(build(site.app)).get(ADDRESS)

    assert after.headers == before.headers
    assert after.content == before.content


def test_another_file_with_the_time_and_size_of_the_old_one_is_noticed(site: Site) -> None:
    client = site.client(ELSEWHERE)
    file = site.folder / "public" / ADDRESS[1:]
    before, times = client.get(ADDRESS).content, file.stat()

    other = file.with_name("other")
    other.write_bytes(before.replace(b"Floods", b"Dries!"))
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(file)

    assert b"Dries!" in client.get(ADDRESS).content


STRANGE = [
    "/feeds/",
    "/feeds/nowhere.atom",
    "/feeds/harbour-towns",
    "/feeds/harbour-towns.html",
    "/feeds/harbour-towns.atom/",
    "/feeds/Harbour-towns.atom",
    "/feeds/../publisher.toml",
    "/feeds/%2e%2e/%2e%2e/publisher.toml",
    "/feeds/..%2f..%2fpublisher.atom",
    "/feeds/%2e%2e.atom",
    "/feeds//etc/passwd",
    "/feeds/x%00.atom",
    "/feeds/harbour-towns.atom%00",
    "/feeds/harbour-towns.atom%0a",
    "/feeds/" + "a" * 300 + ".atom",
    "/feeds/%ff.atom",
    "/feeds/\u202eatom.atom",
    "/feeds/CON.atom",
]


@pytest.mark.parametrize("path", STRANGE)
def test_no_such_feed_is_a_small_answer_that_may_be_kept(shared: Site, client: TestClient, path: str) -> None:
    (shared.folder / "publisher.atom").write_text("secret")

    answer = client.get(path)

    if answer.headers["content-type"].startswith("text/html"):  # the client took the dots out of the address
        assert (answer.status_code, answer.url.path) == (404, "/publisher.toml")
        return
    assert answer.status_code == 404
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert len(answer.content) < 100


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_feeds_are_only_read(client: TestClient, method: str) -> None:
    answer = client.request(method, ADDRESS)

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_no_feed_sets_a_cookie_or_asks_the_database(site: Site) -> None:
    client = site.client(ELSEWHERE)
    site.app.database.close()
    file = site.folder / "var" / "publisher.sqlite3"
    file.rename(file.with_name("away"))
    file.mkdir()  # whoever opens it now fails

    for kind in ("atom", "rss", "json"):
        answer = client.get(f"/feeds/harbour-towns.{kind}")
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert client.get("/feeds/nowhere.atom").status_code == 404
    answer = client.get("/feeds/authors/l-varga.atom")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10"), "one that is not there yet"
    assert client.get("/topics/harbour-towns").status_code == 503


def test_a_feed_that_is_replaced_while_many_read_is_whole_and_never_goes_back(shared: Site) -> None:
    """Each version is all one letter, and a reader never sees a version before the one it has seen."""
    front = FeedFront(shared.folder / "public", "", shared.asgi)
    file = shared.folder / "public" / "feeds" / "busy.atom"
    versions = [bytes([letter]) * (1000 + 777 * (letter % 5)) for letter in b"abcdefghijklmnopqrstuvwxyz"]
    file.write_bytes(versions[0])
    wrong: list[str] = []
    stop = threading.Event()

    def poll() -> None:
        newest, tag = 0, b""
        while not stop.is_set():
            asked = {b"if-none-match": tag} if tag else {}
            status, headers, body = front.answer("/feeds/busy.atom", "GET", asked)
            if status == 304:
                continue
            found = versions.index(body) if body in versions else -1
            if status != 200 or found < newest or dict(headers)[b"content-length"] != str(len(body)).encode():
                wrong.append(f"{status}, version {found} after {newest}, {len(body)} bytes")
            newest, tag = max(found, newest), dict(headers)[b"etag"]

    threads = [threading.Thread(target=poll) for _ in range(20)]
    for thread in threads:
        thread.start()
    for number, data in enumerate(versions):
        fresh = file.with_name(f".{number}.tmp")
        fresh.write_bytes(data)
        fresh.replace(file)
        _, _, body = front.answer("/feeds/busy.atom", "GET", {})
        assert body == data, "an old version after the new one was out"
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_more_feeds_than_memory_holds(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feed_publisher.web.feedcache.HELD", 5000)
    front = FeedFront(site.folder / "public", "", site.asgi)

    for _ in range(2):
        for name in ("all.atom", "all.rss", "all.json", "harbour-towns.atom"):
            expected = (site.folder / "public" / "feeds" / name).read_bytes()
            assert front.answer(f"/feeds/{name}", "GET", {})[2] == expected
    (site.folder / "public" / "feeds" / "all.atom").unlink()
    assert front.answer("/feeds/all.atom", "GET", {})[0] == 404


@pytest.mark.parametrize("asked", ["/mail/feeds/all.atom", "/feeds/all.atom"], ids=["path kept", "path taken off"])
def test_a_site_below_a_path(tmp_path: Path, sqlite_template: Path, asked: str) -> None:
    with opened(tmp_path / "site", sqlite_template, base_url="https://mag.example/mail/") as site:
        site.add("A")
        site.app.publish()
        answer = site.client().get(asked, headers=PLAIN)

        assert answer.status_code == 200
        assert answer.headers["link"] == '<https://mag.example/mail/feeds/all.atom>; rel="self"'
        assert b'href="https://mag.example/mail/feeds/all.atom" rel="self"' in answer.content
