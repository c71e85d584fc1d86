"""The reasons of domain/why.py in plain sentences: the one place where they become words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from feed_publisher.domain.why import EntryVerdict, EntryWhy, ReaderVerdict, ReaderWhy
from feed_publisher.services.words import many

CENSUS = {
    ReaderWhy.IN: "will get it",
    ReaderWhy.NOTHING_NEW: "with nothing new",
    ReaderWhy.ENDED: "who chose only topics that have ended",
    ReaderWhy.TOO_FEW: "with too few new articles, which wait for more",
    ReaderWhy.OTHER_CADENCE: "at another rhythm",
    ReaderWhy.PAUSED: "paused",
    ReaderWhy.NEVER_MAILED: "on the never-mail list",
    ReaderWhy.NOT_CONFIRMED: "not confirmed",
    ReaderWhy.UNSUBSCRIBED: "unsubscribed",
}
"""What follows a number of readers; each is counted once, those whose hour is to come as getting it."""

FOR_EVER = 9000
"""A pause until this year or later ends when its reader ends it."""


class Words:
    """``zone`` is the operator's, ``titles`` those of topics by number; ``one``: a single reader is spoken of."""

    def __init__(self, zone: str, titles: Mapping[int, str], one: bool) -> None:
        self._zone = ZoneInfo(zone)
        self._titles = titles
        self._who = "this reader" if one else "these readers"

    def entry(self, verdict: EntryVerdict) -> str:
        """Why an entry is in the mail, or not."""
        topics, at = self._topics(verdict.topics), self.moment(verdict.at)
        match verdict.why:
            case EntryWhy.IN:
                return "In this mail."
            case EntryWhy.COUNTED:
                return "Beyond what one mail holds: counted as “more on the web”."
            case EntryWhy.HELD:
                return f"Held until you decide{f': it {verdict.entry.reason}' if verdict.entry.reason else ''}."
            case EntryWhy.HIDDEN:
                return "Hidden: nobody is to see it."
            case EntryWhy.WITHDRAWN:
                return "Withdrawn."
            case EntryWhy.SCHEDULED:
                return f"Post-dated: it becomes public {at}."
            case EntryWhy.FEED_ONLY:
                return "Only fills feeds: it was there before its source was first read."
            case EntryWhy.NO_TOPIC:
                return "It has no topic, and mail goes by topics."
            case EntryWhy.NOT_COVERED:
                return f"This newsletter does not have {topics}."
            case EntryWhy.OTHER_TOPICS:
                return f"{self._who.capitalize()} did not choose {topics}."
            case EntryWhy.CHOSEN_LATER:
                return f"It came {at}, before {self._who} chose {topics}."
            case EntryWhy.LATER:
                return f"It became public {at}, after the time looked at."
            case EntryWhy.CUT_OFF:
                return f"It became public {at}, when this issue was closed: it comes in the next one."
            case _:
                return self._of_issue(verdict, at)

    def _of_issue(self, verdict: EntryVerdict, at: str) -> str:
        name = verdict.mailed.name if verdict.mailed else "an issue"
        match verdict.why:
            case EntryWhy.WAITING:
                return f"It waits in {name}, which leaves {at}."
            case EntryWhy.IN_DOUBT:
                return f"It was in {name} of {at}, which may or may not have arrived."
            case EntryWhy.SENT:
                return f"It was in {name} of {at}."
        return f"It came {at}, before the first issue of {self._who}, or while “start fresh” was on."

    def reader(self, verdict: ReaderVerdict) -> str:
        """Why a reader gets the mail, or not."""
        at, articles = self.moment(verdict.at), many(verdict.entries, "article")
        match verdict.why:
            case ReaderWhy.IN:
                return f"Gets it, with {articles}."
            case ReaderWhy.HOUR_TO_COME:
                return f"Gets it, with {articles}, at the own hour: {at}."
            case ReaderWhy.WAITING:
                name = verdict.mailed.name if verdict.mailed else "an issue"
                return f"{name.capitalize()} has not left yet (it is due {at}); another one would replace it."
            case ReaderWhy.NOTHING_NEW:
                return "Has nothing new: there is no mail."
            case ReaderWhy.ENDED:
                return "Follows only topics that have ended: there is no mail."
            case ReaderWhy.TOO_FEW:
                return f"Has {many(verdict.entries, 'new article')}, fewer than the minimum: they wait for more."
            case ReaderWhy.OTHER_CADENCE:
                return f"Gets the {verdict.cadence} issue, not this one."
            case ReaderWhy.PAUSED if verdict.silent:
                return (
                    "Was asked twice whether it is still wanted, and did not answer: paused until the reader says yes."
                )
            case ReaderWhy.PAUSED:
                until = "until the reader ends it" if verdict.at and verdict.at.year >= FOR_EVER else f"until {at}"
                return f"Has paused it {until}."
            case ReaderWhy.NEVER_MAILED:
                return "The address is on the never-mail list."
            case ReaderWhy.NOT_CONFIRMED:
                return "Has not confirmed the subscription."
            case ReaderWhy.UNSUBSCRIBED:
                return f"Has unsubscribed{f', {at}' if verdict.at else ''}."

    def moment(self, at: datetime | None) -> str:
        """As the operator reads it, in the site's zone; "at an unknown time" for None."""
        if at is None:
            return "at an unknown time"
        local = at.astimezone(self._zone) if at.year < FOR_EVER else at
        return f"{local:%a} {local.day} {local:%b %Y, %H:%M}"

    def _topics(self, numbers: tuple[int, ...]) -> str:
        titles = dict.fromkeys(f"“{self._titles[number]}”" for number in numbers if number in self._titles)
        return " or ".join(titles) or "its topic"
