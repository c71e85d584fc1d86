"""feed-publisher: the command.

``--help`` is answered from this file alone: importing click takes several times as long as starting Python, so
everything else is imported when a command is called.
"""

from __future__ import annotations

import sys

COMMANDS = {
    "init": ("setup", "make a new site"),
    "demo": ("demo", "run the example site, or one turn of it"),
    "try": ("tryout", "read an address or file and show the feed and digest it would make; no site needed"),
    "check": ("check", "configuration, templates, database and mail server: a line each"),
    "pickup": ("run", "read the sources that are due, or the named files, folders and addresses"),
    "publish": ("run", "write the feeds that changed"),
    "tick": ("run", "do everything that is due now, once"),
    "serve": ("serve", "web, scheduler and sender in one process"),
    "send": ("send", "send a digest by hand"),
    "sources": ("sources", "list, test, detect, add, pause and retire the places articles come from"),
    "entries": ("entries", "list, add, release, hide, withdraw and restore entries"),
    "feeds": ("feeds", "list the feeds: how they are, and how many follow them"),
    "digest": ("digests", "list, start and preview digests"),
    "sponsors": ("sponsors", "list who paid for a place in digests: issues they had, and have left"),
    "issues": ("issues", "list, approve, pause, resume, cancel and export issues"),
    "bounces": ("bounces", "list what came back after it was sent, and why"),
    "subscribers": ("people", "add, list, import, export and erase subscribers; why they get what"),
    "dkim": ("dkim", "make keys that mails are signed with, and show what the DNS must hold"),
    "suppress": ("people", "addresses that are never mailed"),
}

_OPTIONS = (
    ("--site PATH", "folder of the site; default: $FEED_PUBLISHER_SITE, else the current folder"),
    ("--config KEY=VALUE", "override a setting, for example site.title=News"),
    ("-h, --help", "show this text; COMMAND --help tells about one command"),
)


def help_text() -> str:
    """What --help prints."""
    lines = ["Usage: feed-publisher [OPTIONS] COMMAND [ARGS]...", ""]
    lines += ["  Pick up new articles, publish feeds, mail digests.", "", "Options:"]
    lines += [f"  {name:<19} {text}" for name, text in _OPTIONS]
    lines += ["", "Commands:"]
    lines += [f"  {name:<12} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(lines)


def main() -> None:
    """Run the command; every known error is one line on stderr and an exit code: 1, 2 (usage) or 75 (try later)."""
    if sys.argv[1:] in ([], ["--help"], ["-h"]):
        print(help_text())  # noqa: T201 - without click
        return
    from feed_publisher.cli.group import run

    run()
