"""One reader of bytes for files, feeds and pages: the labels that the web uses, and those that lie."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feed_publisher.domain.errors import InputError
from feed_publisher.domain.source import ParseRules, Selectors
from feed_publisher.parse.charset import codec_of, decode, to_text
from feed_publisher.parse.feed import read_feed
from feed_publisher.parse.page import read_page
from feed_publisher.parse.text import clean

FEED = "<rss version='2.0'><channel><item><title>{}</title></item></channel></rss>"
PAGE = "<html><body><article><h2>{}</h2></article></body></html>"
ARTICLES = Selectors(entry="article")
REGIONAL = [
    ("iso-8859-9", "cp1254", "İstanbul’da sis “kalkmadı”"),
    ("tis-620", "cp874", "หมอกที่ท่าเรือ “วันนี้”"),
    ("windows-874", "cp874", "หมอกที่ท่าเรือ “วันนี้”"),
    ("euc-kr", "cp949", "항구의 안개가 똠방각하"),
    ("x-sjis", "cp932", "港の霧①"),
]
TITLE = "Туман над портом"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_decode(encoding):
    text = "“Fähre” – naïve café’s"
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_decode_by_mark(encoding):
    assert decode("\ufeffFähre".encode(encoding)) == "Fähre"
    assert to_text("\ufeffFähre".encode(encoding), ["utf-8"]) == "Fähre"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["<p>Fähre", '\n\t <?xml version="1.0"?>', '{"title": "港"}', "[1]"])
def test_forgotten_marks(encoding, text):
    assert to_text(text.encode(encoding), ["iso-8859-1"]) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Новости порта: паром не вышел в море", "cp1251"),
        ("港のニュース。連絡船は出港しませんでした。", "shift_jis"),
        ("Zażółć gęślą jaźń i źdźbło trawy na łące", "cp1250"),
    ],
)
def test_decode_guesses_other_code_pages(text, encoding):
    assert decode(text.encode(encoding)) == text


def test_damaged_utf8_stays_utf8():
    assert decode("äöü äöü ".encode() + b"\xff!") == "äöü äöü \ufffd!"


@pytest.mark.parametrize("data", [b"a\0b", b"\xff\xfea", b"\xff\xfe\0\0abc"])
def test_binary_is_refused(data):
    with pytest.raises(InputError, match="is not text"):
        decode(data)


@pytest.mark.parametrize(("label", "encoding", "title"), REGIONAL)
def test_feeds_and_pages_read_labels_as_browsers_do(label, encoding, title):
    feed, page = FEED.format(title).encode(encoding), PAGE.format(title).encode(encoding)
    declared = f"<?xml version='1.0' encoding='{label}'?>".encode() + feed
    meta = page.replace(b"<body>", f"<meta charset={label}><body>".encode())
    readings = [
        read_feed(feed, "f", ParseRules(charset=label)),
        read_feed(declared, "f", ParseRules()),
        read_page(page, "p", ParseRules(charset=label, select=ARTICLES)),
        read_page(meta, "p", ParseRules(select=ARTICLES)),
    ]
    assert [[draft.title for draft in reading.drafts] for reading in readings] == [[title]] * 4


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        (' "UTF8" ', "utf-8"),
        ("Latin1", "cp1252"),
        ("us-ascii", "cp1252"),
        ("GB2312", "gb18030"),
        ("Big5", "big5hkscs"),
        ("iso-8859-11", "cp874"),
        ("iso-8859-8-i", "iso8859-8"),
        ("ks_c_5601-1987", "cp949"),
        ("x-mac-cyrillic", "mac-cyrillic"),
        ("ISO-2022-JP", "iso2022_jp"),
        *((label, "") for label in ("", "utf-7", "utf-16", "zip", "base64", "idna", "punycode", "cp037", "x", "ы\0")),
    ],
)
def test_codec_of(label, codec):
    assert codec_of(label) == codec


def test_the_bytes_are_believed_before_any_label():
    for label in ("iso-8859-1", "koi8-r", "iso-2022-jp", "utf-7", ""):
        assert to_text(TITLE.encode(), [label]) == TITLE
    assert to_text(TITLE.encode("koi8-r"), ["utf-8", "koi8-r"]) == TITLE
    assert to_text("港の霧".encode("iso-2022-jp"), ["", "iso-2022-jp"]) == "港の霧"
    assert to_text(b"+ADw-script+AD4-", ["utf-7"]) == "+ADw-script+AD4-"


def test_a_label_that_fits_survives_some_damage():
    text = "항구의 안개 " * 20
    assert to_text(text.encode("cp949") + b"\xff", ["euc-kr"]) == text + "\ufffd"
    assert to_text(text.encode("cp949"), ["iso-2022-jp", "euc-kr"]) == text


@given(st.binary())
def test_decode_gives_text_or_input_error(data):
    with suppress(InputError):
        clean(decode(data)).encode()


@given(st.binary(), st.lists(st.sampled_from(["utf-8", "utf-16", "hz", "euc-kr", "iso-2022-jp", "cp1252"]) | st.text()))
def test_to_text_gives_text_or_input_error(data, labels):
    with suppress(InputError):
        clean(to_text(data, labels)).encode()
