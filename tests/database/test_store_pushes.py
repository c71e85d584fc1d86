"""Tokens of push sources, and the answers that are remembered for repeated pushes."""

from __future__ import annotations

import pytest
from database_world import DAY, HOUR, NOW, World

from feed_publisher.adapters.database.engine import Database
from feed_publisher.adapters.database.store.pushes import SqlPushStore
from feed_publisher.domain.errors import NotFoundError, StorageError
from feed_publisher.ports.pickup import Answered


@pytest.fixture
def pushes(world: World, database: Database) -> SqlPushStore:
    world.entries.add_source("cms", "push", NOW)
    world.entries.add_source("wire", "push", NOW)
    return SqlPushStore(database)


def test_a_token_leads_to_its_source_until_there_is_a_new_one(pushes: SqlPushStore) -> None:
    assert pushes.owner("a" * 64) is None
    pushes.set_token("cms", "a" * 64)
    pushes.set_token("wire", "b" * 64)
    assert (pushes.owner("a" * 64), pushes.owner("b" * 64)) == ("cms", "wire")
    pushes.set_token("cms", "c" * 64)
    assert (pushes.owner("a" * 64), pushes.owner("c" * 64)) == (None, "cms")
    with pytest.raises(NotFoundError, match="no source has the slug nowhere"):
        pushes.set_token("nowhere", "d" * 64)
    with pytest.raises(StorageError):
        pushes.set_token("wire", "c" * 64)
    assert pushes.owner("c" * 64) == "cms", "one token is never two sources'"


def test_the_first_answer_to_a_key_is_remembered_per_source(pushes: SqlPushStore) -> None:
    answer = {"entries": [{"title": "日本 — “One”", "reason": None}]}
    assert pushes.seen("cms", "k") is None
    assert pushes.remember("cms", "k", Answered(request_hash="hash", status=200, response=answer), NOW) is True
    assert pushes.remember("cms", "k", Answered(request_hash="other", status=422, response={}), NOW + HOUR) is False
    assert pushes.seen("cms", "k") == Answered(request_hash="hash", status=200, response=answer)
    assert pushes.seen("wire", "k") is None
    assert pushes.remember("wire", "k" * 255, Answered(request_hash="x", status=200, response=[]), NOW)


def test_old_answers_are_forgotten(pushes: SqlPushStore) -> None:
    pushes.remember("cms", "old", Answered(request_hash="hash", status=200, response={}), NOW)
    pushes.remember("cms", "new", Answered(request_hash="hash", status=200, response={}), NOW + DAY)
    assert pushes.forget(NOW) == 0
    assert pushes.forget(NOW + DAY) == 1
    assert pushes.seen("cms", "old") is None
    assert pushes.seen("cms", "new") is not None
