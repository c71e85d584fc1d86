"""init: a new site that works at once."""

from __future__ import annotations

from pathlib import Path

import click

from feed_publisher.cli.common import Out, with_out
from feed_publisher.domain.errors import InputError

TOML = """\
# Settings of this site. `feed-publisher check` tells what is wrong with them, line by line.

[site]
title = "My site"
base_url = "http://127.0.0.1:8000"   # where readers reach it; every link starts with this
language = "en"
timezone = "UTC"                     # an IANA name such as Europe/Berlin
postal_address = ""                  # printed in every mail; many countries require it

[[sources]]
slug = "entries"
kind = "folder"
location = "entries"                 # put text listings, Markdown or JSON files here

[[digests]]
slug = "weekly"
title = "My site, weekly"
from_name = "My site"
from_address = "digest@example.org"  # an address of your own domain
cadences = ["weekly", "daily"]
day = "monday"
hour = "07:00"

# Without a mail server, mail lands in the built-in mailbox at /mailbox and leaves this computer never.
# [smtp]
# host = "mail.example.org"
# port = 587
# tls = "required"
# username = "digest"
# password_file = "smtp-password"
"""
IGNORED = "/var/\n/public/\n"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@with_out
def init(folder: Path, out: Out) -> None:
    """Make a new site in FOLDER: settings, an entries/ folder, a database."""
    from feed_publisher.adapters.files import private_folder
    from feed_publisher.app import App
    from feed_publisher.config.loading import FILE

    if (folder / FILE).exists():
        raise InputError(f"has a site already; change its {FILE}, or name another folder", str(folder))
    try:
        for name in ("entries", "templates", "public"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        private_folder(folder / "var" / "run")
        (folder / FILE).write_text(TOML)
        if not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text(IGNORED)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", str(folder)) from error
    with App(folder) as app:
        out.unpublished(app.publish().problems)
    out.say(f"made a site in {folder}")
    out.say(f"next: put a text file into {folder / 'entries'}, then run: feed-publisher --site {folder} serve")
    out.document({"site": str(folder)})
