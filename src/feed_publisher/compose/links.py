"""Web addresses as mails show them."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import unquote_plus, urlsplit


def host_of(url: str) -> str:
    """In lower case, without the port; "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # "Invalid IPv6 URL"
        return ""


def with_parameters(url: str, parameters: str, hosts: Collection[str]) -> str:
    """The address with ``name=value&…`` added, when it leads to one of the hosts.

    What it has of its own stays as it is, byte for byte: a parameter of the same name, the rest of the query, the
    fragment.
    """
    if not parameters or not url.lower().startswith(("http://", "https://")) or host_of(url) not in hosts:
        return url
    page, hash_sign, fragment = url.partition("#")
    path, _, query = page.partition("?")
    had = {_name(pair) for pair in query.split("&")}
    added = "&".join(pair for pair in parameters.split("&") if _name(pair) not in had)
    if not added:
        return url
    between = "&" if query and not query.endswith("&") else ""
    return f"{path}?{query}{between}{added}{hash_sign}{fragment}"


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])
