"""The doctor against a real name server: what is well, what is not, and what cannot be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from dns_server import Dns, serving

from feed_publisher.adapters.dns import DnsResolver
from feed_publisher.compose.dkim import Signer, new_key
from feed_publisher.domain.diagnosis import Diagnosis, Health
from feed_publisher.domain.errors import MailError
from feed_publisher.ports.sending import RelayLook
from feed_publisher.services.doctor import Patient, examine

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 2, tzinfo=UTC)
DOMAIN, RELAY, ADDRESS = "harbour.example", "mail.harbour.example", "93.184.215.14"
KEY = Signer.of(DOMAIN, "fp1", new_key("rsa"))
PATIENT = Patient(
    senders=(f"letter@{DOMAIN}",),
    arriving={DOMAIN: "answers and bounces"},
    list_domain="",
    bounce_domain="",
    relay=RELAY,
    signers=(KEY,),
    base_url=f"https://www.{DOMAIN}",
    postal_address="4 Net Loft Lane",
    asks_all=True,
)
LOOK = RelayLook(host=RELAY, greeting=RELAY, tls="TLSv1.3", certificate_ends=NOW + timedelta(days=54))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def dns() -> Iterator[Dns]:
    """A domain about which all is well."""
    with serving() as zone:
        zone.txt(DOMAIN, f"v=spf1 a:{RELAY} ~all", "some-verification=1")
        zone.txt(KEY.name, KEY.record)
        zone.txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject")
        zone.put(DOMAIN, "MX", f"10 {RELAY}.")
        zone.put(RELAY, "A", ADDRESS)
        zone.put(f"www.{DOMAIN}", "A", "93.184.215.15")
        zone.name_of(ADDRESS, RELAY)
        yield zone


@dataclass
class Found:
    by: dict[str, Diagnosis] = field(default_factory=dict)

    def __getitem__(self, about: str) -> Diagnosis:
        return self.by[about]

    def of(self, health: Health) -> set[str]:
        return {about for about, each in self.by.items() if each.health is health}

    @property
    def stops(self) -> set[str]:
        return {about for about, each in self.by.items() if each.stops}


async def seen(
    dns: Dns, patient: Patient = PATIENT, look: RelayLook | None = LOOK, samples: Mapping[str, bytes] | None = None
) -> Found:
    async def shown(seconds: float) -> RelayLook:
        if look is None:
            raise MailError("the relay is down")
        return look

    found = await examine(patient, DnsResolver(dns.address, each=0.3), shown, samples or {}, NOW)
    once = [each.about for each in found if not each.about.startswith("sample mail")]
    assert len(set(once)) == len(once), "each thing has one line"
    assert all(each.text.isprintable() and each.record.isprintable() for each in found)
    return Found({each.about: each for each in found})


async def test_all_is_well(dns: Dns) -> None:
    found = await seen(dns)
    assert found.of(Health.OK) == set(found.by)
    assert set(found.by) == {
        *(f"{DOMAIN} {what}" for what in ("SPF", "SPF of the mail server", "DMARC", "alignment", "MX")),
        *(f"{RELAY} {what}" for what in ("PTR", "HELO", "TLS")),
        *(f"{KEY.name} DKIM", "base_url", "postal address"),
    }
    assert "54 days" in found[f"{RELAY} TLS"].text
    assert "p=reject" in found[f"{DOMAIN} DMARC"].text
    assert "DKIM (d=harbour.example) and SPF" in found[f"{DOMAIN} alignment"].text


# --- SPF

RECORDS = [
    pytest.param((), Health.BAD, "no record", f"v=spf1 a:{RELAY} ~all", id="none"),
    pytest.param(("v=spf1 mx -all", "v=spf1 ip4:9.9.9.9 ~all"), Health.BAD, "2 records", "v=spf1 ip4:9.9.9.9 mx ~all"),
    pytest.param(("v=spf1 ip4:9.9.9 -all",), Health.BAD, "no address or network", "", id="syntax"),
    pytest.param(("v=spf1 mx +all",), Health.BAD, "anybody", "v=spf1 mx ~all", id="plus all"),
    pytest.param(("v=spf1 mx all",), Health.BAD, "anybody", "v=spf1 mx ~all", id="all"),
    pytest.param(("v=spf1 mx ?all",), Health.WARN, "?all", "v=spf1 mx ~all", id="neutral"),
    pytest.param(("v=spf1 mx",), Health.WARN, "does not end in", "v=spf1 mx ~all", id="no end"),
    pytest.param(("v=spf1 mx -all",), Health.OK, "-all, 1 look-up of 10", "", id="strict"),
    pytest.param(
        ("v=spf1 include:nobody.example -all",), Health.BAD, "nobody.example, which has no SPF", "", id="void"
    ),
    pytest.param(("v=spf1 redirect=spf.example",), Health.OK, "leads to spf.example", "", id="redirect"),
    pytest.param(("v=spf1 include:loop.example -all",), Health.BAD, "includes itself", "", id="loop"),
    pytest.param(("v=spf1 include:harbour.example -all",), Health.BAD, "includes itself", "", id="own loop"),
    pytest.param(
        ("v=spf1 include:wrong.example -all",), Health.BAD, "(in the record of wrong.example)", "", id="inner"
    ),
    pytest.param(("v=spf1 include:many.example -all",), Health.BAD, "12 look-ups and 10 are allowed", "", id="many"),
    pytest.param(("v=spf1 include:endless.example -all",), Health.BAD, "look-ups and 10", "", id="too many"),
    pytest.param(("v=spf1 exists:%{i}.x.example -all",), Health.OK, "1 look-up", "", id="macro"),
    pytest.param(("v=spf1 \x1b[31m -all",), Health.BAD, "\\x1b[31m", "", id="control characters"),
    pytest.param(("v=spf1 " + "ip4:9.9.9.9 " * 30 + "-all",), Health.OK, "0 look-ups", "", id="in strings"),
]


@pytest.mark.parametrize(("texts", "health", "words", "record"), RECORDS)
async def test_spf_records(dns: Dns, texts: tuple[str, ...], health: Health, words: str, record: str) -> None:
    dns.txt("spf.example", "v=spf1 a:mail.harbour.example -all")
    dns.txt("loop.example", "v=spf1 include:back.example -all")
    dns.txt("back.example", "v=spf1 include:LOOP.example. -all")
    dns.txt("wrong.example", "v=spf1 ip5:9.9.9.9 -all")
    dns.txt("many.example", "v=spf1 " + " ".join(f"a:{n}.many.example" for n in range(11)) + " -all")
    for number in range(60):
        following = f"{number + 1}.endless.example"
        dns.txt(f"{number}.endless.example" if number else "endless.example", f"v=spf1 include:{following} a mx -all")
    dns.txt(DOMAIN, *texts)
    each = (await seen(dns))[f"{DOMAIN} SPF"]
    assert (each.health, words in each.text) == (health, True), each
    assert each.record == (f'{DOMAIN}.  TXT  "{record}"' if record else "")
    assert len({name for name, _, _ in dns.asked}) < 60


NAMING = [
    ("a", True),
    ("mx", True),
    ("a:harbour.example/8", False),
    ("a:www.harbour.example/24", True),
    ("ip4:93.184.215.0/24", True),
    ("ip4:93.184.216.0/24", False),
    ("ip6:2606:2800::/32", False),
    ("include:spf.example", True),
    ("-include:spf.example", False),
    ("include:not.example", False),
    ("ptr:harbour.example", True),
    ("ptr:other.example", False),
    ("exists:%{i}.ok.example", True),
    ("exists:%{ir}.ok.example", False),
    ("exists:%{l}.%{d}.ok.example", True),
    ("exists:%{h}.ok.example", False),
    ("-ip4:93.184.215.14 a:mail.harbour.example", False),
    ("redirect=spf.example", True),
]


@pytest.mark.parametrize(("words", "named"), NAMING)
async def test_whether_spf_names_the_mail_server(dns: Dns, words: str, named: bool) -> None:
    if words == "a":
        dns.put(DOMAIN, "A", ADDRESS)
    dns.txt("spf.example", "v=spf1 ip4:93.184.215.14 -all")
    dns.txt("not.example", "v=spf1 ?ip4:93.184.215.14 +ip4:9.9.9.9 -all")
    dns.put(f"{ADDRESS}.ok.example", "A", "127.0.0.2")
    dns.put("letter.harbour.example.ok.example", "A", "127.0.0.2")
    dns.txt(DOMAIN, f"v=spf1 {words}" + ("" if "redirect" in words else " -all"))
    each = (await seen(dns))[f"{DOMAIN} SPF of the mail server"]
    assert each.health is (Health.OK if named else Health.WARN), each
    if not named:
        assert "cannot be told from here" in each.text
        assert each.record.startswith(f'{DOMAIN}.  TXT  "v=spf1 a:{RELAY} {words}')


async def test_what_is_advised_for_spf_is_well(dns: Dns) -> None:
    for texts in (
        (),
        ("v=spf1 mx", "v=spf1 a:mail.harbour.example -all"),
        ("v=spf1 mx +all",),
        ("v=spf1 -mx -a -all",),
    ):
        dns.txt(DOMAIN, *texts)
        found = await seen(dns)
        lines = [each.record for about, each in found.by.items() if "SPF" in about and each.record]
        dns.txt(DOMAIN, lines[0].split('"')[1])
        again = await seen(dns)
        assert again[f"{DOMAIN} SPF"].health is Health.OK, lines


async def test_nothing_is_said_of_a_mail_server_with_a_private_address(dns: Dns) -> None:
    dns.put(RELAY, "A", "10.0.0.5")
    found = await seen(dns)
    assert not {f"{DOMAIN} SPF of the mail server", f"{RELAY} PTR", f"{RELAY} HELO"} & set(found.by)


# --- DKIM

OURS = KEY.record.partition("p=")[2]
KEYS = [
    pytest.param((), Health.BAD, "no record", id="missing"),
    pytest.param((f"v=DKIM1; k=rsa; p={OURS}; t=s",), Health.OK, "has our key", id="t=s"),
    pytest.param((f" p={OURS[:100]} {OURS[100:]}; n=note",), Health.OK, "has our key", id="blanks, no v= and k="),
    pytest.param((f"v=DKIM1; k=rsa; t=y:s; p={OURS}",), Health.WARN, "only tried", id="test mode"),
    pytest.param(("v=DKIM1; k=rsa; p=",), Health.BAD, "revoked", id="revoked"),
    pytest.param((Signer.of(DOMAIN, "x", new_key("rsa")).record,), Health.BAD, "another key", id="another"),
    pytest.param((f"v=DKIM1; k=rsa; p={OURS[:220]}",), Health.BAD, "only the first 220 characters", id="cut"),
    pytest.param((f"v=DKIM1; k=ed25519; p={OURS}",), Health.BAD, "kind ed25519", id="kind"),
    pytest.param((f"v=DKIM1; h=sha1; p={OURS}",), Health.BAD, "sha256", id="hash"),
    pytest.param((f"v=DKIM1; s=tlsrpt; p={OURS}",), Health.BAD, "for mail", id="service"),
    pytest.param(("v=spf1 -all",), Health.BAD, "wildcard", id="wildcard"),
    pytest.param(("v=DMARC1; p=none",), Health.BAD, "wildcard", id="other record"),
    pytest.param((KEY.record, "v=DKIM1; p="), Health.BAD, "2 TXT records", id="two"),
]


@pytest.mark.parametrize(("texts", "health", "words"), KEYS)
async def test_dkim_keys(dns: Dns, texts: tuple[str, ...], health: Health, words: str) -> None:
    dns.txt(KEY.name, *texts)
    found = await seen(dns)
    each = found[f"{KEY.name} DKIM"]
    assert (each.health, words in each.text) == (health, True), each
    assert found.stops == ({each.about} if health is Health.BAD else set())
    if health is not Health.OK:
        dns.txt(KEY.name, "".join(each.record.split('"')[1::2]))
        assert (await seen(dns))[each.about].health is Health.OK


async def test_a_key_behind_an_alias_and_one_of_the_other_kind(dns: Dns) -> None:
    ed = Signer.of(DOMAIN, "fp2", new_key("ed25519"))
    dns.records.pop((KEY.name, "TXT"))
    dns.put(KEY.name, "CNAME", "fp1.keys.example.")
    dns.txt("fp1.keys.example", KEY.record)
    dns.txt(ed.name, ed.record)
    found = await seen(dns, replace(PATIENT, signers=(KEY, ed)))
    assert found.of(Health.OK) == set(found.by)


async def test_a_key_that_no_digest_uses_stops_nothing(dns: Dns) -> None:
    other = Signer.of("other.example", "fp", new_key("ed25519"))
    found = await seen(dns, replace(PATIENT, signers=(KEY, other)))
    assert found.of(Health.BAD) == {f"{other.name} DKIM"}
    assert found.stops == set()


async def test_without_a_key_the_mail_server_must_sign(dns: Dns) -> None:
    unsigned = replace(PATIENT, signers=())
    found = await seen(dns, unsigned)
    assert found.of(Health.WARN) == {f"{DOMAIN} DKIM"}
    assert found.stops == set()
    dns.txt(DOMAIN)
    found = await seen(dns, unsigned)
    assert found.stops == {f"{DOMAIN} sender"}


# --- DMARC

POLICIES = [
    pytest.param({}, Health.BAD, "no record", id="none"),
    pytest.param({DOMAIN: ("v=DMARC1; p=none; rua=mailto:d@x.example",)}, Health.OK, "p=none", id="watching"),
    pytest.param({DOMAIN: ("v=DMARC1; p=quarantine; pct=50",)}, Health.OK, "pct= means nothing", id="pct"),
    pytest.param({DOMAIN: ("v=DMARC1; p=none", "v=DMARC1; p=reject")}, Health.BAD, "2 records", id="two"),
    pytest.param({DOMAIN: ("v=DMARC1; p=strict",)}, Health.BAD, "p=strict", id="policy"),
    pytest.param({DOMAIN: ("v=DMARC1; rua=mailto:d@x.example",)}, Health.BAD, "no p=", id="no policy"),
    pytest.param({DOMAIN: ("v=DMARC1 p=none",)}, Health.BAD, "does not begin with v=DMARC1", id="no semicolon"),
    pytest.param({DOMAIN: ("v=DMARC1; p=none; p=none",)}, Health.BAD, "twice", id="tag twice"),
    pytest.param({DOMAIN: ("v=spf1 -all", "v=DMARC1;p=reject")}, Health.OK, "refused", id="beside another"),
]


@pytest.mark.parametrize(("texts", "health", "words"), POLICIES)
async def test_dmarc_records(dns: Dns, texts: dict[str, tuple[str, ...]], health: Health, words: str) -> None:
    dns.txt(f"_dmarc.{DOMAIN}", *texts.get(DOMAIN, ()))
    found = await seen(dns)
    each = found[f"{DOMAIN} DMARC"]
    assert (each.health, words in each.text) == (health, True), each
    assert found.stops == set()
    if health is Health.BAD:
        dns.txt(f"_dmarc.{DOMAIN}", each.record.split('"')[1])
        assert (await seen(dns))[each.about].health is Health.OK


async def test_a_domain_above_speaks_for_those_below(dns: Dns) -> None:
    below = f"letters.{DOMAIN}"
    dns.txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject; sp=quarantine")
    dns.txt(below, "v=spf1 a:mail.harbour.example -all")
    dns.put(below, "MX", f"10 {RELAY}.")
    patient = replace(PATIENT, senders=(f"l@{below}",), arriving={below: "answers"})
    found = await seen(dns, patient)
    assert found.of(Health.OK) == set(found.by)
    assert f"quarantine, by _dmarc.{DOMAIN}" in found[f"{below} DMARC"].text
    dns.txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=reject; adkim=s")
    strict = (await seen(dns, patient))[f"{below} alignment"]
    assert (strict.health, "adkim=s" in strict.text) == (Health.WARN, True)
    dns.txt(f"_dmarc.{below}", "v=DMARC1; p=none; psd=n")
    found = await seen(dns, patient)
    assert "p=none" in found[f"{below} DMARC"].text
    assert found[f"{below} alignment"].health is Health.WARN, "the key is of another organisation now"


@pytest.mark.parametrize(
    ("bounces", "policy", "signed", "health"),
    [
        (f"b.{DOMAIN}", "v=DMARC1; p=none", True, Health.OK),
        (f"b.{DOMAIN}", "v=DMARC1; p=none; aspf=s", True, Health.WARN),
        (f"b.{DOMAIN}", "v=DMARC1; p=none; aspf=s", False, Health.BAD),
        ("other.example", "v=DMARC1; p=none", True, Health.WARN),
        ("other.example", "v=DMARC1; p=none", False, Health.BAD),
    ],
)
async def test_where_mail_comes_back_to(dns: Dns, bounces: str, policy: str, signed: bool, health: Health) -> None:
    dns.txt(f"_dmarc.{DOMAIN}", policy)
    dns.txt(bounces, "v=spf1 mx -all")
    dns.put(bounces, "MX", f"10 {RELAY}.")
    patient = replace(PATIENT, bounce_domain=bounces, arriving={**PATIENT.arriving, bounces: "bounces"})
    found = await seen(dns, patient if signed else replace(patient, signers=()))
    assert found[f"{DOMAIN} alignment"].health is health, found[f"{DOMAIN} alignment"]
    assert found[f"{bounces} SPF"].health is Health.OK
    assert found[f"{bounces} MX"].health is Health.OK


async def test_a_name_of_many_labels_is_not_asked_about_label_by_label(dns: Dns) -> None:
    deep = ".".join([*"abcdefghijklmnop", DOMAIN])
    await seen(dns, replace(PATIENT, senders=(f"l@{deep}",)))
    asked = {name for name, _, _ in dns.asked if name.startswith("_dmarc.")}
    assert f"_dmarc.{deep}" in asked
    assert len({name for name in asked if name.endswith(DOMAIN)}) <= 8
    assert "_dmarc.example" not in asked


# --- hosts


@pytest.mark.parametrize(
    ("mx", "address", "health", "words"),
    [
        (("10 gone.harbour.example.",), "", Health.BAD, "gone.harbour.example has no address"),
        (("10 gone.harbour.example.", f"20 {RELAY}."), "", Health.WARN, "gone.harbour.example has no address"),
        (("0 .",), "", Health.BAD, "null MX"),
        ((), ADDRESS, Health.WARN, "address of harbour.example itself"),
        ((), "", Health.BAD, "do not arrive"),
    ],
)
async def test_whether_answers_arrive(dns: Dns, mx: tuple[str, ...], address: str, health: Health, words: str) -> None:
    dns.put(DOMAIN, "MX", *mx)
    dns.put(DOMAIN, "A", *([address] if address else []))
    each = (await seen(dns))[f"{DOMAIN} MX"]
    assert (each.health, words in each.text) == (health, True), each


async def test_names_of_the_mail_server(dns: Dns) -> None:
    dns.name_of(ADDRESS, "host-14.provider.example")
    found = await seen(dns, look=replace(LOOK, greeting="host-14.provider.example"))
    assert "is host-14.provider.example, but that is not" in found[f"{RELAY} PTR"].text
    assert found.of(Health.WARN) == {f"{RELAY} PTR", "host-14.provider.example HELO"}
    dns.name_of(ADDRESS)
    found = await seen(dns, look=replace(LOOK, greeting="localhost", certificate_ends=NOW + timedelta(days=3)))
    assert "has no name" in found[f"{RELAY} PTR"].text
    assert found.of(Health.WARN) == {f"{RELAY} PTR", "localhost HELO", f"{RELAY} TLS"}


async def test_a_mail_server_that_is_down_is_no_reason_to_say_nothing(dns: Dns) -> None:
    found = await seen(dns, look=None)
    assert found.of(Health.OK) == set(found.by)
    assert f"{RELAY} TLS" not in found.by


@pytest.mark.parametrize(
    ("base_url", "health", "stops"),
    [
        ("http://www.harbour.example", Health.BAD, True),
        ("http://127.0.0.1:8000", Health.BAD, True),
        ("https://localhost.harbour.example", Health.BAD, True),
        ("https://[::1]", Health.BAD, True),
        ("https://gone.harbour.example", Health.BAD, True),
        ("https://inside.harbour.example", Health.WARN, False),
        ("https://bücher.example/mail", Health.OK, False),
        ("https://93.184.215.14", Health.OK, False),
    ],
)
async def test_whether_readers_reach_the_page_to_unsubscribe(
    dns: Dns, base_url: str, health: Health, stops: bool
) -> None:
    dns.put("localhost.harbour.example", "A", "127.0.0.1")
    dns.put("inside.harbour.example", "A", "10.1.2.3")
    dns.put("xn--bcher-kva.example", "AAAA", "2606:2800::1")
    found = await seen(dns, replace(PATIENT, base_url=base_url))
    assert (found["base_url"].health, found.stops) == (health, {"base_url"} if stops else set()), found["base_url"]


async def test_a_postal_address_and_a_list_domain(dns: Dns) -> None:
    found = await seen(dns, replace(PATIENT, postal_address=" ", list_domain="lists.nowhere.example"))
    assert found.stops == {"postal address"}
    assert found.of(Health.WARN) == {"lists.nowhere.example list domain"}
    assert (await seen(dns, replace(PATIENT, list_domain=DOMAIN)))[f"{DOMAIN} list domain"].health is Health.OK


async def test_a_sample_mail_is_looked_over(dns: Dns) -> None:
    found = await seen(dns, samples={"weekly": b"Subject: x\r\n\r\nhello\r\n"})
    assert "sample mail of weekly" in found.of(Health.WARN)


# --- when the DNS does not tell


async def test_what_a_broken_name_server_does_not_tell_is_blamed_on_nobody(dns: Dns) -> None:
    dns.broken = {DOMAIN: "SERVFAIL", KEY.name: "silence", f"_dmarc.{DOMAIN}": "REFUSED", "spf.example": "SERVFAIL"}
    found = await seen(dns, replace(PATIENT, signers=()))
    assert found.of(Health.BAD) == set()
    assert found.of(Health.WARN) == {f"{DOMAIN} {what}" for what in ("SPF", "DKIM", "DMARC", "MX")}
    assert "SERVFAIL" in found[f"{DOMAIN} SPF"].text
    assert found.stops == set()
    dns.broken = {"spf.example": "SERVFAIL"}
    dns.txt(DOMAIN, "v=spf1 include:spf.example -all")
    found = await seen(dns)
    assert (found[f"{DOMAIN} SPF"].health, found.stops) == (Health.WARN, set())


async def test_one_line_when_the_dns_is_silent(dns: Dns) -> None:
    dns.silent = True
    found = await seen(dns)
    assert "could not be asked" in found["DNS"].text
    assert set(found.by) == {"DNS", f"{RELAY} TLS", "postal address"}
    assert found.stops == set()


async def test_names_for_examples_are_not_asked_for(dns: Dns) -> None:
    found = await seen(dns, replace(PATIENT, asks_all=False))
    assert dns.asked == []
    assert found.of(Health.WARN) == {DOMAIN, "base_url"}


async def test_a_domain_in_another_script(dns: Dns) -> None:
    domain = "xn--bcher-kva.example"
    dns.txt(domain, "v=spf1 a:mail.harbour.example include:b\xfccher.example -all")
    found = await seen(dns, replace(PATIENT, senders=(f"brief@{domain}",), signers=()))
    assert "names no domain that can be used" in found[f"{domain} SPF"].text
    dns.txt(domain)
    found = await seen(dns, replace(PATIENT, senders=(f"brief@{domain}",), signers=()))
    assert found[f"{domain} SPF"].record.startswith(f"{domain}.  TXT")
