"""Sponsors from the settings to the mail: the same bytes as in the preview, kept by corrections, never in a feed."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter

import pytest
from click.testing import CliRunner
from faults.relay import Relay
from flow.flow_site import DAY, HOUR, MONDAY, Mail, Site, listing, parse_mail
from flow.test_deciding import READERS, SEVEN, approve, draft, edit, link, phone, questions, ready, to_readers
from flow.test_proof import relay, same
from starlette.testclient import TestClient

from feed_publisher.app import App
from feed_publisher.cli.group import cli
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.editing import Change
from feed_publisher.domain.errors import InputError
from feed_publisher.domain.issue import Issue, IssueState
from feed_publisher.parse.subscribers import read_subscribers
from feed_publisher.web.site import build

__all__ = ["relay"]
WORDS = "Boats for every tide & none."
BOATS = f"""
[[sponsors]]
slug = "boats"
title = "Kesby Boats"
text = "{WORDS}"
link = "https://boats.example/spring?a=1"
"""
APPROVED = 'policy = "approve"'


def sponsored(more: str = "issues = 10", digest: str = "", other: str = "") -> str:
    return f"{digest}\n{BOATS}{more}\n{other}"


@pytest.fixture
def paper(site: Site) -> Site:
    """Articles 1 to 3 are new on Monday at seven; issues need approval and carry a sponsor."""
    return ready(site, sponsored(digest=APPROVED))


def json_of(site: Site, *arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(cli, ["--site", str(site.folder), *arguments, "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def carried(site: Site, issue: Issue) -> list[str]:
    with site.open() as app:
        return [each.block.sponsor for each in app.decisions.sponsors(issue.id) if not each.left_out]


def standing(site: Site) -> tuple[int, int | None, str]:
    with site.open() as app:
        (found,) = app.sponsors()
        return found.used, found.left, found.status


def with_it(mails: list[Mail]) -> list[bool]:
    """Whether each has the sponsor; both parts agree."""
    for mail in mails:
        assert ("Kesby Boats" in mail.text) == ("Kesby Boats" in mail.html) == ("-- Advertisement -" in mail.text)
    return ["Kesby Boats" in mail.text for mail in mails]


def out(*slugs: str) -> Change:
    return Change(sponsors_out=slugs)


# --- mails


def test_the_mail_that_is_shown_before_is_the_one_that_leaves(site: Site, relay: Relay) -> None:
    ready(site, sponsored())
    site.overrides = relay.overrides
    with site.open() as app:
        proof = app.proofs().proof(app.asked("weekly", reader=parse_address("ann@example.org")), site.now)
        dry = [mail.message for mail in app.dry_run("weekly", None)]
        assert app.sponsoring.next(app.rules("weekly"), None, site.now), "looking takes nothing"
    assert proof.mail is not None
    assert [block.sponsor for block in proof.mail.sponsors] == ["boats"]
    assert all(b"Kesby Boats" in message for message in dry)
    assert site.send() is not None
    sent = dict(relay.accepted)["ann@example.org"].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    assert same(proof.mail.message) == same(sent)
    mail = parse_mail(sent)
    assert with_it([mail]) == [True]
    assert WORDS in " ".join(mail.text.split())


def test_a_date_decides_and_it_is_that_of_the_issue(site: Site) -> None:
    """Made on Sunday for Monday; Monday's is in, Tuesday's not."""
    site.configure(
        digest=sponsored("from = 2026-11-02\nuntil = 2026-11-02", 'cadences = ["daily"]\nannounce = "10 hours"')
    )
    site.now = MONDAY - DAY
    site.tick()
    site.join(READERS)
    site.now = SEVEN - 9 * HOUR
    site.write("a.txt", listing("Tides", (1, 2, 3)))
    site.tick()
    site.write("b.txt", listing("Tides", (4,)))
    site.now = SEVEN
    site.tick()
    site.now = SEVEN + DAY
    site.tick()
    mails = to_readers(site)
    assert [mail.numbered() for mail in mails] == [[1, 2, 3], [4], [1, 2, 3], [4]]
    assert with_it(mails) == [True, False, True, False]


def test_so_many_issues_and_no_more(site: Site) -> None:
    ready(site, sponsored("issues = 2", 'cadences = ["daily"]'))
    for day in range(4):
        site.write(f"d{day}.txt", listing("Tides", (10 + day,)))
        site.now = SEVEN + day * DAY
        site.tick()
    assert with_it(to_readers(site)[:4]) == [True, True, False, False]
    assert standing(site) == (2, 0, "over")


def test_later_settings_change_nothing_in_an_issue(paper: Site) -> None:
    issue = draft(paper)
    paper.configure(digest=sponsored(digest=APPROVED).replace("every tide", "nobody"))
    text = listing("Tides", (1, 2, 3)).replace("Summary of number 2", "Corrected summary of number 2")
    paper.write("a.txt", text)
    paper.now += HOUR
    paper.tick()
    edit(paper, issue, subject="Our week")
    paper.configure(digest=APPROVED)
    edit(paper, issue, note="Hello.")
    approve(paper, issue)
    paper.tick()
    mails = to_readers(paper)
    assert with_it(mails) == [True, True]
    for mail in mails:
        assert WORDS in " ".join(mail.text.split())
        assert "Corrected summary of number 2" in " ".join(mail.text.split())
        assert "\nHello.\n" in mail.text


def test_an_issue_that_a_crash_stopped_goes_on_with_what_it_had(site: Site) -> None:
    ready(site, sponsored("issues = 1"))
    with site.open() as app:  # it claims the slot and dies
        rules = app.rules("weekly")
        state = IssueState.PREPARING
        due = rules.sponsors_due(None, site.now)
        assert app.issues.claim_slot("weekly", "manual:x", state, "", True, "dead", site.now, None, due)
    site.configure(digest=sponsored("issues = 1").replace("every tide", "nobody"))
    site.tick()
    mails = to_readers(site)
    assert len(mails) == 2
    assert all(WORDS in " ".join(mail.text.split()) for mail in mails)
    assert standing(site) == (1, 0, "over")


# --- the desk


def test_a_sponsor_is_left_out_on_the_page_and_comes_later(paper: Site) -> None:
    issue = draft(paper)
    mail = questions(paper)[0]
    assert with_it([mail]) == [True], "the operators see what would leave"
    with phone(paper) as client:
        page = client.get(link(mail)).text
        assert 'name="sponsor_out" value="boats"' in page
        assert "<dt>Sponsor</dt><dd><bdi>Kesby Boats</bdi></dd>" in page
        form = {"revision": "0", "lead": "", "note": "", "subject": "", "action": "save"}
        assert client.post(link(mail), data={**form, "sponsor_out": "nets"}).status_code == 409
        assert client.post(link(mail), data={**form, "sponsor_out": "boats"}).status_code == 303
        assert standing(paper)[0] == 0
        page = client.get(link(mail)).text
        assert 'value="boats" checked' in page
        assert "<dt>Sponsor</dt>" not in page
        assert "Kesby Boats" not in client.get(f"{link(mail)}/mail").text
        back = client.post(link(mail), data={**form, "revision": "1"})
        assert back.status_code == 303
        assert "Kesby Boats" in client.get(f"{link(mail)}/mail").text
        out = client.post(link(mail), data={**form, "revision": "2", "sponsor_out": "boats", "action": "approve"})
        assert out.status_code == 303
    paper.tick()
    assert with_it(to_readers(paper)) == [False, False]
    assert (carried(paper, issue), standing(paper)[0]) == ([], 0)
    paper.write("b.txt", listing("Tides", (4,)))
    paper.now += 7 * DAY
    approve(paper, draft(paper))
    paper.tick()
    assert with_it(to_readers(paper)[:2]) == [False, True]


def test_the_commands_show_it_and_take_it_out(paper: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "feed_publisher.cli.common.App", lambda folder, given, **more: App(folder, given, lambda: paper.now, **more)
    )
    shown = json_of(paper, "digest", "preview", "weekly", "--cadence", "weekly")
    block = {"sponsor": "boats", "title": "Kesby Boats", "place": "top"}
    assert shown["sponsors"] == [block]
    assert "Kesby Boats" in str(shown["text"])
    issue = draft(paper)
    number = str(issue.id)
    assert json_of(paper, "issues", "show", number)["sponsors"] == [block | {"left_out": False}]
    json_of(paper, "issues", "edit", number, "--no-sponsor")
    assert json_of(paper, "issues", "show", number)["sponsors"] == [block | {"left_out": True}]
    result = CliRunner().invoke(cli, ["--site", str(paper.folder), "issues", "show", number])
    assert "sponsor left out: Kesby Boats (boats, top)" in result.output
    json_of(paper, "issues", "edit", number, "--sponsor", "--subject", "Ours")
    assert carried(paper, issue) == ["boats"]
    (listed,) = json_of(paper, "sponsors", "list")["sponsors"]  # type: ignore[misc]
    assert listed == {
        "sponsor": "boats",
        "title": "Kesby Boats",
        "place": "top",
        "digests": ["weekly"],
        "from": None,
        "until": None,
        "issues": 10,
        "used": 1,
        "left": 9,
        "status": "running",
        "next": {"at": "2026-11-09T07:00:00+00:00", "digest": "weekly"},
    }


def test_a_place_that_is_given_away_does_not_come_back(site: Site) -> None:
    paper = ready(site, sponsored("issues = 1", APPROVED))
    issue = draft(paper)
    edit(paper, issue, sponsors_out=("boats",))
    paper.write("b.txt", listing("Tides", (4,)))
    paper.now += 7 * DAY
    following = draft(paper)
    assert carried(paper, following) == ["boats"]
    with paper.open() as app, pytest.raises(InputError, match="it is finished"):
        app.deciding().edit(issue.id, out(), "a test", paper.now)
    with pytest.raises(InputError, match="has no sponsor 'nets'"):
        edit(paper, following, sponsors_out=("nets",))


def test_the_pages_of_the_desk_tell_what_comes(paper: Site) -> None:
    here = ("127.0.0.1", 50000)
    with paper.open() as app, TestClient(build(app), base_url="http://127.0.0.1:8000", client=here) as client:
        assert ", with the sponsor Kesby Boats</dd>" in client.get("/admin/digests").text
        page = client.get("/admin/digests/weekly/preview?cadence=weekly").text
        assert "It carries the sponsor Kesby Boats (top of the mail), as things stand." in page
        assert "Kesby Boats" in client.get("/admin/digests/weekly/preview/mail?cadence=weekly").text


# --- elsewhere


def test_the_archive_shows_it_and_no_feed_does(site: Site) -> None:
    ready(
        site,
        sponsored(
            other=BOATS.replace('"boats"', '"nets"').replace("Kesby Boats", "Nets <i>")
            + 'place = "bottom"\nissues = 3\n'
        ),
    )
    site.send()
    with site.browsing() as client:
        name = f"/issues/weekly/rehearsal-{site.mailed_issues()[0].id}"
        page, mail = client.get(name).text, client.get(f"{name}/mail").text
        assert page.index('<section class="sponsor" aria-label="Advertisement">') < page.index("Article 0001</a>")
        assert page.index("Article 0003</a>") < page.index("Nets &lt;i&gt;")
        assert '<a href="https://boats.example/spring?a=1" rel="sponsored nofollow noopener">Kesby Boats</a>' in page
        assert "Kesby Boats" in mail
        others = [client.get(path).text for path in ("/", "/issues/weekly", "/topics/tides", "/digests/weekly")]
        assert not any("Kesby" in text or "boats.example" in text for text in others)
    public = [file for file in (site.folder / "public").rglob("*") if file.is_file()]
    kinds = Counter(file.name.split(".", 1)[-1] for file in public)
    assert {"atom", "rss", "json"} <= set(kinds)
    assert (site.folder / "public" / "feeds" / "digests" / "weekly.atom").is_file()
    for file in public:
        if file.suffix not in (".gz", ".br"):
            assert "Kesby" not in file.read_text(), file
            assert "boats.example" not in file.read_text(), file


def test_the_archive_shows_what_was_mailed_when_it_was_taken_out(paper: Site) -> None:
    issue = draft(paper)
    edit(paper, issue, sponsors_out=("boats",))
    approve(paper, issue)
    paper.tick()
    with paper.browsing() as client:
        page = client.get(f"/issues/weekly/rehearsal-{issue.id}").text
    assert "Article 0001" in page
    assert "Kesby" not in page


def check(site: Site) -> str:
    with site.open():
        pass
    result = CliRunner().invoke(cli, ["--site", str(site.folder), "check"])
    return next(line for line in result.output.splitlines() if " sponsors: " in line)


def test_check_tells_what_is_over_or_never_due(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "feed_publisher.cli.common.App", lambda folder, given, **more: App(folder, given, lambda: site.now, **more)
    )
    site.configure(digest=sponsored("issues = 3"))
    assert check(site) == "ok   sponsors: 1 sponsor"
    site.configure(digest=sponsored("until = 2026-11-01"))
    assert check(site) == "ok   sponsors: 1 sponsor; over, and to be taken out of the settings: boats"
    site.configure(digest=sponsored("from = 2026-11-10\nuntil = 2026-11-15"))
    said = (
        "is never due: none of its digests has an issue from 2026-11-10 until 2026-11-15; change from, until or digests"
    )
    assert check(site) == f"BAD  sponsors: sponsors: boats: {said}", "Mondays only"
    site.configure(digest=sponsored("from = 2026-11-09\nuntil = 2026-11-09", 'skip = ["2026-11-09"]'))
    assert "is never due" in check(site)
    picture = 'image = "https://b.example/a.png"\nimage_alt = "A boat"\nissues = 3'
    site.configure(digest=sponsored(picture))
    assert "its image is shown nowhere" in check(site)
    site.configure(digest=sponsored(picture, 'images = "lead"'))
    assert check(site) == "ok   sponsors: 1 sponsor"


def test_check_finds_a_template_that_forgets_sponsors(site: Site) -> None:
    site.configure(digest=sponsored())
    own = site.folder / "templates" / "email"
    own.mkdir(parents=True)
    (own / "digest.txt").write_text('{% extends "default/email/digest.txt" %}{% block sponsor_top %}{% endblock %}')
    result = CliRunner().invoke(cli, ["--site", str(site.folder), "check"])
    assert (
        "templates/email/digest.txt: the mail of weekly does not show 'Sample label (top)' of a sponsor"
        in result.output
    )
    assert "keep the block sponsor_top, or extend default/email/digest.txt" in result.output


# --- when is what


@pytest.mark.parametrize(
    ("digest", "more", "status", "due"),
    [
        ("", "issues = 1", "running", MONDAY + 2 * HOUR),
        ("", "from = 2026-11-03\nissues = 1", "to come", MONDAY + 2 * HOUR + 7 * DAY),
        ("", "from = 2026-11-09\nuntil = 2026-11-09", "to come", MONDAY + 2 * HOUR + 7 * DAY),
        ('hour = "0"', "from = 2026-11-09\nuntil = 2026-11-09", "to come", MONDAY - 5 * HOUR + 7 * DAY),
        ('zone = "Pacific/Auckland"', "until = 2026-11-02", "never due", None),
        ('cadences = ["instant"]', "from = 2026-11-04\nuntil = 2026-11-04", "to come", MONDAY - 5 * HOUR + 2 * DAY),
        ('cadences = ["instant"]', "until = 2026-11-02", "running", MONDAY),
        ('cadences = ["monthly"]', "until = 2026-12-07", "running", MONDAY + 2 * HOUR),
        ('cadences = ["monthly"]\nskip = ["2026-11-02"]', "until = 2026-12-06", "never due", None),
        (
            'cadences = ["cron"]\ncron = "30 17 * * tue,thu"',
            "until = 2026-11-03",
            "running",
            MONDAY + 12.5 * HOUR + DAY,
        ),
    ],
)
def test_the_next_issue_that_could_carry_it(site: Site, digest: str, more: str, status: str, due: object) -> None:
    site.configure(digest=sponsored(more, digest))
    with site.open() as app:
        (found,) = app.sponsors()
    assert (found.status, found.next.due if found.next else None) == (status, due)


@pytest.mark.parametrize("seed", range(3))
def test_weeks_of_decisions_keep_the_count(site: Site, seed: int) -> None:
    """What the settings say, what was decided and what mails really had agree, whatever happened in which order."""
    chance = random.Random(seed)
    paper = ready(site, sponsored("issues = 5", f'cadences = ["daily"]\n{APPROVED}\nunapproved = "roll"'))
    paper.configure(site="")
    for day in range(14):
        paper.write(f"d{day}.txt", listing("Tides", (100 + day,)))
        paper.now = SEVEN + day * DAY
        for issue in paper.tick():
            step = chance.choice(["approve", "cancel", "leave out", "in and out", "wait"])
            if step == "cancel":
                with paper.open() as app:
                    app.issues.cancel(issue.id, paper.now)
                continue
            if step in ("leave out", "in and out") and carried(paper, issue):
                edit(paper, issue, sponsors_out=("boats",))
            if step == "in and out" and not carried(paper, issue):
                with paper.open() as app:
                    opened = bool(app.decisions.sponsors(issue.id))
                if opened:
                    edit(paper, issue, sponsors_out=())
            if step != "wait":
                approve(paper, issue)
                paper.tick()
    paper.now += 3 * DAY
    paper.tick()
    had = {mail.subject for mail in to_readers(paper) if "Kesby Boats" in mail.text}
    used, left, _ = standing(paper)
    assert used == len(had) <= 5
    assert left == 5 - used


def test_sponsors_on_both_databases(tmp_path_factory: pytest.TempPathFactory, empty_url: str) -> None:
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder, overrides=(f"database.url={empty_url}",))
    site.make()
    site.configure(digest=sponsored("issues = 1", 'policy = "approve"'))
    site.now = MONDAY - DAY
    with site.open() as app, app.owning():
        app.add_subscribers("weekly", read_subscribers(READERS.encode(), "x.csv"), True, "x.csv")
        site.write("a.txt", listing("Tides", (1, 2)))
        asyncio.run(app.intake.pickup())
        site.now = SEVEN
        (issue,) = app.open_issues()
        assert [each.used for each in app.sponsors()] == [1]
        deciding = app.deciding()
        deciding.edit(issue.id, out("boats"), "ann", site.now)
        assert [each.used for each in app.sponsors()] == [0]
        deciding.edit(issue.id, out(), "ann", site.now)
        deciding.approve(issue.id, "ann", site.now)
        asyncio.run(deliver(app))
        app.ledger.finish(site.now)
        app.publish()
        (sent,) = app.archive.page("weekly", "", 9)
        assert [block.title for block in sent.sponsors] == ["Kesby Boats"]
        assert app.sponsors()[0].status == "over"
        assert app.sponsoring.next(app.rules("weekly"), None, site.now) == ()
    assert with_it(to_readers(site)) == [True, True]


async def deliver(app: App) -> None:
    async with app.relay() as mailer:
        await app.send_run(mailer).run()
