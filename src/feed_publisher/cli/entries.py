"""entries list|show|add|release|hide|withdraw|restore|why"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict

import click

from feed_publisher.app import App
from feed_publisher.cli.common import Out, open_app, parse_instant, with_out
from feed_publisher.cli.group import Place
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.domain.identity import KeyKind
from feed_publisher.domain.model import Draft, Entry, EntryState, escaped
from feed_publisher.domain.recognition import CHOICE
from feed_publisher.parse.fields import parse_link
from feed_publisher.parse.text import clean
from feed_publisher.ports.pickup import Page
from feed_publisher.services.words import many

ALL = 1_000_000
_NAMES = {KeyKind.ID: "its id", KeyKind.LINK: "its link", KeyKind.TITLE: "its title", KeyKind.TEXT: "its text"}


@click.group()
def entries() -> None:
    """Articles that were picked up."""


@entries.command("list")
@click.option("--state", type=click.Choice([state.value for state in EntryState]))
@click.option("--topic", metavar="SLUG")
@click.option("--source", metavar="SLUG")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@with_out
@click.pass_obj
def list_entries(place: Place, state: str | None, topic: str | None, source: str | None, limit: int, out: Out) -> None:
    """Newest first."""
    with open_app(place) as app:
        if source is not None:
            app.intake.record(source)
        if topic is not None:
            (topic,) = app.topics.today([topic])
            if app.topics.get(topic) is None:
                known = ", ".join(each.slug for each in app.topics.all()) or "none"
                raise NotFoundError(f"there is no topic {topic!r}; there are: {known}")
        page = Page(limit=limit, state=EntryState(state) if state else None, topic=topic, source=source)
        found = app.entries.page(page)
        out.document({"entries": [entry_json(app, entry) for entry in found]})
    rows = [(e.key[:8], f"{e.published:%Y-%m-%d %H:%M}", e.state, e.title, ", ".join(e.authors)) for e in found]
    out.table(("key", "published (UTC)", "state", "title", "by"), rows)


@entries.command()
@click.argument("key")
@with_out
@click.pass_obj
def show(place: Place, key: str, out: Out) -> None:
    """One article with everything known of it."""
    with open_app(place) as app:
        entry = app.entries.get(key)
        document = entry_json(app, entry)
    out.say(f"{entry.title}\n" + (f"By {', '.join(entry.authors)}\n" if entry.authors else ""))
    for line in (entry.summary, f"topics: {', '.join(t.title for t in entry.topics)}", f"published {entry.published}"):
        out.say(line)
    for line in _media_lines(entry):
        out.say(escaped(line))
    out.say(f"updated {entry.updated}\n{document['url']}\n{entry.id}\nstate: {entry.state}" + _reason(entry))
    out.document(document)


@entries.command()
@click.option("--title", required=True)
@click.option("--author", "authors", multiple=True)
@click.option("--summary", default="")
@click.option("--link", help="The article's own address.")
@click.option("--topic", "topics", multiple=True, help="Title of a topic; may be given more than once.")
@click.option("--published", metavar="TIME", help="A later time keeps it back until then.")
@with_out
@click.pass_obj
def add(
    place: Place,
    title: str,
    authors: tuple[str, ...],
    summary: str,
    link: str | None,
    topics: tuple[str, ...],
    published: str | None,
    out: Out,
) -> None:
    """Add an article by hand."""
    with open_app(place) as app:
        draft = Draft(
            title=_needed(clean(title), "--title"),
            where="--title",
            authors=tuple(clean(author) for author in authors if clean(author)),
            summary=clean(summary),
            link=parse_link(link) if link else None,
            topics=tuple(clean(topic) for topic in topics if clean(topic)),
            published=parse_instant(published, app.settings.site.timezone, "--published"),
        )
        absorbed = app.add_entry(draft)
        report = app.publish()
    state = "added" if absorbed.new else "held" if absorbed.held else "changed" if absorbed.changed else "known already"
    out.say(f"{state}: {draft.title}")
    out.unpublished(report.problems)
    for _, reason in absorbed.held:
        out.say(f"it {reason}")
    out.document({"state": state, "written": report.written})


def _needed(text: str, option: str) -> str:
    if not text:
        raise InputError("is empty", option)
    return text


def _change(name: str, doc: str, allowed: Sequence[EntryState], state: EntryState, said: str) -> None:
    @entries.command(name, help=doc)
    @click.argument("keys", nargs=-1, required=True, metavar="KEY…")
    @with_out
    @click.pass_obj
    def command(place: Place, keys: tuple[str, ...], out: Out) -> None:
        with open_app(place) as app:
            _change_each(app, keys, allowed, state, said, out)


def _change_each(
    app: App, keys: Sequence[str], allowed: Sequence[EntryState], state: EntryState, said: str, out: Out
) -> None:
    changed = []
    for key in keys:
        entry = app.change_entry(key, allowed, state)
        changed.append(entry_json(app, entry))
        out.say(f"{said}: {entry.title}" + (" (from its date on)" if entry.state == "scheduled" else ""))
    out.unpublished(app.publish().problems)
    out.document({"entries": changed})


def _settle(name: str, doc: str, allowed: Sequence[EntryState], state: EntryState, said: str) -> None:
    """A change that can also be made to all that a source has held."""

    @entries.command(name, help=doc)
    @click.argument("keys", nargs=-1, metavar="KEY…")
    @click.option("--source", "slug", metavar="SLUG", help="All that is held of this source.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @with_out
    @click.pass_obj
    def command(place: Place, keys: tuple[str, ...], slug: str | None, yes: bool, out: Out) -> None:
        if bool(keys) == (slug is not None):
            raise click.UsageError("name articles by their KEY, or a source with --source")
        with open_app(place) as app:
            if slug is None:
                _change_each(app, keys, allowed, state, said, out)
            else:
                _change_held(app, slug, name, state, said, yes, out)


def _change_held(app: App, slug: str, verb: str, state: EntryState, said: str, yes: bool, out: Out) -> None:
    app.intake.record(slug)
    held = app.entries.page(Page(limit=ALL, state=EntryState.HELD, source=slug))
    for entry in held[:20]:
        out.say(f"held: {entry.title}{_reason(entry).partition(CHOICE)[0]}")
    if len(held) > 20:
        out.say(f"      … and {len(held) - 20} more")
    question = f"{verb.capitalize()} all that is held of {slug}, {many(len(held), 'article')}?"
    if held and not yes and not click.confirm(question, default=False, err=out.json):
        out.say("Nothing was changed.")
        sys.exit(1)
    changed = [app.entries.change_state(each.number, (EntryState.HELD,), state, "", app.clock()) for each in held]
    app.issuing().revise(app.all_rules(), app.clock())
    out.unpublished(app.publish().problems)
    out.say(f"{said}: {many(len(changed), 'article')} of {slug}" if changed else f"nothing of {slug} is held")
    out.document({"entries": [entry_json(app, entry) for entry in changed]})


_settle("release", "Publish what was held.", (EntryState.HELD,), EntryState.PUBLIC, "released")
_settle(
    "hide",
    "Never publish what is held or scheduled.",
    (EntryState.HELD, EntryState.SCHEDULED),
    EntryState.HIDDEN,
    "hidden",
)
_change(
    "withdraw",
    "Take an article out of feeds, pages and mail that has not left yet.",
    (EntryState.PUBLIC,),
    EntryState.WITHDRAWN,
    "withdrawn",
)
_change(
    "restore",
    "Publish again what was withdrawn or hidden.",
    (EntryState.WITHDRAWN, EntryState.HIDDEN),
    EntryState.PUBLIC,
    "restored",
)


@entries.command()
@click.argument("key")
@click.option("--subscriber", metavar="ADDR", help="Of the next mail to this reader; else to most readers.")
@with_out
@click.pass_obj
def why(place: Place, key: str, subscriber: str | None, out: Out) -> None:
    """Why an article is where it is: its state, its source, which issues carried it, and whether the next ones do."""
    with open_app(place) as app:
        entry = app.entries.get(key)
        next_mails = _next_mails(app, entry, subscriber)
        issues = app.entries.mailed_in(entry.number)
        places = app.entries.listed_in(entry.number)
        keys = app.entries.keys(entry.number)
    seen = [f"{document}, {place_from_0 + 1} in the list (source {slug})" for slug, document, place_from_0 in places]
    sentences = [f"“{entry.title}” is {entry.state}{_reason(entry)}."]
    sentences.append(f"It belongs to the source “{entry.source}”, under {_topics(entry)}.")
    sentences += [f"It was last seen in {where}." for where in seen]
    if not seen:
        sentences.append("No document lists it any more.")
    sentences.append(
        f"It is known again by {', '.join(dict.fromkeys(_NAMES[each.kind] for each in keys)) or 'nothing'}."
    )
    sentences += [f"Issue {issue.id} ({issue.digest} {issue.slot}) carried it." for issue in issues]
    if not issues:
        sentences.append("No issue has carried it yet.")
    sentences += [f"{title}, if it were sent now: {sentence}" for title, sentence in next_mails.items()]
    sentences += _choices(entry)
    for sentence in sentences:
        out.say(escaped(sentence))
    document = {"key": entry.key, "state": entry.state, "reason": entry.reason, "source": entry.source}
    listed = [{"source": slug, "document": name, "place": number} for slug, name, number in places]
    known = [{"scope": each.scope, "kind": each.kind, "value": each.value} for each in keys]
    carried = [issue.id for issue in issues]
    out.document({**document, "listed": listed, "keys": known, "issues": carried, "sentences": sentences})


def _next_mails(app: App, entry: Entry, subscriber: str | None) -> dict[str, str]:
    """By the title of each digest: whether the entry would be in an issue sent now, and why."""
    reader = parse_address(subscriber) if subscriber else None
    digests = {each.slug: each.title for each in app.settings.digests}
    if reader is not None:
        wanted = {view.digest for view in app.people.find(app.subscribe.key_of(reader))}
        digests = {slug: title for slug, title in digests.items() if slug in wanted}
        if not digests:
            raise NotFoundError(f"{subscriber} subscribes to nothing here")
    proofs, words, now = app.proofs(), app.reasons(one=reader is not None), app.clock()
    verdicts = {
        title: proofs.why_entry(app.asked(slug, reader=reader), entry.number, now) for slug, title in digests.items()
    }
    return {title: words.entry(verdict) for title, verdict in verdicts.items()}


def _choices(entry: Entry) -> list[str]:
    """What the operator can do about it."""
    short = entry.key[:8]
    if entry.state is EntryState.HELD:
        released = f"`entries release {short}` makes it public: it joins the feeds and the next issues."
        return [released, f"`entries hide {short}` never shows it, and keeps it from being picked up as new."]
    if entry.state in (EntryState.HIDDEN, EntryState.WITHDRAWN):
        return [f"`entries restore {short}` makes it public again."]
    return []


def _reason(entry: Entry) -> str:
    """Every reason says something of "it"."""
    return f": it {entry.reason}" if entry.reason else ""


def _topics(entry: Entry) -> str:
    return ", ".join(topic.title for topic in entry.topics) or "no topic"


def _media_lines(entry: Entry) -> list[str]:
    image = entry.image
    shown = "".join(f", {each}" for each in (image.alt, image.credit) if each) if image else ""
    lines = [f"picture {image.url}{shown}"] if image else []
    for each in entry.enclosures:
        size = f", {each.length:,} bytes" if each.length else ""
        lines.append(f"file {each.url} ({each.type}{size}{f', {each.title}' if each.title else ''})")
    return lines


def entry_json(app: App, entry: Entry) -> dict[str, object]:
    return {
        "key": entry.key,
        "id": entry.id,
        "title": entry.title,
        "authors": list(entry.authors),
        "summary": entry.summary,
        "topics": [topic.slug for topic in entry.topics],
        "published": entry.published.isoformat(),
        "updated": entry.updated.isoformat(),
        "url": app.entry_url(entry),
        "state": entry.state,
        "reason": entry.reason,
        "source": entry.source,
        "image": asdict(entry.image) if entry.image else None,
        "enclosures": [asdict(each) for each in entry.enclosures],
    }
