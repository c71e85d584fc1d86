"""Cells that a spreadsheet shows instead of running them, and back."""

from __future__ import annotations

import re

_RUN = re.compile(r"'*[=+\-@\t\r]")


def guarded(text: str) -> str:
    """Spreadsheets run cells that begin like a formula; an apostrophe in front makes them text."""
    return f"'{text}" if _RUN.match(text) else text


def unguarded(text: str) -> str:
    """The inverse of ``guarded``; also for files of other programs, which guard in the same way."""
    return text[1:] if text.startswith("'") and _RUN.match(text) else text
