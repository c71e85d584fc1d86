"""Making a key, and mail that is signed with it; OpenDKIM, the verifier of many mail servers, is the judge."""

from __future__ import annotations

import stat
import subprocess
from pathlib import Path

from faults.relay import Relay
from programs import needed
from test_commands import Cli, cli, full

__all__ = ["cli", "full"]
DOMAIN = "harbour.example"


def configure(site: Cli, *selectors: str) -> None:
    file = site.folder / "publisher.toml"
    text = file.read_text().replace("digest@example.org", f"digest@{DOMAIN}")
    keys = (f'[[dkim]]\ndomain = "{DOMAIN}"\nselector = "{each}"\nkey_file = "dkim-{each}.pem"\n' for each in selectors)
    file.write_text("\n".join((text, *keys)))


def test_a_key_is_made_once_and_nobody_else_can_read_it(cli: Cli) -> None:
    said = cli.ok("dkim", "new", DOMAIN, "fp1").out
    file = cli.folder / "dkim-fp1.pem"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert f'fp1._domainkey.{DOMAIN}.  TXT  "v=DKIM1; k=rsa; p=' in said
    assert 'key_file = "dkim-fp1.pem"' in said
    before = file.read_bytes()
    assert "is there already" in cli.fails("dkim", "new", DOMAIN, "fp1")
    assert file.read_bytes() == before
    configure(cli, "fp1")
    (key,) = cli.json("dkim", "show")["keys"]
    strings = said.split('TXT  "')[1].partition('"\n')[0].split('" "')
    assert "".join(strings) == key["record"]
    assert max(len(each) for each in strings) <= 255, "RFC 1035 §3.3.14"


def test_what_is_wrong_with_a_key_is_said(cli: Cli) -> None:
    assert "domain" in cli.fails("dkim", "new", "har bour", "fp1")
    assert "selector" in cli.fails("dkim", "new", DOMAIN, "../fp1")
    assert cli("dkim", "new", DOMAIN, "fp1", "--kind", "dsa").code == 2
    assert "not signed here" in cli.ok("dkim", "show").out
    configure(cli, "gone")
    assert "dkim-gone.pem: the DKIM key cannot be read: No such file" in cli.fails("dkim", "show")
    assert "cannot be read" in cli("check").out
    (cli.folder / "dkim-gone.pem").write_text("no key")
    assert "holds no private key" in cli.fails("dkim", "show")
    configure(cli, "gone")
    assert "two of [[dkim]] have the selector 'gone'" in cli.fails("dkim", "show")


def test_check_tells_whose_mail_is_signed(cli: Cli) -> None:
    assert "none made here" in cli("check").out
    cli.ok("dkim", "new", DOMAIN, "fp1")
    configure(cli, "fp1")
    assert f"ok   signatures: by fp1._domainkey.{DOMAIN}" in cli("check").out
    file = cli.folder / "publisher.toml"
    file.write_text(file.read_text().replace(f"digest@{DOMAIN}", "digest@other.example"))
    assert "no key of [[dkim]] is for mail from other.example" in cli("check").out


def test_issues_letters_and_trials_arrive_signed(full: Cli, tmp_path: Path) -> None:
    records = [full.json("dkim", "new", DOMAIN, "fp1"), full.json("dkim", "new", DOMAIN, "fp2", "--kind", "ed25519")]
    configure(full, "fp1", "fp2")
    assert [each["record"] for each in full.json("dkim", "show")["keys"]] == [each["record"] for each in records]
    full.ok("subscribers", "add", "dora@example.org", "--digest", "weekly")
    with Relay() as relay:
        full.overrides = relay.overrides
        full.ok("send", "weekly", "--yes")
        full.ok("send", "weekly", "--test", "me@example.org")
        full.ok("tick")
    assert set(relay.got) == {"ann", "ben", "cleo", "dora", "me"}
    for to, raw in relay.accepted:
        assert raw.count(b"DKIM-Signature:") == 2, to
        assert_good(raw, records[0], tmp_path)


def assert_good(raw: bytes, key: dict[str, str], folder: Path) -> None:
    """OpenDKIM verifies the RSA signature; it knows no Ed25519."""
    program = needed("opendkim", "what OpenDKIM says of our signatures is not tried")
    mail, keys, settings = (folder / name for name in ("mail.eml", "keys", "opendkim.conf"))
    mail.write_bytes(raw)
    keys.write_text(f"{key['name']} {key['record']}\n")
    settings.write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\n")
    said = subprocess.run(
        [program, "-x", settings, "-t", mail, "-v"], capture_output=True, text=True, timeout=60, check=False
    )
    assert f"verification (s=fp1, d={DOMAIN}, 2048-bit key) succeeded" in said.stdout + said.stderr
