"""SPF as the doctor sees it: the record of a domain, and whether it names the relay."""

from __future__ import annotations

import re

from feed_publisher.domain.diagnosis import Diagnosis, bad, doubt, txt_line, well
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.parse.spf import is_spf
from feed_publisher.ports.dns import IpAddress, Resolver
from feed_publisher.services.spf import MOST_LOOKUPS, SpfTree, read_spf, spf_records, verdict
from feed_publisher.services.words import many

UNUSABLE = "receivers then ignore it"


async def look_at_spf(resolver: Resolver, sender: str, relay: str, addresses: tuple[IpAddress, ...]) -> list[Diagnosis]:
    """``relay`` is its name and ``addresses`` its public ones; without them nothing is said of the relay."""
    domain = sender.rpartition("@")[2]
    about = f"{domain} SPF"
    records = await spf_records(resolver, domain)
    if not records:
        return [bad(about, "there is no record", txt_line(domain, _fresh(relay, addresses)))]
    if len(records) > 1:
        one = txt_line(domain, _merged(records))
        return [bad(about, f"there are {len(records)} records, so receivers count none; there must be one alone", one)]
    try:
        tree = await read_spf(resolver, domain)
    except InputError as error:
        return [bad(about, f"{escaped(error.reason)}; {UNUSABLE}. It is: {_quoted(records[0])}")]
    found = [_record(about, tree)]
    if addresses:
        found.append(await _relay(resolver, tree, sender, relay, addresses))
    return found


def _record(about: str, tree: SpfTree) -> Diagnosis:
    text, end = tree.record.text, tree.record
    if tree.lookups > MOST_LOOKUPS:
        said = (
            f"it takes {tree.lookups} look-ups and {MOST_LOOKUPS} are allowed; {UNUSABLE}. Take out what sends no more"
        )
        return bad(about, f"{said}: {_quoted(text)}")
    last = tree
    while last.record.redirect in last.parts:
        last = last.parts[last.record.redirect]
    every = last.record.all
    better = txt_line(tree.domain, _ending(text, "~all"))
    if every == "+":
        return bad(about, "it ends in +all, so anybody may send in your name", better)
    if every in ("", "?"):
        what = "does not end in -all or ~all" if not every else "ends in ?all"
        return doubt(about, f"it {what}, so it says nothing against others who send in your name", better)
    how = f"ends in {every}all" if last is tree else f"leads to {last.domain}, which ends in {every}all"
    return well(about, f"one record, {how}, {many(tree.lookups, 'look-up')} of {MOST_LOOKUPS}: {_quoted(end.text)}")


async def _relay(
    resolver: Resolver, tree: SpfTree, sender: str, relay: str, addresses: tuple[IpAddress, ...]
) -> Diagnosis:
    about = f"{tree.domain} SPF of the mail server"
    missing = [each for each in addresses if await verdict(resolver, tree, each, sender) != "+"]
    if not missing:
        return well(about, f"names {relay} ({', '.join(map(str, addresses))})")
    shown = ", ".join(map(str, missing))
    said = (
        f"does not name {relay} ({shown}). If it hands mail on to others, that cannot be told from here: their "
        "addresses must be in it. If it delivers by itself, it must stand there, too"
    )
    return doubt(about, said, txt_line(tree.domain, _with(tree.record.text, relay, addresses)))


def _quoted(text: str) -> str:
    shown = escaped(text)
    return f"“{shown if len(shown) <= 200 else shown[:200] + '…'}”"


def _terms(relay: str, addresses: tuple[IpAddress, ...]) -> list[str]:
    if re.fullmatch(r"[a-z0-9.-]*[a-z][a-z0-9.-]*", relay.lower()):
        return [f"a:{relay.lower()}"]
    return [f"ip{each.version}:{each}" for each in addresses]


def _fresh(relay: str, addresses: tuple[IpAddress, ...]) -> str:
    return " ".join(("v=spf1", *(_terms(relay, addresses) or ["mx"]), "~all"))


def _with(text: str, relay: str, addresses: tuple[IpAddress, ...]) -> str:
    """The record with the relay as its first words, so that nothing before it decides."""
    return " ".join(("v=spf1", *_terms(relay, addresses), *text.split()[1:]))


def _ending(text: str, end: str) -> str:
    words = [word for word in text.split() if not re.fullmatch(r"[+?~-]?all", word, re.I)]
    return " ".join((*words, end))


def _merged(records: list[str]) -> str:
    """One record with the words of all; the mildest end, so that nothing that passed fails."""
    words = dict.fromkeys(word for text in records if is_spf(text) for word in text.split()[1:])
    rest = [word for word in words if not re.fullmatch(r"[+?~-]?all|redirect=.*", word, re.I)]
    return " ".join(("v=spf1", *(word for word in rest if word.isascii() and '"' not in word), "~all"))
