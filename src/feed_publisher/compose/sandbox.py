"""The Jinja environment templates run in: text is data, and no template runs for ever or without end.

The templates of a site are its operator's own files. The sandbox is there for their mistakes, and for the day on which
somebody edits them who may not run commands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from jinja2 import Environment, TemplateRuntimeError, nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

MOST_STEPS = 500_000
"""Rounds of loops and calls in one rendering; a mail of 200 articles takes a few thousand."""

MOST_CHARACTERS = 2_000_000
"""What one rendering may write."""

_steps: ContextVar[list[int] | None] = ContextVar("steps", default=None)


class TooMuchError(TemplateRuntimeError):
    """A template does not come to an end."""


class Sandbox(SandboxedEnvironment):
    """Counts the rounds of every loop and every call of a rendering."""

    intercepted_binops = frozenset({"*", "**"})

    def _generate(
        self, source: nodes.Template, name: str | None, filename: str | None, defer_init: bool = False
    ) -> str:
        """Every loop of the template goes through ``counted``."""
        for loop in source.find_all(nodes.For):
            loop.iter = nodes.Call(
                nodes.EnvironmentAttribute("counted", lineno=loop.lineno),
                [loop.iter],
                [],
                None,
                None,
                lineno=loop.lineno,
            )
        return super()._generate(source, name, filename, defer_init)

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        """The items, one step each."""
        for item in items:
            _step()
            yield item

    def call(self, context: Context, called: Any, *args: Any, **kwargs: Any) -> Any:
        _step()
        return super().call(context, called, *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """A product of text, or a power, that would fill the memory is refused."""
        size = max((len(side) for side in (left, right) if isinstance(side, str | list | tuple)), default=0)
        times = max((side for side in (left, right) if isinstance(side, int)), default=0)
        if size * times > MOST_CHARACTERS or (operator == "**" and times > 1000):
            raise TooMuchError("the result of a multiplication would be too large")
        return super().call_binop(context, operator, left, right)


def limited(templates: Environment, name: str, context: dict[str, object]) -> str:
    """A template rendered; TooMuchError, raised where the template was, when it takes too many steps or characters."""
    token = _steps.set([MOST_STEPS])
    try:
        pieces: list[str] = []
        written, piece_of = 0, templates.get_template(name).generate(**context)
        for piece in piece_of:
            pieces.append(piece)
            written += len(piece)
            if written > MOST_CHARACTERS:
                piece_of.throw(TooMuchError(f"it writes more than {MOST_CHARACTERS:,} characters"))  # type: ignore[attr-defined]
        return "".join(pieces)
    finally:
        _steps.reset(token)


def _step() -> None:
    left = _steps.get()
    if left is None:
        return  # not in a rendering of ours
    left[0] -= 1
    if left[0] < 0:
        raise TooMuchError(f"it takes more than {MOST_STEPS:,} steps; is there a loop without an end?")
