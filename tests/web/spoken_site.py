"""A site in one language, an address of each page that its readers meet, and how to find English left in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from gettext import NullTranslations
from pathlib import Path

from lxml import html
from web_site import ELSEWHERE, Site, filled

from feed_publisher.adapters.catalogs import SHIPPED, Catalogs, read_catalog
from feed_publisher.domain.address import parse_address
from feed_publisher.domain.token import Purpose, dated
from feed_publisher.ports.pickup import Page
from feed_publisher.services.subscribe import REQUEST_BITS

ARTICLES = {
    "ar": (
        ("آخر عبّارة قبل الجليد", "الشحن الساحلي", "غادرت العبّارة الرصيف قبل أن يتجمد الخليج.", ("ليلى حداد", "Ann Po")),
        ("شارع تغمره المياه كل شتاء", "مدن المرفأ", "إشعار قبل أربعة أيام، وإعارة حوامل خشبية.", ("سامي نصّار",)),
    ),
    "de": (
        ("Die letzte Fähre vor dem Eis", "Küstenschifffahrt", "Sie legte ab, bevor die Bucht zufror.", ("Jörg Ähre",)),
        ("Die Straße, die jeden Winter überflutet", "Hafenstädte", "Vier Tage Vorlauf.", ("Ute Öl", "Ann Po")),
    ),
}
READER = "reader@example.org"


@contextmanager
def spoken(folder: Path, migrated: Path, language: str, **settings: str) -> Iterator[Site]:
    """Articles of the language, and an English one."""
    own = f'language = "{language}"\nlanguages = ["en", "de", "ar"]\nimprint_url = "https://x.example/i"\n'
    with filled(folder, migrated, site=own + 'privacy_url = "https://x.example/p"', **settings) as site:
        site.add(
            "The Street They Rebuilt", "Harbour towns", language="en", summary="Trestles, on loan.", authors=("Bo",)
        )
        for title, topic, summary, authors in ARTICLES[language]:
            body = f"<h2>{title}</h2><p>{summary}</p><blockquote><p>{summary}</p></blockquote><ul><li>1</li></ul>"
            site.add(title, topic, language=language, summary=summary, authors=authors, content_html=body)
        site.app.publish()
        yield site


def reader_pages(site: Site, language: str) -> list[str]:
    """Those that are for everybody, and the pages of one reader, who gets an issue first."""
    leave = site.join(READER)
    view = site.reader(READER)
    site.app.preferences.speak(view, language, site.clock())
    mine = f"/preferences/{site.token(Purpose.PREFERENCES, view.subscription)}"
    site.ask("away@example.org", language=language)
    site.client().post(site.confirm_url("away@example.org", 1), data={"confirm": "yes"})
    away = site.reader("away@example.org")
    site.app.preferences.pause(away, 14, False, site.clock())
    data = site.token(Purpose.DATA, dated(view.subscription, int(site.clock.now.timestamp())))
    site.app.preferences.ask_move(data, parse_address("moved@example.org"), site.clock())
    site.ask("new@example.org", language=language)
    site.mail()
    issue = next(iter(site.app.archive.page("weekly", "", 5))).name
    topics = [topic.slug for topic in site.app.topics.current()]
    entries = {entry.language: entry.key for entry in site.app.entries.page(Page(limit=100))}
    author = ARTICLES[language][0][3][0]
    return [
        "/",
        *(f"/topics/{slug}" for slug in topics),
        f"/authors/{site.app.authors.find([author])[author].slug}",
        "/follow",
        f"/follow?topic={topics[0]}&topic={topics[1]}",
        "/follow?topic=nowhere",
        *(f"/entries/{key}" for key in entries.values()),
        f"/digests/weekly?language={language}",
        "/issues/weekly",
        f"/issues/weekly/{issue}",
        site.confirm_url("new@example.org", 1),
        site.confirm_url(READER, 1),
        leave,
        mine,
        *(f"{mine}?digest=weekly&done={done}" for done in ("saved", "paused", "joined", "left", "asked", "language")),
        f"/preferences/{site.token(Purpose.PREFERENCES, away.subscription)}",
        f"/data/{data}",
        f"/move/{site.token(Purpose.MOVE, (view.subscription << REQUEST_BITS) + 1)}",
        "/nothing",
        "/preferences/x",
    ]


# --- English that was left


@cache
def english(language: str) -> list[tuple[str, ...]]:
    """The pieces, between values and tags, of each message that the language says in other words."""
    catalog = read_catalog(SHIPPED / language / "LC_MESSAGES" / "messages.po")
    messages = (message.id if isinstance(message.id, str) else message.id[-1] for message in catalog if message.id)
    said: NullTranslations = Catalogs().of(language)
    found = (re.split(r"%\(\w+\)[sd]|<[^>]*>", text) for text in messages if said.gettext(text) != text)
    return [tuple(" ".join(piece.split()) for piece in pieces) for pieces in found]


def left_in_english(text: list[str], language: str) -> list[str]:
    """Pieces of the English messages: those of several words anywhere, single words where they stand alone."""
    lines = [" ".join(line.split()) for line in text]
    everything = "\n".join(lines)
    pieces = {piece for message in english(language) for piece in message if len(piece) > 2 and piece[0].isalpha()}
    return sorted(piece for piece in pieces if (piece in everything if " " in piece else piece in lines))


def shown(page: str) -> list[str]:
    """What a page says: its texts, and the attributes that are read out. What is marked as another language is not."""
    root = html.fromstring(page)
    for foreign in root.xpath("/html/body//*[@lang='en'] | //script | //style | //datalist"):
        foreign.drop_tree()
    attributes = "//@aria-label | //@title | //@placeholder | //@data-copied | //@data-selected"
    return [*map(str, root.itertext()), *map(str, root.xpath(attributes))]


def page_of(site: Site, address: str) -> str:
    return site.client(ELSEWHERE).get(address).text
