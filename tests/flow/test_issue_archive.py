"""The archive of issues: what was mailed, for everybody, with corrections and without what was withdrawn; its feed."""

from __future__ import annotations

import json
from pathlib import Path

import feedparser
import pytest
from flow.flow_site import DAY, HOUR, Site, listing

from feed_publisher.compose.feedcheck import check_feed
from feed_publisher.domain.model import EntryState, FeedFormat

RELAY = '[smtp]\nhost = "127.0.0.1"\nport = 9\ntls = "none"\n'
BOTH = "email\nann@example.org\nben@example.org\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Two articles mailed to two readers."""
    site = Site(tmp_path / "site").make()
    site.join(BOTH)
    site.write("1.txt", listing("Ships", [1, 2]))
    site.pickup()
    site.send()
    return site


def published(site: Site) -> None:
    with site.open() as app:
        app.publish()


def items(site: Site, name: str = "digests/weekly") -> list[dict[str, str]]:
    published(site)
    found: list[dict[str, str]] = json.loads(site.feed(f"{name}.json").read_text())["items"]
    return found


def get(site: Site, path: str, status: int = 200) -> str:
    with site.browsing() as client:
        answer = client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text


def only_issue(site: Site) -> str:
    (issue,) = site.mailed_issues()
    return f"/issues/weekly/rehearsal-{issue.id}"


def test_an_issue_is_in_the_archive_once_its_first_mail_has_left(tmp_path: Path) -> None:
    site = Site(tmp_path / "site").make()
    site.join(BOTH)
    site.write("1.txt", listing("Ships", [1, 2]))
    site.pickup()
    with site.open() as app:
        assert app.open_manual("weekly") is not None
    assert items(site) == []
    assert "No issues yet" in get(site, "/issues/weekly")
    get(site, only_issue(site), 404)
    site.deliver()
    (item,) = items(site)
    assert item["title"] == "Article 0001, and 1 more"
    assert item["url"] == f"http://127.0.0.1:8000{only_issue(site)}"
    page = get(site, only_issue(site))
    assert "Article 0001" in page
    assert "Summary of number 2" in page


def test_the_feed_of_issues_is_valid_in_every_format(site: Site) -> None:
    published(site)
    for format in FeedFormat:
        data = site.feed(f"digests/weekly.{format}").read_bytes()
        check_feed(data, format)
        if format is not FeedFormat.JSON:
            feed = feedparser.parse(data)
            assert not feed.bozo
            assert feed.feed.title == "The Letter – Quay"
            (entry,) = feed.entries
            assert "Summary of number 2" in entry.content[0].value
            assert entry.summary == "Article 0001 · Article 0002"
            assert feed.feed.link == "http://127.0.0.1:8000/issues/weekly"


def test_nothing_personal_is_shown(site: Site) -> None:
    mail = get(site, f"{only_issue(site)}/mail")
    assert "Article 0001" in mail
    assert "/unsubscribe/" not in mail
    assert "mpf" not in mail, "no marker is left"
    for text in (mail, get(site, only_issue(site)), get(site, "/issues/weekly")):
        assert "@example.org" not in text
        assert "/unsubscribe/" not in text


def test_a_correction_is_marked_beside_what_was_sent(site: Site) -> None:
    (before,) = items(site)
    site.now += DAY
    corrected = listing("Ships", [1, 2]).replace("Summary of number 2", "What number 2 says in truth")
    site.write("1.txt", corrected)
    site.pickup()
    page = get(site, only_issue(site))
    assert "Summary of number 2" in page
    assert "Corrected" in page
    assert "What number 2 says in truth" in page
    (item,) = items(site)
    assert "<del>Summary of number 2" in item["content_html"]
    assert "<ins>What number 2 says in truth" in item["content_html"]
    assert item["id"] == before["id"]
    assert item["date_published"] == before["date_published"]
    assert item["date_modified"] > before["date_modified"]


def test_no_two_issues_have_the_same_date_of_change(site: Site) -> None:
    """They enter the archive at the same moment."""
    site.write("2.txt", listing("Ships", [3]))
    site.pickup()
    site.send()
    changed = [item["date_modified"] for item in items(site)]
    assert len(set(changed)) == len(changed) == 2


def test_of_a_withdrawn_article_nothing_is_left(site: Site) -> None:
    get(site, f"{only_issue(site)}/mail")
    site.change("Article 0001", (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    page = get(site, only_issue(site))
    assert "was withdrawn" in page
    assert "Article 0002" in page
    for text in (page, get(site, "/issues/weekly"), json.dumps(items(site))):
        assert "Article 0001" not in text, "the subject named it"
        assert "number 1:" not in text
    gone = get(site, f"{only_issue(site)}/mail", 410)
    assert "Article 0001" not in gone
    site.change("Article 0001", (EntryState.WITHDRAWN,), EntryState.PUBLIC)
    assert "Article 0001" in get(site, f"{only_issue(site)}/mail")
    assert items(site)[0]["title"] == "Article 0001, and 1 more"


def test_the_edition_most_readers_got_is_shown(site: Site) -> None:
    site.write("2.txt", listing("Birds", [3]))
    site.pickup()
    site.join("email,topics\ncat@example.org,ships\n")
    site.now += DAY
    site.send()
    assert [item["title"] for item in items(site)] == ["Article 0003", "Article 0001, and 1 more"]


def test_the_subject_is_that_of_what_is_shown(tmp_path: Path) -> None:
    """The first reader is one of few who get an article that is withdrawn later."""
    site = Site(tmp_path / "site").make()
    site.write("1.txt", listing("Birds", [1]))
    site.write("2.txt", listing("Ships", [2]))
    site.pickup()
    site.join("email,topics\nann@example.org,birds\nben@example.org,ships\ncat@example.org,ships\n")
    with site.open() as app:
        assert app.open_manual("weekly") is not None
    site.deliver()
    assert [item["title"] for item in items(site)] == ["Article 0002"]
    site.change("Article 0001", (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    assert [item["title"] for item in items(site)] == ["Article 0002"]


def test_what_is_withdrawn_before_mailing_is_named_nowhere(tmp_path: Path) -> None:
    site = Site(tmp_path / "site").make()
    site.write("1.txt", listing("Birds", [1]))
    site.write("2.txt", listing("Ships", [2]))
    site.pickup()
    site.join("email,topics\nann@example.org,birds\nben@example.org,birds\ncat@example.org,ships\n")
    with site.open() as app:
        assert app.open_manual("weekly") is not None
    site.change("Article 0001", (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    site.deliver()
    (item,) = items(site)
    assert item["title"] == "Article 0002"
    assert "Article 0001" not in json.dumps(item) + get(site, "/issues/weekly")


@pytest.mark.parametrize(
    "template", ["{{ lead.title | upper }}", "{{ lead.title | truncate(9) }}", "{{ lead.summary }}"]
)
def test_no_subject_of_any_template_gives_a_withdrawn_article_away(tmp_path: Path, template: str) -> None:
    site = Site(tmp_path / "site").make()
    (site.folder / "templates" / "email").mkdir(parents=True)
    (site.folder / "templates" / "email" / "subject.txt").write_text(template)
    site.join(BOTH)
    site.write("1.txt", listing("Ships", [1, 2]))
    site.pickup()
    site.send()
    (before,) = items(site)
    site.change("Article 0001", (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    (item,) = items(site)
    assert item["title"] == "The Letter" != before["title"]
    assert before["title"] not in get(site, "/issues/weekly")


def test_an_issue_shows_what_stood_in_its_mail(site: Site) -> None:
    site.configure(digest="maximum = 2")
    site.now += DAY
    site.write("2.txt", listing("Ships", [3, 4, 5]))
    site.pickup()
    issue = site.send()
    assert issue is not None
    page = get(site, f"/issues/weekly/rehearsal-{issue.id}")
    assert "Article 0004" in page
    assert "Article 0005" not in page
    assert "1 more article was on the web only" in page
    assert "Article 0005" not in json.dumps(items(site)[0])


def test_what_counts_is_who_got_it(site: Site) -> None:
    """One mail left; then the article was corrected for the others, and the issue cancelled."""
    site.join("email\nx1@example.org\nx2@example.org\n")
    site.write("2.txt", listing("Ships", [3]))
    site.now += DAY
    site.pickup()
    with site.open() as app:
        issue = app.open_manual("weekly")
    assert issue is not None
    site.sql("UPDATE delivery SET state = 'sent', attempted = 1 WHERE id = (SELECT max(id) FROM delivery)")
    assert "Summary of number 3" in items(site)[0]["content_html"]
    site.write("2.txt", listing("Ships", [3]).replace("Summary of number 3", "What number 3 says in truth"))
    site.now += DAY
    site.pickup()
    with site.open() as app:
        app.issuing().revise(app.all_rules(), site.now)
        app.issues.cancel(issue.id, site.now)
    assert "<del>Summary of number 3" in items(site)[0]["content_html"]


def test_a_page_in_another_language_turns_only_the_articles(site: Site) -> None:
    site.sql("UPDATE edition SET language = 'he'")
    page = get(site, only_issue(site))
    assert '<html lang="en" dir="ltr">' in page
    assert '<h1 lang="he" dir="rtl">' in page


def test_rehearsals_leave_the_archive_with_its_pages(tmp_path: Path) -> None:
    site = Site(tmp_path / "site").make()
    site.join(BOTH)
    for number in range(1, 56):
        site.now += HOUR
        site.write(f"{number}.txt", listing("Ships", [number]))
        site.pickup()
        site.send()
    published(site)
    page = site.feed("digests/weekly/1.json")
    assert page.exists()
    site.configure(site=RELAY)
    with site.open() as old:
        site.now += DAY * 400
        old.publish()
        assert not page.exists()
        # A program that still rehearses, because it was started before, brings nothing back.
        site.configure(site="")
        with site.open() as rehearsing:
            site.configure(site=RELAY)
            rehearsing.publish()
    assert items(site) == []


def test_rehearsals_leave_the_archive_when_there_is_a_mail_server(site: Site) -> None:
    address = only_issue(site)
    assert len(items(site)) == 1
    site.configure(site=RELAY)
    assert items(site) == []
    get(site, address, 404)
    assert "No issues yet" in get(site, "/issues/weekly")
    site.configure(site="")
    assert len(items(site)) == 1, "a trial again"
    get(site, address)


def test_issues_through_a_mail_server_are_addressed_by_their_number(site: Site) -> None:
    site.sql("UPDATE issue SET rehearsal = 0, issue_number = 7")
    site.configure(site=RELAY)
    assert items(site)[0]["url"].endswith("/issues/weekly/7")
    assert "Issue 7" in get(site, "/issues/weekly/7")
    for wrong in ("8", "rehearsal-1", "0", "-7", "٧", "1" * 30, "7x"):
        get(site, f"/issues/weekly/{wrong}", 404)
    get(site, "/issues/none", 404)
    get(site, "/issues/none/7", 404)


def test_a_private_digest_has_no_archive(site: Site) -> None:
    address = only_issue(site)
    assert items(site)
    site.configure(digest="archive = false")
    published(site)
    assert not site.feed("digests/weekly.atom").exists()
    for path in ("/issues/weekly", address, f"{address}/mail"):
        get(site, path, 404)
    for path in ("/", "/digests/weekly"):
        assert "/issues/" not in get(site, path)
    site.configure(digest="")
    (item,) = items(site)
    assert item["url"].endswith(address), "public again: the same feed"


def test_the_archive_of_a_digest_that_has_ended_stays(site: Site) -> None:
    address = only_issue(site)
    (before,) = items(site)
    text = (site.folder / "publisher.toml").read_text()
    (site.folder / "publisher.toml").write_text(text.partition("[[digests]]")[0])
    (item,) = items(site)
    assert item == before
    assert "The Letter" in get(site, address)
    assert "by mail" not in get(site, address)
    assert "Article 0001" in get(site, "/issues/weekly")


def test_a_renamed_digest_is_renamed_in_its_feed(site: Site) -> None:
    published(site)
    text = (site.folder / "publisher.toml").read_text()
    (site.folder / "publisher.toml").write_text(text.replace("The Letter", "The Post"))
    published(site)
    assert json.loads(site.feed("digests/weekly.json").read_text())["title"] == "The Post – Quay"


def test_the_history_of_issues_can_be_walked(site: Site) -> None:
    for number in range(3, 75):
        site.now += HOUR
        site.write(f"{number}.txt", listing("Ships", [number]))
        site.pickup()
        site.send()
    published(site)
    seen: list[str] = []
    path = "digests/weekly.json"
    while path:
        document = json.loads(site.feed(path).read_text())
        seen += [item["title"] for item in document["items"]]
        path = document.get("next_url", "").partition("/feeds/")[2]
    assert seen == [f"Article {number:04}" for number in range(74, 2, -1)] + ["Article 0001, and 1 more"]
    first = get(site, "/issues/weekly")
    assert first.count("<article>") == 30
    older = first.partition("?before=")[2].partition('"')[0]
    assert get(site, f"/issues/weekly?before={older}").count("<article>") == 30
    # A correction of an article of long ago reaches the archive page that holds its issue.
    site.write("5.txt", listing("Ships", [5]).replace("Summary of number 5", "The truth of number 5"))
    site.now += DAY
    site.pickup()
    pages = [file.read_text() for file in site.feed("digests/weekly").glob("*.json")]
    assert any("The truth of number 5" in page for page in pages)


def test_the_outline_names_it(site: Site) -> None:
    published(site)
    outline = (site.folder / "public" / "feeds.opml").read_text()
    assert "/feeds/digests/weekly.atom" in outline
    assert "/issues/weekly" in outline
