"""Which addresses may be talked to, and what headers, bodies and redirects are taken for."""

from __future__ import annotations

import gzip
import ipaddress
import time
import zlib
from contextlib import suppress
from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.adapters.http.addresses import Guard, is_public, read_url
from feed_publisher.adapters.http.decoding import Body
from feed_publisher.adapters.http.headers import Headers
from feed_publisher.adapters.http.trail import Trail, shown
from feed_publisher.domain.errors import ConfigError, FetchError

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.5",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.5",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "64:ff9b:1::808:808",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:f5ff:fffe",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3ffe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "192.0.1.1",
    "2606:4700::1111",
    "2a00:1450:4001::1",
    "::ffff:8.8.8.8",
]


@pytest.mark.parametrize("text", PRIVATE)
def test_addresses_that_lead_inside_are_not_public(text: str) -> None:
    assert not is_public(ipaddress.ip_address(text))
    with pytest.raises(FetchError, match=r"is a private address .*; add it to \[fetch\] allow if it is yours"):
        Guard().check("host.example", 80, [text])


@pytest.mark.parametrize("text", [*PUBLIC, "64:ff9b::808:808"])
def test_public_addresses_are(text: str) -> None:
    assert is_public(ipaddress.ip_address(text))
    Guard().check("host.example", 443, [text])


def test_one_private_address_among_public_ones_refuses_the_host() -> None:
    with pytest.raises(FetchError, match=r"10\.0\.0\.5"):
        Guard().check("host.example", 80, ["8.8.8.8", "10.0.0.5"])


@pytest.mark.parametrize("port", [80, 443, 8000, 8080, 8443, 8999])
def test_ports_of_websites(port: int) -> None:
    Guard().check("host.example", port, ["8.8.8.8"])


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 3306, 5432, 6379, 7999, 9000, 11211, 27017])
def test_other_ports_are_refused_unless_allowed(port: int) -> None:
    with pytest.raises(FetchError, match=rf'add "host.example:{port}" to \[fetch\] allow'):
        Guard().check("host.example", port, ["8.8.8.8"])
    Guard([f"host.example:{port}"]).check("host.example", port, ["8.8.8.8"])


@pytest.mark.parametrize(
    ("allow", "host", "port", "address", "passes"),
    [
        ("cms.local", "cms.local", 9000, "10.0.0.5", True),
        ("CMS.local.", "cms.local", 9000, "10.0.0.5", True),
        ("cms.local", "evil.example", 80, "10.0.0.5", False),
        ("cms.local", "a.cms.local", 80, "10.0.0.5", False),
        ("cms.local:9000", "cms.local", 9000, "10.0.0.5", True),
        ("cms.local:9000", "cms.local", 80, "10.0.0.5", False),
        ("bücher.example", "xn--bcher-kva.example", 80, "10.0.0.5", True),
        ("10.0.0.5", "any.example", 5000, "10.0.0.5", True),
        ("10.0.0.5", "any.example", 80, "10.0.0.6", False),
        ("10.0.0.5:8080", "any.example", 8080, "10.0.0.5", True),
        ("10.0.0.5:8080", "any.example", 80, "10.0.0.5", False),
        ("10.0.0.0/8", "any.example", 5000, "10.9.9.9", True),
        ("10.0.0.0/8:80", "any.example", 5000, "10.9.9.9", False),
        ("10.0.0.0/8", "any.example", 80, "::ffff:10.9.9.9", True),
        ("::1", "::1", 5000, "::1", True),
        ("[::1]", "::1", 5000, "::1", True),
        ("[::1]:5000", "::1", 5000, "::1", True),
        ("[::1]:5000", "::1", 5001, "::1", False),
        ("fd00::/8", "any.example", 80, "fd00::9", True),
    ],
)
def test_the_operators_own_hosts(allow: str, host: str, port: int, address: str, passes: bool) -> None:
    if passes:
        Guard([allow]).check(host, port, [address])
        return
    with pytest.raises(FetchError):
        Guard([allow]).check(host, port, [address])


@pytest.mark.parametrize("text", ["", " ", "http://cms.local/", "cms.local:", "cms.local:x", "cms.local:0", "a b", "*"])
def test_an_allow_line_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="allow"):
        Guard([text])


@pytest.mark.parametrize(
    "text",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "ftp://a.example/",
        "javascript:1",
        "//a.example/",
        "/x",
        "a.example",
        "http://",
        "http:///x",
        "http://./",
        "http://a.example:0/",
        "http://a.example:65536/",
        "http://a.example:x/",
        "http://[::1/",
        "http://0177.0.0.1/",
        "http://999.1.1.1/",
        "http://a.example/\x00",
        "unix:///run/x",
        "http+unix://x/",
    ],
)
def test_what_is_no_address_of_a_website(text: str) -> None:
    with pytest.raises(FetchError):
        read_url(text)


ODD = "htps:/.[]@%#?\\ \x00\n①ß١\u200d\ud800xn-0127f"


@given(st.text(alphabet=ODD, max_size=40).map("http://".__add__) | st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(FetchError):
        url = read_url(text)
        assert url.scheme in ("http", "https")
        assert url.raw_host
        assert not url.userinfo
        assert Trail(url).url == url


def test_a_password_in_an_address_is_refused_with_advice_and_never_shown() -> None:
    with pytest.raises(FetchError, match="by the source's headers"):
        read_url("https://editor:s3cret@a.example/feed")
    assert shown("https://editor:s3cret@a.example/feed") == "https://a.example/feed"
    assert shown("http://a.example/\n\x1b[2J") == r"http://a.example/\n\x1b[2J"
    assert len(shown("http://a/" + "x" * 999)) <= 200


def test_an_address_is_put_in_order() -> None:
    assert str(read_url("HTTPS://A.Example.:443/x#part")) == "https://a.example/x"
    assert str(read_url("http://bücher.example/ä")) == "http://xn--bcher-kva.example/%C3%A4"


def head(*lines: str) -> Headers:
    pairs = (line.partition(": ") for line in lines)
    return Headers((name.encode(), value.encode("latin-1")) for name, _, value in pairs)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        (["Cache-Control: max-age=600"], 600),
        (["Cache-Control: public, Max-Age=600, s-maxage=5"], 600),
        (['Cache-Control: max-age="600"'], 600),
        (["Cache-Control: s-maxage=600"], 0),
        (["Cache-Control: max-age=600, no-cache"], 0),
        (["Cache-Control: max-age=600", "Cache-Control: no-store"], 0),
        (['Cache-Control: max-age=600, no-cache="Set-Cookie, X"'], 600),
        (["Cache-Control: max-age=600", "Age: 100"], 500),
        (["Cache-Control: max-age=600", "Age: 9999"], 0),
        (["Cache-Control: max-age=-1"], 0),
        (["Cache-Control: max-age=99999999999999999999"], 86_400),
        (["Cache-Control: max-age=x"], 0),
        (["Expires: Sun, 22 Nov 2026 13:00:00 GMT", "Date: Sun, 22 Nov 2026 12:30:00 GMT"], 1800),
        (["Expires: Sun, 22 Nov 2026 13:00:00 GMT"], 3600),
        (["Cache-Control: max-age=60", "Expires: Sun, 22 Nov 2026 13:00:00 GMT"], 60),
        (["Expires: 0"], 0),
        (["Expires: Sun, 22 Nov 2020 13:00:00 GMT"], 0),
        ([], 0),
    ],
)
def test_how_long_an_answer_is_fresh(lines: list[str], seconds: int) -> None:
    assert head(*lines).fresh_for(NOW) == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        ("0", 0),
        ("99999999999999999999", 604_800),
        ("Sun, 22 Nov 2026 12:02:00 GMT", 120),
        ("Sun, 22 Nov 2020 12:02:00 GMT", 0),
        ("Sun, 22 Nov 9999 12:02:00 GMT", 604_800),
        ("-5", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 12:02:00 GMT", None),
        ("x" * 5000, None),
        ("", None),
    ],
)
def test_how_long_to_stay_away(value: str, seconds: int | None) -> None:
    assert head(f"Retry-After: {value}").retry_after(NOW) == seconds


@pytest.mark.parametrize(
    ("lines", "hub", "itself"),
    [
        (
            ['Link: <https://hub.example/>; rel="hub", </feed>; rel=self'],
            "https://hub.example/",
            "https://a.example/feed",
        ),
        (
            ['Link: <https://hub.example/>; rel="hub"', "Link: <b>; rel=self"],
            "https://hub.example/",
            "https://a.example/x/b",
        ),
        (['Link: <h?a,b;c>; title="a, <z>; rel=hub"; REL="alternate  HUB"'], "https://a.example/x/h?a,b;c", None),
        (['Link: <1>; rel="hub", <2>; rel="hub"'], "https://a.example/x/1", None),
        (["Link: <1>; rel=next; rel=hub, <2>;rel=hub"], "https://a.example/x/2", None),
        (['Link: <1>; rel=hub; anchor="/other"'], None, None),
        (["Link: <javascript:alert(1)>; rel=hub, <http://u:p@h.example/>; rel=self"], None, None),
        (["Link: <1>; rel", "Link: nonsense; rel=hub"], None, None),
    ],
)
def test_links_in_headers(lines: list[str], hub: str | None, itself: str | None) -> None:
    links = head(*lines).links(httpx2.URL("https://a.example/x/feed"))
    assert (links.get("hub"), links.get("self")) == (hub, itself)


@pytest.mark.parametrize("part", ["<", "<a>;", '<a>;b="', "<a>" + " " * 999, "<a>;a" + " " * 999, ';a="\\'])
def test_a_hostile_header_takes_no_time(part: str) -> None:
    hostile = head(*(f"{name}: {part * 20_000}" for name in ("Link", "Cache-Control", "Content-Type", "Expires")))
    began = time.process_time()
    hostile.links(httpx2.URL("https://a.example/"))
    hostile.content_type()
    hostile.fresh_for(NOW)
    assert time.process_time() - began < 0.3


def test_content_type_and_charset() -> None:
    assert head('Content-Type: Application/RSS+XML; x=1; Charset="UTF-8"').content_type() == (
        "application/rss+xml",
        "utf-8",
    )
    assert head("Content-Type: text/html").content_type() == ("text/html", "")
    assert head().content_type() == ("", "")


def read(coding: str, data: bytes, size: int, most: int = 100_000) -> bytes:
    body = Body(coding, most, most)
    for start in range(0, len(data), size):
        body.add(data[start : start + size])
    return body.whole()


TEXT = bytes(range(256)) * 100


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize("size", [1, 7, 65_536])
@pytest.mark.parametrize(
    ("coding", "data", "expected"),
    [
        ("", TEXT, TEXT),
        ("identity", TEXT, TEXT),
        ("gzip", gzip.compress(TEXT), TEXT),
        ("x-gzip", gzip.compress(TEXT), TEXT),
        ("gzip", gzip.compress(TEXT) + gzip.compress(TEXT), TEXT * 2),
        ("gzip", gzip.compress(TEXT) + b"trailing garbage", TEXT),
        ("gzip", gzip.compress(TEXT) + b"\0", TEXT),
        ("gzip", b"", b""),
        ("deflate", zlib.compress(TEXT), TEXT),
        ("deflate", raw_deflate(TEXT), TEXT),
        ("deflate", zlib.compress(TEXT) + b"more", TEXT),
        ("gzip", gzip.compress(b"\0" * 100_000), b"\0" * 100_000),
    ],
)
def test_bodies_are_unpacked(coding: str, data: bytes, expected: bytes, size: int) -> None:
    assert read(coding, data, size) == expected


@pytest.mark.parametrize(
    ("coding", "data", "reason"),
    [
        ("gzip", gzip.compress(TEXT)[:-9], "cut short"),
        ("gzip", b"\x1f", "cut short"),
        ("gzip", gzip.compress(TEXT) + gzip.compress(TEXT)[:30], "cut short"),
        ("deflate", zlib.compress(TEXT)[:-5], "cut short"),
        ("deflate", raw_deflate(TEXT)[:-1], "cut short"),
        ("gzip", b"<html>not gzip", "damaged"),
        ("gzip", gzip.compress(TEXT)[:-8] + b"12345678", "damaged"),
        ("br", b"x", "not asked for"),
        ("gzip, gzip", b"x", "not asked for"),
        ("", b"x" * 100_001, "larger than"),
        ("gzip", gzip.compress(b"\0" * 100_001), "larger than"),
        ("deflate", raw_deflate(b"\0" * 10_000_000), "larger than"),
        ("gzip", gzip.compress(b"") * 4000, "too many parts"),
    ],
)
def test_bodies_that_are_refused(coding: str, data: bytes, reason: str) -> None:
    with pytest.raises(FetchError, match=reason):
        read(coding, data, 1000)


@pytest.mark.parametrize(
    ("steps", "moved_to", "is_home"),
    [
        ([(301, "/b")], "https://a.example/b", True),
        ([(308, "/b"), (301, "/c")], "https://a.example/c", True),
        ([(301, "/b"), (302, "/c"), (301, "/d")], "https://a.example/b", True),
        ([(302, "/b"), (301, "/c")], None, True),
        ([(307, "/b")], None, True),
        ([(301, "http://a.example/b")], None, False),
        ([(301, "http://a.example/b"), (301, "https://a.example/c")], None, False),
        ([(301, "https://b.example/"), (301, "https://a.example/c")], "https://a.example/c", False),
        ([(301, "https://a.example:8443/")], "https://a.example:8443/", False),
        ([(301, "HTTPS://A.EXAMPLE:443/b#x")], "https://a.example/b", True),
    ],
)
def test_what_is_remembered_of_redirects(steps: list[tuple[int, str]], moved_to: str | None, is_home: bool) -> None:
    trail = Trail(read_url("https://a.example/a"))
    for status, location in steps:
        assert trail.follow(status, location, 5)
    assert (trail.moved_to, trail.is_home) == (moved_to, is_home)


def test_what_leads_nowhere_is_an_answer() -> None:
    trail = Trail(read_url("https://a.example/a"))
    assert not trail.follow(301, "", 5)
    assert not trail.follow(200, "/b", 5)
    assert not trail.follow(300, "/b", 5)
