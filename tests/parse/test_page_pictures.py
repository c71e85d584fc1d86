"""The pictures of articles on pages: what is said to machines, else what stands in the article itself."""

import json

import pytest

from feed_publisher.domain.model import Draft, Image
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.page import read_page

HERE = "https://quay.test/harbour"
P = "https://quay.test/p.jpg"


def read(html: str, base: str = HERE) -> tuple[Draft, ...]:
    return read_page(html.encode(), "page.html", ParseRules(base=base)).drafts


def cards(*insides: str) -> list[Image | None]:
    """The pictures of article elements with these things in them."""
    articles = "".join(
        f"<article>{inside}<h2><a href='/a/{n}'>Article number {n} here</a></h2><p>What happened there.</p></article>"
        for n, inside in enumerate(insides)
    )
    drafts = read(f"<html><body><h1>News</h1>{articles}</body></html>")
    assert len(drafts) == len(insides)
    return [draft.image for draft in drafts]


def json_ld(**said: object) -> Image | None:
    article = {"@type": "NewsArticle", "headline": "A Title of Words", "url": "/a/1", "description": "Words.", **said}
    graph = [article, {"@type": "ImageObject", "@id": "#main", "contentUrl": "/p.jpg", "caption": "A pier"}]
    (draft,) = read(f"<html><script type='application/ld+json'>{json.dumps({'@graph': graph})}</script></html>")
    return draft.image


@pytest.mark.parametrize(
    ("image", "found"),
    [
        ("/p.jpg", Image(url=P)),
        (["/p.jpg", "/q.jpg"], Image(url=P)),
        (
            {"@type": "ImageObject", "url": "/p.jpg", "caption": "A pier", "creditText": "Ida"},
            Image(url=P, alt="A pier", credit="Ida"),
        ),
        ({"url": "/p.jpg", "creator": {"@type": "Person", "name": "Ida Holm"}}, Image(url=P, credit="Ida Holm")),
        ({"@id": "#main"}, Image(url=P, alt="A pier")),
        ([{"url": "/x.gif", "width": 1, "height": {"value": 1}}, "/p.jpg"], Image(url=P)),
        ("data:image/png;base64,x", None),
        (7, None),
    ],
)
def test_json_ld(image: object, found: Image | None):
    assert json_ld(image=image) == found


def test_json_ld_with_a_preview_only():
    assert json_ld(thumbnailUrl="/p.jpg") == Image(url=P)


@pytest.mark.parametrize(
    ("marked", "found"),
    [
        ('<img class="u-photo" src="/p.jpg" alt="A pier">', Image(url=P, alt="A pier")),
        ('<a class="u-featured" href="/p.jpg"></a><img class="u-photo" src="/q.jpg">', Image(url=P)),
        ('<div class="u-photo"><img src="/p.jpg" alt="A pier"></div>', Image(url=P, alt="A pier")),
    ],
)
def test_microformats(marked: str, found: Image):
    entry = f"<div class=h-entry><img src=/logo.png>{marked}<a class='p-name u-url' href=/a>A Title of Words</a></div>"
    assert read(f"<body>{entry}</body>")[0].image == found


@pytest.mark.parametrize(
    "marked",
    [
        '<meta itemprop="image" content="/p.jpg">',
        '<link itemprop="thumbnailUrl" href="/p.jpg">',
        '<div itemprop="image" itemscope><meta itemprop="url" content="/p.jpg"></div>',
    ],
)
def test_microdata(marked: str):
    title = "<a itemprop=url href=/a><b itemprop=headline>A Title</b></a>"
    entry = f"<div itemscope itemtype='https://schema.org/Article'>{marked}{title}</div>"
    assert read(f"<body>{entry}</body>")[0].image == Image(url=P)


def test_the_img_of_a_card():
    assert cards('<img src="/p.jpg" alt=" A  pier ">', "") == [Image(url=P, alt="A pier"), None]
    assert cards('<picture><source srcset="/x.webp"><img data-src="/p.jpg"></picture>', "") == [Image(url=P), None]
    assert cards("", '<img src="/q.jpg"><a href="/a/1"><img src="/p.jpg"></a>') == [None, Image(url=P)]


@pytest.mark.parametrize(
    "inside",
    [
        '<img src="/p.gif" width="1" height="1">',
        '<img src="https://pixel.wp.com/g.gif">',
        '<img src="/p.jpg" style="display:none">',
        '<img src="/p.jpg" class="avatar">',
        '<div class="author-box"><span><img src="/p.jpg"></span></div>',
        '<img src="/p.svg" width="24" height="24">',
        '<a href="/elsewhere"><img src="/p.jpg"></a>',
        '<img src="data:image/png;base64,x">',
        '<img alt="nothing">',
    ],
)
def test_what_is_no_picture_of_the_article(inside: str):
    assert cards(inside, "") == [None, None]


def test_the_class_of_the_card_itself_says_nothing_of_its_picture():
    articles = "".join(
        f"<article class='author-ann'><img src='/{n}.jpg'><h2><a href='/a/{n}'>Article number {n}</a></h2></article>"
        for n in range(3)
    )
    assert [draft.image for draft in read(f"<body>{articles}</body>")] == [
        Image(url=f"https://quay.test/{n}.jpg") for n in range(3)
    ]


def headed(before: str, after: str) -> list[Image | None]:
    """The pictures of four articles that are headings with what follows them."""
    parts = "".join(
        f"{before.format(n)}<h2><a href='/a/{n}'>Article number {n} of many</a></h2>{after.format(n)}<p>Seen there.</p>"
        for n in range(4)
    )
    return [draft.image for draft in read(f"<html><body><h1>News</h1>{parts}</body></html>")]


def test_after_a_heading_a_picture_may_be_that_of_the_next_article():
    own = [Image(url=f"https://quay.test/{n}.jpg") for n in range(4)]
    assert headed("<figure><img src='/{0}.jpg'></figure>", "") == [None] * 4
    assert headed("", "<a href='/a/{0}'><img src='/{0}.jpg'></a>") == own


OG = '<meta property="og:image" content="/p.jpg"><meta property="og:image:alt" content="A pier">'


def with_og(url: str, extra: str = "", more: str = "") -> list[Image | None]:
    article = {
        "@type": "NewsArticle",
        "headline": "A Title of Words",
        "url": url,
        **({"image": extra} if extra else {}),
    }
    script = f"<script type='application/ld+json'>{json.dumps([article, *json.loads(more or '[]')])}</script>"
    return [draft.image for draft in read(f"<html><head>{OG}{script}</head></html>")]


def test_the_picture_that_a_page_shows_of_itself_is_that_of_its_one_article():
    assert with_og(HERE + "?utm_source=x") == [Image(url=P, alt="A pier")]
    assert with_og(HERE, "/q.jpg") == [Image(url="https://quay.test/q.jpg")]
    assert with_og("/another") == [None]
    other = '[{"@type": "Article", "headline": "Another One", "url": "/b"}]'
    assert with_og(HERE, more=other) == [None, None]
