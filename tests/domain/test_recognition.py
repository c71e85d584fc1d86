from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feed_publisher.domain.identity import Key, KeyKind, keys_of
from feed_publisher.domain.model import Draft, Enclosure, Image
from feed_publisher.domain.recognition import (
    Decision,
    Known,
    Listed,
    Verb,
    is_significant,
    recognise,
    taking_over,
    wanted_keys,
)

LONG = "High water at noon, low water in the evening, and a strong wind from the north west all day."
OTHER = "A cat sat upon one mat while seven dogs chased their own tails around an old garden shed."


def draft(title: str, place: int = 0, **more: object) -> Draft:
    return Draft(title=title, where=f"list.md:{place}", place=place, **more)  # type: ignore[arg-type]


class Shelf:
    """What a store does with decisions, in memory: keys of the first taker stay, listings are per document."""

    def __init__(self) -> None:
        self.entries: dict[int, Known] = {}
        self.topics: dict[int, set[str]] = {}
        self.held: set[int] = set()
        self.keys: dict[Key, int] = {}
        self.listings: dict[tuple[str, str], list[tuple[int, int]]] = {}

    def read(self, drafts: Sequence[Draft], source: str = "a", document: str = "list.md") -> list[Decision]:
        asked = wanted_keys(drafts, source)
        known = {key: self.entries[number] for key, number in self.keys.items() if key in asked}
        listed = [Listed(known=self.entries[n], place=p) for n, p in self.listings.get((source, document), [])]
        decisions = recognise(drafts, source, known, listed)
        rows = []
        for decision in decisions:
            number = decision.known.number if decision.known else len(self.entries) + 1
            taken = decision.draft
            if decision.known is None or decision.verb is Verb.CHANGE:
                self.entries[number] = Known(
                    number=number,
                    key=str(number),
                    source=self.entries[number].source if decision.known else source,
                    title=taken.title,
                    authors=taken.authors,
                    summary=taken.summary,
                    content_html=taken.content_html,
                    link=taken.link,
                )
            if decision.verb is Verb.HOLD:
                self.held.add(number)
            self.topics.setdefault(number, set()).update(taken.topics)
            for key in decision.keys:
                self.keys.setdefault(key, number)
            rows.append((number, taken.place))
        self.listings[source, document] = rows
        return decisions

    def verbs(self, drafts: Sequence[Draft], source: str = "a", document: str = "list.md") -> list[Verb]:
        return [decision.verb for decision in self.read(drafts, source, document)]


NEW, HOLD, CHANGE, KEEP = Verb.NEW, Verb.HOLD, Verb.CHANGE, Verb.KEEP


def identified(explicit_id: str | None = None, link: str | None = None, title: str = "Tide") -> Draft:
    return draft(title, explicit_id=explicit_id, link=link, summary=LONG)


EVERY_KIND = [
    identified("1"),
    identified(None, "https://mag.example/tide"),
    identified("1", "https://mag.example/tide"),
    draft("Tide", authors=("Ann",)),
    draft("Tide", authors=("Ann",), summary=LONG),
]


@pytest.mark.parametrize("one", EVERY_KIND)
def test_new_then_kept(one):
    shelf = Shelf()
    assert shelf.verbs([one]) == [NEW]
    assert shelf.verbs([one]) == [KEEP]
    assert len(shelf.entries) == 1


@pytest.mark.parametrize("one", EVERY_KIND[:3])
def test_a_new_title_changes_an_identified_entry(one):
    shelf = Shelf()
    shelf.read([one])
    [decision] = shelf.read([replace(one, title="Ebb")])
    assert decision.verb is CHANGE
    assert decision.owned
    assert decision.known is not None
    assert shelf.entries[1].title == "Ebb"
    assert shelf.verbs([replace(one, title="Ebb")]) == [KEEP]


KNOWN = Known(
    number=1,
    key="k",
    source="a",
    title="The “Tide”",
    authors=("Ann Po", "Bo"),
    summary=LONG,
    content_html="<p>It's high</p>",
    link=None,
)
SAME = draft("The “Tide”", authors=("Ann Po", "Bo"), summary=LONG, content_html="<p>It's high</p>")


@pytest.mark.parametrize(
    "minor",
    [
        {},
        {"title": "the  'TIDE' "},
        {"title": "The „Tide“"},
        {"authors": ("ann  po", "BO")},
        {"summary": LONG.replace(" ", "\n ")},
        {"summary": LONG.upper()},
        {"content_html": "<p>It’s  high</p>\n"},
        {"topics": ("Sea",), "place": 4, "where": "elsewhere", "link": "https://mag.example/moved"},
    ],
)
def test_minor_changes(minor):
    assert not is_significant(replace(SAME, **minor), KNOWN)


@pytest.mark.parametrize(
    "significant",
    [
        {"title": "The “Tides”"},
        {"title": "The “Tide”?"},
        {"authors": ("Bo", "Ann Po")},
        {"authors": ("Ann Po",)},
        {"summary": LONG + " More."},
        {"summary": LONG.replace(",", "", 1)},
        {"summary": ""},
        {"content_html": "<p>It's low</p>"},
        {"content_html": "<p><em>It's</em> high</p>"},
    ],
)
def test_significant_changes(significant):
    assert is_significant(replace(SAME, **significant), KNOWN)


PICTURE = Image(url="https://mag.example/p.jpg")
EPISODE = Enclosure(url="https://mag.example/1.mp3?key=7", type="audio/mpeg", length=9)
HAS_BOTH = replace(KNOWN, has_image=True, files=("http://mag.example/1.mp3?key=6",))


@pytest.mark.parametrize(
    ("draft", "known", "significant"),
    [
        (replace(SAME, image=PICTURE), KNOWN, True),
        (SAME, replace(KNOWN, has_image=True), False),
        (replace(SAME, image=PICTURE), replace(KNOWN, has_image=True), False),
        (replace(SAME, enclosures=(EPISODE,)), KNOWN, True),
        (replace(SAME, enclosures=(EPISODE,)), HAS_BOTH, False),
        (replace(SAME, enclosures=(replace(EPISODE, length=0, type="audio/ogg", title="x"),)), HAS_BOTH, False),
        (replace(SAME, enclosures=(replace(EPISODE, url="https://mag.example/2.mp3"),)), HAS_BOTH, True),
        (SAME, HAS_BOTH, True),
    ],
)
def test_a_first_picture_and_another_file_are_significant(draft: Draft, known: Known, significant: bool):
    assert is_significant(draft, known) is significant


ID = "https://mag.example/?p=7"


def wanted(*drafts: Draft, known: dict[Key, Known] | None = None) -> list[str]:
    decisions = recognise([replace(each, place=place) for place, each in enumerate(drafts)], "a", known or {}, [])
    return [taking_over(decision).wanted_id for decision in decisions]


def test_a_new_entry_wants_the_id_it_has_in_its_source():
    assert wanted(replace(SAME, explicit_id=ID)) == [ID]
    assert wanted(replace(SAME, explicit_id="7")) == [""]
    assert wanted(SAME) == [""]


def test_what_is_known_wants_no_id():
    draft = replace(SAME, explicit_id=ID)
    assert wanted(draft, known={keys_of(draft, "a")[0]: KNOWN}) == [""]
    linked = replace(draft, link="https://mag.example/tide")
    assert wanted(linked, known={keys_of(linked, "a")[1]: replace(KNOWN, link=linked.link)}) == [""]


def test_an_id_that_several_articles_share_is_wanted_by_none():
    one = replace(SAME, explicit_id=ID, link="https://mag.example/1")
    other = replace(SAME, title="Other", summary="Else.", explicit_id=ID, link="https://mag.example/2")
    assert wanted(one, other) == ["", ""]


def test_another_price_is_another_text():
    assert is_significant(replace(SAME, summary="It cost $5."), replace(KNOWN, summary="It cost €5."))


def test_another_source_only_adds_topics():
    shelf = Shelf()
    shelf.read([draft("Tide", explicit_id="urn:x:1", topics=("Sea",), summary=LONG)], "a")
    [decision] = shelf.read([draft("CHEAP CLICKS", explicit_id="urn:x:1", topics=("Ads",), summary=OTHER)], "b")
    assert (decision.verb, decision.owned, decision.draft.topics) == (KEEP, False, ("Ads",))
    assert shelf.entries[1].title == "Tide"
    assert shelf.topics[1] == {"Sea", "Ads"}


def test_another_source_with_the_same_link_its_own_id_and_words_only_adds_topics():
    shelf = Shelf()
    shelf.read([identified("1", "https://mag.example/tide")], "a")
    [decision] = shelf.read([draft("Ours", explicit_id="z9", link="http://mag.example/tide/", summary=OTHER)], "b")
    assert (decision.verb, decision.owned) == (KEEP, False)


def test_ids_of_two_sources_do_not_meet():
    shelf = Shelf()
    assert shelf.verbs([identified("1")], "a") == [NEW]
    assert shelf.verbs([draft("Ebb", explicit_id="1", summary=OTHER)], "b") == [NEW]


@pytest.mark.parametrize("one", EVERY_KIND)
def test_under_two_topics_of_one_document_it_is_one_article(one):
    [decision] = Shelf().read([replace(one, topics=("Sea",)), replace(one, topics=("Sun", "Sea"), place=1)])
    assert decision.verb is NEW
    assert decision.draft.topics == ("Sea", "Sun")
    assert decision.draft.place == 0


def test_same_title_and_authors_with_another_summary_is_held():
    shelf = Shelf()
    drafts = [draft("Notes", 0, summary=LONG), draft("Notes", 1, summary=OTHER), draft("Last", 2)]
    decisions = shelf.read(drafts)
    assert [d.verb for d in decisions] == [NEW, HOLD, NEW]
    assert "another summary" in decisions[1].reason
    assert shelf.verbs(drafts) == [KEEP, KEEP, KEEP]
    assert shelf.verbs(drafts[::-1]) == [KEEP, KEEP, KEEP]
    assert shelf.verbs(drafts[1:]) == [KEEP, KEEP]
    assert [shelf.entries[n].summary for n in (1, 2)] == [LONG, OTHER]
    assert shelf.held == {2}


def test_a_doubtful_article_under_two_topics_is_held_once():
    shelf = Shelf()
    decisions = shelf.read(
        [
            draft("Notes", 0, summary=LONG, topics=("Sea",)),
            draft("Notes", 1, summary=OTHER, topics=("Sea",)),
            draft("Notes", 2, summary=OTHER, topics=("Sun",)),
        ]
    )
    assert [d.verb for d in decisions] == [NEW, HOLD]
    assert decisions[1].draft.topics == ("Sea", "Sun")


def test_same_title_by_other_authors_is_another_article():
    assert Shelf().verbs([draft("Notes", 0, authors=("Ann",)), draft("Notes", 1, authors=("Bo",))]) == [NEW, NEW]


# --- retitled without id or link


def listing(*titles: str) -> list[Draft]:
    """Each title's summary comes from its last word, so that a retitled article keeps it."""
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa"]
    return [
        draft(title, place, authors=("Ann",), summary=" ".join(f"{word}-{title.split()[-1]}" for word in words))
        for place, title in enumerate(titles)
    ]


def test_retitled_in_place():
    shelf = Shelf()
    shelf.read(listing("Old 1", "Old 2", "Old 3"))
    assert shelf.verbs(listing("Old 1", "Fresh 2", "Old 3")) == [KEEP, CHANGE, KEEP]
    assert shelf.entries[2].title == "Fresh 2"
    assert shelf.verbs(listing("Old 1", "Fresh 2", "Old 3")) == [KEEP, KEEP, KEEP]
    assert len(shelf.entries) == 3


def test_retitled_at_a_shifted_place():
    shelf = Shelf()
    shelf.read(listing("Old 1", "Old 2", "Old 3"))
    now = listing("N 7", "N 8", "N 9", "N 10", "N 11", "Old 1", "Fresh 2", "Old 3")
    assert shelf.verbs(now) == [NEW] * 5 + [KEEP, CHANGE, KEEP]


def test_far_from_its_place_it_is_new():
    shelf = Shelf()
    shelf.read(listing("Old 1", "Old 2", "Old 3", "Old 4", "Old 5"))
    assert shelf.verbs(listing("Fresh 5", "Old 1", "Old 2", "Old 3", "Old 4"))[0] is NEW


def test_an_article_still_listed_is_not_retitled():
    shelf = Shelf()
    shelf.read(listing("Old 1"))
    assert shelf.verbs(listing("Old 1", "Fresh 1")) == [KEEP, NEW]


def test_one_lost_article_is_retitled_once():
    shelf = Shelf()
    shelf.read(listing("Old 1"))
    assert shelf.verbs(listing("Fresh 1", "Fresher 1")) == [CHANGE, NEW]


def test_a_half_like_summary_is_held():
    shelf = Shelf()
    [old] = listing("Old 1")
    shelf.read([old])
    half = replace(old, title="Fresh 1", summary=" ".join([*old.summary.split()[:7], "x", "y", "z"]))
    [decision] = shelf.read([half])
    assert (decision.verb, decision.known) == (HOLD, None)
    assert "Old 1" in decision.reason
    assert shelf.verbs([half]) == [KEEP]


def test_sliding_to_the_second_page():
    shelf = Shelf()
    shelf.read(listing("Old 1", "Old 2"), document="page1")
    shelf.read(listing("Old 3"), document="page2")
    assert shelf.verbs(listing("New 0", "Old 1"), document="page1") == [NEW, KEEP]
    assert shelf.verbs(listing("Old 2", "Old 3"), document="page2") == [KEEP, KEEP]


# --- ids and links


def test_the_weekly_round_up_is_new_each_week():
    shelf = Shelf()
    week = "https://mag.example/round-up/"
    assert shelf.verbs([identified("w46", week + "46", "Weekly round-up")]) == [NEW]
    assert shelf.verbs([identified("w47", week + "47", "Weekly round-up")]) == [NEW]
    both = [identified("w47", week + "47", "Weekly round-up"), identified("w46", week + "46", "Weekly round-up")]
    assert shelf.verbs(both) == [KEEP, KEEP]


def test_guid_churn_with_the_same_link_is_kept():
    shelf = Shelf()
    link = "https://mag.example/tide"
    assert shelf.verbs([identified("1", link)]) == [NEW]
    assert shelf.verbs([identified("2", link)]) == [KEEP]
    assert shelf.verbs([identified("2", "https://mag.example/moved")]) == [KEEP]
    assert shelf.verbs([identified("3", "https://mag.example/moved", "Tides")]) == [CHANGE]
    assert len(shelf.entries) == 1


def test_the_link_of_a_show_does_not_swallow_the_next_episode():
    shelf = Shelf()
    link = "https://mag.example/show"
    shelf.read([draft("Episode 1", explicit_id="1", link=link, summary=LONG)])
    [decision] = shelf.read([draft("On cats", explicit_id="2", link=link, summary=OTHER)])
    assert decision.verb is HOLD
    assert "Episode 1" in decision.reason
    assert shelf.entries[1].title == "Episode 1"
    assert shelf.verbs([draft("On cats", explicit_id="2", link=link, summary=OTHER)]) == [KEEP]


def test_a_link_shared_by_many_ids_identifies_nothing():
    shelf = Shelf()
    page = "https://mag.example/news"
    drafts = [draft(f"Title {n}", n, explicit_id=str(n), link=page, summary=LONG) for n in range(3)]
    decisions = shelf.read(drafts)
    assert [d.verb for d in decisions] == [NEW, NEW, NEW]
    assert not any(key.kind is KeyKind.LINK for d in decisions for key in d.keys)
    more = [draft(f"Title {n}", n, explicit_id=str(n), link=page, summary=LONG) for n in range(1, 5)]
    assert shelf.verbs(more) == [KEEP, KEEP, NEW, NEW]


def test_an_article_without_id_beside_a_shared_link_is_known_by_its_text():
    shelf = Shelf()
    page = "https://mag.example/news"
    drafts = [draft("One", 0, explicit_id="1", link=page), draft("Two", 1, explicit_id="2", link=page)]
    drafts.append(draft("Three", 2, link=page, summary=LONG))
    assert shelf.verbs(drafts) == [NEW, NEW, NEW]
    assert shelf.verbs(drafts) == [KEEP, KEEP, KEEP]


def test_front_page_links_without_ids_lose_no_article():
    shelf = Shelf()
    drafts = [draft(f"Title {n}", n, link="https://mag.example/", summary=f"{n}") for n in range(3)]
    assert shelf.verbs(drafts) == [NEW, NEW, NEW]
    assert shelf.verbs(drafts[1:]) == [KEEP, KEEP]
    assert shelf.verbs([draft("Title 9", link="https://mag.example")]) == [NEW]


def test_articles_of_one_page_are_told_apart_by_their_fragments():
    shelf = Shelf()
    page = "https://mag.example/changes"
    drafts = [draft("Version 2", 0, link=page + "#v2", summary=LONG), draft("Version 1", 1, link=page + "#v1")]
    drafts.append(draft("Version 1", 2, link=page + "#v1", topics=("Old",)))
    assert shelf.verbs(drafts) == [NEW, NEW]
    newer = draft("Version 3", 0, link=page + "#v3", summary=OTHER)
    assert shelf.verbs([newer, *drafts]) == [NEW, KEEP, KEEP]
    assert [shelf.entries[n].title for n in (1, 2, 3)] == ["Version 2", "Version 1", "Version 3"]


def test_two_titles_with_one_link_and_no_ids_are_doubted_not_merged():
    shelf = Shelf()
    page = "https://mag.example/changes"
    drafts = [draft("Version 2", 0, link=page, summary=LONG), draft("Version 1", 1, link=page)]
    drafts.append(draft("Version 1", 2, link=page, topics=("Old",)))
    decisions = shelf.read(drafts)
    assert [d.verb for d in decisions] == [NEW, HOLD]
    assert "link of another article" in decisions[1].reason
    assert decisions[1].draft.topics == ("Old",)
    assert shelf.verbs(drafts) == [KEEP, KEEP]
    assert shelf.verbs(drafts[1:]) == [KEEP], "alone, it must not overwrite the article it shares a link with"
    assert [shelf.entries[n].title for n in (1, 2)] == ["Version 2", "Version 1"]


def test_decisions_follow_the_listing():
    drafts = [draft("A", 0, summary=LONG), draft("A", 1, summary=OTHER), draft("B", 2), draft("A", 3, summary="x y z")]
    assert [d.draft.place for d in Shelf().read(drafts)] == [0, 1, 2, 3]


# --- the same title and byline


def column(summary: str, place: int = 0, **more: object) -> Draft:
    return draft("Column", place, **({"authors": ("Ann",), "summary": summary} | more))


THIRD = "Kings rarely count their own ships because somebody else is paid to do that for them."
CORRECTED = LONG.replace("noon", "night")
HALF = " ".join([*LONG.split()[:14], "but", "nobody", "there", "was", "told"])


@pytest.mark.parametrize("order", [(OTHER, LONG), (LONG, OTHER), (OTHER,)])
def test_a_second_column_is_held_above_below_or_instead_of_the_first(order):
    shelf = Shelf()
    shelf.read([column(LONG)])
    drafts = [column(summary, place) for place, summary in enumerate(order)]
    decisions = {d.draft.summary: d for d in shelf.read(drafts)}
    assert (decisions[OTHER].verb, decisions[OTHER].known) == (HOLD, None)
    assert "another summary" in decisions[OTHER].reason
    assert all(d.verb is KEEP for summary, d in decisions.items() if summary != OTHER)
    assert [shelf.entries[n].summary for n in (1, 2)] == [LONG, OTHER]
    assert set(shelf.verbs(drafts)) == {KEEP}
    assert shelf.verbs([column(THIRD), column(OTHER, 1), column(LONG, 2)]) == [HOLD, KEEP, KEEP]
    assert shelf.verbs([column(LONG), column(THIRD, 1)]) == [KEEP, KEEP]


def test_the_likest_of_several_columns_is_the_known_one_corrected():
    shelf = Shelf()
    shelf.read([column(LONG)])
    assert shelf.verbs([column(HALF), column(CORRECTED, 1)]) == [HOLD, CHANGE]
    assert shelf.entries[1].summary == CORRECTED


def test_a_held_column_corrected_is_not_held_again():
    shelf = Shelf()
    shelf.read([column(LONG)])
    shelf.read([column(OTHER), column(LONG, 1)])
    assert shelf.verbs([column(OTHER + " Twice."), column(LONG, 1)]) == [CHANGE, KEEP]
    assert shelf.entries[2].summary == OTHER + " Twice."


def test_a_summary_removed_added_or_corrected_is_a_change():
    shelf = Shelf()
    read = [shelf.verbs([column(summary)]) for summary in (LONG, "", OTHER, OTHER + " Twice.")]
    assert read == [[NEW], [CHANGE], [CHANGE], [CHANGE]]
    assert len(shelf.entries) == 1


# --- another byline


@pytest.mark.parametrize(("before", "after"), [((), ("Ann",)), (("Ann",), ("Ann", "Bo")), (("Ann",), ())])
def test_another_byline_in_its_place_is_a_change(before, after):
    shelf = Shelf()
    shelf.read([column(LONG, authors=before), draft("Last", 1)])
    now = [draft("New", 0, summary=OTHER), column(LONG, 1, authors=after), draft("Last", 2)]
    assert shelf.verbs(now) == [NEW, CHANGE, KEEP]
    assert shelf.verbs(now) == [KEEP, KEEP, KEEP]
    assert shelf.entries[1].authors == after


@pytest.mark.parametrize(
    ("before", "after", "verb"),
    [("", "", HOLD), (LONG, "", HOLD), ("", LONG, HOLD), (LONG, HALF, HOLD), (LONG, OTHER, NEW)],
)
def test_another_byline_and_another_or_no_summary(before, after, verb):
    shelf = Shelf()
    shelf.read([column(before)])
    assert shelf.verbs([column(after, authors=("Bo",))]) == [verb]
    assert shelf.verbs([column(after, authors=("Bo",))]) == [KEEP]


def test_another_byline_far_from_its_place_is_held():
    shelf = Shelf()
    shelf.read([column(LONG), *(draft(f"T {n}", n) for n in range(1, 6))])
    now = [*(draft(f"T {n}", n - 1) for n in range(1, 6)), column(LONG, 5, authors=("Bo",))]
    assert shelf.verbs(now) == [KEEP] * 5 + [HOLD]


# --- ids and links that come later

LINK = "https://mag.example/column/1"


@pytest.mark.parametrize("more", [{"link": LINK}, {"explicit_id": "1"}, {"link": LINK, "explicit_id": "1"}])
@pytest.mark.parametrize("summary", [LONG, LONG.replace("noon", "night"), ""])
def test_an_id_or_link_that_comes_later_is_stored_with_the_entry(more, summary):
    shelf = Shelf()
    shelf.read([column(LONG if summary else "")])
    assert shelf.verbs([column(summary, **more)]) == [CHANGE if summary not in ("", LONG) else KEEP]
    assert shelf.verbs([draft("Renamed", summary=OTHER, **more)])[0] is CHANGE
    assert len(shelf.entries) == 1


def test_once_it_has_an_id_or_link_the_next_of_its_title_is_new():
    for more, next_ones in (
        ({"explicit_id": "1"}, {"explicit_id": "2"}),
        ({"link": LINK}, {"link": LINK + "1"}),
        ({"link": LINK}, {"explicit_id": "2"}),
    ):
        shelf = Shelf()
        shelf.read([column(LONG)])
        shelf.read([column(LONG, **more)])
        assert shelf.verbs([column(LONG, **next_ones)]) == [NEW]


@pytest.mark.parametrize(("summary", "verb"), [(HALF, HOLD), (OTHER, NEW), ("", KEEP)])
def test_a_first_link_with_another_summary(summary, verb):
    shelf = Shelf()
    shelf.read([column(LONG)])
    assert shelf.verbs([column(summary, link=LINK)]) == [CHANGE if verb is KEEP else verb]


def test_a_first_link_in_another_document_without_summaries_is_held():
    shelf = Shelf()
    shelf.read([column("")])
    assert shelf.verbs([column("", link=LINK)], document="other.md") == [HOLD]
    assert shelf.verbs([column("", link=LINK)], document="other.md") == [KEEP]


def test_a_first_link_in_another_source_is_another_article():
    shelf = Shelf()
    shelf.read([column(LONG)], "a")
    assert shelf.verbs([column(LONG, link=LINK)], "b") == [NEW]


def test_two_of_one_text_with_first_links_are_both_doubted():
    shelf = Shelf()
    shelf.read([column(LONG)])
    assert shelf.verbs([column(LONG, link=LINK + "2"), column(LONG, 1, link=LINK)]) == [HOLD, HOLD]
    assert shelf.verbs([column(LONG, link=LINK + "2"), column(LONG, 1, link=LINK)]) == [KEEP, KEEP]


def test_the_one_with_the_very_text_gets_the_link():
    shelf = Shelf()
    shelf.read([column(LONG)])
    drafts = [column(CORRECTED, link=LINK + "2"), column(LONG, 1, link=LINK)]
    assert shelf.verbs(drafts) == [HOLD, KEEP]
    assert shelf.keys[Key("", KeyKind.LINK, "//mag.example/column/1")] == 1


def test_an_entry_still_listed_by_its_text_gets_no_link_of_another():
    shelf = Shelf()
    shelf.read([column(LONG)])
    assert shelf.verbs([column(LONG, link=LINK), column(LONG, 1)]) == [NEW, KEEP]


@pytest.mark.parametrize(
    ("link", "summary", "verb"),
    [
        ("https://new.example/column/1", LONG, KEEP),
        ("https://new.example/column/1", OTHER, NEW),
        ("https://new.example/column/2", LONG, NEW),
        ("https://mag.example/column/2", LONG, NEW),
    ],
)
def test_links_that_moved_to_another_domain(link, summary, verb):
    shelf = Shelf()
    shelf.read([column(LONG, link=LINK)])
    assert shelf.verbs([column(summary, link=link)]) == [verb]
    assert shelf.verbs([column(summary, link=link)]) == [KEEP]


# --- for any document

ids = st.sampled_from([None, "1", "2", "urn:x:1", "https://mag.example/1"])
links = st.sampled_from(
    [None, "", "https://mag.example/", "https://mag.example/1", "http://www.mag.example/2/", "http://["]
)
documents = st.lists(
    st.builds(
        Draft,
        title=st.sampled_from(["Tide", "tide", "Ebb", "!", "\ud800"]),
        where=st.just("x:1"),
        authors=st.sampled_from([(), ("Ann",), ("Ann", "Bo")]),
        summary=st.sampled_from(["", LONG, OTHER, LONG.upper(), LONG[:60], "?"]),
        topics=st.sampled_from([(), ("Sea",), ("Sun",)]),
        explicit_id=ids,
        link=links,
    ),
    max_size=7,
).map(lambda drafts: [replace(d, place=place) for place, d in enumerate(drafts)])


@given(documents)
@settings(max_examples=300)
def test_read_again_nothing_is_new(drafts):
    shelf = Shelf()
    first = shelf.read(drafts)
    count = len(shelf.entries)
    again = shelf.read(drafts)
    assert not {d.verb for d in again} & {NEW, HOLD}
    assert len(shelf.entries) == count
    assert {t for d in first for t in d.draft.topics} == {t for d in drafts for t in d.topics}
    assert all(d.keys and d.reason for d in first if d.verb is HOLD)
    assert all(d.keys for d in first)


@given(documents, documents)
@settings(max_examples=200)
def test_after_any_history_nothing_is_new_twice(before, drafts):
    shelf = Shelf()
    shelf.read(before)
    shelf.read(drafts)
    assert not {d.verb for d in shelf.read(drafts)} & {NEW, HOLD}


@given(st.lists(documents, max_size=4), documents)
@settings(max_examples=200)
def test_no_key_is_stored_twice_and_no_entry_is_corrected_twice_in_one_reading(history, drafts):
    shelf = Shelf()
    for before in history:
        shelf.read(before)
    stored = set(shelf.keys)
    decisions = shelf.read(drafts)
    assert not stored & {key for d in decisions for key in d.keys}
    changed = [d.known.number for d in decisions if d.known and d.verb is CHANGE]
    assert len(changed) == len(set(changed))
    assert not any(d.keys for d in shelf.read(drafts) if d.verb is KEEP)
