"""Pictures and files of feeds: enclosures, Media RSS, podcasts, JSON Feed."""

import json

import pytest

from feed_publisher.domain.model import Draft, Enclosure, Image
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.feed import read_feed
from feed_publisher.parse.jsonfeed import read_jsonfeed
from feed_publisher.parse.media import MAX_FILES

RULES = ParseRules(base="https://mag.test/feeds/all.xml")
RSS = """<rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd"><channel><title>Quay</title><link>https://mag.test/</link>%s
</channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/"><title>Quay</title>%s</feed>"""
P = "https://mag.test/p.jpg"


def drafts(document: str) -> tuple[Draft, ...]:
    reading = read_feed(document.encode(), "f", RULES)
    assert reading.problems == ()
    return reading.drafts


def rss(parts: str) -> Draft:
    (draft,) = drafts(RSS % f"<item><title>T</title><description>Words.</description>{parts}</item>")
    return draft


def atom(parts: str) -> Draft:
    (draft,) = drafts(ATOM % f"<entry><id>urn:x</id><title>T</title>{parts}</entry>")
    return draft


def item(**said: object) -> Draft:
    feed = {"version": "https://jsonfeed.org/version/1.1", "items": [{"id": "1", "title": "T", **said}]}
    reading = read_jsonfeed(json.dumps(feed).encode(), "f", RULES)
    assert reading.problems == ()
    return reading.drafts[0]


# --- files


def test_enclosures_of_rss():
    draft = rss(
        '<enclosure url="/e.mp3" length="12345" type="audio/mpeg"/><enclosure url="/n.pdf" length="x" type=""/>'
    )
    assert draft.enclosures == (
        Enclosure(url="https://mag.test/e.mp3", type="audio/mpeg", length=12345),
        Enclosure(url="https://mag.test/n.pdf", type="application/pdf"),
    )
    assert draft.image is None


@pytest.mark.parametrize("length", ["", "unknown", "-5", "1.5", "٣", "9" * 16])
def test_a_length_that_is_no_number_is_not_known(length: str):
    assert rss(f'<enclosure url="/e.mp3" length="{length}" type="audio/mpeg"/>').enclosures[0].length == 0


@pytest.mark.parametrize("kind", ["", "mp3", "audio", "audio/", "a b/c", "x" * 99 + "/y"])
def test_a_type_that_is_none_is_told_by_the_extension(kind: str):
    assert rss(f'<enclosure url="/e.mp3?k=1" length="1" type="{kind}"/>').enclosures[0].type == "audio/mpeg"


def test_enclosures_of_atom():
    draft = atom(
        '<link rel="enclosure" href="e.mp3" xml:base="/audio/" length="7" type="audio/mpeg" title="Listen"/>'
        '<link href="https://mag.test/t"/><link rel="related" href="https://mag.test/r.mp3"/>'
    )
    assert draft.enclosures == (
        Enclosure(url="https://mag.test/audio/e.mp3", type="audio/mpeg", length=7, title="Listen"),
    )
    assert draft.link == "https://mag.test/t"


def test_only_so_many_files_and_none_that_is_no_web_address():
    wrong = '<enclosure url="javascript:x" type="audio/mpeg"/><enclosure type="audio/mpeg"/>'
    many = "".join(f'<enclosure url="/{number}.mp3" type="audio/mpeg"/>' for number in range(50))
    found = rss(wrong + many).enclosures
    assert [each.url for each in found] == [f"https://mag.test/{number}.mp3" for number in range(MAX_FILES)]


def test_a_video_of_media_rss_is_one_file_in_its_best_form():
    group = (
        '<media:group><media:content url="/s.mp4" type="video/mp4" width="320" fileSize="5"/>'
        '<media:content url="/l.mp4" type="video/mp4" width="1280" fileSize="50"/></media:group>'
    )
    assert rss(group).enclosures == (Enclosure(url="https://mag.test/l.mp4", type="video/mp4", length=50),)
    default = group.replace('width="320"', 'width="320" isDefault="true"')
    assert [each.url for each in rss(default).enclosures] == ["https://mag.test/s.mp4"]
    assert [each.url for each in rss(group + '<enclosure url="/e.mp3"/>').enclosures] == ["https://mag.test/e.mp3"]


# --- pictures


def test_a_picture_with_what_it_shows_and_whose_it_is():
    shows = "<media:description>A &amp;amp; B</media:description>"
    own = f"{shows}<media:title>t</media:title><media:credit>Ida</media:credit>"
    assert rss(f'<media:content url="/p.jpg" medium="image">{own}</media:content>').image == Image(
        url=P, alt="A & B", credit="Ida"
    )
    in_group = f'<media:group><media:content url="/p.jpg" type="image/jpeg"/>{own}</media:group>'
    assert rss(in_group).image == Image(url=P, alt="A & B", credit="Ida")
    beside = f'<media:content url="/p.jpg"/>{own.replace(shows, "")}'
    assert rss(beside).image == Image(url=P, alt="t", credit="Ida")


def test_each_picture_has_its_own_caption():
    one = '<media:content url="/s.jpg" medium="image" width="140"><media:credit>Ann</media:credit></media:content>'
    two = '<media:content url="/p.jpg" medium="image" width="460"><media:credit>Bo</media:credit></media:content>'
    assert rss(one + two).image == Image(url=P, credit="Bo")


def test_a_caption_is_not_the_article():
    shown = '<media:content url="/p.jpg" medium="image"><media:description>A ferry</media:description></media:content>'
    draft = rss(shown)
    assert (draft.summary, draft.content_html, draft.title) == ("Words.", "", "T")
    (first,) = drafts(RSS % f"<item>{shown}<title>T</title><description>Words.</description></item>")
    assert (first.summary, first.content_html) == ("Words.", "")


def test_a_description_of_a_video_is_the_summary_where_there_is_no_other():
    draft = atom(
        '<link href="https://mag.test/w"/><media:group><media:title>T</media:title><media:thumbnail url="/p.jpg"/>'
        "<media:description>Seen from the quay.</media:description></media:group>"
    )
    assert draft.summary == "Seen from the quay."
    assert draft.image == Image(url=P, alt="Seen from the quay.")


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        ('<media:thumbnail url="/t.jpg"/><media:content url="/p.jpg" medium="image"/>', P),
        ('<media:thumbnail url="/t.jpg" width="75"/><media:thumbnail url="/p.jpg" width="600"/>', P),
        ('<itunes:image href="/e.jpg"/><media:thumbnail url="/p.jpg"/>', P),
        ('<itunes:image href="/p.jpg"/>', P),
        ('<media:content url="/v.mp4" type="video/mp4"/><media:thumbnail url="/p.jpg"/>', P),
        ('<media:content url="/1.jpg" medium="image" width="1" height="1"/><media:thumbnail url="/p.jpg"/>', P),
        ('<media:content url="https://0.gravatar.com/avatar/1" medium="image"/><media:content url="/p.jpg"/>', P),
        ('<media:content url="https://pixel.wp.com/g.gif?x" medium="image"/><media:content url="/p.jpg"/>', P),
        ('<media:content url="/p.mp4" medium="video"/>', None),
        ('<media:content medium="image"/>', None),
        ('<media:content url="data:image/png;base64,x" medium="image"/>', None),
    ],
)
def test_which_picture_it_is(parts: str, url: str | None):
    image = rss(parts).image
    assert (image.url if image else None) == url


def test_an_image_enclosure_is_the_picture_and_no_file():
    shown = '<enclosure url="/p.jpg" length="9" type="image/jpeg"/>'
    draft = rss(shown + '<enclosure url="/e.mp3" type="audio/mpeg"/>')
    assert (draft.image, [each.url for each in draft.enclosures]) == (Image(url=P), ["https://mag.test/e.mp3"])
    other = rss(shown + '<media:content url="/q.jpg" medium="image"/>')
    assert (other.image, [each.url for each in other.enclosures]) == (Image(url="https://mag.test/q.jpg"), [P])


def test_each_entry_has_its_own_and_none_has_that_of_another():
    items = "".join(
        f"<item><title>T{n}</title>" + (f'<media:thumbnail url="/{n}.jpg"/>' if n % 2 else "") + "</item>"
        for n in range(6)
    )
    assert [draft.image.url if draft.image else None for draft in drafts(RSS % items)] == [
        f"https://mag.test/{n}.jpg" if n % 2 else None for n in range(6)
    ]


def test_where_the_entries_cannot_be_matched_none_has_a_picture():
    """An item of a foreign vocabulary, which is none for feedparser."""
    strange = '<x:item xmlns:x="urn:x"><media:thumbnail url="/wrong.jpg"/></x:item>'
    draft = drafts(RSS % f"{strange}<item><title>T</title><media:thumbnail url='/p.jpg'/></item>")[0]
    assert (draft.title, draft.image) == ("T", None)


def test_an_endless_group_costs_little():
    group = '<media:content url="x:" medium="image"><media:title>t</media:title></media:content>' * 20_000
    assert rss(f"<media:group>{group}</media:group>").image is None


# --- JSON Feed


def test_pictures_and_files_of_a_json_feed():
    draft = item(
        image="/p.jpg",
        banner_image="/b.jpg",
        attachments=[
            {"url": "/e.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 12, "title": "Listen"},
            {"url": "/f.mp3", "mime_type": "wrong", "size_in_bytes": 1.5},
            {"url": "data:,x"},
            "x",
        ],
    )
    assert draft.image == Image(url=P)
    assert draft.enclosures == (
        Enclosure(url="https://mag.test/e.mp3", type="audio/mpeg", length=12, title="Listen"),
        Enclosure(url="https://mag.test/f.mp3", type="audio/mpeg"),
    )


@pytest.mark.parametrize(
    "said",
    [
        {"banner_image": "/p.jpg"},
        {"image": 7, "banner_image": "/p.jpg"},
        {"attachments": [{"url": "/p.jpg", "mime_type": "image/jpeg"}]},
    ],
)
def test_other_pictures_of_a_json_feed(said: dict[str, object]):
    draft = item(**said)
    assert (draft.image, draft.enclosures) == (Image(url=P), ())
