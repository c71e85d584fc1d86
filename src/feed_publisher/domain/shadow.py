"""The shadow of a digest: what is mailed in its place while it goes to the operators only.

A shadow is a digest of its own, so its issues, readers, cursors and subjects cannot touch those of the real one. Only
its name tells that it is one: ``~`` stands in no slug that anybody may choose.
"""

from __future__ import annotations

_SUFFIX = "~desk"

LONGEST = 80 - len(_SUFFIX)
"""Characters of a slug that may have a shadow: the column holds 80."""


def shadow_of(slug: str) -> str:
    """The slug of a digest's shadow."""
    return slug + _SUFFIX


def is_shadow(slug: str) -> bool:
    return slug.endswith(_SUFFIX)


def real_slug(slug: str) -> str:
    """The slug that people know: that of the digest, be this its shadow's or its own."""
    return slug.removesuffix(_SUFFIX)
