"""check: a line for each thing a site depends on."""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.cli.check_topics import topics_line
from feed_publisher.cli.common import Out, open_app, with_out
from feed_publisher.cli.doctor import diagnoses, diagnosis_json, show_diagnosis
from feed_publisher.cli.group import Place
from feed_publisher.cli.sponsors import dates
from feed_publisher.compose.html import check_template
from feed_publisher.config.models import Digest, Source
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.diagnosis import Health
from feed_publisher.domain.errors import FeedPublisherError, InputError
from feed_publisher.domain.issue import Images, SubscriptionState
from feed_publisher.domain.language import spoken
from feed_publisher.domain.source import SourceKind, SourceState
from feed_publisher.services.sources import KINDS, SHOWN, SourceStatus, status
from feed_publisher.services.sponsoring import SponsorStatus
from feed_publisher.services.words import ago, many


@click.command()
@click.option("--offline", is_flag=True, help="Ask neither the mail server nor the DNS.")
@with_out
@click.pass_obj
def check(place: Place, offline: bool, out: Out) -> None:
    """Configuration, templates, database, sources, mail server and names: a line each. Exit 1 if one is BAD.

    Where mail may reach strangers, the doctor looks at what mailbox providers look at, too: SPF, DKIM, DMARC and more.
    """
    with open_app(place, only_looking=True) as app:
        checks: list[tuple[str, Callable[[App], str]]] = [
            ("settings", _settings),
            ("topics", topics_line),
            ("database", _database),
            ("privacy", _privacy),
            ("templates", _templates),
            ("languages", _languages),
            *([("sponsors", _sponsors)] if app.settings.sponsors else []),
            *((f"source {source.slug}", partial(_source, source)) for source in app.settings.sources),
            ("fetching", _fetching),
            ("feeds", _feeds),
            *((f"digest {each.slug}", partial(_desk, each)) for each in app.settings.digests if _is_for_desk(each)),
            *([] if offline else [("mail server", _relay)]),
            ("signatures", _signatures),
            ("bounces", _bounces),
            *([] if offline or app.checkup.is_worth_it else [("address", _address)]),
        ]
        results = [(name, *_try(step, app)) for name, step in checks]
        found = diagnoses(app, offline, out)
    for name, well, text in results:
        out.say(f"{'ok ' if well else 'BAD'}  {name}: {text}")
    for each in found:
        show_diagnosis(out, each)
    out.document(
        {
            "checks": [{"name": name, "ok": well, "text": text} for name, well, text in results],
            "mail": [diagnosis_json(each) for each in found],
        }
    )
    sys.exit(0 if all(well for _, well, _ in results) and not any(each.health is Health.BAD for each in found) else 1)


def _try(step: Callable[[App], str], app: App) -> tuple[bool, str]:
    try:
        return True, step(app)
    except FeedPublisherError as error:
        return False, str(error)


def _settings(app: App) -> str:
    settings = app.settings
    known = {topic.slug for topic in app.topics.all()} | app.topics.aliases().keys()
    known |= {slug for topic in settings.topics for slug in (topic.slug, *topic.was)}
    for digest in settings.digests:
        for slug in sorted(set(digest.topics) - known):
            near = get_close_matches(slug, known, 1)
            advice = f"did you mean {near[0]}?" if near else "no article has brought it yet"
            return f"digest {digest.slug} waits for the topic {slug!r}; {advice}"
    counted = (many(len(settings.sources), "source"), many(len(settings.topics), "fixed topic"))
    return ", ".join((*counted, many(len(settings.digests), "digest")))


def _database(app: App) -> str:
    return f"{app.database.name} is current, {many(app.desk.happened().entries, 'article')}"


def _privacy(app: App) -> str:
    """var/ and the database hold every address, and the keys of the links in mails."""
    folder = app.folder / "var"
    if _others_may(folder):
        command = f"chmod -R go= {shlex.quote(str(folder))}"
        raise InputError(f"other users of this computer can read it; run: {command}", str(folder))
    file = Path(app.database.name)
    if app.database.is_sqlite and file.is_file() and _others_may(file):
        command = f"chmod go= {shlex.quote(str(file))}*"
        raise InputError(f"other users of this computer can read it; run: {command}", str(file))
    return f"no other user of this computer can read {folder}" + (" or the database" if app.database.is_sqlite else "")


def _others_may(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o007)


def _templates(app: App) -> str:
    names = [
        name
        for name in app.templates.list_templates()
        if name.endswith((".html", ".txt")) and not name.startswith("default/")
    ]
    for name in names:
        check_template(app.templates, name)
    app.check_templates()
    return f"{len(names)} compile, and sample mails of {many(len(app.settings.digests), 'digest')} are well"


def _languages(app: App) -> str:
    """Every catalog is read, the site's own included."""
    known, site = app.catalogs.languages, app.settings.site
    for language in sorted(known):
        app.catalogs.of(language)
    offered = next((language for language in site.languages if not spoken(language, known, "")), "")
    if offered:
        raise InputError(f"readers may choose {offered}, but there are no words of it; write locale/{offered}.po")
    used = [site.language, *(digest.language for digest in app.settings.digests if digest.language)]
    silent = next((language for language in used if not spoken(language, known, "")), "")
    missing = f"; none in {silent}, where readers get English ones until there is a locale/{silent}.po"
    return f"there are words in {', '.join(sorted(known))}" + (missing if silent else "")


def _sponsors(app: App) -> str:
    """One that no issue can carry, or whose picture no digest shows, is a mistake; one that is over is not."""
    found = app.sponsors()
    images = {digest.slug: digest.images for digest in app.settings.digests}
    for each in found:
        about, when = f"sponsors: {each.sponsor.slug}", dates(each.sponsor)
        if each.status is SponsorStatus.NEVER:
            said = f"is never due: none of its digests has an issue {when}".rstrip()
            raise InputError(f"{said}; change from, until or digests", about)
        if each.sponsor.block.image and all(images[slug] is Images.NONE for slug in each.digests):
            raise InputError('its image is shown nowhere; set images = "lead" in one of its digests', about)
    over = [each.sponsor.slug for each in found if each.status is SponsorStatus.OVER]
    return many(len(found), "sponsor") + (
        f"; over, and to be taken out of the settings: {', '.join(over)}" if over else ""
    )


def _source(source: Source, app: App) -> str:
    kind, record = SourceKind(source.kind), app.sources.get(source.slug)
    words = KINDS[kind]
    for value in source.headers.values():
        app.intake.secret(value)
    if kind is SourceKind.FOLDER:
        return f"{words} {_readable(app.folder / source.location)}"
    if record is None or record.state is not SourceState.ACTIVE:
        return f"{words}, " + (SHOWN[status(record, True)] if record else SHOWN[SourceStatus.UNREAD])
    if record.error:
        raise InputError(f"{words}, the last visit failed: {record.error}", record.address or source.location)
    if kind is SourceKind.PUSH and record.read_at is None:
        return f"{words}, nothing yet; `sources token {source.slug}` makes a token to push with"
    return f"{words}, last read {ago(record.read_at, app.clock())}"


def _readable(place: Path) -> Path:
    """A folder or a file, or InputError."""
    if not os.access(place, os.R_OK | os.X_OK if place.is_dir() else os.R_OK):
        raise InputError("is no folder or file that can be read; make it, or mend the location", str(place))
    return place


def _fetching(app: App) -> str:
    async def try_settings() -> None:
        async with wiring.fetcher(app.settings):
            pass

    asyncio.run(try_settings())
    allowed = ", ".join(app.settings.fetch.allow) or "none"
    return f"private hosts that sources may be on: {allowed}"


def _feeds(app: App) -> str:
    public = app.folder / "public"
    public.mkdir(exist_ok=True)
    if not os.access(public, os.W_OK | os.X_OK):
        raise InputError("cannot be written; change its owner or mode", str(public))
    problems = app.feeds.problems()
    if problems:
        slug, problem = next(iter(problems.items()))
        raise InputError(f"keeps its last good files: {problem}", f"feed {slug}")
    return f"{public} can be written"


def _is_for_desk(digest: Digest) -> bool:
    return digest.recipients == "operators"


def _desk(digest: Digest, app: App) -> str:
    """Who gets it while its readers wait; operators who do not are named."""
    found = [
        view
        for operator in app.settings.mail.operators
        for view in app.people.find(app.subscribe.key_of(parse_address(operator)))
        if view.digest == digest.shadow.slug
    ]
    left = [view.address for view in found if view.state != SubscriptionState.ACTIVE]
    never = [view.address for view in found if view.suppressed]
    said = app.recipients.sentence(digest)
    if left:
        said += f"; {', '.join(left)} unsubscribed (take it out of operators and put it back, and it comes again)"
    if never:
        said += f"; never mailed: {', '.join(never)} (`suppress remove`)"
    if len({*left, *never}) == len(found):
        raise InputError(said, "digests.recipients")
    return said


def _relay(app: App) -> str:
    if app.rehearsal:
        return app.relay_text()

    async def probe() -> str:
        async with app.relay() as mailer:
            return await mailer.probe()

    return asyncio.run(probe())


def _signatures(app: App) -> str:
    """Every key can be read. Who signs nothing here relies on the mail server, which cannot be seen from here."""
    signers = wiring.signers(app.settings, app.folder)
    senders = sorted({digest.from_address.rpartition("@")[2].lower() for digest in app.settings.digests})
    alone = [domain for domain in senders if not any(signer.covers(domain) for signer in signers)]
    if not signers:
        return "none made here (DKIM); the mail server signs, or large mailbox providers refuse the mail"
    if alone:
        raise InputError(f"no key of [[dkim]] is for mail from {alone[0]}", "digests.from_address")
    return f"by {', '.join(signer.name for signer in signers)}; `dkim show` tells what the DNS must hold"


def _bounces(app: App) -> str:
    return app.returns.check()


def _address(app: App) -> str:
    host = urlsplit(app.base_url).hostname or ""
    try:
        socket.getaddrinfo(host, None)
    except OSError as error:
        raise InputError(
            f"{host} has no address ({error.strerror}); mend the DNS or base_url", "site.base_url"
        ) from error
    return f"{app.base_url} resolves"
