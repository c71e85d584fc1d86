"""Rendering pages: the words all pages share, security headers, error pages."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from typing import Any
from urllib.parse import unquote, urlsplit

from babel.core import Locale, UnknownLocaleError
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from feed_publisher import wiring
from feed_publisher.app import App
from feed_publisher.compose.digest import authors_text, enumerated
from feed_publisher.compose.html import render
from feed_publisher.config.models import Digest
from feed_publisher.domain.language import Say, direction, direction_of, primary_language, spoken
from feed_publisher.domain.model import AuthorRef, Entry
from feed_publisher.domain.shadow import real_slug
from feed_publisher.web.phrases import schedule

SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' https: http: data:; form-action 'self'; "
    "frame-ancestors 'self'; base-uri 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
_PROXIES = {"forwarded", "via", "x-real-ip"}
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
"""For pages whose address holds a token."""

MAIL_POLICY = {
    # A mail is a stranger's page: no scripts, no fetches, links open outside the frame.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""For the HTML of a mail, shown by itself."""

LISTED = 30
"""Articles on a page that lists the newest."""

NOTHING_HERE = Say("Nothing here"), Say("There is no page at this address.")

Authors = Mapping[str, AuthorRef]
"""By name as written."""


class Pages:
    """The templates with what every page says about the site."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.css = self._source("site.css") + _accent(app.settings.site.accent)
        self.script = self._source("site.js")
        self.icon = _icon(app.settings.site.accent)
        self._version = hashlib.sha256((self.css + self.script).encode()).hexdigest()[:12]

    def _source(self, name: str) -> str:
        """A file that is served as it is; a site may have its own."""
        loader = self.app.templates.loader
        return loader.get_source(self.app.templates, f"web/{name}")[0] if loader else ""

    @property
    def base(self) -> str:
        """What links within the site begin with: a path, so they work under every name of the host."""
        return urlsplit(self.app.base_url).path

    @property
    def absolute(self) -> str:
        """What addresses for the outside begin with: feeds, canonical links, mails."""
        return self.app.base_url

    def page(
        self,
        request: Request,
        name: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        language: str = "",
        **context: object,
    ) -> Response:
        """One page; ``headers`` are added to the security headers. ``language`` when it is not that of the site."""
        language = language or self.language
        shared: dict[str, object] = {
            "site": wiring.site_view(self.app.settings),
            "language": language,
            "direction": direction(language),
            "stylesheet_url": f"{self.base}/static/site.css?v={self._version}",
            "script_url": f"{self.base}/static/site.js?v={self._version}",
            "icon_url": f"{self.base}/static/icon.svg",
            "rehearsal": self.app.rehearsal and self.is_local(request),
            "home_url": f"{self.base}/",
            "mailbox_url": f"{self.base}/mailbox" if self.shows_mailbox(request) else "",
            "sources_url": f"{self.base}/admin/sources" if self.is_local(request) else "",
            "digests_url": f"{self.base}/admin/digests" if self.is_local(request) else "",
        }
        html = render(self.app.templates, f"web/{name}.html", **{**shared, **context})
        return HTMLResponse(html, status, headers={**SECURITY, **(headers or {})})

    def error(self, request: Request, status: int, title: str, message: str, language: str = "") -> Response:
        return self.page(
            request,
            "error",
            status,
            language=language,
            title=title,
            message=message,
            action_url=f"{self.base}/",
            action_text=Say("To the latest articles"),
        )

    # --- languages

    @property
    def language(self) -> str:
        """That of the site, and of all pages that are the same for everybody."""
        return self.app.settings.site.language

    @property
    def operator_language(self) -> str:
        """That of pages which only the operator sees: they are in English so far."""
        return self.language if primary_language(self.language) == "en" else "en"

    def language_of(self, digest: str, wanted: str | None) -> str:
        """A reader's own, else that of the digest."""
        known = next((each for each in self.app.settings.digests if each.slug == real_slug(digest)), None)
        usual = (known.language if known else None) or self.language
        return spoken(wanted, self.app.catalogs.languages, usual)

    def offered(self, now: str) -> list[dict[str, str]]:
        """The languages readers may choose from, each by its own name; ``now``: the one they have. At least that."""
        others = self.app.settings.site.languages
        codes = dict.fromkeys((self.language, *others, now) if others else (now,))
        return [{"code": each, "name": _name(each), "dir": direction(each)} for each in codes]

    def is_local(self, request: Request) -> bool:
        """A person at this machine, looking at a site that is only there.

        Not a proxy on it (SEMANTICS §5; a bare one adds no header, so a site with a public base_url is never local),
        and not a foreign page with a borrowed name.
        """
        proxied = any(name in _PROXIES or name.startswith(("x-forwarded-", "cf-")) for name in request.headers)
        client = request.client.host if request.client else ""
        local = _is_loopback(_host_name(request)) and _is_loopback(client)
        return self.app.settings.site.is_loopback and local and not proxied

    def shows_mailbox(self, request: Request) -> bool:
        return self.app.rehearsal and self.is_local(request)

    # --- what templates are shown

    def topics(self) -> list[dict[str, str]]:
        return [{"title": t.title, "url": f"{self.base}/topics/{t.slug}"} for t in self.app.topics.all()]

    def digests(self, topic: str | None = None) -> list[dict[str, Any]]:
        digests = self.app.settings.digests
        wanted = [d for d in digests if topic is None or not d.topics or topic in self.app.topics.today(d.topics)]
        return [self.digest(digest) for digest in wanted]

    def digest(self, digest: Digest) -> dict[str, Any]:
        return {
            "title": digest.title,
            "url": f"{self.base}/digests/{real_slug(digest.slug)}",
            "schedule": schedule(digest),
            "archive_url": f"{self.base}/issues/{digest.slug}" if digest.archive else "",
        }

    def authors(self, entries: Sequence[Entry]) -> Authors:
        """Those of a whole page at once."""
        return self.app.authors.find(dict.fromkeys(name for entry in entries for name in entry.authors))

    def author_url(self, author: AuthorRef) -> str:
        return f"{self.absolute}/authors/{author.slug}"

    def entry(self, entry: Entry, authors: Authors) -> dict[str, object]:
        """``url`` is our page, in full; lists of articles link to the article's own address through ``entry_line``.

        ``lang`` is "" where the words are in the language of the site.
        """
        site = self.app.settings.site
        return {
            **asdict(entry),
            "url": f"{self.absolute}/entries/{entry.key}",
            "lang": entry.language if entry.language and entry.language != site.language else "",
            "dir": direction_of(entry.title, entry.language, site.language),
            "authors_text": authors_text(entry.authors, site.language),
            "byline": self._byline(entry, authors),
            "content_html": Markup(entry.content_html),  # noqa: S704 - sanitised when it was picked up
            "topics": [{"title": t.title, "url": f"{self.base}/topics/{t.slug}"} for t in entry.topics],
            "picture": None if _shows(entry) else entry.image,
            "files": [{**asdict(each), "name": each.title or _file_name(each.url)} for each in entry.enclosures],
        }

    def entry_line(self, entry: Entry, authors: Authors) -> dict[str, object]:
        return {**self.entry(entry, authors), "url": entry.link or f"{self.base}/entries/{entry.key}"}

    def entry_lines(self, entries: Sequence[Entry]) -> list[dict[str, object]]:
        authors = self.authors(entries)
        return [self.entry_line(entry, authors) for entry in entries]

    def _byline(self, entry: Entry, authors: Authors) -> Markup:
        """As ``authors_text``, with a link to the page of each author who has one."""
        names = [self._author(name, authors.get(name)) for name in entry.authors]
        return Markup(enumerated(names, self.app.settings.site.language))  # noqa: S704 - every name is escaped

    def _author(self, name: str, author: AuthorRef | None) -> str:
        """Set apart from the words around it, which may run in the other direction."""
        if author is None:
            return Markup("<bdi>{}</bdi>").format(name)
        return Markup('<a href="{}/authors/{}"><bdi>{}</bdi></a>').format(self.base, author.slug, name)


def _name(tag: str) -> str:
    """ "Deutsch" for de, "العربية" for ar."""
    try:
        locale = Locale.parse(tag, sep="-")
    except (UnknownLocaleError, ValueError):
        return tag
    name = locale.get_display_name(locale) or tag
    return name[:1].upper() + name[1:]


def _shows(entry: Entry) -> bool:
    """Whether the picture stands in the text of the article already."""
    return entry.image is not None and f'src="{escape(entry.image.url)}"' in entry.content_html


def _file_name(url: str) -> str:
    """The last part of the path as people write it; the host where there is none."""
    parts = urlsplit(url)
    return unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.netloc


def _host_name(request: Request) -> str:
    """The name in the Host header; "" for one that is no name."""
    try:
        return urlsplit("//" + request.headers.get("host", "")).hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    """127.evil.example is somebody's name for this machine, not ours."""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _accent(accent: str) -> str:
    """The site's colour, with the text colour on it that is easier to read; lightened on dark backgrounds."""
    on = "#ffffff" if _luminance(accent) < 0.4 else "#111111"
    light = f"color-mix(in srgb, {accent} 45%, white)"
    dark = f"@media (prefers-color-scheme: dark){{:root{{--accent:{light};--on-accent:#111111}}}}"
    return f"\n:root{{--accent:{accent};--on-accent:{on}}}\n{dark}\n"


def _icon(accent: str) -> str:
    """What a tab shows: three lines of text on the site's colour."""
    on = "#ffffff" if _luminance(accent) < 0.4 else "#111111"
    lines = f'<path d="M8 10h16M8 16h16M8 22h10" stroke="{on}" stroke-width="3"/>'
    square = f'<rect width="32" height="32" rx="5" fill="{accent}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{square}{lines}</svg>\n'


def _luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
