from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from feed_publisher.domain.selection import Candidate, Choice, Selected, change_choice, select

SEA, SUN, MOON = 1, 2, 3
TOPICS = (SEA, SUN)


def chosen(choice: Choice, cursor: int, **sequences: int) -> list[Selected]:
    numbers = {"sea": SEA, "sun": SUN, "moon": MOON}
    candidate = Candidate(entry=7, sequences={numbers[name]: n for name, n in sequences.items()})
    return select([candidate], choice, cursor, through=100)


BOTH = Choice(starts={SEA: 0, SUN: 0})


def test_above_the_cursor():
    assert [s.entry for s in chosen(BOTH, 4, sea=5)] == [7]
    assert chosen(BOTH, 5, sea=5) == []


def test_up_to_the_cut():
    candidates = [Candidate(entry=n, sequences={SEA: n}) for n in (9, 10, 11)]
    assert [s.entry for s in select(candidates, BOTH, 8, through=10)] == [9, 10]


def test_only_chosen_topics():
    assert chosen(BOTH, 0, moon=5) == []
    assert [s.topic for s in chosen(BOTH, 0, moon=5, sun=6)] == [SUN]


def test_only_above_the_start_of_the_topic():
    late = Choice(starts={SEA: 5, SUN: 0})
    assert chosen(late, 0, sea=5) == []
    assert [s.topic for s in chosen(late, 0, sea=5, sun=8)] == [SUN]
    assert [s.topic for s in chosen(late, 0, sea=6, sun=8)] == [SEA]


def test_moving_on_to_a_second_chosen_topic_is_no_news():
    assert chosen(BOTH, 6, sea=5, sun=8) == []


def test_the_first_topic_leads():
    assert [s.topic for s in chosen(BOTH, 0, sun=3, sea=9)] == [SUN]


def test_what_was_mailable_elsewhere_before_is_asked_of_the_ledger():
    only_sun = Choice(starts={SUN: 6})
    assert chosen(only_sun, 6, sea=5, sun=8) == [Selected(entry=7, topic=SUN, sequence=8, may_have_had=True)]
    assert chosen(only_sun, 6, sea=7, sun=8) == [Selected(entry=7, topic=SUN, sequence=8, may_have_had=False)]


def test_everything_means_later_topics_too():
    everything = Choice(everything=3)
    assert chosen(everything, 0, moon=3) == []
    assert [s.topic for s in chosen(everything, 0, moon=4)] == [MOON]
    assert everything.start_of(99) == 3
    assert BOTH.start_of(99) is None


def test_the_order_of_the_candidates_stays():
    candidates = [Candidate(entry=n, sequences={SEA: n}) for n in (3, 9, 1)]
    assert [s.entry for s in select(candidates, BOTH, 0, 10)] == [3, 9, 1]


# --- choices

choices = st.builds(
    Choice,
    everything=st.one_of(st.none(), st.integers(0, 10**12)),
    starts=st.dictionaries(st.integers(1, 10**6), st.integers(0, 10**12), max_size=6),
)


@given(choices)
def test_text_and_back(choice):
    assert Choice.parse(choice.text) == choice
    assert Choice.parse(choice.text).text == choice.text


def test_texts():
    assert Choice(everything=0).text == "*@0"
    assert Choice(everything=340, starts={12: 0}).text == "*@340,12@0"
    assert Choice(starts={2: 5, 1: 3}).text == Choice(starts={1: 3, 2: 5}).text == "1@3,2@5"
    assert Choice().text == ""
    assert Choice.parse("") == Choice()


@given(choices, st.one_of(st.none(), st.sets(st.integers(1, 20), max_size=5)), st.integers(0, 10**12))
def test_kept_topics_keep_their_start_and_new_ones_start_now(old, wanted, now):
    new = change_choice(old, wanted, now)
    for topic in set(range(1, 21)) | set(old.starts):
        if wanted is None or topic in wanted:
            before = old.start_of(topic)
            assert new.start_of(topic) == (now if before is None else before)
        else:
            assert new.start_of(topic) is None
    if wanted is None:
        assert new.start_of(10**7) == (now if old.everything is None else old.everything)
    assert change_choice(new, wanted, now + 1).text == new.text


# --- every wanted entry exactly once, whatever happens


@dataclass
class Reader:
    """The model: ``wanted`` are entries that were numbered in a topic while this reader followed it."""

    choice: Choice
    cursor: int = 0
    follows: set[int] | None = None
    wanted: dict[int, set[int]] = field(default_factory=dict)
    had: list[int] = field(default_factory=list)

    def is_following(self, topic: int) -> bool:
        return self.follows is None or topic in self.follows

    def owed(self) -> set[int]:
        return {entry for entry, topics in self.wanted.items() if topics} - set(self.had)


topic_sets = st.sets(st.sampled_from(TOPICS), min_size=1)


class Digest(RuleBasedStateMachine):
    """Entries get a number per topic from one counter; a topic given up takes what was not yet sent with it."""

    def __init__(self) -> None:
        super().__init__()
        self.counter = 0
        self.entries: list[dict[int, int]] = []
        self.readers = [
            Reader(choice=Choice(everything=0)),
            Reader(choice=Choice(starts={SEA: 0}), follows={SEA}),
            Reader(choice=Choice(starts={SEA: 0, SUN: 0}), follows={SEA, SUN}),
        ]

    def number(self, entry: int, topics: set[int]) -> None:
        for topic in sorted(topics - set(self.entries[entry])):
            self.counter += 1
            self.entries[entry][topic] = self.counter
            for reader in self.readers:
                if reader.is_following(topic):
                    reader.wanted.setdefault(entry, set()).add(topic)

    @rule(topics=topic_sets)
    def new_entry(self, topics: set[int]) -> None:
        self.entries.append({})
        self.number(len(self.entries) - 1, topics)

    @rule(topics=topic_sets, data=st.data())
    def gains_topics(self, topics: set[int], data: st.DataObject) -> None:
        if self.entries:
            self.number(data.draw(st.integers(0, len(self.entries) - 1)), topics)

    @rule(reader=st.integers(0, 2), topics=st.one_of(st.none(), st.sets(st.sampled_from(TOPICS))))
    def changes_topics(self, reader: int, topics: set[int] | None) -> None:
        one = self.readers[reader]
        one.choice = Choice.parse(change_choice(one.choice, topics, self.counter).text)
        one.follows = topics
        for wanted in one.wanted.values():
            wanted.intersection_update(TOPICS if topics is None else topics)

    @rule(refused=st.sampled_from([None, None, 0, 1, 2]))
    def issue(self, refused: int | None) -> None:
        """For everybody; one may be refused by the relay, and that cursor is put back."""
        candidates = [Candidate(entry=n, sequences=dict(sequences)) for n, sequences in enumerate(self.entries)]
        for number, one in enumerate(self.readers):
            found = select(candidates, one.choice, one.cursor, self.counter)
            fresh = [s for s in found if not (s.may_have_had and s.entry in one.had)]
            assert sorted(s.entry for s in fresh) == sorted(one.owed())
            assert all(one.is_following(s.topic) for s in fresh)
            if number != refused:
                one.had += [s.entry for s in fresh]
                one.cursor = self.counter

    @invariant()
    def nobody_had_anything_twice(self) -> None:
        for reader in self.readers:
            assert len(reader.had) == len(set(reader.had))


TestEveryEntryOnce = Digest.TestCase
TestEveryEntryOnce.settings = settings(max_examples=200, stateful_step_count=20, deadline=None)
