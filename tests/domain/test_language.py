import doctest

import pytest

from feed_publisher.domain import language
from feed_publisher.domain.language import Say, direction_of, isolated, spoken


def test_the_examples_of_the_docstrings():
    tried = doctest.testmod(language)
    assert tried.attempted > 5
    assert tried.failed == 0


@pytest.mark.parametrize(
    ("text", "said", "usual", "runs"),
    [
        ("Quay", None, "ar", "ltr"),
        ("NASA تعلن", None, "ar", "rtl"),
        ("24/7", None, "ar", "rtl"),
        ("مقال", None, "en", "rtl"),
        ("مقال", "en", "ar", "ltr"),
    ],
)
def test_an_unknown_language_runs_as_its_letters_do(text, said, usual, runs):
    assert direction_of(text, said, usual) == runs


def test_a_variety_is_spoken_where_its_language_is():
    assert spoken("pt-BR", {"pt", "en"}, "en") == "pt-BR"
    assert spoken("", {"de"}, "ar") == "ar"


def test_a_sentence_is_english_until_it_is_said():
    sentence = Say("“%(typed)s” holds %(sign)s", typed="a,b", sign=Say("a comma"))
    assert sentence == "“a,b” holds a comma"
    german = {"“%(typed)s” holds %(sign)s": "„%(typed)s“ enthält %(sign)s", "a comma": "ein Komma"}
    assert sentence.said(german.__getitem__) == "„a,b“ enthält ein Komma"
    arabic = {"“%(typed)s” holds %(sign)s": "يحوي «%(typed)s» %(sign)s", "a comma": "فاصلة"}
    said = sentence.said(arabic.__getitem__, lambda text: isolated(text, "rtl"))
    assert said == "يحوي «\u2068a,b\u2069» فاصلة"
    assert Say("100 %").said(str) == "100 %"
