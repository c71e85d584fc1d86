"""DKIM as the doctor sees it: whether the DNS holds the public half of each key that mails are signed with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from feed_publisher.compose.dkim import Signer
from feed_publisher.domain.diagnosis import Diagnosis, bad, doubt, txt_line, well
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.parse.tags import parse_tags
from feed_publisher.ports.dns import Resolver


def about_key(signer: Signer) -> str:
    return f"{signer.name} DKIM"


async def look_at_dkim(resolver: Resolver, signer: Signer, used: bool) -> list[Diagnosis]:
    """``used``: a digest is signed with it, so that a key which does not fit is a red line."""
    about, record = about_key(signer), txt_line(signer.name, signer.record)
    texts = await resolver.txt(signer.name)
    trouble = _trouble(texts, signer)
    if trouble:
        return [bad(about, f"{trouble}; mail is signed, but receivers cannot tell", record, stops=used)]
    if "y" in _flags(parse_tags(texts[0]).get("t", "")):
        said = "the key is ours, but t=y says that it is only tried, so receivers may ignore it"
        return [doubt(about, said, record)]
    return [well(about, "the DNS has our key")]


async def without_key(domain: str) -> list[Diagnosis]:
    """Of a sender whose mail is not signed here."""
    said = (
        f"nothing is signed here, so the mail server must sign with a key of {domain}; a test mail that has arrived "
        f"tells: its DKIM-Signature must have d={domain}. Else `dkim new {domain} SELECTOR` makes a key"
    )
    return [doubt(f"{domain} DKIM", said)]


def signers_of(domain: str, signers: Iterable[Signer]) -> list[Signer]:
    """The keys that mail from a domain is signed with."""
    return [signer for signer in signers if signer.covers(domain)]


def _trouble(texts: Sequence[str], signer: Signer) -> str:
    """What keeps receivers from verifying our signatures; "" when nothing does."""
    if not texts:
        return "there is no record"
    if len(texts) > 1:
        return f"there are {len(texts)} TXT records, and receivers may take any of them; only ours should be there"
    try:
        tags = parse_tags(texts[0])
    except InputError as error:
        return f"the record is no DKIM key, {escaped(error.reason)} (is it that of a wildcard?)"
    if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
        return f"the record is no DKIM key (is it that of a wildcard?): “{escaped(texts[0][:60])}”"
    return _key_trouble(tags, signer)


def _key_trouble(tags: dict[str, str], signer: Signer) -> str:
    ours = parse_tags(signer.record)
    key = "".join(tags["p"].split())
    if not key:
        return "the key is revoked there (p= is empty)"
    if tags.get("k", "rsa") != ours["k"]:
        return f"the record is of a key of the kind {escaped(tags.get('k', 'rsa')[:20])}, and ours is {ours['k']}"
    if key != ours["p"]:
        cut = ours["p"].startswith(key)
        return f"only the first {len(key)} characters of our key are there" if cut else "another key is there"
    if "h" in tags and "sha256" not in _flags(tags["h"]):
        return "h= does not allow sha256, with which we sign"
    if not {"*", "email"} & _flags(tags.get("s", "*")):
        return "s= does not allow the key for mail"
    return ""


def _flags(value: str) -> set[str]:
    return {each.strip().lower() for each in value.split(":")}
