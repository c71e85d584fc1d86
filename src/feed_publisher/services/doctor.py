"""The doctor: what receivers of mail will think of this site, found out before they are asked.

Everything is looked at side by side. What the DNS cannot tell now is said so and blamed on nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import chain

from feed_publisher.compose.dkim import Signer
from feed_publisher.compose.lint import lint
from feed_publisher.domain.diagnosis import Diagnosis, Health, bad, doubt, is_for_examples, well
from feed_publisher.domain.errors import MailError, ResolveError
from feed_publisher.ports.dns import IpAddress, Resolver
from feed_publisher.ports.sending import RelayLook
from feed_publisher.services.doctor_dkim import about_key, look_at_dkim, signers_of, without_key
from feed_publisher.services.doctor_dmarc import look_at_dmarc
from feed_publisher.services.doctor_hosts import (
    literal,
    look_at_list_domain,
    look_at_mx,
    look_at_names,
    look_at_postal_address,
    look_at_site,
    look_at_tls,
)
from feed_publisher.services.doctor_spf import look_at_spf
from feed_publisher.services.words import kilobytes

MANY = 500
"""A manual send to more readers than this is refused while there are red lines."""

_MADE_UP = ("placeholder", "dead link", "subject", "postal address")
"""Rules of the lint about words and hosts; the postal address has a line of its own."""

LOOK_SECONDS = 10.0
"""Seconds for the relay to show itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What is looked at. ``senders`` are the addresses of digests; ``arriving`` domains mail must reach, and what mail.

    ``relay`` is "" for one on this machine, of which the DNS knows nothing. ``bounce_domain`` "" means that mail comes
    back to the sender. ``asks_all``: names made for examples are asked for, too.
    """

    senders: tuple[str, ...]
    arriving: Mapping[str, str]
    list_domain: str
    bounce_domain: str
    relay: str
    signers: tuple[Signer, ...]
    base_url: str
    postal_address: str
    asks_all: bool = False

    @property
    def domains(self) -> tuple[str, ...]:
        """Those of the senders, each once."""
        return tuple(dict.fromkeys(sender.rpartition("@")[2] for sender in self.senders))

    def is_asked(self, domain: str) -> bool:
        """Whether the DNS can know it."""
        return self.asks_all or not is_for_examples(domain)


Work = Callable[[], Awaitable[list[Diagnosis]]]


async def examine(
    patient: Patient,
    resolver: Resolver,
    look: Callable[[float], Awaitable[RelayLook]] | None,
    samples: Mapping[str, bytes],
    now: datetime,
) -> list[Diagnosis]:
    """All that was found, sender by sender, then the rest. ``samples``: a mail of each digest."""
    shown, addresses = await asyncio.gather(_shown(look), _relay_addresses(patient, resolver))
    public = tuple(address for address in addresses if address.is_global)
    parts: list[tuple[str, Work]] = [
        *(part for domain in patient.domains for part in _of_sender(patient, resolver, public, domain)),
        *_of_keys(patient, resolver),
        *_of_other_domains(patient, resolver, public),
        *_of_relay(patient, resolver, public, shown.greeting if shown else ""),
        ("base_url", partial(look_at_site, resolver, patient.base_url, patient.is_asked)),
    ]
    found = _together(await asyncio.gather(*(_try(about, work) for about, work in parts)))
    found += [look_at_tls(shown, now)] if shown and patient.relay else []
    found += [look_at_postal_address(patient.postal_address)]
    found += chain.from_iterable(look_at_sample(slug, message) for slug, message in samples.items())
    return [*found, *_unsigned_and_unnamed(patient, found)]


def look_at_sample(slug: str, message: bytes) -> list[Diagnosis]:
    """What the lint says of a mail of made-up articles, but for what only tells that they are made up."""
    findings = [finding for finding in lint(message) if finding.rule not in _MADE_UP]
    about = f"sample mail of {slug}"
    if findings:
        return [doubt(about, finding.text) for finding in findings]
    return [well(about, f"{kilobytes(len(message))}, with the headers to unsubscribe with one click")]


def _of_sender(
    patient: Patient, resolver: Resolver, public: tuple[IpAddress, ...], domain: str
) -> Iterator[tuple[str, Work]]:
    if not patient.is_asked(domain):
        yield domain, partial(_example, domain)
        return
    sender = next(each for each in patient.senders if each.endswith(f"@{domain}"))
    keys = [signer.domain for signer in signers_of(domain, patient.signers)]
    envelope = patient.bounce_domain or domain
    yield f"{domain} SPF", partial(look_at_spf, resolver, sender, patient.relay, public)
    if not keys:
        yield f"{domain} DKIM", partial(without_key, domain)
    yield f"{domain} DMARC", partial(look_at_dmarc, resolver, domain, keys, envelope)


def _of_keys(patient: Patient, resolver: Resolver) -> Iterator[tuple[str, Work]]:
    for signer in patient.signers:
        if patient.is_asked(signer.domain):
            used = any(signer.covers(domain) for domain in patient.domains)
            yield about_key(signer), partial(look_at_dkim, resolver, signer, used)


def _of_other_domains(
    patient: Patient, resolver: Resolver, public: tuple[IpAddress, ...]
) -> Iterator[tuple[str, Work]]:
    bounces = patient.bounce_domain
    if bounces and bounces not in patient.domains and patient.is_asked(bounces):
        yield f"{bounces} SPF", partial(look_at_spf, resolver, f"bounces@{bounces}", patient.relay, public)
    for domain, what in patient.arriving.items():
        if patient.is_asked(domain):
            yield f"{domain} MX", partial(look_at_mx, resolver, domain, what)
    if patient.list_domain and patient.is_asked(patient.list_domain):
        yield f"{patient.list_domain} list domain", partial(look_at_list_domain, resolver, patient.list_domain)


def _of_relay(
    patient: Patient, resolver: Resolver, public: tuple[IpAddress, ...], greeting: str
) -> Iterator[tuple[str, Work]]:
    if public:
        yield f"{patient.relay} PTR", partial(look_at_names, resolver, public, patient.relay, greeting)


async def _example(domain: str) -> list[Diagnosis]:
    return [doubt(domain, "is a name for examples, which the DNS does not have; nothing was asked")]


async def _try(about: str, work: Work) -> tuple[list[Diagnosis], str]:
    """What was found, and why the DNS could not be asked ("" when it could)."""
    try:
        return await work(), ""
    except ResolveError as error:
        return [doubt(about, f"could not be looked at: {error}")], str(error)


def _together(answers: Sequence[tuple[list[Diagnosis], str]]) -> list[Diagnosis]:
    """All findings; where the DNS answered nothing at all, one line instead of as many as there are questions."""
    silent = [reason for _, reason in answers if reason]
    if len(silent) < 3 or any(each.health is not Health.WARN for found, reason in answers for each in found):
        return list(chain.from_iterable(found for found, _ in answers))
    return [doubt("DNS", f"could not be asked ({silent[0]}), so nothing that stands in it was looked at")]


async def _shown(look: Callable[[float], Awaitable[RelayLook]] | None) -> RelayLook | None:
    """What the relay shows; that it cannot be reached is said elsewhere."""
    try:
        return await look(LOOK_SECONDS) if look else None
    except MailError:
        return None


async def _relay_addresses(patient: Patient, resolver: Resolver) -> tuple[IpAddress, ...]:
    if not patient.relay or literal(patient.relay) or not patient.is_asked(patient.relay):
        return literal(patient.relay)
    try:
        return await resolver.addresses(patient.relay)
    except ResolveError:
        return ()


def _unsigned_and_unnamed(patient: Patient, found: Sequence[Diagnosis]) -> Iterator[Diagnosis]:
    """A sender without a usable SPF record whose mail is not signed here: nothing at all speaks for it."""
    unnamed = {each.about for each in found if each.health is Health.BAD}
    for domain in patient.domains:
        if f"{domain} SPF" in unnamed and not signers_of(domain, patient.signers):
            said = "neither SPF nor a signature made here speaks for this sender; mend SPF, or sign (`dkim new`)"
            yield bad(f"{domain} sender", said, stops=True)
