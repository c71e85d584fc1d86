"""What the operator may change in an issue before it leaves, as a rule: the edits before, a change, the edits after."""

from __future__ import annotations

import re
from dataclasses import dataclass

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import IssueEdits

NOTE_MOST = 4000
SUBJECT_MOST = 200
"""Characters; longer ones would be cut in the header."""

_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change by hand; None leaves a thing as it is, "" takes it back. Entries are named by their keys.

    ``sponsors_out``: slugs of all the sponsors that are to be left out.
    """

    lead: str | None = None
    note: str | None = None
    subject: str | None = None
    leave_out: tuple[str, ...] = ()
    put_back: tuple[str, ...] = ()
    sponsors_out: tuple[str, ...] | None = None


def edited(before: IssueEdits, change: Change) -> IssueEdits:
    """The edits after a change. A lead that is left out is the lead no longer, unless the change names it."""
    left_out = [key for key in before.left_out if key not in change.put_back]
    left_out += [key for key in change.leave_out if key not in left_out]
    lead = before.lead if change.lead is None else change.lead
    if lead in left_out:
        if change.lead:
            raise InputError("an article that is left out cannot come first; put it back, or choose another", "lead")
        lead = ""
    return IssueEdits(
        lead=lead,
        note=before.note if change.note is None else _note(change.note),
        subject=before.subject if change.subject is None else _subject(change.subject),
        left_out=tuple(left_out),
        sponsors_out=before.sponsors_out if change.sponsors_out is None else tuple(sorted(set(change.sponsors_out))),
    )


def paragraphs(note: str) -> list[list[str]]:
    """The lines of each paragraph; blank lines part them."""
    parts = re.split(r"\n[ \t]*(?:\n[ \t]*)+", note.strip("\n"))
    return [[line.strip() for line in part.split("\n")] for part in parts if part.strip()]


def _note(text: str) -> str:
    note = _CONTROLS.sub("", re.sub(r"\r\n?", "\n", text).replace("\t", " ")).strip()
    if len(note) > NOTE_MOST:
        raise InputError(f"it has {len(note)} characters; {NOTE_MOST} is the most", "note")
    return note


def _subject(text: str) -> str:
    subject = " ".join(_CONTROLS.sub(" ", text).split())
    if len(subject) > SUBJECT_MOST:
        raise InputError(f"it has {len(subject)} characters; {SUBJECT_MOST} is the most", "subject")
    return subject
