import pytest

from feed_publisher.parse.byline import is_certain, names_of, split_authors


@pytest.mark.parametrize(
    ("names", "authors"),
    [
        ("Jane Doe", ("Jane Doe",)),
        ("Ann Po and Bob Ray", ("Ann Po", "Bob Ray")),
        ("Ann Po, Bob Ray, and Cy Lee", ("Ann Po", "Bob Ray", "Cy Lee")),
        ("Ann Po, Bob Ray & Cy Lee", ("Ann Po", "Bob Ray", "Cy Lee")),
        ("ANN PO AND BOB RAY", ("ANN PO", "BOB RAY")),
        ("Shirin O’Neil with Ann Po", ("Shirin O’Neil", "Ann Po")),
        ("Associated Press", ("Associated Press",)),
        ("Staff", ("Staff",)),
        ("Sam Lee Jr., Ann Po and Bob", ("Sam Lee Jr.", "Ann Po", "Bob")),
        ("Sam Lee, Jr., Ann Po, PhD and Bob", ("Sam Lee, Jr.", "Ann Po, PhD", "Bob")),
        ("Ministry of Food and Farming", ("Ministry of Food and Farming",)),
        ("Ann Po, Ministry of Food and Farming, and Bob", ("Ann Po", "Ministry of Food and Farming", "Bob")),
        ("Alexandra Anderson", ("Alexandra Anderson",)),
        ("Ann Po, Ann Po", ("Ann Po",)),
        ("Jane Doe.", ("Jane Doe",)),
        ("John A. Smith", ("John A. Smith",)),
        ("", ()),
    ],
)
def test_authors(names, authors):
    assert split_authors(names) == authors


@pytest.mark.parametrize("line", ["By Jane Doe", "by jane doe and ann po", "BY STAFF", "By: X", "By the Editors", "By"])
def test_bylines(line):
    assert names_of(line) is not None


@pytest.mark.parametrize(
    "line", ["Byron", "By-election", "By 2030, the harbour will be empty.", "By X " + "y" * 300, "Written by X"]
)
def test_not_bylines(line):
    assert names_of(line) is None
    assert not is_certain(line)


@pytest.mark.parametrize("line", ["By the sea", "By the Numbers: 2020", "By Dawn, All Was Quiet."])
def test_could_be_titles(line):
    assert not is_certain(line)
