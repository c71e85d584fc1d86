"""What stands in a mail by mistake, and what is missing: placeholders, dead links, the way out, the postal address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

from feed_publisher.domain.finding import Finding, advice, error

MOST_HTML = 100_000
"""Bytes. Gmail cuts a mail a little above that, and with it the link to unsubscribe."""

NEAR_TOP = 30_000
"""Bytes of HTML, mostly styles, within which the first link to unsubscribe must stand."""

POSTAL = 'class="postal"'
"""How the shipped templates mark the sender's postal address."""

_MARKER = re.compile(r"fpm[0-9a-f]{8,}[a-z_]*mpf")
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
_RESERVED = re.compile(r"(?:.*\.)?(?:example(?:\.(?:com|net|org))?|invalid|test|localhost)")
"""Names that lead nowhere for readers (RFC 2606)."""


def lint_words(subject: str, text: str, html: str, unsubscribe: str) -> Iterator[Finding]:
    """``unsubscribe`` is the reader's own link, or "" in a letter."""
    size = len(html.encode())
    if size >= MOST_HTML:
        yield error("size", f"The HTML has {size // 1000} kB; Gmail cuts it at 100. Mail fewer articles at once.")
    for name, part in (("subject", subject), ("text", text), ("HTML", html)):
        yield from _leftovers(name, part)
    for host in sorted(_dead_hosts(text + unescape(html))):
        yield advice("dead link", f"Links lead to {host}, where readers find nothing; is site.base_url right?")
    if unsubscribe:
        yield from _way_out(text, unescape(html), unsubscribe)
    if html and POSTAL not in html:
        yield advice("postal address", "No postal address is printed; many countries require it (site.postal_address).")


def _leftovers(name: str, part: str) -> Iterator[Finding]:
    if _MARKER.search(part):
        yield error("placeholder", f"The {name} holds a marker where a reader's own link should be.")
    if found := re.search(r"\{\{|\}\}|\{%|%\}|\{#", part):
        yield advice("placeholder", f"The {name} shows {found.group()}; was a template not filled in?")
    if re.search(r"=\"None\"|>\s*None\s*<|^\s*None\s*$|/None\b", part, re.M):
        yield advice("placeholder", f'The {name} shows "None"; does a template print a value that is not there?')


def _dead_hosts(part: str) -> set[str]:
    return {host for address in _ADDRESS.findall(part) if (host := _host(address)) and _is_dead(host)}


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _is_dead(host: str) -> bool:
    return _RESERVED.fullmatch(host) is not None or host.startswith("127.") or host in ("0.0.0.0", "::1")  # noqa: S104


def _way_out(text: str, html: str, unsubscribe: str) -> Iterator[Finding]:
    for name, part in (("text", text), ("HTML", html)):
        if unsubscribe not in part:
            yield error("unsubscribe", f"The {name} has no link to unsubscribe.")
    if unsubscribe in html and html.index(unsubscribe) > NEAR_TOP:
        yield advice("unsubscribe", "The first link to unsubscribe stands far down; put one near the top as well.")
