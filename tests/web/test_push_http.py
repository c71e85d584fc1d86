"""Pushing over HTTP: who may, what is refused and how it is said, and that repeating a request does no harm."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from test_real_server import raw, running
from web_site import ELSEWHERE, Site, opened

from feed_publisher.domain.model import Entry, Image
from feed_publisher.domain.source import SourceState
from feed_publisher.ports.pickup import Page
from feed_publisher.web.bodies import read_body

SOURCES = """
[[sources]]
slug = "desk"
kind = "push"

[[sources]]
slug = "agency"
kind = "push"
topics = ["Agency"]

[[sources]]
slug = "blog"
kind = "feed"
location = "https://blog.example/feed"
"""
PATH = "/api/v1/entries"
FERRY = {
    "id": "ferry",
    "title": "The Last Ferry",
    "link": "https://harbour.example/ferry",
    "authors": ["I. Solvane", {"name": "J. Brandt"}],
    "summary": "She left with the tide.",
    "content_html": "<p>Gone. <script>x</script></p>",
    "topics": ["Coastal shipping"],
    "published": "2026-11-20T07:30:00Z",
}


@pytest.fixture
def desk(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    with opened(tmp_path / "site", sqlite_template, rest=SOURCES) as site:
        site.app.intake.configured()
        yield site


@pytest.fixture
def client(desk: Site) -> TestClient:
    """Someone elsewhere who has the token of the source "desk"."""
    client = desk.client(ELSEWHERE)
    client.headers["authorization"] = f"Bearer {desk.app.intake.pushing().new_token('desk')}"
    return client


def entries(site: Site) -> list[Entry]:
    return site.app.entries.page(Page(limit=1000))


def push(client: TestClient, body: object, **headers: str) -> Any:
    return client.post(PATH, content=json.dumps(body), headers={"content-type": "application/json", **headers})


def push_bytes(client: TestClient, body: bytes, **headers: str) -> Any:
    return client.post(PATH, content=body, headers={"content-type": "application/json", **headers})


# --- taking


def test_pictures_and_files_are_taken(desk: Site, client: TestClient) -> None:
    image = {"url": "https://harbour.example/p.jpg", "alt": "A pier", "credit": "Ida"}
    talk = {"url": "https://harbour.example/e.mp3", "type": "audio/mpeg", "length": 12}
    files = [talk, "https://harbour.example/n.pdf"]
    assert push(client, {**FERRY, "image": image, "enclosures": files}).status_code == 200
    (entry,) = entries(desk)
    assert entry.image == Image(**image)
    assert [(each.url, each.type, each.length) for each in entry.enclosures] == [
        ("https://harbour.example/e.mp3", "audio/mpeg", 12),
        ("https://harbour.example/n.pdf", "application/pdf", 0),
    ]


def test_wrong_pictures_and_files_are_named(desk: Site, client: TestClient) -> None:
    wrong = [
        {"image": "p.jpg"},
        {"image": {"alt": "A"}},
        {"enclosures": [{"url": "https://x.example/", "length": "x"}]},
    ]
    errors = push(client, {"entries": [{**FERRY, **each} for each in wrong]}).json()["errors"]
    assert [(each["entry"], each["field"]) for each in errors] == [
        (0, "image"),
        (1, "image.url"),
        (2, "enclosures[0].length"),
    ]
    assert entries(desk) == []


def test_an_entry_is_new_then_unchanged_then_changed(desk: Site, client: TestClient) -> None:
    first, again = push(client, FERRY), push(client, {"entries": [FERRY]})
    desk.clock.pass_(hours=1)
    changed = push(client, {**FERRY, "title": "The Very Last Ferry Leaves"})

    assert (first.status_code, again.status_code, changed.status_code) == (200, 200, 200)
    assert [answer.json()["entries"][0]["result"] for answer in (first, again, changed)] == [
        "new",
        "unchanged",
        "changed",
    ]
    assert len({answer.json()["entries"][0]["key"] for answer in (first, again, changed)}) == 1
    (entry,) = entries(desk)
    assert entry.title == "The Very Last Ferry Leaves"
    assert entry.authors == ("I. Solvane", "J. Brandt")
    assert [topic.title for topic in entry.topics] == ["Coastal shipping"]
    assert "script" not in entry.content_html
    assert (entry.source, entry.state) == ("desk", "public")


def test_several_are_answered_in_their_order(desk: Site, client: TestClient) -> None:
    titles = ["Gamma", "Alpha", "Beta"]
    answer = push(client, {"entries": [{"id": title, "title": title} for title in titles]})
    assert [each["title"] for each in answer.json()["entries"]] == titles


def test_pushed_articles_are_published(desk: Site, client: TestClient) -> None:
    push(client, FERRY)
    desk.app.publish()
    assert "The Last Ferry" in client.get("/feeds/coastal-shipping.atom").text


def test_the_topics_of_the_source_are_kept(desk: Site) -> None:
    token = desk.app.intake.pushing().new_token("agency")
    push(desk.client(), FERRY, authorization=f"bearer {token}")
    assert [topic.title for topic in entries(desk)[0].topics] == ["Agency"]


@pytest.mark.parametrize("name", ["ferry", "https://harbour.example/ferry"], ids=["id", "link"])
def test_withdrawing_by_id_or_link_and_pushing_again(desk: Site, client: TestClient, name: str) -> None:
    push(client, FERRY)

    gone, twice = client.delete(PATH, params={"id": name}), client.delete(PATH, params={"id": name})

    assert (gone.status_code, gone.json()) == (200, {"withdrawn": ["The Last Ferry"]})
    assert (twice.status_code, twice.json()) == (404, {"withdrawn": []})
    assert entries(desk)[0].state == "withdrawn"
    push(client, FERRY)
    assert entries(desk)[0].state == "public"


def test_nobody_withdraws_what_another_source_brought(desk: Site, client: TestClient) -> None:
    push(client, FERRY)
    agency = f"Bearer {desk.app.intake.pushing().new_token('agency')}"
    for name in ("ferry", "https://harbour.example/ferry"):
        assert client.delete(PATH, params={"id": name}, headers={"authorization": agency}).status_code == 404
    assert entries(desk)[0].state == "public"


@pytest.mark.parametrize(
    ("id", "status"),
    [("", 422), ("x" * 2049, 422), ("\0", 404), ("\ud800".encode("utf-16-le", "surrogatepass"), 404), ("'; --", 404)],
)
def test_strange_ids_withdraw_nothing(desk: Site, client: TestClient, id: str | bytes, status: int) -> None:
    push(client, FERRY)
    assert client.delete(PATH, params={"id": id}).status_code == status
    refused = client.delete(PATH)
    assert refused.status_code == 422
    assert [(fault["entry"], fault["field"]) for fault in refused.json()["errors"]] == [(None, "id")]
    assert entries(desk)[0].state == "public"


# --- who may


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic eDp5",
        "fp_x",
        "Bearer " + "x" * 100_000,
        "Bearer \xff\xfe",
        "Bearer a b",
    ],
    ids=lambda text: str(text)[:12],
)
def test_all_who_have_no_token_get_the_same_answer(desk: Site, authorization: str | None) -> None:
    nobody = desk.client(ELSEWHERE)
    headers = {} if authorization is None else {b"authorization": authorization.encode("latin-1")}
    before = desk.dump()
    for answer in (
        nobody.post(PATH, content=b"[", headers=headers),
        nobody.delete(PATH, params={"id": "ferry"}, headers=headers),
    ):
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json() == {"detail": "Send the header Authorization: Bearer TOKEN with the token of a source."}
    assert desk.dump() == before


def test_an_older_token_ends(desk: Site, client: TestClient) -> None:
    desk.app.intake.pushing().new_token("desk")
    assert push(client, FERRY).status_code == 401


@pytest.mark.parametrize("state", [SourceState.PAUSED, SourceState.RETIRED])
def test_a_source_that_is_not_active_takes_nothing(desk: Site, client: TestClient, state: SourceState) -> None:
    desk.app.sources.set_state("desk", state, "by the night desk", desk.clock())
    answer = push(client, FERRY)
    assert answer.status_code == 403
    assert f"{state}: by the night desk" in answer.json()["detail"]
    assert client.delete(PATH, params={"id": "ferry"}).status_code == 403
    assert entries(desk) == []


def test_a_source_of_another_kind_takes_nothing(desk: Site) -> None:
    token = desk.app.intake.pushing().new_token("blog")
    answer = push(desk.client(), FERRY, authorization=f"Bearer {token}")
    assert answer.status_code == 403
    assert 'kind = "push"' in answer.json()["detail"]


def test_a_source_that_is_configured_no_more_takes_nothing(desk: Site, client: TestClient) -> None:
    desk.app.settings = desk.app.settings.model_copy(update={"sources": ()})
    assert push(client, FERRY).status_code == 403


# --- what is refused


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "line 1, column 1"),
        (b'{"title":\n "A",\n nonsense}', "line 3, column 2"),
        (b'{"title": "A", "title": "B"}', "“title” twice"),
        (b'{"title": "A", "authors": [{"name": "a", "name": "b"}]}', "“name” twice"),
        (b'{"title": NaN}', "NaN"),
        (b'{"id": -Infinity, "title": "A"}', "Infinity"),
        (b'{"id": ' + b"9" * 5000 + b"}", "thousands of digits"),
        (b"[" * 100_000, "too deep"),
        (b'{"title":' * 100_000, "too deep"),
        (b'{"title": ' + b"[" * 100 + b"]" * 100 + b"}", "too deep"),
        (b'{"title": "\xff"}', "byte 11"),
        ('{"title": "A"}'.encode("utf-16"), "not UTF-8"),
    ],
    ids=str,
)
def test_what_is_not_json_is_refused_with_its_place(desk: Site, client: TestClient, body: bytes, words: str) -> None:
    answer = push_bytes(client, body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]
    assert entries(desk) == []


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("title", None, "missing"),
        ("title", 7, "a number"),
        ("title", ["A"], "a list"),
        ("title", "x" * 501, "500"),
        ("title", "\ud800", "missing"),
        ("published", "yesterday", "is not a date"),
        ("published", True, "true or false"),
        ("published", 1e999, "a number"),
        ("link", "javascript:alert(1)", "not a web address"),
        ("link", {"href": "x"}, "an object"),
        ("topics", [{}], "an object"),
        ("topics", ["x"] * 101, "101"),
        ("authors", [[]], "a list"),
        ("language", "<b>", "not a language"),
        ("id", [], None),
        ("id", {"a": 1}, "an object"),
        ("summary", "x" * 20_001, "20,000"),
        ("content_html", 5, "a number"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    desk: Site, client: TestClient, field: str, value: object, words: str | None
) -> None:
    body = json.dumps({"entries": [FERRY, {"title": "B", field: value}]}).replace("Infinity", "1e999")
    answer = push_bytes(client, body.encode())
    if words is None:
        assert answer.status_code == 200
        return
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["entry"], error["field"]) == (1, field)
    assert words in error["reason"]
    assert entries(desk) == []


def test_everything_that_is_wrong_is_named_at_once(client: TestClient) -> None:
    body = {"entries": [{"titel": "A"}, FERRY, {"title": "C", "date": "soon", "weight": 7}, "D", None]}
    errors = push(client, body).json()["errors"]
    assert [(each["entry"], each["field"]) for each in errors] == [
        (0, "titel"),
        (0, "title"),
        (2, "weight"),
        (2, "date"),
        (3, ""),
        (4, ""),
    ]
    assert "did you mean “title”?" in errors[0]["reason"]
    assert "content_html" in errors[2]["reason"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([FERRY], ""),
        ("A", ""),
        (None, ""),
        (7, ""),
        ({}, "title"),
        ({"entries": []}, "entries"),
        ({"entries": {}}, "entries"),
        ({"entries": [FERRY] * 501}, "entries"),
        ({"entries": [FERRY], "topics": []}, "topics"),
        ({"items": [FERRY]}, "items"),
        ({**FERRY, "\ud800\u202e\n" + "x" * 999: 1}, "\\ud800\\u202e\\n" + "x" * 77),
        ({**FERRY, "__proto__": {"a": 1}}, "__proto__"),
    ],
    ids=lambda value: str(value)[:30].encode("ascii", "replace").decode(),
)
def test_another_shape_is_refused_in_words(desk: Site, client: TestClient, body: object, field: str) -> None:
    answer = push(client, body)
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert entries(desk) == []


def test_half_characters_and_controls_are_dropped(desk: Site, client: TestClient) -> None:
    hostile = {"title": "A\ud800\0 ferry", "content_html": "<p>\udfff\0x</p>", "id": "\ud800a\0", "topics": ["\udc00T"]}
    assert push(client, hostile).status_code == 200
    assert entries(desk)[0].title == "A ferry"


@pytest.mark.parametrize("type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "json"])
def test_only_json_is_read(client: TestClient, type: str) -> None:
    assert push(client, FERRY, **{"content-type": type}).status_code == 415
    assert push(client, FERRY, **{"content-type": "Application/JSON ; charset=utf-8"}).status_code == 200
    assert push(client, FERRY, **{"content-encoding": "gzip"}).status_code == 415


def test_a_long_body_is_not_read_to_its_end(desk: Site, client: TestClient) -> None:
    assert push_bytes(client, b'"' + b"x" * 5_000_000).status_code == 413
    lines = [
        f"POST {PATH} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        "Content-Length: 5000001",
        "Content-Type: application/json",
        f"Authorization: {client.headers['authorization']}",
    ]
    with running(desk) as port:
        status, _, body = raw(port, "\r\n".join(lines).encode() + b"\r\n\r\n")  # and not even a first byte
    assert (status, b"5 MB" in body) == (413, True)


@pytest.mark.parametrize("declared", [b"", b"x", b"-1", "\u00b2".encode(), b"10"])
def test_a_body_without_an_end_is_cut(declared: bytes) -> None:
    asked = 0

    async def receive() -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    request = Request({"type": "http", "headers": [(b"content-length", declared)]}, receive)
    assert asyncio.run(read_body(request, 5000)) is None
    assert asked == 6


def test_strangers_are_refused_before_their_body_is_read(desk: Site) -> None:
    assert desk.client(ELSEWHERE).post(PATH, content=b"x" * 6_000_000).status_code == 401


# --- again and at once


def test_an_idempotency_key_repeats_the_answer(desk: Site, client: TestClient) -> None:
    key = {"idempotency-key": '"3f6c"'}
    first, again = push(client, FERRY, **key), push(client, FERRY, **key)
    other = push(client, {"title": "Another"}, **key)

    assert first.json() == again.json()
    assert first.json()["entries"][0]["result"] == "new"
    assert other.status_code == 422
    assert other.json()["errors"][0]["field"] == "Idempotency-Key"
    assert len(entries(desk)) == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "é", "\x7f"])
def test_a_key_is_visible_ascii(desk: Site, client: TestClient, key: str) -> None:
    answer = client.post(
        PATH, json=FERRY, headers={b"idempotency-key": key.encode("latin-1"), b"content-type": b"application/json"}
    )
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert entries(desk) == []


@pytest.mark.parametrize("key", [{}, {"idempotency-key": "same"}], ids=["without a key", "with a key"])
def test_the_same_request_at_the_same_time_gives_each_entry_once(
    desk: Site, client: TestClient, key: dict[str, str]
) -> None:
    items = [{"id": str(n), "title": f"Article {n}"} for n in range(20)] + [{"title": "Without id or link"}]
    body = json.dumps({"entries": items})
    headers = {"authorization": client.headers["authorization"], "content-type": "application/json", **key}
    answers: list[httpx2.Response] = []
    gate = threading.Barrier(6)

    def send(base: str) -> None:
        with httpx2.Client(base_url=base, timeout=60) as real:
            gate.wait()
            answers.append(real.post(PATH, content=body, headers=headers))

    with running(desk) as port:
        threads = [threading.Thread(target=send, args=(f"http://127.0.0.1:{port}",)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert [answer.status_code for answer in answers] == [200] * 6
    assert len({tuple(each["key"] for each in answer.json()["entries"]) for answer in answers}) == 1
    assert len(entries(desk)) == 21


def test_five_hundred_take_a_few_seconds(desk: Site, client: TestClient) -> None:
    items = [{**FERRY, "id": str(n), "link": f"https://a.example/{n}", "title": f"Article {n}"} for n in range(500)]
    began = time.monotonic()
    answer = push(client, {"entries": items})
    assert answer.status_code == 200
    assert len(answer.json()["entries"]) == 500
    assert time.monotonic() - began < 10


def test_openapi_tells_how_to_push(desk: Site) -> None:
    described = desk.client().get("/api/v1/openapi.json").json()
    post, delete = described["paths"][PATH]["post"], described["paths"][PATH]["delete"]
    media = post["requestBody"]["content"]["application/json"]

    assert described["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert post["security"] == delete["security"] == [{"HTTPBearer": []}]
    assert {"200", "400", "401", "403", "413", "415", "422"} <= set(post["responses"])
    assert "Idempotency-Key" in [each["name"].title() for each in post["parameters"]]
    assert "$defs" not in json.dumps(media)
    fields = media["schema"]["anyOf"][0]["properties"]
    assert "credit" in json.dumps(fields["image"])
    assert "length" in json.dumps(fields["enclosures"])
    assert "get" in described["paths"][PATH]


def test_the_examples_of_openapi_are_taken(client: TestClient) -> None:
    described = client.get("/api/v1/openapi.json").json()
    examples = described["paths"][PATH]["post"]["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        assert push(client, example["value"]).status_code == 200
