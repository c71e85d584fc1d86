"""Pages while a digest goes to the operators only: its readers are promised no date, nobody else gets its shadow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from web_site import ELSEWHERE, Site, opened

from feed_publisher.domain.token import Purpose

ANN, DESK = "ann@example.org", "desk@harbour.example"
REST = f"""recipients = "operators"
[mail]
operators = ["{DESK}"]
"""


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    """The digest "towns" goes to the operators only."""
    with opened(tmp_path / "site", sqlite_template, rest=REST) as made:
        made.add("The Street That Floods")
        yield made


def preferences(site: Site, address: str, digest: str) -> str:
    return f"/preferences/{site.token(Purpose.PREFERENCES, site.reader(address, digest).subscription)}"


def test_who_subscribes_is_promised_no_date(site: Site) -> None:
    client = site.client(ELSEWHERE)
    assert client.get("/digests/towns").status_code == 200
    client.post("/digests/towns", data={"email": ANN})
    confirm = site.confirm_url(ANN, 1, "towns")
    for answer in (client.get(confirm), client.post(confirm, data={"confirm": "yes"})):
        assert "<dd>the date is not set yet</dd>" in answer.text
    assert site.state(ANN, "towns") == "active"
    assert "<dd>the date is not set yet</dd>" in client.get(preferences(site, ANN, "towns")).text


def test_nobody_can_subscribe_to_the_shadow(site: Site) -> None:
    before = site.dump()
    client = site.client(ELSEWHERE)
    for path in ("/digests/towns~desk", "/issues/towns~desk", "/feeds/digests/towns~desk.atom"):
        assert client.get(path).status_code == 404, path
    assert client.post("/digests/towns~desk", data={"email": ANN}).status_code == 404
    assert "~" not in client.get("/").text
    assert site.dump() == before
    site.join(ANN)
    mine = preferences(site, ANN, "weekly")
    assert "~" not in client.get(mine).text, "it is not offered"
    answer = client.post(mine, data={"digest": "towns~desk", "action": "join"})
    assert (answer.status_code, "no such newsletter" in answer.text) == (422, True)
    assert site.state(ANN, "towns~desk") == "nobody"


def test_an_operator_chooses_how_often_and_may_leave(site: Site) -> None:
    client, mine = site.client(ELSEWHERE), preferences(site, DESK, "towns~desk")
    page = client.get(mine).text
    assert "Towns &amp; Tides, for the operators only" in page
    assert "Monday, November 23, 2026 at 07:00" in page
    wanted = {"action": "save", "cadence": "weekly", "scope": "all", "hour": "09:00", "zone": ""}
    assert client.post(mine, data={"digest": "towns~desk", **wanted}).status_code == 303
    assert site.reader(DESK, "towns~desk").at == "09:00"
    leave = f"/unsubscribe/{site.token(Purpose.UNSUBSCRIBE, site.reader(DESK, 'towns~desk').subscription)}"
    page = client.get(leave).text
    assert "Towns &amp; Tides" in page
    assert "towns~desk" not in page
    assert client.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert site.state(DESK, "towns~desk") == "unsubscribed"


def test_the_operator_sees_who_waits(site: Site) -> None:
    client = site.client()
    text = client.get("/admin/digests").text
    assert "goes to the 1 operator only; 0 readers wait, every Monday at 07:00" in text
    assert "Monday, 23 November 2026 at 07:00" in text, "when the desk gets it"
    for slug in ("towns", "towns~desk"):
        assert client.get(f"/admin/digests/{slug}/preview").status_code == 200
    assert site.app.overview().due == [
        "The Quay Letter, weekly: Mon 23 Nov 07:00.",
        "The Quay Letter, daily: Mon 23 Nov 07:00.",
        "Towns & Tides (for the operators only), weekly: Mon 23 Nov 07:00.",
    ]
