"""Topics that go into others, are split, or end: over HTTP, in mails, for readers and for the operator."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from flow.flow_site import DAY, HOUR, Site

from feed_publisher.app import App
from feed_publisher.cli.check_topics import topics_line
from feed_publisher.domain.address import Address, parse_address
from feed_publisher.domain.delivery import DeliveryState
from feed_publisher.domain.errors import ConfigError
from feed_publisher.domain.issue import IssueState
from feed_publisher.ports.people import SubscriberView, Wanted

PORT = '[[topics]]\nslug = "port"\ntitle = "Port"\n'
HARBOUR = '[[topics]]\nslug = "harbour"\ntitle = "Harbour"\n'
MERGED = f'{HARBOUR}was = ["port", "docks"]\n'
SHIPS = '[[topics]]\nslug = "ships"\ntitle = "Ships"\n'
READERS = "email,topics\nann@example.org,port\nben@example.org,harbour\ncat@example.org,\n"


def written(*articles: tuple[str, str]) -> str:
    """Articles by title and topic."""
    return json.dumps(
        [{"id": title, "title": title, "summary": f"Of {title}.", "topics": [t]} for title, t in articles]
    )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Four articles in as many topics, three readers who have had none of them."""
    site = Site(tmp_path / "site").make()
    site.configure(digest=f"{PORT}{HARBOUR}")
    site.write("a.json", written(("Ferry", "Port"), ("Crane", "Docks"), ("Tide", "Harbour"), ("Owl", "Birds")))
    site.pickup()
    site.join(READERS)
    return site


def brought(site: Site) -> dict[str, set[str]]:
    """What the manual send of now brings each reader."""
    before = len(site.mails())
    site.send()
    known = ["Ferry", "Crane", "Tide", "Owl", "Barge", "Lamp"]
    return {mail.to.split("@")[0]: set(mail.titles(known)) for mail in site.mails()[before:]}


def reader(app: App, name: str) -> SubscriberView:
    return app.people.find(app.subscribe.key_of(_address(name)))[0]


def _address(name: str) -> Address:
    return parse_address(f"{name}@example.org")


def check_line(site: Site) -> str:
    with App(site.folder, clock=lambda: site.now, only_looking=True) as app:
        return topics_line(app)


# --- one into another


def test_check_says_what_a_merge_would_do_and_leaves_it(site: Site) -> None:
    site.configure(digest=MERGED)
    for _ in range(2):
        line = check_line(site)
        assert "topic port will be merged into harbour: 1 article, 1 reader who chose it; this cannot be undone" in line
        assert "topic docks will be merged into harbour: 1 article, 0 readers" in line
    site.pickup()
    assert check_line(site) == "2 topics, and nothing to do about any of them"


def test_readers_get_what_they_were_promised_and_then_all_of_it(site: Site) -> None:
    site.configure(digest=MERGED)
    site.write("b.json", written(("Barge", "Port")))
    site.pickup()
    assert brought(site) == {
        "ann": {"Ferry", "Barge"},
        "ben": {"Tide", "Barge"},
        "cat": {"Ferry", "Crane", "Tide", "Owl", "Barge"},
    }
    site.write("c.json", written(("Lamp", "Docks")))
    site.pickup()
    assert brought(site) == {name: {"Lamp"} for name in ("ann", "ben", "cat")}
    with site.open() as app:
        assert reader(app, "ann").topics == ("harbour",)
        (line,) = [e.detail for e in app.preferences.history(reader(app, "ann")) if "came along" in e.detail]
        assert line == "“Harbour” came along: “Port”, which the reader had chosen, was merged into it"
        assert not [e for e in app.preferences.history(reader(app, "ben")) if "came along" in e.detail]


def test_saving_the_page_as_it_is_loses_nothing(site: Site) -> None:
    site.configure(digest=MERGED)
    with site.open() as app:
        wanted = Wanted(cadence="weekly", topics=("harbour",), zone="", at="")
        for name in ("ann", "ben"):
            assert app.preferences.change(reader(app, name), wanted, ["harbour"], site.now)
        history = app.preferences.history(reader(app, "ann"))
        assert [e.detail for e in history if "came along" in e.detail] != []
    assert brought(site) == {"ann": {"Ferry"}, "ben": {"Tide"}, "cat": {"Ferry", "Crane", "Tide", "Owl"}}


def test_old_addresses_lead_on_in_every_form(site: Site) -> None:
    with site.browsing() as client:
        assert client.get("/feeds/birds+port.atom").status_code == 200
        assert client.get("/feeds/harbour+port.atom").status_code == 200
        ids = {item["id"] for slug in ("port", "harbour") for item in client.get(f"/feeds/{slug}.json").json()["items"]}
    site.now += DAY
    site.configure(digest=MERGED)
    leads = {
        "/feeds/port.atom": "/feeds/harbour.atom",
        "/feeds/docks.rss": "/feeds/harbour.rss",
        "/feeds/port.summary.json": "/feeds/harbour.summary.json",
        "/feeds/port/3.atom": "/feeds/harbour/3.atom",
        "/feeds/birds+port.atom": "/feeds/birds+harbour.atom",
        "/feeds/docks+port.json": "/feeds/harbour.json",
        "/feeds/harbour+port.atom": "/feeds/harbour.atom",
        "/topics/port": "/topics/harbour",
    }
    for _ in range(2):  # for ever, also when the configuration has forgotten
        with site.browsing() as client:
            for old, new in leads.items():
                answer = client.get(old)
                assert (answer.status_code, answer.headers.get("location", "").endswith(new)) == (301, True), old
            feed = client.get("/feeds/harbour.json").json()
            assert {item["title"] for item in feed["items"]} == {"Ferry", "Crane", "Tide"}
            assert ids <= {item["id"] for item in feed["items"]}
            assert all(item["tags"] == ["Harbour"] for item in feed["items"])
            titles = [item["title"] for item in client.get("/feeds/birds+harbour.json").json()["items"]]
            assert sorted(titles) == ["Crane", "Ferry", "Owl", "Tide"]
            assert "Port" not in client.get("/topics/harbour").text
            assert "port" not in client.get("/feeds.opml").text
            assert not list(site.feed("").glob("*port*"))
        site.configure(digest=HARBOUR)
    with site.open() as app:
        assert app.feeds.problems() == {}


def test_archives_and_named_feeds_have_both(site: Site) -> None:
    many = [(f"Port {n}", "Port") for n in range(60)] + [(f"Harbour {n}", "Harbour") for n in range(60)]
    named = '[[feeds]]\nslug = "water"\ntitle = "Water"\ntopics = ["port", "birds"]\n'
    site.configure(digest=f"{PORT}{HARBOUR}{named}")
    site.pickup(site.write("b.json", written(*many)))
    site.now += DAY
    site.configure(digest=f"{MERGED}{named}")
    with site.browsing() as client:
        for slug, count in (("harbour", 123), ("water", 124)):
            found, url = list[str](), f"http://127.0.0.1:8000/feeds/{slug}.json"
            while url:
                document = client.get(url.removeprefix("http://127.0.0.1:8000")).json()
                found += [item["title"] for item in document["items"]]
                url = document.get("next_url", "")
            assert (len(found), len(set(found))) == (count, count), slug
    assert "feed water names the topic port, which is harbour now" in check_line(site)
    with site.open() as app:
        assert app.feeds.problems() == {}


def test_a_digest_that_names_an_old_slug_goes_on(site: Site) -> None:
    site.configure(digest=f'topics = ["port"]\n{MERGED}')
    line = check_line(site)
    assert "digest weekly names the topic port, which is harbour now: that is what it has; write harbour" in line
    site.write("b.json", written(("Barge", "Port"), ("Lamp", "Birds")))
    site.pickup()
    assert brought(site)["cat"] == {"Ferry", "Crane", "Tide", "Barge"}
    assert "Lamp" not in str(brought(site))


def test_what_a_digest_has_mailed_under_another_topic_is_not_mailed_again(site: Site) -> None:
    site.configure(digest=f'topics = ["port"]\n{PORT}{HARBOUR}')
    assert brought(site)["cat"] == {"Ferry"}
    site.write("a.json", json.dumps([{"id": "Ferry", "title": "Ferry", "summary": "Of Ferry.", "topics": ["Ships"]}]))
    site.configure(digest=f'topics = ["ships"]\n{PORT}{HARBOUR}{SHIPS}split_from = "port"\n')
    site.pickup()
    assert brought(site) == {}


def test_a_draft_that_waits_across_the_merge(site: Site) -> None:
    site.configure(digest=f'policy = "approve"\n{PORT}{HARBOUR}')
    site.now += 7 * DAY + 3 * HOUR
    (draft,) = site.tick()
    assert draft.state is IssueState.DRAFT
    site.configure(digest=f'policy = "approve"\n{MERGED}')
    with site.open() as app:
        site.write("a.json", written(("Ferry", "Port")).replace("Of Ferry.", "Quite another one."))
        assert {e.topic for e in app.decisions.entries(draft.id)} == {"Harbour", "Birds"}
    site.pickup()
    with site.open() as app:
        assert app.issuing().revise(app.all_rules(), site.now) > 0
        app.issues.change_state(draft.id, (IssueState.DRAFT,), IssueState.READY)
    site.deliver()
    assert site.books(draft.id) == {DeliveryState.SENT.value: 3}
    assert {mail.to.split("@")[0]: set(mail.titles(["Ferry", "Tide"])) for mail in site.mails()} == {
        "ann": {"Ferry"},
        "ben": {"Tide"},
        "cat": {"Ferry", "Tide"},
    }
    assert all("Port" not in mail.text for mail in site.mails())
    site.configure(digest=MERGED)
    assert brought(site) == {}


def test_lists_go_out_and_come_in_with_the_new_name(site: Site) -> None:
    site.configure(digest=MERGED)
    with site.open() as app:
        listed = {each.address: each.topics for each in app.moving.listed("weekly", ())}
        assert listed["ann@example.org"] == listed["ben@example.org"] == ("harbour",)
        assert listed["cat@example.org"] is None
    site.join("email,topics\ndan@example.org,port\n")
    with site.open() as app:
        assert reader(app, "dan").topics == ("harbour",)
    assert brought(site)["dan"] == {"Ferry", "Crane", "Tide"}, "what has come since the last issue, by its name of now"


def test_two_programs_that_start_at_once(site: Site) -> None:
    site.configure(digest=MERGED)
    command = [sys.executable, "-m", "feed_publisher", "--site", str(site.folder), "entries", "list", "--json"]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ended = [each.communicate(timeout=120) for each in started]
    assert [each.returncode for each in started] == [0, 0, 0], ended
    assert site.sql("SELECT count(*) FROM topic_change WHERE done_at IS NOT NULL") == [(2,)]
    assert {tuple(entry["topics"]) for entry in json.loads(ended[0][0])["entries"]} <= {("harbour",), ("birds",)}
    assert brought(site)["ann"] == {"Ferry"}


@pytest.mark.parametrize(
    ("topics", "words"),
    [
        (PORT + HARBOUR + 'was = ["port"]\n', "'port' is a topic of its own here"),
        (MERGED + SHIPS + 'was = ["docks"]\n', "'docks' is in `was` of both 'harbour' and 'ships'"),
        (PORT + 'was = ["harbour"]\n' + HARBOUR + 'was = ["port"]\n', "is a topic of its own here"),
        (SHIPS + 'split_from = "ships"\n', "cannot be split from itself"),
        (
            PORT + 'split_from = "ships"\n' + SHIPS + 'split_from = "port"\n',
            "is split from a topic that is split from it",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(site: Site, topics: str, words: str) -> None:
    site.configure(digest=topics)
    with pytest.raises(ConfigError, match=words), site.open():
        pass


def test_a_topic_that_does_not_exist_yet_takes_the_place_of_the_first(site: Site) -> None:
    site.configure(digest=f'{SHIPS}was = ["gone", "port", "docks"]\n')
    line = check_line(site)
    assert "topic port will be called ships: 1 article, 1 reader who chose it" in line
    assert "topic docks will be merged into ships: 1 article, 0 readers who chose it" in line
    with site.browsing() as client:
        assert {item["title"] for item in client.get("/feeds/ships.json").json()["items"]} == {"Ferry", "Crane"}
    assert brought(site)["ann"] == {"Ferry"}


def test_check_says_when_an_old_slug_belongs_to_another_topic(site: Site) -> None:
    site.configure(digest=MERGED)
    site.pickup()
    site.configure(digest=f'{HARBOUR}{SHIPS}was = ["port"]\n')
    assert "topic ships was 'port', but that has become harbour, for ever; take it out of `was`" in check_line(site)


# --- one out of another


def test_readers_of_the_whole_follow_the_part(site: Site) -> None:
    assert brought(site)["ann"] == {"Ferry"}
    split = f'{PORT}{HARBOUR}{SHIPS}split_from = "port"\n'
    site.configure(digest=split)
    assert "topic ships will be split from port: 1 reader who chose port will get both" in check_line(site)
    site.write("a.json", json.dumps([{"id": "Ferry", "title": "Ferry", "summary": "Of Ferry.", "topics": ["Ships"]}]))
    site.write("b.json", written(("Barge", "Ships"), ("Lamp", "Port")))
    site.pickup()
    assert brought(site) == {"ann": {"Barge", "Lamp"}, "cat": {"Barge", "Lamp"}}, "Ferry has moved, and comes not again"
    with site.open() as app:
        assert reader(app, "ann").topics == ("port", "ships")
        told = [event.detail for event in app.preferences.history(reader(app, "ann"))]
        assert "“Ships” came along: it was split from “Port”, which the reader had chosen" in told
        wanted = Wanted(cadence="weekly", topics=("port",), zone="", at="")
        assert app.preferences.change(reader(app, "ann"), wanted, ["port", "ships"], site.now)
    with site.open() as app:  # another start gives it to nobody again
        assert reader(app, "ann").topics == ("port",)
        told = [event.detail for event in app.preferences.history(reader(app, "ann"))]
        assert len([detail for detail in told if "split from" in detail]) == 1, "and it is remembered"


def test_a_part_of_something_that_ends_at_once_or_does_not_exist_yet(site: Site) -> None:
    site.configure(digest=f'{PORT}ended = true\n{HARBOUR}{SHIPS}split_from = "prot"\n')
    assert "topic ships is to be split from 'prot', which is no topic; did you mean port?" in check_line(site)
    site.configure(digest=f'{PORT}ended = true\n{HARBOUR}{SHIPS}split_from = "port"\n')
    site.write("b.json", written(("Barge", "Ships")))
    site.pickup()
    assert brought(site)["ann"] == {"Ferry", "Barge"}
    assert check_line(site) == "5 topics, and nothing to do about any of them"


# --- the end of one


def test_readers_of_what_has_ended(site: Site) -> None:
    ended = f"{PORT}ended = true\n{HARBOUR}"
    site.configure(digest=ended)
    assert "1 reader of weekly follows only topics that have ended" in check_line(site)
    assert brought(site)["ann"] == {"Ferry"}, "what came before the end"
    with site.open() as app:
        proofs, asked = app.proofs(), app.asked("weekly")
        assert proofs.proof(asked, site.now).turnout.census["ended"] == 1
        found, _ = proofs.why_reader(app.asked("weekly", reader=_address("ann")), site.now)
        assert app.reasons(True).reader(found.verdict) == "Follows only topics that have ended: there is no mail."
        page_url = app.subscribe.preferences_url(reader(app, "ann").subscription)
    with site.browsing() as client:
        path = page_url.removeprefix("http://127.0.0.1:8000")
        page = client.get(path).text
        assert "(has ended)" in page
        assert "Everything you chose here has ended" in page
        saved = {"digest": "weekly", "action": "save", "scope": "some", "cadence": "weekly", "topic": "port"}
        assert client.post(path, data=saved).status_code == 303, "it may stay chosen"
    site.configure(digest=f"{PORT}{HARBOUR}")
    site.write("b.json", written(("Barge", "Port")))
    site.pickup()
    assert brought(site)["ann"] == {"Barge"}, "when it comes back, all is as it was"
