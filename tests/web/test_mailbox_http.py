"""The built-in mailbox is for a person at this machine, and a mail in it is a stranger's page."""

from __future__ import annotations

from pathlib import Path

import pytest
from web_site import BASE, ELSEWHERE, Site, opened


@pytest.fixture
def mail(site: Site) -> str:
    """The path of a mail in the mailbox."""
    site.ask("reader@example.org")
    return f"/mailbox/{site.letters()[0].id}"


def parts(mail: str) -> list[str]:
    return ["/mailbox", mail, f"{mail}/html", f"{mail}/raw"]


@pytest.mark.parametrize("base", [BASE, "http://localhost:8000", "http://127.0.0.2", "http://[::1]:8000"])
def test_who_sits_at_this_machine_sees_it(site: Site, mail: str, base: str) -> None:
    for at in (("127.0.0.1", 1), ("127.9.9.9", 1), ("::1", 1)):
        for address in parts(mail):
            assert site.client(at, base_url=base).get(address).status_code == 200
    assert "/mailbox" in site.client(base_url=base).get("/").text


@pytest.mark.parametrize(
    "headers",
    [
        {"forwarded": "for=127.0.0.1"},
        {"x-forwarded-for": "127.0.0.1"},
        {"X-Forwarded-Host": "127.0.0.1"},
        {"x-forwarded-proto": "http"},
        {"x-forwarded-anything": ""},
        {"host": "mag.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "127.evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "evil.example:8000"},
        {"host": "["},
        {"host": ""},
    ],
    ids=str,
)
def test_a_proxy_or_a_borrowed_name_does_not(site: Site, mail: str, headers: dict[str, str]) -> None:
    for address in parts(mail):
        answer = site.client().get(address, headers=headers)
        assert answer.status_code == 404
        assert "reader@example.org" not in answer.text
    home = site.client().get("/", headers=headers).text
    assert "/mailbox" not in home
    assert "What happened" not in home


def test_who_is_elsewhere_does_not(site: Site, mail: str) -> None:
    for at in (ELSEWHERE, ("10.0.0.1", 1), ("::ffff:203.0.113.7", 1), ("testclient", 1)):
        for address in parts(mail):
            assert site.client(at).get(address).status_code == 404


@pytest.mark.parametrize(
    "settings",
    [{"base_url": "https://mag.example"}, {"rest": '[smtp]\nhost = "127.0.0.1"\nport = 25\ntls = "none"'}],
    ids=["a public address", "a mail server"],
)
def test_there_is_none_once_the_site_is_real(tmp_path: Path, sqlite_template: Path, settings: dict[str, str]) -> None:
    with opened(tmp_path / "site", sqlite_template, **settings) as site:
        assert site.client().get("/mailbox").status_code == 404
        assert "/mailbox" not in site.client().get("/").text


@pytest.mark.parametrize(
    "id", ["../../publisher.toml", "..%2f..%2fpublisher.toml", "%2e%2e", "%00", ".", "x" * 500, "%ff"]
)
def test_no_other_file_is_a_mail(site: Site, mail: str, id: str) -> None:
    for rest in ("", "/html", "/raw"):
        answer = site.client().get(f"/mailbox/{id}{rest}")
        assert answer.status_code == (200 if id == "." and not rest else 404)
        assert "base_url" not in answer.text


def test_the_pages_of_a_mail_can_do_nothing(site: Site, mail: str) -> None:
    client = site.client()
    page, inside, raw = client.get(mail), client.get(f"{mail}/html"), client.get(f"{mail}/raw")

    assert "sandbox=" in page.text
    assert "allow-scripts" not in page.text
    for answer in (inside, raw):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "sandbox allow-popups" in policy
        assert "allow-scripts" not in policy
        assert "allow-same-origin" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    assert '<base target="_blank">' in inside.text
    assert raw.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_hostile_mail_is_shown_as_words(site: Site, mail: str) -> None:
    folder = site.folder / "var" / "mailbox" / "new"
    lines = [
        "Delivered-To: <i>x</i>",
        "From: <script>a</script>",
        "Subject: <script>b</script>",
        "",
        "<script>c</script>",
    ]
    (folder / "1").write_text("\r\n".join(lines))

    for address in ("/mailbox", "/mailbox/1"):
        text = site.client().get(address).text
        assert "<script>" not in text
        assert "&lt;script&gt;b" in text
    assert site.client().get("/mailbox/1/html").text == ""


def test_many_mails_are_on_several_pages(site: Site, mail: str) -> None:
    folder = site.folder / "var" / "mailbox" / "new"
    for number in range(60):
        (folder / f"{number:04d}").write_text(f"Subject: number {number}\r\n\r\nx")
    client = site.client()

    first, second = client.get("/mailbox").text, client.get("/mailbox?after=50").text

    assert first.count("number ") + second.count("number ") == 60
    assert "/mailbox?after=50" in first
    assert "after=" not in second
    for strange in ("-1", "x", "9" * 30, "²"):
        assert client.get("/mailbox", params={"after": strange}).status_code == 200
