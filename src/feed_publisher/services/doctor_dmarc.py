"""DMARC as the doctor sees it (RFC 9989): the policy of a domain, and what counts as coming from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from feed_publisher.domain.diagnosis import Diagnosis, bad, doubt, txt_line, well
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.parse.tags import parse_tags
from feed_publisher.ports.dns import Resolver

LABELS = 8
"""Of a longer name only the last seven labels are asked for, after the whole name (RFC 9989 §4.10)."""

POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``records`` of DMARC at ``name``. More than one count as none."""

    name: str
    records: tuple[str, ...]

    @property
    def tags(self) -> dict[str, str]:
        """Empty where receivers would ignore the record."""
        try:
            return parse_tags(self.records[0]) if len(self.records) == 1 else {}
        except InputError:
            return {}


async def walk(resolver: Resolver, domain: str) -> list[Policy]:
    """What stands at the domain and at those above it, the domain first, those without a record left out."""
    found = []
    for name in _steps(domain):
        texts = await resolver.txt(f"_dmarc.{name}")
        records = tuple(text for text in texts if text.replace(" ", "").lower().startswith("v=dmarc1"))
        if records:
            found.append(Policy(name=name, records=records))
    return found


def organisation(domain: str, policies: Sequence[Policy]) -> str:
    """The organisational domain: names below it may speak for each other (RFC 9989 §4.10.2)."""
    known = [policy for policy in policies if policy.tags]
    for policy in known:
        if policy.tags.get("psd") == "n":
            return policy.name
        if policy.tags.get("psd") == "y" and policy.name != domain:
            return ".".join(domain.split(".")[-policy.name.count(".") - 2 :])
    return known[-1].name if known else domain


async def look_at_dmarc(resolver: Resolver, domain: str, signed_by: Sequence[str], envelope: str) -> list[Diagnosis]:
    """``signed_by``: d= of our signatures; ``envelope``: the domain that SPF is asked about."""
    about, start = f"{domain} DMARC", txt_line(f"_dmarc.{domain}", "v=DMARC1; p=none")
    policies = await walk(resolver, domain)
    if not policies:
        return [bad(about, "there is no record; large mailbox providers ask for one", start)]
    own = policies[0] if policies[0].name == domain else _of_organisation(domain, policies)
    trouble = _trouble(own)
    if trouble:
        return [bad(about, trouble, txt_line(f"_dmarc.{own.name}", "v=DMARC1; p=none"))]
    tags = own.tags
    return [_policy(about, own, domain), await _alignment(resolver, domain, policies, tags, signed_by, envelope)]


def _steps(domain: str) -> list[str]:
    """The names that are asked, from the whole one up to two labels: no top-level domain speaks for a site."""
    labels = domain.split(".")
    above = labels[1:] if len(labels) < LABELS else labels[-LABELS + 1 :]
    return [domain, *(".".join(above[start:]) for start in range(len(above) - 1))]


def _of_organisation(domain: str, policies: Sequence[Policy]) -> Policy:
    name = organisation(domain, policies)
    return next((policy for policy in policies if policy.name == name), policies[-1])


def _trouble(policy: Policy) -> str:
    if len(policy.records) > 1:
        return f"there are {len(policy.records)} records at _dmarc.{policy.name}, so receivers count none; leave one"
    try:
        tags = parse_tags(policy.records[0])
    except InputError as error:
        return f"receivers ignore the record at _dmarc.{policy.name}: {escaped(error.reason)}"
    if tags.get("v", "").upper() != "DMARC1" or next(iter(tags)) != "v":
        return f"the record at _dmarc.{policy.name} does not begin with v=DMARC1"
    for name in ("p", "sp", "np"):
        if name in tags and tags[name].lower() not in POLICIES:
            said = f"{name}={escaped(tags[name][:30])} at _dmarc.{policy.name} is none of {', '.join(POLICIES)}"
            return f"{said}"
    if "p" not in tags:
        return f"the record at _dmarc.{policy.name} has no p="
    return ""


def _policy(about: str, own: Policy, domain: str) -> Diagnosis:
    tags = own.tags
    policy = tags["p"] if own.name == domain else tags.get("sp", tags["p"])
    where = f"p={policy}" if own.name == domain else f"{policy}, by _dmarc.{own.name}"
    words = {
        "none": "mail that fails is delivered as ever; when the reports are well, p=quarantine protects the name",
        "quarantine": "mail that fails goes to spam",
        "reject": "mail that fails is refused",
    }
    more = "; pct= means nothing any more (RFC 9989)" if "pct" in tags else ""
    return well(about, f"{where}: {words[policy.lower()]}{more}")


async def _alignment(
    resolver: Resolver,
    domain: str,
    policies: Sequence[Policy],
    tags: dict[str, str],
    signed_by: Sequence[str],
    envelope: str,
) -> Diagnosis:
    """DMARC passes when one of both, DKIM or SPF, speaks for the domain of From."""
    about, mine = f"{domain} alignment", organisation(domain, policies)
    by_key = [
        each
        for each in signed_by
        if each == domain or (not _is_strict(tags, "adkim") and await _same(resolver, each, mine))
    ]
    by_envelope = envelope == domain or (not _is_strict(tags, "aspf") and await _same(resolver, envelope, mine))
    ways = [*(f"DKIM (d={each})" for each in by_key[:1]), *(["SPF (envelope)"] if by_envelope else [])]
    against = []
    if signed_by and not by_key:
        against.append(
            f"adkim=s asks for a key of {domain} itself, not of {signed_by[0]}: `dkim new {domain} SELECTOR`"
        )
    if not by_envelope:
        strict = ", for aspf=s asks for the same name" if _is_strict(tags, "aspf") else ""
        against.append(f"mail comes back to {envelope}, which does not count for {domain}{strict}")
    if not ways:
        return bad(about, f"neither SPF nor DKIM counts for From: {'; '.join(against)}")
    if against:
        return doubt(about, f"by {ways[0]} alone: {'; '.join(against)}")
    return well(about, f"From agrees with {' and '.join(ways)}")


def _is_strict(tags: dict[str, str], name: str) -> bool:
    return tags.get(name, "r").lower() == "s"


async def _same(resolver: Resolver, other: str, mine: str) -> bool:
    """Whether a domain belongs to the same organisation."""
    return organisation(other, await walk(resolver, other)) == mine
