"""subscribers add|list|show|why|erase and suppress add|list|remove; whole lists are in moving.py and asking.py"""

from __future__ import annotations

import click

from feed_publisher.cli.asking import ask, list_asked
from feed_publisher.cli.common import Out, digest_named, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.moving import export, import_file, list_imports, undo_import
from feed_publisher.cli.preview import verdict_json, why_json, why_table
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.errors import InputError, NotFoundError
from feed_publisher.parse.subscribers import SubscriberRow
from feed_publisher.ports.people import SubscriberView


@click.group()
def subscribers() -> None:
    """People who get digests."""


@subscribers.command()
@click.argument("address")
@click.option("--digest", "slug", metavar="SLUG")
@click.option("--name", default="")
@click.option("--topic", "topics", multiple=True, metavar="SLUG", help="Only this topic; may be given more than once.")
@click.option("--cadence")
@with_out
@click.pass_obj
def add(
    place: Place, address: str, slug: str | None, name: str, topics: tuple[str, ...], cadence: str | None, out: Out
) -> None:
    """Add one reader who has agreed to get the digest."""
    with open_app(place) as app:
        row = SubscriberRow(
            line=1,
            address=parse_address(address),
            name=name,
            topics=topics or None,
            cadence=cadence,
            consent_source="added by hand",
        )
        report = app.add_subscribers(digest_named(app, slug), iter([row]), True, "command line")
    if report.rejected:
        raise InputError(report.rejected[0].reason, address)
    out.say(f"{'added' if report.added else 'updated'} {address}")
    out.document({"added": report.added, "updated": report.updated, "rejected": []})


@subscribers.command("list")
@click.option("--digest", "slug", metavar="SLUG")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@with_out
@click.pass_obj
def list_subscribers(place: Place, slug: str | None, limit: int, out: Out) -> None:
    """In the order they joined."""
    with open_app(place) as app:
        if slug is not None:
            app.settings.digest(slug)
        found = app.people.page(slug, 0, limit)
    out.document({"subscribers": [view_json(view) for view in found]})
    rows = [
        (v.address or "(erased)", v.digest, "never mail" if v.suppressed else v.state, v.cadence, _topics(v))
        for v in found
    ]
    out.table(("address", "newsletter", "state", "how often", "topics"), rows)


@subscribers.command()
@click.argument("address")
@with_out
@click.pass_obj
def show(place: Place, address: str, out: Out) -> None:
    """One reader's subscriptions, and what the reader did with them."""
    with open_app(place) as app:
        found = app.people.find(app.subscribe.key_of(parse_address(address)))
        history = [app.preferences.history(view) for view in found]
    if not found:
        raise NotFoundError(f"{address} subscribes to nothing here")
    for view, events in zip(found, history, strict=True):
        when = f"{view.at or 'the newsletter’s hour'} {view.zone or ''}".strip()
        out.say(
            f"{view.digest}: {view.state}, {view.cadence} at {when}, "
            f"topics: {_topics(view)}, since {view.joined_at:%Y-%m-%d}"
        )
        for event in events:
            out.say(f"  {event.at:%Y-%m-%d %H:%M} UTC  {event.what}{': ' if event.detail else ''}{event.detail}")
    document = [
        {**view_json(view), "history": [{"at": e.at.isoformat(), "what": e.what, "how": e.detail} for e in events]}
        for view, events in zip(found, history, strict=True)
    ]
    out.document({"subscriptions": document})


@subscribers.command()
@click.argument("address")
@click.option("--digest", "slug", metavar="SLUG", help="Only this one; else all that are subscribed to.")
@with_out
@click.pass_obj
def why(place: Place, address: str, slug: str | None, out: Out) -> None:
    """Whether a reader would get an issue sent now, and of each recent article why it is in it or not."""
    with open_app(place) as app:
        typed = parse_address(address)
        found = [view.digest for view in app.people.find(app.subscribe.key_of(typed)) if slug in (None, view.digest)]
        known = [each for each in found if each in app.all_rules()]
        if not known:
            raise NotFoundError(f"{address} subscribes to nothing here" + (f" called {slug}" if slug else ""))
        proofs, words = app.proofs(), app.reasons(one=True)
        answers = {each: proofs.why_reader(app.asked(each, reader=typed), app.clock()) for each in known}
    for each, (reader, entries) in answers.items():
        out.say(f"{each}: {words.reader(reader.verdict)}")
        why_table(entries, words, out)
    document = [
        {"digest": each, **verdict_json(reader.verdict, words), "entries": why_json(entries, words)}
        for each, (reader, entries) in answers.items()
    ]
    out.document({"subscriptions": document})


@subscribers.command()
@click.argument("address")
@with_out
@click.pass_obj
def erase(place: Place, address: str, out: Out) -> None:
    """Blank the address and all words about it; numbers and the never-mail list stay. It cannot be undone."""
    with open_app(place) as app:
        key = app.subscribe.key_of(parse_address(address))
        if not app.preferences.erase_address(key, app.clock()):
            raise NotFoundError(f"{address} subscribes to nothing here")
    out.say(f"{address} is erased; no more mail goes to it")
    out.document({"address": address, "erased": True})


for command in (import_file, list_imports, undo_import, export, ask, list_asked):
    subscribers.add_command(command)


@click.group()
def suppress() -> None:
    """Addresses that are never mailed; this beats every subscription and import."""


@suppress.command("add")
@click.argument("address")
@with_out
@click.pass_obj
def suppress_add(place: Place, address: str, out: Out) -> None:
    """Never mail this address again."""
    with open_app(place) as app:
        key = app.subscribe.key_of(parse_address(address))
        new = app.people.suppress(key, "by hand", app.clock())
    out.say(f"{address} is never mailed" + ("" if new else " (it was on the list already)"))
    out.document({"address": address, "added": new})


@suppress.command("list")
@with_out
@click.pass_obj
def suppress_list(place: Place, out: Out) -> None:
    """Newest first. Only a hash is kept, so the address shows only while somebody subscribes with it."""
    with open_app(place) as app:
        found = app.people.suppressions()
    out.document({"suppressed": [{"address": a, "reason": r, "since": s.isoformat()} for a, r, s in found]})
    out.table(("address", "reason", "since"), [(a or "(no subscriber)", r, f"{s:%Y-%m-%d}") for a, r, s in found])


@suppress.command("remove")
@click.argument("address")
@with_out
@click.pass_obj
def suppress_remove(place: Place, address: str, out: Out) -> None:
    """Take an address off the list; it subscribes again only by itself or by an import."""
    with open_app(place) as app:
        removed = app.people.unsuppress(app.subscribe.key_of(parse_address(address)))
    out.say(f"{address} {'is off the never-mail list' if removed else 'was not on the never-mail list'}")
    out.document({"address": address, "removed": removed})


def _topics(view: SubscriberView) -> str:
    return "everything" if view.topics == ("*",) else ", ".join(view.topics)


def view_json(view: SubscriberView) -> dict[str, object]:
    return {
        "address": view.address,
        "name": view.name,
        "digest": view.digest,
        "state": view.state,
        "cadence": view.cadence,
        "topics": list(view.topics),
        "zone": view.zone,
        "hour": view.at,
        "joined_at": view.joined_at.isoformat(),
        "suppressed": view.suppressed,
    }
