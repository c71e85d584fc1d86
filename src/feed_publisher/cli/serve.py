"""serve: web, scheduler and sender in one process."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from feed_publisher.app import App
from feed_publisher.cli.group import Place
from feed_publisher.config.models import Source
from feed_publisher.domain.errors import FeedPublisherError
from feed_publisher.domain.source import SourceKind

DRAIN_INTERRUPT = 3.5
"""Seconds for mail on its way after Ctrl-C: a person is waiting."""

DRAIN_TERMINATE = 60.0
"""Seconds after SIGTERM: the mail server's answers are waited for."""


class PortTaken(FeedPublisherError):
    """Somebody else listens there."""


SWITCH_SECONDS = 0.001
"""How long a thread that works may keep the interpreter from one that answers a reader: Python's usual 0.005 adds up,
because a page needs several turns."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.pass_obj
def serve(place: Place, host: str, port: int) -> None:
    """Web, scheduler and sender in one process, until Ctrl-C or SIGTERM."""
    set_up_logging()
    with App(place.folder, place.overrides) as app:
        run(app, host, port, lambda: greet(app, host, port))


def greet(app: App, host: str, port: int) -> None:
    """What is running where."""
    click.echo(f"{app.settings.site.title} is at http://{host}:{port}/ (links say {app.base_url})")
    click.echo(f"mail goes to {app.relay_text()}")
    for source in app.settings.sources:
        click.echo(_read_from(app, source))
    click.echo("Ctrl-C stops")


def _read_from(app: App, source: Source) -> str:
    kind = SourceKind(source.kind)
    if kind is SourceKind.PUSH:
        return f"taking what is pushed to {source.slug}"
    return f"reading {source.location if kind.is_fetched else app.folder / source.location}"


def set_up_logging() -> None:
    """One line per event on stderr; requests are not logged."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("feed_publisher").setLevel(logging.INFO)
    logging.getLogger("apscheduler").setLevel(logging.ERROR)
    logging.getLogger("mail.log").setLevel(logging.ERROR)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, or PortTaken with the way out."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named: only then asyncio lets answers out at once, instead of 40 ms later (Nagle's algorithm).
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"cannot listen on {host}:{port} ({error.strerror}); stop the other program or use another port, "
            f"for example --port {port + 1} (make run PORT={port + 1})"
        ) from error
    return listener


def run(app: App, host: str, port: int, ready: Callable[[], None]) -> None:
    """Serve until a signal; ``ready`` is called once everything is up."""
    listener = bind(host, port)
    with listener, app.owning():
        sys.setswitchinterval(SWITCH_SECONDS)
        asyncio.run(_serve(app, listener, ready))


async def _serve(app: App, listener: socket.socket, ready: Callable[[], None]) -> None:
    import uvicorn

    from feed_publisher.scheduler import Scheduler
    from feed_publisher.web.feedcounts import FeedCounts
    from feed_publisher.web.site import build

    counts = FeedCounts(lambda: app.clock().date())
    proxies = ",".join(app.settings.site.trusted_proxies)
    config = uvicorn.Config(
        build(app, counts=counts),
        log_level="warning",
        access_log=False,
        server_header=False,
        # Left to uvicorn, a proxy's word would be believed from any local program (SEMANTICS §5).
        proxy_headers=bool(proxies),
        forwarded_allow_ips=proxies or None,
        timeout_graceful_shutdown=2,
        lifespan="off",
    )

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield  # uvicorn raises the signal again when it is done, which would end us before the mail has drained

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            ready()

    server = Server(config)
    seen: list[int] = []

    def stop(signal_number: int) -> None:
        seen.append(signal_number)
        server.handle_exit(signal_number, None)

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop, each)
    async with app.relay() as mailer, app.returns.listening():
        scheduler = Scheduler(app, mailer, counts.drain)
        scheduler.start()
        try:
            await server.serve(sockets=[listener])
        finally:
            terminated = seen[:1] == [signal.SIGTERM]
            await scheduler.drain(DRAIN_TERMINATE if terminated else DRAIN_INTERRUPT)
