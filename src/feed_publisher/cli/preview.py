"""digest preview: an issue before it is sent, and why all that is in or out of it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from feed_publisher.cli.common import Out, open_app, parse_instant, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.sponsors import sponsors_json, sponsors_text
from feed_publisher.compose.seen import Seen, seen
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.model import escaped
from feed_publisher.domain.why import EntryVerdict, ReaderVerdict
from feed_publisher.services.proof import Difference, Proof
from feed_publisher.services.reasons import CENSUS, Words
from feed_publisher.services.turnout import Turnout
from feed_publisher.services.words import kilobytes, many

VERSIONS = 10
"""Versions that are listed."""


@click.command()
@click.argument("slug")
@click.option("--as-of", "as_of", metavar="TIME", help="As of a time of the past or the future; without it, now.")
@click.option(
    "--cadence",
    help="The first issue of this cadence that is due then or later; without it, one sent by hand.",
)
@click.option("--subscriber", metavar="ADDR", help="As this reader would get it; else the version most readers get.")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write message.eml, message.html and message.txt there.",
)
@click.option("--why", is_flag=True, help="Also tell of every recent article why it is in or out.")
@with_out
@click.pass_obj
def preview(
    place: Place,
    slug: str,
    as_of: str | None,
    cadence: str | None,
    subscriber: str | None,
    folder: Path | None,
    why: bool,
    out: Out,
) -> None:
    """Show the mail that would leave, byte for byte, and who would get it; changes nothing.

    Personal links lead nowhere in it. A past time leaves out what became public later, as `send --as-of` does. A future
    one shows what is stored now, with post-dated articles that are public by then, as if nothing else happened.
    """
    with open_app(place) as app:
        digest = app.settings.any_digest(slug)
        address = parse_address(subscriber) if subscriber else None
        moment = parse_instant(as_of, app.settings.site.timezone)
        asked = app.asked(slug, moment, cadence, address)
        proof = app.proofs().proof(asked, app.clock())
        words = app.reasons(one=address is not None)
        said = app.recipients.sentence(digest)
    if said:
        out.say(f"{slug} {said}. This is what its readers would get.")
    shown = seen(proof.mail.message) if proof.mail else None
    _say(proof, shown, words, why, out)
    if folder is not None and proof.mail and shown:
        _write(folder, proof.mail.message, shown)
        out.say(f"wrote message.eml, message.html and message.txt to {folder}")
    out.document(proof_json(proof, shown, words))


def _say(proof: Proof, shown: Seen | None, words: Words, why: bool, out: Out) -> None:
    rows = [("As of", words.moment(proof.at))]
    if shown is None:
        nothing = "there is nothing new for this reader" if proof.reader else "there is nothing new for anybody"
        out.say(f"{nothing.capitalize()}, so there would be no mail.")
    else:
        rows += [("Subject", shown.subject), ("From", shown.from_), ("To", shown.to), ("Preheader", shown.opening)]
        rows += [("Size", kilobytes(shown.size))]
    if proof.mail and proof.mail.sponsors:
        rows += [("Sponsor", sponsors_text(proof.mail.sponsors))]
    if proof.reader:
        rows += [("Reader", words.reader(proof.reader.verdict))]
    rows += [("Readers", turnout_text(proof.turnout)), ("Versions", versions_text(proof.turnout))]
    if proof.difference:
        rows += [("Last issue", difference_text(proof.difference, words))]
    for name, text in rows:
        out.say(escaped(f"{name:<11} {text}"))
    for finding in proof.mail.findings if proof.mail else ():
        out.say(escaped(f"{finding.level}: {finding.text} ({finding.rule})"))
    if shown is not None:
        out.say(f"\n{shown.text}")
    if why:
        why_table(proof.entries, words, out)


def why_table(entries: Sequence[EntryVerdict], words: Words, out: Out) -> None:
    """Of each recent entry whether it is in or out, and why."""
    rows = [("in" if each.is_in else "out", escaped(each.entry.title), escaped(words.entry(each))) for each in entries]
    out.table(("", "article", "why"), rows)


def turnout_text(turnout: Turnout) -> str:
    """Every reader, by what becomes of them."""
    told = [f"{turnout.census[why]} {words}" for why, words in CENSUS.items() if turnout.census.get(why)]
    if not told:
        return "nobody subscribes yet"
    waiting = f"; {many(turnout.waiting, 'mail')} of an earlier issue still waiting" if turnout.waiting else ""
    return ", ".join(told) + ("" if turnout.exact else " (at most)") + waiting


def versions_text(turnout: Turnout) -> str:
    """How many versions, and how many readers get each of the larger ones."""
    if not turnout.versions:
        return "none"
    each = [
        f"{many(version.readers, 'reader')} with {many(len(version.lines), 'article')} ({version.language})"
        for version in turnout.versions[:VERSIONS]
    ]
    left = len(turnout.versions) - VERSIONS
    each += [f"and {left} more"] if left > 0 else []
    each += [f"{turnout.others} readers with a rarer one"] if turnout.others else []
    return f"{len(turnout.versions)}: {'; '.join(each)}"


def difference_text(difference: Difference, words: Words) -> str:
    """To the last issue, in one line."""
    last = difference.last
    told = f"{last.mailed.name} of {words.moment(last.mailed.at)}: “{last.subject.strip()}”, "
    told += f"{many(len(last.entries), 'article')}, {many(last.readers, 'reader')}, {kilobytes(difference.size)}; "
    told += f"new since: {difference.new}"
    told += f", again: {difference.again}" if difference.again else ""
    told += f", corrected since: {'; '.join(difference.corrected)}" if difference.corrected else ""
    return told + (f", withdrawn since: {'; '.join(difference.withdrawn)}" if difference.withdrawn else "")


def _write(folder: Path, message: bytes, shown: Seen) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "message.eml").write_bytes(message)
        (folder / "message.html").write_text(shown.html, encoding="utf-8")
        (folder / "message.txt").write_text(shown.text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(folder)) from error


def proof_json(proof: Proof, shown: Seen | None, words: Words) -> dict[str, object]:
    """The shape of `digest preview`."""
    turnout, difference = proof.turnout, proof.difference
    return {
        "digest": proof.asked.rules.slug,
        "as_of": proof.at.isoformat(),
        "subject": shown.subject if shown else None,
        "from": shown.from_ if shown else None,
        "preheader": shown.opening if shown else None,
        "bytes": shown.size if shown else None,
        "entries": len(proof.lines),
        "sponsors": sponsors_json(proof.mail.sponsors) if proof.mail else [],
        "readers": {why.value: turnout.census.get(why, 0) for why in CENSUS},
        "exact": turnout.exact,
        "waiting": turnout.waiting,
        "versions": [
            {"readers": each.readers, "language": each.language, "entries": [line.entry.key for line in each.lines]}
            for each in turnout.versions
        ],
        "subscriber": reader_json(proof, words),
        "why": why_json(proof.entries, words),
        "findings": [asdict(finding) for finding in proof.mail.findings] if proof.mail else [],
        "last": difference_json(difference) if difference else None,
        "html": shown.html if shown else None,
        "text": shown.text if shown else None,
    }


def reader_json(proof: Proof, words: Words) -> dict[str, object] | None:
    return verdict_json(proof.reader.verdict, words) if proof.reader else None


def verdict_json(verdict: ReaderVerdict, words: Words) -> dict[str, object]:
    return {"in": verdict.is_in, "why": verdict.why, "at": _iso(verdict.at), "sentence": words.reader(verdict)}


def why_json(entries: Sequence[EntryVerdict], words: Words) -> list[dict[str, object]]:
    return [
        {
            "key": verdict.entry.key,
            "title": verdict.entry.title,
            "in": verdict.is_in,
            "why": verdict.why,
            "sentence": words.entry(verdict),
        }
        for verdict in entries
    ]


def difference_json(difference: Difference) -> dict[str, object]:
    last = difference.last
    return {
        "issue": last.mailed.id,
        "number": last.mailed.number,
        "at": last.mailed.at.isoformat(),
        "subject": last.subject.strip(),
        "entries": len(last.entries),
        "readers": last.readers,
        "bytes": difference.size,
        "new": difference.new,
        "again": difference.again,
        "corrected": list(difference.corrected),
        "withdrawn": list(difference.withdrawn),
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
