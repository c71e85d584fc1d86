import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.spreadsheet import guarded, unguarded
from feed_publisher.parse.columns import System, plan_columns, read_maps
from feed_publisher.parse.subscribers import SubscriberRow, read_subscribers


def fields(*header: str, system: System | None = None, **maps: str) -> tuple[str, ...]:
    return plan_columns(header, system, maps).fields


@pytest.mark.parametrize("name", ["E-Mail", "e-mail-adresse", "EMAIL ADDRESS", "Correo electrónico", "Courriel"])
def test_addresses_in_several_languages(name: str) -> None:
    assert fields("x", name) == ("", "email")


def test_what_is_named_by_hand_comes_first_then_our_own_names() -> None:
    assert fields("Mail", "email") == ("", "email")
    assert fields("Mail", "email", Mail="email") == ("email", "")
    assert fields("E-Mail Address", "Tags", **{"e-mail address": "email", "Tags": ""}) == ("email", "")
    assert fields("email", "Sections", "More", Sections="topics", More="topics") == ("email", "topics", "topics")


def test_a_name_beside_a_first_name_is_the_other_one() -> None:
    assert fields("Prénom", "Nom", "Mail") == ("first_name", "last_name", "email")
    assert fields("Vorname", "Nachname", "Mail") == ("first_name", "last_name", "email")
    assert fields("Name", "Mail") == ("name", "email")
    (row,) = read_subscribers(b"Mail;Vorname;Name\na@example.org;Ann;Po\n", "x.csv")
    assert isinstance(row, SubscriberRow)
    assert row.name == "Ann Po"


@pytest.mark.parametrize(
    ("header", "system"),
    [
        ("Email Address,First Name,MEMBER_RATING,OPTIN_TIME,LEID,EUID", System.MAILCHIMP),
        ("id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id", System.GHOST),
        ("uuid,email,name,attributes,status,created_at,updated_at", System.LISTMONK),
        ("email,name,status", System.CSV),
    ],
)
def test_which_system_wrote_it(header: str, system: System) -> None:
    assert plan_columns(header.split(","), None, {}).system is system


def test_a_zone_that_mailchimp_guessed_is_not_used_unless_asked_for() -> None:
    header = ("Email Address", "TIMEZONE", "LEID", "EUID")
    assert fields(*header) == ("email", "", "", "")
    assert fields(*header, TIMEZONE="zone") == ("email", "zone", "", "")


@pytest.mark.parametrize(("text", "says"), [("x", "COLUMN=FIELD"), ("=email", "COLUMN=FIELD"), ("a=emial", "email?")])
def test_maps_that_make_no_sense(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_maps([text])


@given(st.text())
def test_a_guarded_cell_is_no_formula_and_comes_back_as_it_was(text: str) -> None:
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r"))
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "'=", "''+", "\t"])
def test_formulas_are_guarded(sign: str) -> None:
    assert guarded(f"{sign}cmd()") == f"'{sign}cmd()"
    assert unguarded(f"'{sign}cmd()") == f"{sign}cmd()"
