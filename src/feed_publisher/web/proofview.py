"""What the page of a preview is shown of a proof: values for its template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from feed_publisher.compose.seen import seen
from feed_publisher.domain.language import direction
from feed_publisher.domain.model import EntryState
from feed_publisher.domain.why import EntryVerdict
from feed_publisher.services.proof import Difference, Proof
from feed_publisher.services.reasons import CENSUS, Words
from feed_publisher.services.turnout import Turnout, Version
from feed_publisher.services.words import kilobytes
from feed_publisher.web.pages import Pages

VERSIONS = 20
"""Versions that are offered to be looked at."""


def mail_view(proof: Proof) -> dict[str, Any] | None:
    if proof.mail is None:
        return None
    shown, language = seen(proof.mail.message), proof.mail.edition.language
    return {
        **asdict(shown),
        "size": kilobytes(shown.size),
        "source": proof.mail.message.decode("ascii", "replace"),
        "lang": language,
        "dir": direction(language),
        "sponsors": [f"{block.title} ({block.place} of the mail)" for block in proof.mail.sponsors],
    }


def reader_view(proof: Proof, words: Words) -> dict[str, Any] | None:
    if proof.reader is None:
        return None
    return {
        "address": proof.reader.known.address,
        "is_in": proof.reader.verdict.is_in,
        "sentence": words.reader(proof.reader.verdict),
    }


def turnout_view(turnout: Turnout) -> dict[str, Any]:
    counted = [{"count": turnout.census[why], "words": words} for why, words in CENSUS.items() if why in turnout.census]
    return {
        "rows": [row for row in counted if row["count"]],
        "readers": turnout.readers,
        "exact": turnout.exact,
        "waiting": turnout.waiting,
        "versions": len(turnout.versions),
        "others": turnout.others,
    }


def versions_view(proof: Proof, url: Callable[[int], str]) -> list[dict[str, Any]]:
    """``url`` gives the address of the version of a number, from 1."""
    by_version = proof.reader is None and not proof.asked.newcomer
    shown = min(proof.asked.version, len(proof.turnout.versions) - 1) if by_version else None
    return [
        {
            "readers": version.readers,
            "articles": len(version.lines),
            "first": version.lines[0].entry.title,
            "topics": _topics(version),
            "language": version.language,
            "url": url(number),
            "shown": number - 1 == shown,
        }
        for number, version in enumerate(proof.turnout.versions[:VERSIONS], 1)
    ]


def difference_view(difference: Difference, words: Words) -> dict[str, Any]:
    last = difference.last
    return {
        "name": last.mailed.name,
        "at": words.moment(last.mailed.at),
        "subject": last.subject.strip(),
        "articles": len(last.entries),
        "readers": last.readers,
        "size": kilobytes(difference.size),
        "new": difference.new,
        "again": difference.again,
        "corrected": difference.corrected,
        "withdrawn": difference.withdrawn,
    }


def entry_view(pages: Pages, verdict: EntryVerdict, words: Words) -> dict[str, Any]:
    """``url`` is "" where there is nothing to be seen."""
    entry = verdict.entry
    shown = pages.entry_line(entry, {})
    url = shown["url"] if entry.link or entry.state is EntryState.PUBLIC else ""
    return {**shown, "url": url, "why": words.entry(verdict)}


def _topics(version: Version) -> list[str]:
    return list(dict.fromkeys(line.topic.title for line in version.lines))
