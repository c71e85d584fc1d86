"""Templates rendered: errors name file and line, mails get their CSS inlined."""

from __future__ import annotations

import re
import traceback

import css_inline
from jinja2 import Environment
from jinja2 import TemplateError as JinjaError
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError

from feed_publisher.compose.sandbox import limited
from feed_publisher.domain.errors import TemplateError

_DARK = re.compile(r"(<style>(?:(?!</style>).)*?)(@media[^{]*prefers-color-scheme)", re.S)
_INLINER = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def render(templates: Environment, name: str, **context: object) -> str:
    """One template; whatever goes wrong in it becomes a TemplateError with file, line and reason."""
    try:
        return limited(templates, name, context)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from error
    except TemplateNotFound as error:
        raise TemplateError(f"there is no template {error.name}; put it into templates/ or undo the change") from error
    except OSError as error:
        raise TemplateError(f"templates/{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"templates/{name} is not written in UTF-8: {error.reason}") from error
    except (JinjaError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RuntimeError) as error:
        raise TemplateError(f"{_place(error, name)}: {error}") from error
    except MemoryError as error:
        raise TemplateError(f"{_place(error, name)}: it needs more memory than there is") from error


def inline_css(html: str) -> str:
    """Style rules moved onto the elements, as mail readers need it; media rules stay in the head.

    The inliner puts them into one sheet. Those for dark mode get their own again: a program that stumbles over them
    keeps the others.
    """
    try:
        inlined = _INLINER.inline(html)
    except ValueError as error:
        raise TemplateError(f"the mail's styles cannot be read: {error}; look at style= in the templates") from error
    return _DARK.sub(r"\1</style>\n<style>\n\2", inlined, count=1)


def check_template(templates: Environment, name: str) -> None:
    """Load and compile without rendering."""
    try:
        templates.get_template(name)
    except TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from error
    except TemplateNotFound as error:
        raise TemplateError(f"there is no template {error.name}; put it into templates/ or undo the change") from error
    except OSError as error:
        raise TemplateError(f"templates/{name} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"templates/{name} is not written in UTF-8: {error.reason}") from error


def _place(error: BaseException, name: str) -> str:
    """The innermost template line of the traceback (Jinja rewrites tracebacks to template files)."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [f"{frame.filename}:{frame.lineno}" for frame in frames if frame.filename.endswith((".html", ".txt"))]
    return lines[-1] if lines else name
