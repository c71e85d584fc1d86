from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flow.flow_site import MONDAY, Site
from flow.publisher import READERS, Newsroom, Publisher, follow


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    """A site without articles or readers, in the built-in mailbox; its books must balance in the end."""
    made = Site(tmp_path / "site").make()
    (made.folder / "var").mkdir()
    shutil.copyfile(sqlite_template, made.folder / "var" / "publisher.sqlite3")
    yield made
    made.assert_books_balance()


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with Publisher(now=MONDAY).running() as publisher:
        yield publisher


@pytest.fixture
def newsroom(publisher: Publisher) -> Newsroom:
    return Newsroom(publisher)


@pytest.fixture
def magazine(tmp_path: Path, publisher: Publisher) -> Site:
    site = Site(tmp_path / "site").make()
    follow(site, publisher)
    site.join(READERS)
    return site
