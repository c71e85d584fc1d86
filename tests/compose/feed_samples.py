"""Invented documents for the feed tests: twelve hostile entries, and the small one behind the golden files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from feed_publisher.domain.model import Enclosure, FeedDocument, FeedFormat, FeedItem, Image, TopicRef

BASE = "https://mag.example"
HARBOUR = TopicRef(slug="harbour", title="Harbour & Quay")
SCIENCE = TopicRef(slug="science", title="Science")
FIRST = datetime(2026, 3, 2, 9, 30, 0, 250, tzinfo=UTC)

# (as stored, as readers must show it)
TITLES = [
    ("Ferry returns to the old pier", None),
    ("<script>alert(1)</script> in a title", None),
    ("Use <b> & </b> with care", None),
    ("AT&T, &amp; and &lt; taken literally", None),
    ("The end of CDATA: ]]> and after", None),
    ("It's the editor's \"choice\"", None),
    ("Con\x00trol\x0b char\x1facters\x85", "Control characters"),
    ("No\ufffe char\uffff at\U0001ffff all", "No char at all"),
    ("Half a pair \ud83d and \udc00 alone", "Half a pair  and  alone"),
    ("Whale \U0001f40b meets \U0001f469\u200d\U0001f680", None),
    ("\u05e9\u05dc\u05d5\u05dd \u202bRTL\u202c and \u0645\u0631\u062d\u0628\u0627", None),
    ("\x01\x02", f"{BASE}/2026/11"),
]
SHOWN = [shown or stored for stored, shown in TITLES]
AUTHORS = [("Ada Ruiz",), ("Ada Ruiz", "Bo Lindqvist"), (), ("Reuters & Partner <wire>",)]


def document(*items: FeedItem, **changes: object) -> FeedDocument:
    values: dict[str, object] = {
        "id": "urn:uuid:5b0c7a52-0f43-4b42-9a55-0d1c8d0f7c10",
        "title": "The Quay & Tide",
        "subtitle": "News from the <waterfront>",
        "page_url": f"{BASE}/topics/harbour",
        "urls": {format: f"{BASE}/feeds/harbour.{format}" for format in FeedFormat},
        "language": "en",
        "updated": FIRST,
        "items": items,
    }
    return FeedDocument(**{**values, **changes})  # type: ignore[arg-type]


def item(number: int = 0, **changes: object) -> FeedItem:
    published = FIRST - timedelta(hours=number)
    values: dict[str, object] = {
        "id": f"urn:uuid:00000000-0000-4000-8000-{number:012}",
        "url": f"{BASE}/2026/{number}",
        "title": "Ferry returns to the old pier",
        "authors": ("Ada Ruiz",),
        "summary": "Three boats <a day> & a night one",
        "content_html": f'<p>Tide &amp; time, no.\u00a0{number} <a href="{BASE}/x?a=1&amp;b=2">]]&gt;</a></p>',
        "published": published,
        "updated": published + timedelta(minutes=5, microseconds=7),
        "topics": (HARBOUR, SCIENCE),
        "language": None,
    }
    return FeedItem(**{**values, **changes})  # type: ignore[arg-type]


def hostile_document() -> FeedDocument:
    """Twelve entries: every third without summary, every fourth without content, every fourth without author."""
    return document(
        *(
            item(
                number,
                title=title,
                authors=AUTHORS[number % 4],
                language="he" if number == 10 else "en",
                **({"summary": ""} if number % 3 == 2 else {}),
                **({"content_html": ""} if number % 4 == 3 else {}),
            )
            for number, (title, _) in enumerate(TITLES)
        )
    )


def poisoned_document() -> FeedDocument:
    """A character no feed may hold in every text from outside."""
    bad = "\x00\ud800\ufffe"
    entry = item()
    texts = {name: getattr(entry, name) + bad for name in ("id", "url", "title", "summary", "content_html")}
    topics = (TopicRef(slug="named", title=f"Named{bad}"), TopicRef(slug="nameless", title=bad))
    feed = document()
    return document(
        item(**texts, authors=(f"Ada{bad}",), topics=topics, language=f"fr{bad}"),
        **{name: getattr(feed, name) + bad for name in ("id", "title", "subtitle", "page_url", "language")},
        urls={format: url + bad for format, url in feed.urls.items()},
    )


def golden_document() -> FeedDocument:
    """No text looks like mark-up, so that the W3C validator has nothing to warn about."""
    return document(
        item(
            1,
            title="Ferry back at the pier: AT&T, ]]>, 5 < 6 and \U0001f40b",
            authors=("Ada Ruiz", "Bo Lindqvist"),
            image=Image(url=f"{BASE}/pier.jpg", alt="The old pier at ebb", credit="Bo Lindqvist"),
            enclosures=(Enclosure(url=f"{BASE}/7.mp3", type="audio/mpeg", length=123456, title="Episode 7"),),
        ),
        item(2, title="Marée basse à l'aube", authors=("Agence Côte",), language="fr", summary="", topics=(HARBOUR,)),
        item(3, title="No content,\x00 no author", authors=(), content_html="", topics=()),
        subtitle="News from the waterfront",
        hubs=("https://hub.example/",),
        older={format: f"{BASE}/feeds/harbour/3.{format}" for format in FeedFormat},
        icon=f"{BASE}/icon.svg",
        logo=f"{BASE}/logo.png",
    )
