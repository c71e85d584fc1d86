"""Settings from the environment and flags, and what is refused with one line that names the place."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from feed_publisher.config.loading import load
from feed_publisher.domain.errors import ConfigError
from feed_publisher.domain.model import Problem
from feed_publisher.wiring import configured_sources, header_value


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "publisher.toml").write_text('[site]\ntitle = "Here"\n\n[smtp]\nport = 25\n')
    return tmp_path


def refusal(site: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(site, overrides)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# The environment


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SMTP_HOST", "did you mean FEED_PUBLISHER_SMTP__HOST?"),
        ("SMTP__HOTS", "did you mean FEED_PUBLISHER_SMTP__HOST?"),
        ("DATABASE_URL", "did you mean FEED_PUBLISHER_DATABASE__URL?"),
        ("SIET", "did you mean FEED_PUBLISHER_SITE?"),
        ("FOO", "write FEED_PUBLISHER_SECTION__KEY with two underscores, for example FEED_PUBLISHER_SMTP__HOST"),
        ("DIGESTS__0__HOUR", ""),
        ("SMTP__HOST__X", "did you mean FEED_PUBLISHER_SMTP__HOST?"),
        ("", ""),
    ],
)
def test_an_unknown_variable_names_the_nearest(
    site: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(f"FEED_PUBLISHER_{name}", "s3cret")
    line = refusal(site)
    assert line.startswith(f"FEED_PUBLISHER_{name}: is not a setting; ")
    assert said in line
    assert "s3cret" not in line


def test_known_variables(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_PUBLISHER_SITE", str(site))
    monkeypatch.setenv("feed_publisher_smtp__host", "mail.example.org")
    monkeypatch.setenv("FEED_PUBLISHER_SMTP", '{"host": "other.example.org", "username": "me"}')
    monkeypatch.setenv("FEED_PUBLISHER_TOPICS", '[{"slug": "sea", "title": "Sea"}]')
    settings = load(site)
    assert (settings.smtp.host, settings.smtp.username, settings.smtp.port) == ("mail.example.org", "me", 25)
    assert (settings.topics[0].slug, settings.site.title) == ("sea", "Here")


@pytest.mark.parametrize(
    "value",
    ["127.0.0.1,10.0.0.1", " 127.0.0.1 , 10.0.0.1,", '["127.0.0.1", "10.0.0.1"]'],
    ids=["commas", "blanks", "json"],
)
def test_lists_with_commas(site: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    wanted = ("127.0.0.1", "10.0.0.1")
    assert load(site, (f"site.trusted_proxies={value}",)).site.trusted_proxies == wanted
    monkeypatch.setenv("FEED_PUBLISHER_SITE__TRUSTED_PROXIES", value)
    assert load(site).site.trusted_proxies == wanted
    assert load(site, ("site.trusted_proxies=::1",)).site.trusted_proxies == ("::1",)
    assert load(site, ("site.trusted_proxies=",)).site.trusted_proxies == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DIGESTS", "oops"),
        ("DIGESTS", '{"slug": "s3cret"}'),
        ("SOURCES", "[" * 5000),
        ("SMTP", "[]"),
        ("SMTP", "s3cret"),
        ("SITE__TRUSTED_PROXIES", "[s3cret"),
        ("SMTP__PORT", "many"),
        ("SITE__BASE_URL", "ftp://x"),
    ],
)
def test_a_wrong_value_names_its_variable(site: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"FEED_PUBLISHER_{name}", value)
    line = refusal(site)
    assert line.startswith(f"FEED_PUBLISHER_{name}: ")
    assert "s3cret" not in line


def test_a_wrong_flag_and_a_wrong_line_name_themselves(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal(site, "smtp.port=many").startswith("--config smtp.port: smtp.port: ")
    assert refusal(site, "digests.hour=8").startswith("--config digests: digests: ")
    assert refusal(site, "foo.bar=8").startswith("--config foo: foo is not a setting; ")
    monkeypatch.setenv("FEED_PUBLISHER_SMTP__HOST", "mail.example.org")
    (site / "publisher.toml").write_text('[smtp]\nport = "many"\n')
    assert refusal(site).startswith(f"{site}/publisher.toml:2: smtp.port: ")


# Addresses


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://x:99999999", "Port"),
        ("http://x:0", "is not a site address"),
        ("http://x:many", "Port"),
        ("http://[::1", "IPv6"),
        ("http://my site.example", "a blank"),
        ("http://x.example/a b", "a blank"),
        ("http://x.example/\u00a0", "a blank"),
        ("http://x.example/\n", "a blank"),
        ('http://x.example/"', "a quote"),
        ("http://x.example/'", "a quote"),
        ("http://x.example/<b>", "< or >"),
        ("http://x.example/>", "< or >"),
        ("http://x.example\\y", "a sign"),
        ("http://x.example/\x00", "a sign"),
        ("http://me:s3cret@x.example", "names a user"),
        ("http://s3cret@x.example", "names a user"),
        ("http://x.example?", "is not a site address"),
        ("http://x.example/#", "is not a site address"),
        ("http:///path", "is not a site address"),
        ("x.example", "is not a site address"),
    ],
)
def test_base_urls_that_are_refused(site: Path, url: str, said: str) -> None:
    line = refusal(site, f"site.base_url={url}")
    assert said in line
    assert "use http(s)://host" in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    "url", ["https://x.example", "http://127.0.0.1:8000/", "http://[::1]:80/a", "https://x.example/~me/%20/"]
)
def test_base_urls_that_are_taken(site: Path, url: str) -> None:
    assert load(site, (f"site.base_url={url}",)).site.base_url == url.rstrip("/")


@pytest.mark.parametrize("url", ["https://x.example/ a", 'https://x.example/"onclick', "https://x.example/<"])
def test_other_addresses_hold_no_markup(site: Path, url: str) -> None:
    assert "write it as %20" in refusal(site, f"site.imprint_url={url}")


# Names of files, shown


def test_a_problem_is_one_line_whatever_its_name() -> None:
    problem = Problem(where="a\nb\x1b[2J\x9b\u2028\u202e\udcff\x7fé.txt", reason="is bad")
    assert str(problem) == r"a\nb\x1b[2J\x9b\u2028\u202e\udcff\x7fé.txt: is bad"
    str(problem).encode()


# Sources


def source(site: Path, text: str) -> None:
    (site / "publisher.toml").write_text(f'[[sources]]\nslug = "s"\n{text}\n')


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "feed"', "feed needs an address that starts with https:// or http://"),
        ('kind = "page"\nlocation = "ftp://x.example/"', "page needs an address"),
        ("", "name a folder"),
        ('location = "https://x.example/"', 'an address needs kind = "feed", "page" or "sitemap"'),
        ('kind = "push"\nlocation = "x"', "what is pushed has none"),
        ('location = "x"\nevery = "often"', 'use "15 minutes", "2 hours" or "3 days"'),
        ('location = "x"\nfirst_contact = "some"', 'none of "none", "all" and an age such as "30 days"'),
        ('location = "x"\nlanguag = "en"', "did you mean language?"),
        ('location = "x"\n[sources.select]\ntitel = "h2"', "did you mean title?"),
        ('location = "x"\npages = 0', "greater than or equal to 1"),
        ('location = "x"\nlanguage = "english please"', "pattern"),
    ],
)
def test_what_a_source_may_not_be(site: Path, text: str, said: str) -> None:
    source(site, text)
    assert said in refusal(site)


def test_what_a_source_is_by_default(site: Path) -> None:
    wanted = {
        'kind = "feed"\nlocation = "https://x.example/"': (timedelta(minutes=30), timedelta(0)),
        'kind = "page"\nlocation = "https://x.example/"': (timedelta(hours=1), timedelta(0)),
        'kind = "feed"\nlocation = "https://x.example/"\nevery = "2 days"\nfirst_contact = "30 days"': (
            timedelta(days=2),
            timedelta(days=30),
        ),
        'location = "entries"': (timedelta(hours=1), None),
        'kind = "push"': (timedelta(hours=1), None),
        'location = "entries"\nfirst_contact = "none"': (timedelta(hours=1), timedelta(0)),
    }
    for text, (every, mailed_back) in wanted.items():
        source(site, text)
        (rules,) = configured_sources(load(site))
        assert (rules.every, rules.first_contact) == (every, mailed_back), text


def test_the_value_of_a_header_may_stand_in_a_file(site: Path) -> None:
    assert header_value("plain", site) == "plain"
    with pytest.raises(ConfigError, match=r"secret\.txt: the value of a header cannot be read"):
        header_value("file:secret.txt", site)
    (site / "secret.txt").write_text("Bearer x\n")
    assert header_value("file:secret.txt", site) == "Bearer x"


# Old feeds


def old_feeds(site: Path, of_site: str, of_topic: str = "[]") -> None:
    text = f'[site]\nold_feeds = {of_site}\n[[topics]]\nslug = "sea"\ntitle = "Sea"\nold_feeds = {of_topic}\n'
    (site / "publisher.toml").write_text(text)


def test_paths_of_old_feeds(site: Path) -> None:
    old_feeds(site, '["/feed/", "/feed", "/index.xml"]', '["/category/sea/feed/", "/feedsy"]')
    settings = load(site)
    assert settings.site.old_feeds == ("/feed/", "/feed", "/index.xml")
    assert settings.topics[0].old_feeds == ("/category/sea/feed/", "/feedsy")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("feed/", "write what follows the host"),
        ("https://mag.example/feed/", "write what follows the host"),
        ("//mag.example/feed/", "write what follows the host"),
        ("/?feed=rss2", "write the path alone"),
        ("/feed/#top", "write the path alone"),
        ("/old feed/", "write the path alone"),
        ("/", "an address of this site itself"),
        ("/feeds/all.atom", "an address of this site itself"),
        ("/feeds.opml", "an address of this site itself"),
        ("/topics/sea", "an address of this site itself"),
        ("/api/v1/entries", "an address of this site itself"),
    ],
)
def test_what_an_old_feed_may_not_be(site: Path, path: str, said: str) -> None:
    for pair in ((f'["{path}"]', "[]"), ("[]", f'["{path}"]')):
        old_feeds(site, *pair)
        assert said in refusal(site)


@pytest.mark.parametrize("pair", [('["/feed/"]', '["/feed/"]'), ('["/feed/", "/feed/"]', "[]")])
def test_an_old_feed_leads_to_one_feed_only(site: Path, pair: tuple[str, str]) -> None:
    old_feeds(site, *pair)
    assert "old_feeds: '/feed/' is named twice" in refusal(site)


# WebSub


def test_the_hubs_that_feeds_name_and_those_that_are_told(site: Path) -> None:
    both = 'websub.hubs=["https://hub.example/", "http://127.0.0.1:9000/"]'
    assert (load(site).hub_url, load(site).hub_urls, load(site).pinged_hubs) == ("", (), ())
    away = load(site, ["site.base_url=https://mag.example/mail/", both, "websub.hub=true"])
    assert away.hub_url == "https://mag.example/mail/hub"
    assert away.hub_urls == ("https://mag.example/mail/hub", "https://hub.example/", "http://127.0.0.1:9000/")
    assert away.pinged_hubs == away.hub_urls[1:]
    here = load(site, ["site.base_url=http://localhost:8000", both])
    assert here.pinged_hubs == ("http://127.0.0.1:9000/",), "nobody else can read this machine's feeds"
    itself = load(
        site, ['websub.hubs=["http://localhost:8000/hub"]', "site.base_url=http://localhost:8000", "websub.hub=true"]
    )
    assert (itself.hub_urls, itself.pinged_hubs) == (("http://localhost:8000/hub",), ())


@pytest.mark.parametrize("hub", ["", "ftp://hub.example/", "hub.example", "https://hub.example/a b"])
def test_a_hub_is_a_web_address(site: Path, hub: str) -> None:
    assert "websub.hubs" in refusal(site, f'websub.hubs=["{hub}"]')
