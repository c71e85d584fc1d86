"""The digest mail of a whole site: subjects, settings, templates of its own, and what happens when one breaks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from flow_site import DAY, HOUR, Site
from lxml import html as lxml_html

from feed_publisher.cli.group import cli
from feed_publisher.compose.lint import lint
from feed_publisher.domain.errors import TemplateError
from feed_publisher.domain.issue import IssueState
from feed_publisher.domain.model import EntryState

TWO = 'cadences = ["weekly", "daily"]'
OTHER = """
[[digests]]
slug = "other"
title = "The Other"
from_address = "other@harbour.example"
"""


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site").make()


def template(site: Site, name: str, source: str | None) -> None:
    file = site.folder / "templates" / "email" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if source is None:
        file.unlink()
    else:
        file.write_text(source)


def with_intro(source: str) -> str:
    return "{% extends 'default/email/digest.html' %}{% block intro %}" + source + "{% endblock %}"


def entry(site: Site, title: str) -> None:
    """One article with an own text, though its title may be an old one."""
    site.write(f"{site._written}.md", f"---\ntitle: {title}\nid: urn:x:{site._written}\n---\nText {site._written}.\n")


# --- subjects


def test_a_subject_is_never_that_of_an_earlier_issue(site: Site) -> None:
    site.configure(digest="maximum = 5")
    site.join("email\nann@example.org\n")
    for _ in range(3):
        entry(site, "Weekly round-up")
        site.pickup()
        site.now += DAY
        assert site.send() is not None
    subjects = [mail.subject for mail in site.mails()]
    assert subjects[0] == "Weekly round-up"
    assert subjects[1].startswith("Weekly round-up · November")
    assert len(set(subjects)) == 3
    assert [issue.subject for issue in site.issues()] == subjects


def test_issues_of_two_cadences_at_the_same_hour_have_different_subjects(site: Site) -> None:
    site.configure(digest=TWO, site='timezone = "UTC"')
    site.join("email,cadence\nann@example.org,weekly\nbo@example.org,daily\n")
    entry(site, "Tide")
    site.pickup()
    site.now += 7 * DAY + 3 * HOUR
    assert len(site.tick()) == 2
    subjects = {mail.to: mail.subject for mail in site.mails()}
    assert len(subjects) == len(set(subjects.values())) == 2
    assert "Tide" in subjects.values()


def test_a_correction_keeps_the_subject_of_its_issue(site: Site) -> None:
    site.configure(digest='policy = "approve"\nday = "monday"', site='timezone = "UTC"')
    site.join("email\nann@example.org\n")
    site.write("a.md", "---\ntitle: Tide\nid: urn:x:1\n---\nOld.\n")
    site.pickup()
    site.now += 7 * DAY + 3 * HOUR
    [issue] = site.tick()
    assert issue.state is IssueState.DRAFT
    site.write("a.md", "---\ntitle: Tide\nid: urn:x:1\n---\nNew words.\n")
    site.tick()
    with site.open() as app:
        app.deciding().approve(issue.id, "a test", site.now)
    site.tick()
    [mail] = site.mails()
    assert mail.subject == "Tide"
    assert "New words." in mail.text


# --- what the settings do


def test_the_mail_links_its_page_in_the_archive(site: Site) -> None:
    site.join("email\nann@example.org\n")
    entry(site, "Tide")
    site.pickup()
    assert site.send() is not None
    [mail] = site.mails()
    [address] = re.findall(r"http://127.0.0.1:8000(/issues/\S+)", mail.text)
    assert f'href="http://127.0.0.1:8000{address}"' in mail.html
    pages = re.findall(rb"^List-(?:Help|Archive): <http://127.0.0.1:8000(.*)>", mail.raw, re.M)
    with site.browsing() as browser:
        page = browser.get(address)
        assert [browser.get(other.decode()).status_code for other in pages] == [200, 200]
    assert page.status_code == 200
    assert "Tide" in page.text


def test_without_an_archive_there_is_no_link(site: Site) -> None:
    site.configure(digest="archive = false")
    site.join("email\nann@example.org\n")
    entry(site, "Tide")
    site.pickup()
    assert site.send() is not None
    assert b"/issues/" not in site.mails()[0].raw


def test_settings_reach_the_mail(site: Site) -> None:
    site.configure(
        site='logo = "https://harbour.example/logo.png"\npostal_address = "1 Quay"\naccent = "#ffdd00"\n'
        '[mail]\nimprint = "Editor: Bo"\nfooter = "Not shown here"',
        digest='images = "all"\nlink_parameters = "?utm_source=digest"\nfooter = """Write\nto us"""',
    )
    site.join("email\nann@example.org\n")
    site.write("a.md", "---\ntitle: Tide\nimage: https://pictures.example/a.jpg\nimage_alt: A boat\n---\nText.\n")
    site.pickup()
    assert site.send() is not None
    [mail] = site.mails()
    assert "https://harbour.example/logo.png" in mail.html
    assert "?utm_source=digest" in mail.html
    assert "?utm_source=digest" in mail.text
    for part in (mail.html, mail.text):
        assert "Editor: Bo" in part
        assert "Not shown here" not in part
    assert "Write<br>to us" in mail.html
    assert "Write\nto us" in mail.text
    assert {finding.rule for finding in lint(mail.raw)} <= {"dead link", "one click"}


# --- templates


def test_a_site_overrides_one_block(site: Site) -> None:
    template(
        site,
        "digest.html",
        with_intro('<tr><td class="cell intro">Ahoy {{ count }}</td></tr>')
        + "{% block entry %}{{ super() }}<tr><td class='cell'>after {{ entry.title }}</td></tr>{% endblock %}",
    )
    site.join("email\nann@example.org\n")
    entry(site, "Tide")
    site.pickup()
    assert site.send() is not None
    [mail] = site.mails()
    assert "Ahoy 1" in mail.html
    assert "after Tide" in mail.html
    assert "Unsubscribe" in mail.html


BROKEN = [
    ("{% if %}", "email/digest.html:1"),
    ("\n{{ nobody }}", "email/digest.html:2"),
    ("\n\n{% include 'email/gone.html' %}", "gone.html"),
    ("{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}", "email/digest.html:1"),
    ("{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}", "email/digest.html:1"),
]


@pytest.mark.parametrize(("source", "place"), BROKEN)
def test_a_broken_template_stops_its_issue_alone_until_it_is_mended(site: Site, source: str, place: str) -> None:
    site.configure(site='timezone = "UTC"', digest='day = "monday"' + OTHER)
    site.join("email\nann@example.org\n")
    site.join("email\nbo@example.org\n", "other")
    entry(site, "Tide")
    site.pickup()
    guarded = "{% if digest.title == 'The Letter' %}" + source + "{% endif %}"
    if "{% if %}" in source:  # a mistake in writing hits all of them
        guarded = source
    template(site, "digest.html", with_intro(guarded))
    site.now += 7 * DAY + 3 * HOUR
    site.tick()
    both = guarded == source
    assert [mail.to for mail in site.mails()] == ([] if both else ["bo@example.org"])
    told = [sentence for sentence in site.notices() if "a template is broken" in sentence]
    assert len(told) == 1 + both
    assert any("The Letter (weekly:" in sentence and place in sentence for sentence in told)
    site.tick()
    assert len([sentence for sentence in site.notices() if "a template is broken" in sentence]) == 1 + both
    template(site, "digest.html", None)
    site.tick()
    assert sorted(mail.to for mail in site.mails()) == ["ann@example.org", "bo@example.org"]
    site.assert_books_balance()


def test_a_correction_that_cannot_be_rendered_holds_the_issue_back(site: Site) -> None:
    site.configure(site='timezone = "UTC"', digest='day = "monday"\nhour = "9"')
    site.join("email,hour\nann@example.org,9\nbo@example.org,11\n")
    entry(site, "Tide")
    entry(site, "Lamp")
    site.pickup()
    site.now += 7 * DAY + 4 * HOUR
    [issue] = site.tick()
    assert [mail.to for mail in site.mails()] == ["ann@example.org"]
    template(site, "digest.html", "{{ nobody }}")
    site.change("Lamp", (EntryState.PUBLIC,), EntryState.WITHDRAWN)
    site.now += 2 * HOUR
    site.tick()
    assert len(site.mails()) == 1
    assert any(f"issues resume {issue.id}" in sentence for sentence in site.notices())
    template(site, "digest.html", None)
    site.tick()
    with site.open() as app:
        app.deciding().approve(issue.id, "a test", site.now)
    site.tick()
    assert [mail.to for mail in site.mails()] == ["ann@example.org", "bo@example.org"]
    assert "Lamp" not in site.mails()[1].text


def checked(site: Site) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["--site", str(site.folder), "check"])
    [line] = [line for line in result.output.splitlines() if " templates: " in line]
    return result.exit_code, line


@pytest.mark.parametrize(("source", "place"), BROKEN)
def test_check_finds_a_broken_template_before_an_issue_is_due(site: Site, source: str, place: str) -> None:
    assert checked(site)[1].startswith("ok ")
    template(site, "digest.html", with_intro(source))
    code, line = checked(site)
    assert (code, line[:3]) == (1, "BAD")
    assert place in line
    template(site, "digest.html", None)
    assert checked(site)[1].startswith("ok ")


def test_check_finds_what_only_odd_articles_bring_out(site: Site) -> None:
    pictures = "{% for s in sections %}{% for e in s.entries %}{{ e.image.alt }}{% endfor %}{% endfor %}"
    template(site, "digest.txt", pictures)
    assert "email/digest.txt:1" in checked(site)[1]
    template(site, "digest.txt", "No way out")
    assert "no link to unsubscribe" in checked(site)[1]
    template(site, "digest.txt", None)
    template(site, "digest.html", with_intro("<p style='color'>x</p>"))
    assert "styles cannot be read" in checked(site)[1]
    template(site, "digest.html", None)
    template(site, "letter_confirm.txt", "{{ nobody }}")
    assert "letter_confirm.txt:1" in checked(site)[1]


@pytest.mark.parametrize("spoilt", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named(site: Site, spoilt: bytes | None) -> None:
    template(site, "digest.html", "")
    file = site.folder / "templates" / "email" / "digest.html"
    if spoilt is None:
        file.unlink()
        file.mkdir()  # unreadable for root, too
    else:
        file.write_bytes(spoilt)
    site.join("email\nann@example.org\n")
    entry(site, "Tide")
    site.pickup()
    if spoilt is None:
        assert site.send() is not None, "a folder is no template: ours is used"
    else:
        with pytest.raises(TemplateError, match=r"email/digest\.html is not written in UTF-8"):
            site.send()


NASTY = [
    "a\\nBcc: x@evil.example",
    "=?utf-8?q?a=0D=0ABcc:_x@evil.example?=",
    "a\\u2028Bcc: x",
    "a\\u0000b",
    "lone \\ud83d half",
    "\\u202eturned",
    "{{7*7}}{% for %}{{''.__class__}}",
    "<svg onload=x><math><script>x</script>",
    "x" * 500,
]


def test_no_title_stops_an_issue(site: Site) -> None:
    """From a file over the database to the mailbox: one clean subject each, nobody else in the headers."""
    site.join("email\nann@example.org\n")
    for number, title in enumerate(NASTY):
        item = f'{{"id": "urn:x:{number}", "title": "{title}", "summary": "{title}"}}'
        site.write(f"{number}.json", f"[{item}]")
        site.pickup()
        assert site.send() is not None, title
    mails = site.mails()
    assert len(mails) == len(NASTY)
    for mail in mails:
        head = mail.raw.partition(b"\n\n")[0].replace(b"\r\n", b"\n").decode()
        assert len(re.findall("^subject:", head, re.M | re.I)) == 1
        assert not re.search("^bcc:", head, re.M | re.I)
        assert 0 < len(mail.subject) <= 78
        assert not list(lxml_html.document_fromstring(mail.html).iter("script", "svg", "math"))
        wire = mail.raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
        assert [each.text for each in lint(wire) if each.level == "error"] == []
    assert any("{{7*7}}" in mail.subject for mail in mails)


# --- the order of sections


@pytest.mark.parametrize(
    ("digest", "wanted"),
    [
        ('topics = ["tides", "ships", "harbour"]', ["Tide", "Ship", "Crane"]),
        ('topics = ["tides", "ships", "harbour"]\norder = "newest"', ["Crane", "Ship", "Tide"]),
        ("", ["Crane", "Ship", "Tide"]),
    ],
)
def test_sections_in_the_order_of_the_digest(site: Site, digest: str, wanted: list[str]) -> None:
    """The lead, the archive and a correction agree with it."""
    site.configure(digest=f'policy = "approve"\n{digest}')
    site.join("email\nann@example.org\n")
    for title, topic in (("Tide", "Tides"), ("Ship", "Ships"), ("Crane", "Harbour")):
        site.write(f"{title}.txt", f"{topic}\n\n{title}\nBy Ann Po\nAbout the {title.lower()} of today.\n")
        site.pickup()
        site.now += HOUR
    site.now += 7 * DAY
    (opened,) = site.tick()
    assert opened.state is IssueState.DRAFT
    site.change("Ship", [EntryState.PUBLIC], EntryState.WITHDRAWN)
    with site.open() as app:
        app.deciding().approve(opened.id, "a test", site.now)
    site.deliver()
    (mail,) = site.mails()
    wanted.remove("Ship")
    assert mail.titles(["Tide", "Ship", "Crane"]) == wanted
    assert wanted[0] in mail.subject
    with site.browsing() as client:
        name = site.sql("SELECT id FROM issue WHERE state <> 'skipped'")[0][0]
        page = client.get(f"/issues/weekly/rehearsal-{name}").text
    assert page.index(f">{wanted[0]}<") < page.index(f">{wanted[1]}<")
