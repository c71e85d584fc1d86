"""[[sponsors]]: what is refused names the field; what is taken reaches the rules of the digests it is for."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from feed_publisher import wiring
from feed_publisher.config.loading import load
from feed_publisher.config.models import Settings
from feed_publisher.domain.errors import ConfigError

DIGESTS = """
[[digests]]
slug = "weekly"
title = "Weekly"
from_address = "letter@harbour.example"
[[digests]]
slug = "daily"
title = "Daily"
from_address = "letter@harbour.example"
cadences = ["daily"]
"""
BOATS = {"slug": '"boats"', "title": '"Boats"', "text": '"Good boats."', "issues": "10"}


def written(folder: Path, *sponsors: dict[str, str]) -> Path:
    blocks = ["[[sponsors]]\n" + "".join(f"{key} = {value}\n" for key, value in each.items()) for each in sponsors]
    (folder / "publisher.toml").write_text(DIGESTS + "".join(blocks))
    return folder


def settings(folder: Path, *sponsors: dict[str, str]) -> Settings:
    return load(written(folder, *sponsors))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"slug": ""}, "sponsors.0.slug is missing"),
        ({"title": ""}, "sponsors.0.title is missing"),
        ({"text": ""}, "sponsors.0.text is missing"),
        ({"text": '"  "'}, "sponsors.0.text: "),
        ({"text": r'"a\u0007b"'}, "sponsors.0.text: holds a control character"),
        ({"issues": ""}, "sponsors.0: until: say the last date, or with issues = 10 how many issues carry it"),
        ({"issues": "0"}, "sponsors.0.issues: "),
        ({"from": '"soon"'}, "sponsors.0.from: 'soon' is no date; write 2026-11-02"),
        ({"from": "20261102"}, "sponsors.0.from: '20261102' is no date"),
        ({"until": "2026-11-02T07:00:00"}, "sponsors.0.until: '2026-11-02 07:00:00' is no date"),
        ({"from": "2026-11-09", "until": "2026-11-02"}, "sponsors.0: until: 2026-11-02 is before from, 2026-11-09"),
        ({"digests": '["weekyl"]'}, "sponsors: boats names the digest 'weekyl' in digests; there is: weekly, daily"),
        ({"link": '"javascript:alert(1)"'}, "sponsors.0.link: 'javascript:alert(1)' must start with https:// or"),
        ({"link": '''"https://a.example/\\"><b>"'''}, "sponsors.0.link: "),
        ({"image": '"http://a.example/b.png"', "image_alt": '"A boat"'}, "image: must start with https://"),
        ({"image": '"https://a.example/b.png"'}, "image_alt: say what the picture shows"),
        ({"image_alt": '"A boat"'}, "image: is missing; image_alt says what it shows"),
        ({"image_width": "600"}, "sponsors.0.image_width: "),
        ({"place": '"middle"'}, "sponsors.0.place: Input should be 'top' or 'bottom'"),
        ({"untill": "2026-11-02"}, "sponsors.0.untill is not a setting; did you mean until?"),
        ({"frm": "2026-11-02"}, "sponsors.0.frm is not a setting; did you mean from?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        settings(tmp_path, {key: value for key, value in (BOATS | change).items() if value})
    assert said in str(refused.value)
    assert "publisher.toml" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


def test_a_mistake_is_found_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"publisher.toml:{DIGESTS.count(chr(10)) + 6}: sponsors.0.from: "):
        settings(tmp_path, BOATS | {"from": '"soon"'})


def test_two_sponsors_need_two_slugs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"two of \[\[sponsors\]\] have the slug 'boats'"):
        settings(tmp_path, BOATS, BOATS)


def test_a_sponsor_reaches_the_digests_it_is_for(tmp_path: Path) -> None:
    dated = {"from": "2026-11-02", "until": '"2026-11-22"', "digests": '["daily"]', "place": '"bottom"'}
    found = settings(tmp_path, BOATS, BOATS | dated | {"slug": '"nets"'})
    weekly, daily = (wiring.digest_rules(found, digest) for digest in found.digests)
    assert [each.slug for each in weekly.sponsors] == ["boats"]
    boats, nets = daily.sponsors
    assert (boats.first, boats.last, boats.issues, boats.block.place) == (None, None, 10, "top")
    assert (nets.first, nets.last, nets.block.place) == (date(2026, 11, 2), date(2026, 11, 22), "bottom")
    days = [date(2026, 11, day) for day in (1, 2, 22, 23)]
    assert [nets.runs_on(day) for day in days] == [False, True, True, False]
