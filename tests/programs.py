"""Programs of the system that some tests run: missing ones skip a test on a developer's machine, and fail it in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def needed(name: str, untested: str) -> str:
    """The path of a program; ``untested`` says what is not tried without it."""
    found = shutil.which(name)
    if found is None:
        if os.environ.get("CI") == "true":
            raise RuntimeError(f"{name} is missing")
        print(f"\n*** NO {name.upper()}: {untested} ***")
        pytest.skip(f"no {name}")
    return found
