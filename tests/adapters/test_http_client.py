"""The HTTP client against a real server that misbehaves; the server's log says what was really asked."""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import ssl
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from http_server import Act, HttpServer, after, drip, endless, hang, moved, raw, reply
from programs import needed

from feed_publisher.adapters.http.client import HttpFetcher
from feed_publisher.adapters.http.exchange import Limits
from feed_publisher.adapters.http.network import Resolve, SystemResolver
from feed_publisher.domain.errors import ConfigError, FetchError
from feed_publisher.domain.source import Validators
from feed_publisher.ports.pickup import Fetched, FetchRequest

pytestmark = pytest.mark.anyio
CALM = Limits(packed=100_000, unpacked=100_000)
QUICK = Limits(resolve=0.2, connect=2, read=0.3, total=0.6)
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class Names:
    """A resolver of our own: per name the answers, one per look-up; the last stays. Unknown names are loopback."""

    known: dict[str, list[list[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self.known.get(host, [["127.0.0.1"]])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def fetcher(
    allow: Sequence[str] = ("127.0.0.1",),
    limits: Limits = CALM,
    resolve: Resolve | None = None,
    now: Callable[[], datetime] = lambda: NOON,
    tls: ssl.SSLContext | None = None,
    proxy: str | None = None,
) -> HttpFetcher:
    return HttpFetcher(
        user_agent="feed-publisher/test", allow=allow, limits=limits, resolve=resolve, now=now, tls=tls, proxy=proxy
    )


@pytest.fixture
async def site() -> AsyncIterator[HttpServer]:
    async with HttpServer().running() as server:
        yield server


async def get(server: HttpServer, act: Act | list[Act], limits: Limits = CALM) -> Fetched:
    server.routes["/feed"] = act
    async with fetcher(limits=limits) as client:
        return await client.get(FetchRequest(url=server.url("/feed")))


async def test_an_answer_with_all_it_says(site: HttpServer) -> None:
    fetched = await get(
        site,
        reply(
            200,
            'ETag: W/"a"',
            "Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT",
            "Content-Type: application/atom+xml; charset=UTF-8",
            "Cache-Control: max-age=600",
            'Link: <https://hub.example/>; rel="hub", </feed.atom>; rel="self"',
            body=b"<feed/>",
        ),
    )
    assert fetched == Fetched(
        url=site.url("/feed"),
        status=200,
        body=b"<feed/>",
        content_type="application/atom+xml",
        charset="utf-8",
        validators=Validators(etag='W/"a"', last_modified="Sun, 22 Nov 2026 10:00:00 GMT"),
        fresh_for=600,
        hub="https://hub.example/",
        itself=site.url("/feed.atom"),
    )
    sent = site.asked[0].headers
    assert sent["user-agent"] == "feed-publisher/test"
    assert sent["accept-encoding"] == "gzip, deflate"
    assert sent["accept"].startswith("application/atom+xml")
    assert sent["host"] == f"127.0.0.1:{site.port}"
    assert "if-none-match" not in sent


async def test_what_has_not_changed_is_asked_for_with_its_validators_and_keeps_them(site: HttpServer) -> None:
    known = Validators(etag='"a"', last_modified="Sun, 22 Nov 2026 10:00:00 GMT")
    site.routes["/feed"] = [reply(304), reply(304, 'ETag: "b"')]
    async with fetcher() as client:
        first = await client.get(FetchRequest(url=site.url("/feed"), validators=known))
        second = await client.get(FetchRequest(url=site.url("/feed"), validators=known))
    assert (first.status, first.body, first.validators) == (304, b"", known)
    assert second.validators == Validators(etag='"b"', last_modified=known.last_modified)
    assert site.asked[0].headers["if-none-match"] == '"a"'
    assert site.asked[0].headers["if-modified-since"] == known.last_modified
    assert site.connections == 1, "a 304 leaves its connection usable"


@pytest.mark.parametrize("status", [201, 204, 206, 226, 300, 400, 401, 403, 404, 410, 418, 429, 500, 503, 599])
async def test_any_status_is_an_answer_without_a_body(site: HttpServer, status: int) -> None:
    fetched = await get(site, reply(status, 'ETag: "x"', body=b"sorry" if status != 204 else b""))
    assert (fetched.status, fetched.body) == (status, b"")


async def test_an_answer_stands_even_when_its_unwanted_body_never_ends(site: HttpServer) -> None:
    fetched = await get(site, drip(b"HTTP/1.1 410 gone\r\n\r\nbye", 0.01))
    assert fetched.status == 410


async def test_redirects_are_followed_and_the_lasting_ones_remembered(site: HttpServer) -> None:
    site.routes |= {"/a": moved(301, "/b"), "/b": moved(308, "c?x=1"), "/c?x=1": moved(302, site.url("/d"))}
    site.routes["/d"] = moved(301, "/e#part")
    site.routes["/e"] = [reply(200, body=b"here"), reply(304), reply(404)]
    async with fetcher() as client:
        there, same, lost = [await client.get(FetchRequest(url=site.url("/a"))) for _ in range(3)]
    assert (there.url, there.body, there.moved_to) == (site.url("/e"), b"here", site.url("/c?x=1"))
    assert same.moved_to == site.url("/c?x=1")
    assert (lost.status, lost.moved_to) == (404, None), "nobody moves to an error"
    assert site.connections == 1


async def test_redirects_end(site: HttpServer) -> None:
    site.routes |= {f"/{n}": moved(302, f"/{n + 1}") for n in range(9)} | {"/loop": moved(301, "/back")}
    site.routes["/back"] = moved(301, "/loop")
    async with fetcher() as client:
        with pytest.raises(FetchError, match="redirects more than 5 times"):
            await client.get(FetchRequest(url=site.url("/0")))
        with pytest.raises(FetchError, match="circle"):
            await client.get(FetchRequest(url=site.url("/loop")))
    assert site.targets() == ["/0", "/1", "/2", "/3", "/4", "/5", "/loop", "/back"]


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:{port}/x",
        "http://localhost:{port}/x",
        "http://2130706433:{port}/x",
        "http://0x7f.1:{port}/x",
        "http://127.1:{port}/x",
        "http://0177.0.0.1:{port}/x",
        "http://127.0.0.1.:{port}/x",
        "http://[::ffff:127.0.0.1]:{port}/x",
        "http://[64:ff9b::7f00:1]:{port}/x",
        "http://0:{port}/x",
        "http://017700000001:{port}/x",
        "http://127.0.0.1:{port}/x",
        "http://①②⑦.⓪.⓪.①:{port}/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/x",
        "//127.0.0.1:{port}/x",
        "http://public.example:{port}@127.0.0.1:{port}/x",
        "http://public.example:22/",
        "javascript:alert(1)",
        "http://[/",
    ],
)
async def test_a_redirect_inside_is_refused_without_any_connection(site: HttpServer, target: str) -> None:
    """The first host is allowed by its name alone; what it redirects to is looked up by the system."""
    site.routes["/feed"] = moved(302, target.format(port=site.port))
    site.routes["/x"] = reply(200, body=b"secret")
    system = SystemResolver(threads=1)

    async def resolve(host: str, port: int) -> Sequence[str]:
        return {"cms.example": ["127.0.0.1"], "public.example": ["8.8.8.8"]}.get(host) or await system(host, port)

    async with fetcher(allow=["cms.example"], resolve=resolve) as client:
        with pytest.raises(FetchError) as refusal:
            await client.get(FetchRequest(url=site.url("/feed", "cms.example")))
    system.close()
    assert refusal.value.reason.startswith("it redirects to ")
    assert refusal.value.where == site.url("/feed", "cms.example")
    assert (site.targets(), site.connections) == (["/feed"], 1)


async def test_a_private_address_is_refused_with_advice(site: HttpServer) -> None:
    async with fetcher(allow=[]) as client:
        with pytest.raises(FetchError) as refusal:
            await client.get(FetchRequest(url=site.url("/feed", "localhost")))
        with pytest.raises(FetchError):
            await client.post(site.url("/feed"), {"a": "b"})
    assert "localhost is a private address (" in str(refusal.value)
    assert "add it to [fetch] allow if it is yours" in str(refusal.value)
    assert site.connections == 0


async def test_what_was_checked_is_what_is_called(site: HttpServer) -> None:
    """DNS rebinding: a name that is public when it is checked and private when it is called."""
    names = Names({"rebind.example": [["127.0.0.2"], ["127.0.0.1"]], "mixed.example": [["8.8.8.8", "127.0.0.1"]]})
    async with fetcher(allow=["127.0.0.2"], resolve=names) as client:
        with pytest.raises(FetchError, match="no connection"):
            await client.get(FetchRequest(url=site.url("/feed", "rebind.example")))
        assert names.asked == ["rebind.example"], "one look-up per connection"
        with pytest.raises(FetchError, match="private"):
            await client.get(FetchRequest(url=site.url("/feed", "rebind.example")))
        with pytest.raises(FetchError, match="private"):
            await client.get(FetchRequest(url=site.url("/feed", "mixed.example")))
    assert site.connections == 0


async def test_the_next_address_is_called_when_one_is_deaf(site: HttpServer) -> None:
    site.routes["/feed"] = reply(200, body=b"here")
    with socket.create_server(("127.0.0.2", site.port)) as deaf:
        deaf.close()
        async with fetcher(
            allow=["127.0.0.0/8"], resolve=Names({"two.example": [["127.0.0.2", "127.0.0.1"]]})
        ) as client:
            fetched = await client.get(FetchRequest(url=site.url("/feed", "two.example")))
    assert fetched.body == b"here"
    assert site.asked[0].headers["host"] == f"two.example:{site.port}"


async def test_secrets_stay_with_the_host_they_are_for(site: HttpServer) -> None:
    site.routes |= {"/a": moved(302, "/b"), "/b": moved(302, site.url("/c", "b.example")), "/e": reply()}
    site.routes |= {"/c": moved(302, "/d"), "/d": moved(302, site.url("/e", "a.example"))}
    secret = (("Authorization", "Bearer s3cret"), ("X-Key", "k"), ("user-agent", "mine"))
    async with fetcher(resolve=Names()) as client:
        await client.get(FetchRequest(url=site.url("/a", "a.example"), headers=secret))
    sent = [(asked.target, asked.headers.get("authorization"), asked.headers.get("x-key")) for asked in site.asked]
    assert sent[:2] == [("/a", "Bearer s3cret", "k"), ("/b", "Bearer s3cret", "k")]
    assert sent[2:] == [(target, None, None) for target in ("/c", "/d", "/e")], "not even when it leads back"
    assert [asked.headers["user-agent"] for asked in site.asked] == ["mine"] * 2 + ["feed-publisher/test"] * 3


@pytest.mark.parametrize("header", [("Host", "x"), ("X", "s3cret\r\nY: 1"), ("X Y", "s3cret"), ("X", "s3cret…")])
async def test_a_header_that_may_not_be_sent_is_named_and_its_value_kept_secret(
    site: HttpServer, header: tuple[str, str]
) -> None:
    async with fetcher() as client:
        with pytest.raises(FetchError, match=f'the header "{header[0]}"') as refusal:
            await client.get(FetchRequest(url=site.url("/feed"), headers=(header,)))
    assert "s3cret" not in str(refusal.value)
    assert site.connections == 0


async def test_no_cookies_are_kept(site: HttpServer) -> None:
    site.routes |= {"/a": reply(302, "Location: /b", "Set-Cookie: a=1; Path=/"), "/b": reply(200, "Set-Cookie: b=1")}
    async with fetcher() as client:
        await client.get(FetchRequest(url=site.url("/a")))
        await client.get(FetchRequest(url=site.url("/a")))
    assert len(site.asked) == 4
    assert all("cookie" not in asked.headers for asked in site.asked)


async def test_the_environment_names_no_proxy(site: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await get(site, reply(200, body=b"here"))).body == b"here"


async def test_a_proxy_gets_what_the_guard_lets_through(site: HttpServer) -> None:
    site.routes["http://public.example:80/feed"] = reply(200, body=b"by proxy")
    names = Names({"public.example": [["8.8.8.8"]]})
    async with fetcher(allow=[], resolve=names, proxy=f"http://me:pw@127.0.0.1:{site.port}") as client:
        fetched = await client.get(FetchRequest(url="http://public.example/feed"))
        with pytest.raises(FetchError, match="private"):
            await client.get(FetchRequest(url="http://inside.example/"))
    assert fetched.body == b"by proxy"
    assert "proxy-authorization" in site.asked[0].headers
    assert len(site.asked) == 1
    with pytest.raises(ConfigError, match="proxy"):
        fetcher(proxy="127.0.0.1:3128")


ZIPPED = gzip.compress(b"hello", mtime=0)
"""Without a time in it: the names of tests are the same in every process."""


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", ZIPPED),
        ("deflate", zlib.compress(b"hello")),
        ("identity", b"hello"),
        ("", b"hello"),
    ],
)
async def test_compressed_bodies(site: HttpServer, coding: str, data: bytes) -> None:
    assert (await get(site, reply(200, f"Content-Encoding: {coding}", body=data))).body == b"hello"


async def test_a_gigabyte_of_nothing_stops_early(site: HttpServer) -> None:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = packer.compress(b"\0" * 20_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    gzip_head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    act = endless(b"HTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n\r\n" + gzip_head, block)
    site.routes["/feed"] = act
    async with fetcher(limits=Limits()) as client:
        began = time.process_time()
        tracemalloc.start()
        with pytest.raises(FetchError, match="larger than 5 MB"):
            await client.get(FetchRequest(url=site.url("/feed")))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8_000_000
    assert time.process_time() - began < 1


async def test_a_body_is_bounded_before_and_after_unpacking(site: HttpServer) -> None:
    with pytest.raises(FetchError, match=r"larger than 0\.1 MB"):
        await get(site, raw(b"HTTP/1.1 200 ok\r\nContent-Length: 100001\r\n\r\n", stays=True))
    with pytest.raises(FetchError, match=r"larger than 0\.1 MB"):
        await get(site, endless(b"HTTP/1.1 200 ok\r\n\r\n", b"x" * 1000))
    assert len((await get(site, reply(200, body=b"x" * 100_000))).body) == 100_000


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (hang(), "fell silent"),
        (drip(b"HTTP/1.1 200 ok\r\nX: ", 0.05), "too slow"),
        (drip(b"HTTP/1.1 200 ok\r\n\r\n", 0.05), "too slow"),
        (drip(b"", 0.05, b"HTTP/1.1 100 go on\r\n\r\n"), "too slow"),
        (drip(b"HTTP/1.1 200 ok\r\n\r\nhello", 9), "fell silent"),
        (raw(b""), "broke off"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "does not speak HTTP"),
        (raw(b"\0\xff\r\n\r\n"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 99999 x\r\n\r\n"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 200 ok\r\nX: " + b"x" * 200_000 + b"\r\n\r\n"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 200 ok\r\nContent-Length: 10\r\n\r\nhello"), "broke off"),
        (raw(b"HTTP/1.1 200 ok\r\nContent-Length: ten\r\n\r\nhello"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 200 ok\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), "does not speak HTTP"),
        (raw(b"HTTP/1.1 200 ok\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"), "broke off"),
        (
            raw(b"HTTP/1.1 200 ok\r\nContent-Encoding: gzip\r\n\r\n" + ZIPPED[:-4]),
            "cut short",
        ),
        (raw(b"HTTP/1.1 200 ok\r\nContent-Encoding: br\r\n\r\nx"), "not asked for"),
    ],
)
async def test_a_broken_server_is_told_in_a_sentence_and_in_time(site: HttpServer, act: Act, reason: str) -> None:
    began = time.perf_counter()
    with pytest.raises(FetchError, match=reason) as failure:
        await get(site, act, QUICK)
    assert time.perf_counter() - began < 5
    assert failure.value.where == site.url("/feed")


async def test_garbage_is_an_answer_or_a_fetch_error(site: HttpServer) -> None:
    """A proper answer with bytes changed at random: nothing else may come out of it."""
    good = b"HTTP/1.1 301 ok\r\nLocation: /\xc3\xa4?b\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"
    good += b"1e\r\n" + gzip.compress(b"hello hello", mtime=0)[:30] + b"\r\n0\r\n\r\n"
    chance = random.Random(7)
    async with fetcher(resolve=Names()) as client:
        for _ in range(150):
            bad = bytearray(good.replace(b"301", chance.choice((b"200", b"301", b"404", b"101"))))
            for _ in range(chance.randint(1, 4)):
                bad[chance.randrange(len(bad))] = chance.choice(b'\0\r\n :;,<>"/@[%\x80\xff19aZ')
            site.routes["/feed"] = raw(bytes(bad))
            with suppress(FetchError):
                await client.get(FetchRequest(url=site.url("/feed")))


async def test_a_length_that_is_too_short_takes_only_what_was_announced(site: HttpServer) -> None:
    act = raw(b"HTTP/1.1 200 ok\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 ok\r\n\r\nmore")
    assert (await get(site, act)).body == b"hello"


async def test_a_kept_connection_that_was_given_up_is_replaced(site: HttpServer) -> None:
    site.routes["/feed"] = [reply(304), raw(b""), reply(304)]
    async with fetcher() as client:
        for _ in range(2):
            assert (await client.get(FetchRequest(url=site.url("/feed")))).status == 304
    assert len(site.asked) == 3
    assert site.connections == 2


async def test_names_that_lead_nowhere() -> None:
    async def missing(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    for resolve, reason in (
        (missing, "no host named"),
        (slow, "did not find"),
        (Names({"a.example": [[]]}), "no host"),
    ):
        async with fetcher(resolve=resolve, limits=QUICK) as client:
            with pytest.raises(FetchError, match=reason):
                await client.get(FetchRequest(url="http://a.example/"))
    async with fetcher() as client:
        for url in ("http://a..b/", f"http://{'a' * 64}.example/", "http://%00/", "nonsense"):
            with pytest.raises(FetchError):
                await client.get(FetchRequest(url=url))


async def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    async with fetcher() as client:
        with pytest.raises(FetchError, match="no connection \\(Connection refused\\)"):
            await client.get(FetchRequest(url=f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize("value", ["60", "Sun, 22 Nov 2026 12:01:00 GMT"])
async def test_a_host_that_asks_for_rest_gets_it(site: HttpServer, value: str) -> None:
    clock = [NOON]
    site.routes |= {"/a": reply(429, f"Retry-After: {value}"), "/b": reply(200, body=b"b")}
    async with fetcher(now=lambda: clock[0], resolve=Names()) as client:
        first = await client.get(FetchRequest(url=site.url("/a")))
        assert (first.status, first.retry_after) == (429, 60)
        with pytest.raises(FetchError, match="left alone until 12:01:00 UTC"):
            await client.get(FetchRequest(url=site.url("/b")))
        assert (await client.get(FetchRequest(url=site.url("/b", "other.example")))).status == 200
        clock[0] += timedelta(seconds=60)
        assert (await client.get(FetchRequest(url=site.url("/b")))).status == 200
    assert site.targets() == ["/a", "/b", "/b"]


async def test_a_rest_lasts_an_hour_at_most_and_stops_those_who_wait(site: HttpServer) -> None:
    clock = [NOON]
    site.routes["/a"] = after(0.05, reply(503, "Retry-After: 999999999"))
    async with fetcher(now=lambda: clock[0]) as client:
        asks = [client.get(FetchRequest(url=site.url("/a"))) for _ in range(6)]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        assert [isinstance(answer, FetchError) for answer in answers] == [False, False, True, True, True, True]
        assert isinstance(answers[0], Fetched)
        assert answers[0].retry_after == 604_800
        clock[0] += timedelta(hours=1)
        assert (await client.get(FetchRequest(url=site.url("/a")))).status == 503


async def test_few_at_once_per_host_and_a_slow_host_stops_no_other(site: HttpServer) -> None:
    hosts = [f"h{number}.example" for number in range(5)]
    site.routes |= {"/feed": after(0.005, reply(304)), "/slow": hang()}
    async with HttpFetcher(user_agent="x", allow=["127.0.0.1"], connections=6, resolve=Names()) as client:
        slow = [asyncio.create_task(client.get(FetchRequest(url=site.url("/slow", "slow.example")))) for _ in range(20)]
        await asyncio.sleep(0)
        asks = [client.get(FetchRequest(url=site.url("/feed", hosts[number % 5]))) for number in range(100)]
        answers = await asyncio.gather(*asks)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
    assert [answer.status for answer in answers] == [304] * 100
    assert max(site.busiest.values()) == 2
    assert site.targets().count("/slow") == 2


async def test_waiting_for_a_turn_is_not_held_against_the_server(site: HttpServer) -> None:
    """Six requests of 0.3 s, two at a time, take longer than the 0.8 s that one may take."""
    site.routes["/feed"] = after(0.3, reply(304))
    async with fetcher(limits=Limits(total=0.8)) as client:
        answers = await asyncio.gather(*(client.get(FetchRequest(url=site.url("/feed"))) for _ in range(6)))
    assert [answer.status for answer in answers] == [304] * 6


async def test_a_form_is_posted_once_and_not_redirected(site: HttpServer) -> None:
    site.routes |= {"/hub": [reply(202), moved(307, "/x"), raw(b"")]}
    async with fetcher() as client:
        assert (await client.post(site.url("/hub"), {"hub.mode": "subscribe", "t": "a b&ü"})).status == 202
        assert (await client.post(site.url("/hub"), {})).status == 307
        with pytest.raises(FetchError, match="broke off"):
            await client.post(site.url("/hub"), {"a": "b"})
    assert site.targets() == ["/hub"] * 3
    assert site.asked[0].body == b"hub.mode=subscribe&t=a+b%26%C3%BC"
    assert site.asked[0].headers["content-type"] == "application/x-www-form-urlencoded"


async def test_bytes_are_posted_as_they_are_and_no_answer_is_read(site: HttpServer) -> None:
    big = reply(200, body=b"x" * 200_000)
    site.routes |= {"/in?a=%2F&b=1": [big, moved(308, "/x"), raw(b"")]}
    headers = {"Content-Type": "application/feed+json", "X-Hub-Signature": "sha256=0"}
    async with fetcher() as client:
        answer = await client.post_bytes(site.url("/in?a=%2F&b=1"), b"\x00\xff", headers)
        assert (answer.status, answer.body) == (200, b"")
        assert (await client.post_bytes(site.url("/in?a=%2F&b=1"), b"", headers)).status == 308
        with pytest.raises(FetchError, match="broke off"):
            await client.post_bytes(site.url("/in?a=%2F&b=1"), b"", headers)
        with pytest.raises(FetchError, match="characters"):
            await client.post_bytes(site.url("/never"), b"", {"Link": "<a>\r\nX: y"})
    assert site.targets() == ["/in?a=%2F&b=1"] * 3
    assert site.asked[0].body == b"\x00\xff"
    assert headers.items() <= {name: site.asked[0].headers[name.lower()] for name in headers}.items()


@pytest.mark.parametrize("status", [200, 201, 202, 226])
async def test_an_exact_get_has_the_body_of_any_success(site: HttpServer, status: int) -> None:
    site.routes["/in?a=%2F&b=1"] = reply(status, body=b"challenge")
    async with fetcher() as client:
        answer = await client.get_exactly(site.url("/in?a=%2F&b=1"))
    assert (answer.status, answer.body, answer.url) == (status, b"challenge", site.url("/in?a=%2F&b=1"))


async def test_an_exact_get_follows_no_redirect(site: HttpServer) -> None:
    site.routes |= {"/in": moved(302, "/x"), "/x": reply(200, body=b"challenge")}
    async with fetcher() as client:
        assert (await client.get_exactly(site.url("/in"))).status == 302
    assert site.targets() == ["/in"]


async def test_what_is_private_is_neither_asked_nor_posted_to(site: HttpServer) -> None:
    async with fetcher(allow=()) as client:
        with pytest.raises(FetchError, match="private address"):
            await client.get_exactly(site.url("/in"))
        with pytest.raises(FetchError, match="private address"):
            await client.post_bytes(site.url("/in"), b"feed", {})
    assert site.connections == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Self-signed, for cms.example."""
    needed("openssl", "there is no certificate to test with")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=cms.example -addext subjectAltName=DNS:cms.example"
    )
    subprocess.run(
        [*command.split(), "-keyout", path, "-out", path.with_suffix(".crt")], check=True, capture_output=True
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


async def test_certificates_are_checked_against_the_name(certificate: Path) -> None:
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    seen: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: seen.append(name)
    trusting = ssl.create_default_context(cafile=certificate.with_suffix(".crt"))
    async with HttpServer(tls=serving, routes={"/feed": reply(200, body=b"safe")}).running() as site:
        async with fetcher(resolve=Names(), tls=trusting) as client:
            assert (await client.get(FetchRequest(url=site.url("/feed", "cms.example")))).body == b"safe"
            assert seen == ["cms.example"]
            with pytest.raises(FetchError, match=r"certificate cannot be trusted .*mismatch"):
                await client.get(FetchRequest(url=site.url("/feed", "other.example")))
        async with fetcher(resolve=Names()) as client:
            with pytest.raises(FetchError, match=r"certificate cannot be trusted .*self-signed"):
                await client.get(FetchRequest(url=site.url("/feed", "cms.example")))
        with pytest.raises(FetchError, match=r"broke|HTTP"):
            async with fetcher() as client:
                await client.get(FetchRequest(url=f"http://127.0.0.1:{site.port}/feed"))
        assert site.targets() == ["/feed"]


async def test_tls_with_a_server_that_has_none() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 no\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, fetcher() as client:
        with pytest.raises(FetchError, match="no TLS could be agreed on"):
            await client.get(FetchRequest(url=f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/feed"))
