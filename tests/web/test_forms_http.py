"""Forms that no page of ours sends: half characters, too many fields, too much of everything."""

from __future__ import annotations

import pytest
from web_site import ELSEWHERE, Site

from feed_publisher.domain.token import Purpose

ANN = "ann@example.org"
ODD = {"Content-Type": "multipart/form-data; boundary=x; charset=unicode_escape"}


def parts(**fields: str) -> bytes:
    each = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    return "".join([*each, "--x--\r\n"]).encode()


def preferences(site: Site) -> str:
    site.add("On the Coast", "Coastal shipping")
    site.join(ANN)
    return f"/preferences/{site.token(Purpose.PREFERENCES, site.reader(ANN).subscription)}"


@pytest.mark.parametrize("half", ["\\ud800", "a\\udfff"])
def test_half_a_character_is_no_text(site: Site, half: str) -> None:
    page = preferences(site)
    before = site.dump()
    client = site.client(ELSEWHERE)
    zone = parts(digest="weekly", action="save", cadence="weekly", zone=half)
    address = parts(email=f"{half}@example.org")
    for where, form in ((page, zone), ("/digests/weekly", address)):
        answer = client.post(where, content=form, headers=ODD)
        assert answer.status_code == 400
        assert "This form could not be read." in answer.text
    assert site.dump() == before


def test_a_reader_may_choose_hundreds_of_topics(site: Site) -> None:
    page = preferences(site)
    for number in range(600):
        site.add(f"Article {number}", f"A section with a rather long name, number {number}")
    slugs = [topic.slug for topic in site.app.topics.all()]
    form = {"digest": "weekly", "action": "save", "cadence": "weekly", "scope": "some", "topic": slugs}
    answer = site.client(ELSEWHERE).post(page, data=form)
    assert answer.status_code == 303
    assert set(site.reader(ANN).topics) == set(slugs)


def test_what_is_too_much_is_said_in_words_of_ours(site: Site) -> None:
    page = preferences(site)
    client = site.client(ELSEWHERE)
    for form in ({f"n{number}": "" for number in range(2_001)}, {"zone": "x" * 200_001}):
        answer = client.post(page, data=form)
        assert answer.status_code == 413
        assert "This form is too large." in answer.text
    answer = client.post("/digests/weekly", data={f"n{number}": "" for number in range(301)})
    assert answer.status_code == 413
