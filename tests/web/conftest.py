"""Sites: one that a whole module only reads, and fresh ones for tests that change something."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_site import Site, filled, opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    """Articles in every state; for tests that change nothing."""
    with filled(tmp_path_factory.mktemp("shared") / "site", sqlite_template) as site:
        yield site


@pytest.fixture
def empty(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    with opened(tmp_path / "site", sqlite_template) as site:
        yield site


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    """The same articles as ``shared``, to be changed."""
    with filled(tmp_path / "site", sqlite_template) as site:
        yield site
