"""An issue for the feed of its digest: HTML without styles, and a line of text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from markupsafe import Markup

from feed_publisher.compose.digest import authors_text
from feed_publisher.domain.issue import SentEntry, SentIssue
from feed_publisher.domain.model import Entry


def issue_text(issue: SentIssue) -> str:
    """The titles of its articles."""
    return " \N{MIDDLE DOT} ".join(sent.title for sent in issue.entries if not sent.withdrawn)


def issue_html(issue: SentIssue, entry_url: Callable[[Entry], str]) -> str:
    """Its articles under their topics. What was corrected since is struck out, beside what it says now.

    Articles withdrawn since are left out.
    """
    parts: list[str] = []
    for topic, group in issue.sections:
        shown = [sent for sent in group if not sent.withdrawn]
        parts += [Markup("<h2>{}</h2>").format(topic.title)] if shown else []
        for sent in shown:
            parts += _entry(sent, entry_url(sent.entry), issue.language)
    return "\n".join(parts)


def _entry(sent: SentEntry, url: str, language: str) -> Iterator[str]:
    now = sent.entry
    yield Markup('<h3><a href="{}">{}</a></h3>').format(url, _changed(sent.title, now.title))
    byline, byline_now = (authors_text(names, language) for names in (sent.authors, now.authors))
    if byline or byline_now:
        yield Markup("<p><em>{}</em></p>").format(_changed(byline, byline_now))
    if sent.summary or now.summary:
        yield Markup("<p>{}</p>").format(_changed(sent.summary, now.summary))


def _changed(before: str, now: str) -> Markup:
    if before == now:
        return Markup("{}").format(before)
    removed = Markup("<del>{}</del> ").format(before) if before else Markup()
    return removed + (Markup("<ins>{}</ins>").format(now) if now else Markup())
