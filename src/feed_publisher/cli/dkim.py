"""dkim new and show"""

from __future__ import annotations

import os
from pathlib import Path

import click
from pydantic import ValidationError

from feed_publisher import wiring
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.group import Place
from feed_publisher.compose.dkim import Signer, new_key
from feed_publisher.config.models import Dkim
from feed_publisher.domain.diagnosis import txt_line
from feed_publisher.domain.errors import InputError


@click.group()
def dkim() -> None:
    """Signatures over the mails, for a mail server that does not sign them."""


@dkim.command()
@click.argument("domain")
@click.argument("selector")
@click.option("--kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True)
@with_out
@click.pass_obj
def new(place: Place, out: Out, domain: str, selector: str, kind: str) -> None:
    """Make a key, and say what to put into publisher.toml and into the DNS.

    SELECTOR is a name of your choice, another one for each key, such as fp2026. Every receiver understands RSA; an
    Ed25519 key is worth something beside it only.
    """
    name = f"dkim-{selector}.pem"
    try:
        Dkim(domain=domain, selector=selector, key_file=name)
    except ValidationError as error:
        field, reason = error.errors()[0]["loc"][0], error.errors()[0]["msg"]
        raise InputError(str(reason), str(field)) from error
    pem = new_key(kind)
    _keep(place.folder / name, pem)
    signer = Signer.of(domain, selector, pem)
    out.say(f"{place.folder / name} is the new key. Nobody but this program should be able to read it.\n")
    out.say("First put this into the DNS:\n")
    _say_record(out, signer)
    out.say("Some hours later put this into publisher.toml:\n")
    out.say(f'[[dkim]]\ndomain = "{signer.domain}"\nselector = "{selector}"\nkey_file = "{name}"')
    out.document({"key_file": name, "name": signer.name, "record": signer.record})


@dkim.command()
@with_out
@click.pass_obj
def show(place: Place, out: Out) -> None:
    """What the DNS must hold for the keys of [[dkim]]."""
    with open_app(place) as app:
        signers = wiring.signers(app.settings, app.folder)
    if not signers:
        out.say("Mails are not signed here; `dkim new DOMAIN SELECTOR` makes a key.")
    for signer in signers:
        _say_record(out, signer)
    out.document({"keys": [{"name": signer.name, "record": signer.record} for signer in signers]})


def _say_record(out: Out, signer: Signer) -> None:
    out.say(f"{txt_line(signer.name, signer.record)}\n")


def _keep(file: Path, pem: bytes) -> None:
    """Readable by nobody else from the first moment on; a key that is there stays."""
    try:
        number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise InputError("is there already; take another selector, or move it away", str(file)) from error
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", str(file)) from error
    with os.fdopen(number, "wb") as stream:
        stream.write(pem)
