"""What mail programs can show: the HTML and CSS we use, and what readers get where a piece of it does not work.

Judged for Gmail (web, Android, iOS), Outlook (the old one for Windows, which renders with Word; the new one and
outlook.com) and Apple Mail, after what caniemail.com had in November 2026. "" means that it works in all of them.
"""

from __future__ import annotations

import re

_PLAIN = (
    "html head meta title table tbody tr td th div span p h1 h2 h3 h4 a img br b strong em i u ul ol li hr"
    " blockquote pre code sup sub small center"
)

ELEMENTS: dict[str, str] = dict.fromkeys(_PLAIN.split(), "") | {
    "body": "Gmail and Outlook on the web put a div in its place; the colour of the page stands on a table as well",
    "style": "Gmail leaves it out for accounts of other providers; what matters is inlined",
}

PROPERTIES: dict[str, str] = {
    "background": "only colours are used",
    "background-color": "",
    "border": "Word: unreliable on p and div, so only lines that mean nothing stand there",
    "border-bottom": "Word: unreliable on headings; the line is missing",
    "border-bottom-color": "Word: only in the rules for dark mode, which it ignores",
    "border-top": "Word: unreliable on p and div; the line is missing",
    "border-top-color": "Word: only in the rules for dark mode, which it ignores",
    "border-radius": "Word: square corners",
    "color": "",
    "color-scheme": "Gmail, Outlook: they darken by rules of their own, or not at all",
    "display": "Word: only none works, and only because mso-hide says so, too; a button is as small as its words",
    "font": "",
    "font-family": "",
    "font-size": "px only",
    "font-weight": "bold only",
    "height": "Word: not on pictures; it shows them in the proportions they have",
    "line-height": "Word: a little more or less than meant",
    "margin": "no negative values, no auto",
    "max-height": "Word: ignored; mso-hide hides the preheader",
    "max-width": "Word: only on tables; a table of 600 px stands around, and pictures have a width",
    "mso-hide": "Word only",
    "overflow": "Word: ignored; mso-hide hides the preheader",
    "padding": "Word: only on cells; headings stand closer to their line",
    "padding-bottom": "Word: only on cells; headings stand closer to their line",
    "padding-left": "Word: only on cells, where alone it stands",
    "padding-right": "Word: only on cells, where alone it stands",
    "padding-top": "Word: only on cells, where alone it stands",
    "supported-color-schemes": "older Apple Mail only",
    "text-align": "left and right only, for start and end are not known everywhere",
    "text-decoration": "Word: only whether there is a line",
    "text-decoration-color": "Word, Gmail for other accounts: the line has the colour of the text",
    "text-decoration-thickness": "Gmail, Outlook: a line as thick as usual",
    "width": "Word: not on pictures, which have the attribute",
    "word-break": "Gmail, Outlook: long addresses break at other places",
}

AT_RULES: dict[str, str] = {
    "@media (max-width": "Word: ignored; the mail stays 600 px wide",
    "@media (prefers-color-scheme: dark)": "Gmail and Word: ignored; they darken by rules of their own, or not at all",
}


def foreign_rules(styles: str) -> set[str]:
    """At-rules of a style sheet that are in no table, such as "@font-face"."""
    found = {" ".join(rule.split()) for rule in re.findall(r"@[^{;]+", styles)}
    return {rule for rule in found if not rule.startswith(tuple(AT_RULES))}


def foreign_properties(declarations: str) -> set[str]:
    """Properties of a style attribute, or of what stands between braces, that are in no table."""
    names = (part.partition(":")[0].strip().lower() for part in declarations.split(";") if ":" in part)
    return {name for name in names if name not in PROPERTIES}
