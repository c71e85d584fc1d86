"""sources import: the feeds of an OPML list become sources."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from feed_publisher.cli.common import Out, open_app, read_file, with_out
from feed_publisher.cli.group import Place
from feed_publisher.cli.looking import taken_slugs
from feed_publisher.config.writing import NewSource, append_sources
from feed_publisher.domain.identity import canonical_link
from feed_publisher.domain.slug import free_slug
from feed_publisher.services.words import many

if TYPE_CHECKING:
    from feed_publisher.parse.opml import Subscription


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.opml")
@click.option("--write", is_flag=True, help="Append them to publisher.toml.")
@with_out
@click.pass_obj
def import_list(place: Place, file: Path, write: bool, out: Out) -> None:
    """Add the feeds of an OPML list, as feed readers export it; without --write only show them."""
    from feed_publisher.parse.opml import read_opml

    listed, problems = read_opml(read_file(file), str(file))
    with open_app(place) as app:
        known = {canonical_link(source.location) for source in app.settings.sources if source.location}
        taken = taken_slugs(app)
    added = _unknown(listed, known, taken)
    out.table(("source", "title", "address", "topic"), [(s.slug, s.title, s.location, *s.topics) for s in added])
    out.problems(problems)
    if write and added:
        append_sources(place.folder, added, place.overrides)
    done = "added to publisher.toml" if write else "to add (--write does)"
    known_already = f"{len(listed) - len(added)} known as sources already"
    out.say(f"{many(len(added), 'feed')} {done}, {known_already}, {len(problems)} skipped")
    rejected = [{"where": problem.where, "reason": problem.reason} for problem in problems]
    shown = [{"source": s.slug, "title": s.title, "location": s.location, "topics": list(s.topics)} for s in added]
    out.document({"sources": shown, "known": len(listed) - len(added), "rejected": rejected, "written": write})
    sys.exit(1 if problems and not listed else 0)


def _unknown(listed: list[Subscription], known: set[str], taken: set[str]) -> list[NewSource]:
    """Those whose address is not known, each with a slug of its own and its folder as topic; both sets grow."""
    added: list[NewSource] = []
    for each in listed:
        link = canonical_link(each.address)
        if link in known:
            continue
        slug = free_slug(each.title, taken)
        taken.add(slug)
        known.add(link)
        topics = tuple(folder[:200] for folder in each.folders[-1:])
        added.append(NewSource(slug=slug, kind="feed", location=each.address, title=each.title[:100], topics=topics))
    return added
