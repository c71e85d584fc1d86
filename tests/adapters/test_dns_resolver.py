"""Asking a real name server: what is there, what is not, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import pytest
from dns_server import Dns, serving

from feed_publisher.adapters.dns import DnsResolver
from feed_publisher.domain.errors import ResolveError

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def dns() -> Iterator[Dns]:
    with serving() as zone:
        yield zone


def quick(dns: Dns, in_all: float = 5.0) -> DnsResolver:
    return DnsResolver(dns.address, each=0.2, in_all=in_all)


async def test_every_kind_of_record(dns: Dns) -> None:
    dns.txt("harbour.example", "v=spf1 -all", "other")
    dns.put("harbour.example", "MX", "20 second.harbour.example.", "10 first.harbour.example.")
    dns.put("quiet.example", "MX", "0 .")
    dns.put("first.harbour.example", "A", "93.184.215.14")
    dns.put("first.harbour.example", "AAAA", "2606:2800::1")
    dns.name_of("93.184.215.14", "first.harbour.example")
    resolver = quick(dns)
    assert set(await resolver.txt("harbour.example")) == {"v=spf1 -all", "other"}
    assert await resolver.mx("harbour.example") == ("first.harbour.example", "second.harbour.example")
    assert await resolver.mx("quiet.example") == ("",)
    addresses = (ip_address("93.184.215.14"), ip_address("2606:2800::1"))
    assert await resolver.addresses("first.harbour.example") == addresses
    assert await resolver.names(addresses[0]) == ("first.harbour.example",)


async def test_nothing_there_is_an_answer_and_no_answer_is_none(dns: Dns) -> None:
    dns.put("harbour.example", "A", "93.184.215.14")
    dns.broken = {"lame.example": "SERVFAIL", "closed.example": "REFUSED", "mute.example": "silence"}
    resolver = quick(dns)
    assert await resolver.txt("harbour.example") == ()
    assert await resolver.txt("nowhere.example") == ()
    for name, reason in (("lame", "SERVFAIL"), ("closed", "REFUSED"), ("mute", "no answer in time")):
        with pytest.raises(ResolveError, match=f"{name}.example: .*{reason}"):
            await resolver.txt(f"{name}.example")


async def test_a_long_record_comes_in_strings_and_over_tcp(dns: Dns) -> None:
    text = "v=DKIM1; p=" + "AbC+/9" * 150
    dns.txt("fp._domainkey.harbour.example", text)
    assert await quick(dns).txt("fp._domainkey.harbour.example") == (text,)
    assert [way for _, _, way in dns.asked] == ["udp", "tcp"]


async def test_an_alias_is_followed_and_a_wildcard_answers(dns: Dns) -> None:
    dns.put("fp._domainkey.harbour.example", "CNAME", "fp.keys.example.")
    dns.txt("fp.keys.example", "v=DKIM1; p=abc")
    dns.txt("*.wild.example", "v=spf1 -all")
    resolver = quick(dns)
    assert await resolver.txt("fp._domainkey.harbour.example") == ("v=DKIM1; p=abc",)
    assert await resolver.txt("_dmarc.wild.example") == ("v=spf1 -all",)


async def test_names_in_other_scripts_are_asked_as_the_dns_has_them(dns: Dns) -> None:
    dns.txt("xn--bcher-kva.example", "v=spf1 -all")
    assert await quick(dns).txt("BÜCHER.example") == ("v=spf1 -all",)
    for wrong in ("a..example", "x" * 64 + ".example", ".".join(["abcdefgh"] * 40), "xn--a\u0378.example"):
        with pytest.raises(ResolveError, match="no name that the DNS can hold"):
            await quick(dns).txt(wrong)


async def test_bytes_that_are_no_ascii_come_as_they_are(dns: Dns) -> None:
    dns.txt("harbour.example", 'v=spf1 \xe4\x00"\\')
    assert await quick(dns).txt("harbour.example") == ('v=spf1 \xe4\x00"\\',)


async def test_no_question_is_asked_twice(dns: Dns) -> None:
    dns.txt("harbour.example", "x")
    resolver = quick(dns)
    for name in ("harbour.example", "Harbour.Example"):
        assert await resolver.txt(name) == ("x",)
    assert len(dns.asked) == 1


async def test_all_questions_together_have_a_limit(dns: Dns) -> None:
    dns.silent = True
    resolver = quick(dns, in_all=0.0)
    with pytest.raises(ResolveError, match="not asked"):
        await resolver.txt("harbour.example")
    assert dns.asked == []
