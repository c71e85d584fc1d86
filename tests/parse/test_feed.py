"""Foreign feeds as they are met: every format, every habit, and the hostile ones."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from feed_publisher.domain.model import Reading
from feed_publisher.domain.source import ParseRules
from feed_publisher.parse.feed import read_feed
from feed_publisher.parse.feedentry import MAX_CONTENT, MAX_ENTRIES

BASE = "https://mag.test/feeds/all.xml"
RULES = ParseRules(base=BASE)

RSS = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
  xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:atom="http://www.w3.org/2005/Atom"
  xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"
  xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0">
<channel>
  <title>The Harbour &amp;amp; Port</title>
  <link>https://mag.test/</link>
  <atom:link href="/feeds/all.xml" rel="self" type="application/rss+xml"/>
  <atom:link href="https://hub.test/" rel="hub"/>
  <atom:link href="/feeds/all.xml?page=2" rel="next"/>
  <generator>PressWorks 6.1</generator>
  <language>en-GB</language>
  <managingEditor>desk@mag.newsroom (The Desk)</managingEditor>
  <ttl>90</ttl>
  %s
</channel></rss>"""

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xmlns:at="http://purl.org/atompub/tombstones/1.0" xml:lang="en">
  <id>urn:mag</id><title>Harbour</title><updated>2026-11-22T08:00:00Z</updated>
  <author><name>The Desk</name></author>
  <link href="https://mag.test/"/>
  %s
</feed>"""


def read(document: str | bytes, rules: ParseRules = RULES) -> Reading:
    return read_feed(document.encode() if isinstance(document, str) else document, "f", rules)


def one(document: str, rules: ParseRules = RULES):
    reading = read(document, rules)
    assert reading.problems == ()
    (draft,) = reading.drafts
    return draft


def rss(item: str):
    return one(RSS % f"<item>{item}</item>")


def atom(entry: str):
    return one(ATOM % f"<entry>{entry}</entry>")


def refused(document: str | bytes) -> str:
    reading = read(document)
    assert reading.drafts == ()
    (problem,) = reading.problems
    assert problem.where == "f"
    return problem.reason


LONG = "<p>" + "Ships waited in the fog. " * 30 + "</p>"


def test_rss_of_a_newsroom():
    reading = read(
        RSS
        % """<item>
        <title>Fog &amp;#8217;round the &lt;em&gt;pier&lt;/em&gt;</title>
        <link> https://mag.test/fog?a=1&amp;b=2 </link>
        <guid isPermaLink="false">1234 at https://mag.test</guid>
        <pubDate>Sun, 22 Nov 2026 07:30:00 +0100</pubDate>
        <dc:creator><![CDATA[Ann Po and Sam Lee]]></dc:creator>
        <dc:creator>ANN B. CEE</dc:creator>
        <category><![CDATA[News &amp; Views]]></category><category>Sea</category><category>Sea</category>
        <description><![CDATA[<p>Short &amp; sweet.</p>]]></description>
        <content:encoded><![CDATA[<p onclick="x()">
Ships <a href="more">waited</a>.<script>x</script></p>]]></content:encoded>
        <enclosure url="https://mag.test/fog.mp3" type="audio/mpeg" length="9"/>
        </item>"""
    )
    assert reading.problems == ()
    (draft,) = reading.drafts
    assert draft.title == "Fog ’round the pier"
    assert draft.link == "https://mag.test/fog?a=1&b=2"
    assert draft.explicit_id == "1234 at https://mag.test"
    assert draft.published == datetime(2026, 11, 22, 6, 30, tzinfo=UTC)
    assert draft.authors == ("Ann Po", "Sam Lee", "ANN B. CEE")
    assert draft.topics == ("News & Views", "Sea")
    assert draft.summary == "Short & sweet."
    assert draft.content_html == '<p>\nShips <a href="https://mag.test/more" rel="noopener noreferrer">waited</a>.</p>'
    assert draft.language is None
    assert draft.where == "f: entry 1 (Fog ’round the pier)"
    about = reading.about
    assert (about.kind, about.title, about.language) == ("rss", "The Harbour & Port", "en-GB")
    assert (about.generator, about.wait) == ("PressWorks 6.1", 5_400)
    assert (about.hub, about.itself) == ("https://hub.test/", BASE)
    assert about.older == "https://mag.test/feeds/all.xml?page=2"


@pytest.mark.parametrize(
    ("author", "names"),
    [
        ("<author>ann@mag.test (Ann Po)</author>", ("Ann Po",)),
        ("<author>ann@mag.newsroom (Ann Po)</author>", ("Ann Po",)),
        ("<author>Ann Po &lt;ann@mag.test&gt;</author>", ("Ann Po",)),
        ("<author>Ann Po (ann@mag.test)</author>", ("Ann Po",)),
        ("<author>By Ann Po</author>", ("Ann Po",)),
        ("<author>ann@mag.test</author>", ("The Desk",)),
        ("<dc:creator>ann@mag.test</dc:creator>", ("The Desk",)),
        ("<dc:creator>Po, Ann</dc:creator>", ("Po, Ann",)),
        ("<dc:creator>Lee and Sons</dc:creator>", ("Lee and Sons",)),
        ("", ("The Desk",)),
    ],
)
def test_authors_are_names_never_addresses(author, names):
    assert rss(f"<title>x</title>{author}").authors == names


@pytest.mark.parametrize(
    ("item", "link", "identity"),
    [
        ("<guid>https://mag.test/1</guid>", "https://mag.test/1", "https://mag.test/1"),
        ("<guid isPermaLink='false'>https://mag.test/1</guid>", None, "https://mag.test/1"),
        ("<guid>42</guid>", None, "42"),
        ("<link>/1</link><guid>42</guid>", "https://mag.test/1", "42"),
        ("<link>https://mag.test/a b</link>", "https://mag.test/a%20b", None),
        ("<link>javascript:alert(1)</link>", None, None),
        ("<link>http://[bad</link>", None, None),
        ("<link/>", None, None),
        ("<enclosure url='https://mag.test/a.mp3' type='audio/mpeg'/>", None, None),
        ("<link>https://x.test/r</link><feedburner:origLink>https://mag.test/1</feedburner:origLink>",
         "https://mag.test/1", None),
    ],
)  # fmt: skip
def test_link_and_identity(item, link, identity):
    draft = rss(f"<title>x</title>{item}")
    assert (draft.link, draft.explicit_id) == (link, identity)


def test_a_title_is_made_of_the_first_words_or_refused_with_its_number():
    reading = read(RSS % f"<item><description>{'word ' * 40}</description></item><item><link>/1</link></item>")
    (draft,) = reading.drafts
    assert draft.title.startswith("word word")
    assert len(draft.title) <= 80
    (problem,) = reading.problems
    assert problem.where == "f: entry 2"
    assert "<title>" in problem.reason


def test_title_text_and_html():
    assert rss("<title>Use &lt;b&gt; with care</title>").title == "Use <b> with care"
    assert rss("<title>AT&amp;amp;T</title>").title == "AT&T"
    assert atom("<title>Use &lt;b&gt;</title>").title == "Use <b>"
    assert atom("<title type='html'>Use &amp;lt;b&amp;gt; &lt;i&gt;now&lt;/i&gt;</title>").title == "Use <b> now"
    xhtml = "<title type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>A <b>b</b> &amp; c</div></title>"
    assert atom(xhtml).title == "A b & c"


def test_a_description_is_the_content_only_when_it_is_long():
    short = rss("<title>x</title><description><![CDATA[<p>Short.</p>]]></description>")
    assert (short.summary, short.content_html) == ("Short.", "")
    article = rss(f"<title>x</title><description><![CDATA[{LONG}]]></description>")
    assert article.content_html.startswith("<p>Ships waited")
    assert len(article.summary) <= 300
    both = f"<description><![CDATA[{LONG}]]></description><content:encoded><![CDATA[{LONG}]]></content:encoded>"
    assert rss(f"<title>x</title>{both}").summary.endswith("…")
    plain = rss(f"<title>x</title><description>{'All plain. ' * 50}</description>")
    assert plain.content_html == ""
    assert len(plain.summary) > 500


def test_atom_with_bases_languages_and_xhtml():
    draft = atom(
        """<id>tag:mag.test,2026:1</id><title>Nebel</title>
        <link rel="enclosure" href="https://mag.test/a.mp3"/>
        <link rel="alternate" type="application/json" href="/fog.json"/>
        <link rel="alternate" type="text/html" href="/fog"/>
        <link rel="related" href="/other"/>
        <published>2026-11-20T10:00:00.123+05:30</published><updated>2026-11-21T00:00:00Z</updated>
        <author><name>Ann Po</name><email>ann@mag.test</email></author><author><name>Sam Lee</name></author>
        <category term="sea" label="The Sea"/><category term="news"/><category term="sea" label="The Sea"/>
        <category term="post" scheme="http://schemas.test/kind#kind"/>
        <summary>Kurz.</summary>
        <content type="xhtml" xml:lang="de" xml:base="https://cdn.test/x/"><div xmlns="http://www.w3.org/1999/xhtml">
        <p>Eins<br/>zwei <img src="p.png" alt="A"/> &lt;3</p></div></content>"""
    )
    assert draft.link == "https://mag.test/fog"
    assert draft.published == datetime(2026, 11, 20, 4, 30, tzinfo=UTC)
    assert draft.authors == ("Ann Po", "Sam Lee")
    assert draft.topics == ("The Sea", "news")
    assert draft.summary == "Kurz."
    assert draft.language == "de"
    assert draft.content_html.count("<br>") == 1
    assert '<img src="https://cdn.test/x/p.png" alt="A"> &lt;3' in draft.content_html
    assert draft.explicit_id == "tag:mag.test,2026:1"


def test_atom_without_much():
    draft = atom(
        "<id>1</id><title>x</title><updated>2026-11-21T00:00:00Z</updated><content>One &lt;b.\n\nTwo</content>"
    )
    assert draft.published == datetime(2026, 11, 21, tzinfo=UTC)
    assert draft.content_html == "<p>One &lt;b.</p>\n<p>Two</p>"
    assert draft.summary == "One <b. Two"
    assert draft.authors == ("The Desk",)
    assert draft.language is None


def test_the_author_of_an_aggregated_entry_is_that_of_its_source():
    entry = "<title>x</title><source><title>Other</title><author><name>Bo</name></author></source>"
    assert atom(entry).authors == ("Bo",)


def test_atom_deletions_and_archives():
    reading = read(
        ATOM
        % """<link rel="prev-archive" href="/2025.atom"/><link rel="next" href="/page2"/>
        <at:deleted-entry ref="tag:mag.test,2026:9" when="2026-11-21T00:00:00Z">
        <at:comment>gone</at:comment></at:deleted-entry>
        <at:deleted-entry ref="tag:mag.test,2026:8" when="2026-11-21T00:00:00Z"/>
        <at:deleted-entry ref="tag:mag.test,2026:9" when="2026-11-21T00:00:00Z"/>"""
    )
    assert reading.withdrawn == ("tag:mag.test,2026:9", "tag:mag.test,2026:8")
    assert reading.about.older == "https://mag.test/2025.atom"
    assert (reading.drafts, reading.problems, reading.about.kind) == ((), (), "atom")


def test_atom_03():
    draft = one(
        """<feed version="0.3" xmlns="http://purl.org/atom/ns#"><title>Old</title><entry><title>x</title>
        <link rel="alternate" type="text/html" href="https://mag.test/1"/><id>1</id>
        <issued>2004-02-03T04:05:06Z</issued><modified>2005-01-01T00:00:00Z</modified>
        <content type="text/html" mode="escaped">&lt;p&gt;Hi&lt;/p&gt;</content></entry></feed>"""
    )
    assert draft.published == datetime(2004, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert (draft.link, draft.content_html) == ("https://mag.test/1", "<p>Hi</p>")


def test_rdf():
    reading = read(
        """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
        xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:sy="http://purl.org/rss/1.0/modules/syndication/">
        <channel rdf:about="https://mag.test/"><title>Journal</title><link>https://mag.test/</link>
        <sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>
        <dc:language>fr</dc:language></channel>
        <item rdf:about="https://mag.test/doi/1"><title>x</title><link>https://mag.test/1</link>
        <dc:creator>Ann Po</dc:creator><dc:date>2026-11-20</dc:date><dc:subject>Ports</dc:subject></item></rdf:RDF>"""
    )
    (draft,) = reading.drafts
    assert draft.explicit_id == "https://mag.test/doi/1"
    assert draft.published == datetime(2026, 11, 20, tzinfo=UTC)
    assert (draft.authors, draft.topics) == (("Ann Po",), ("Ports",))
    assert (reading.about.kind, reading.about.wait, reading.about.language) == ("rdf", 21_600, "fr")


def test_rss_091_with_its_dtd_and_named_characters():
    draft = one(
        '<?xml version="1.0"?>\n<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN"'
        ' "http://192.0.2.1/rss-0.91.dtd">\n<rss version="0.91"><channel><title>M</title>'
        "<item><title>Caf&eacute;&nbsp;&mdash; R&D</title><link>https://mag.test/1?a=1&amp;b=2</link></item></channel></rss>"
    )
    assert draft.title == "Café — R&D"
    assert draft.link == "https://mag.test/1?a=1&b=2"


def test_forgotten_namespaces_are_understood():
    draft = one(
        "<rss><channel><item><title>x</title><dc:creator>Ann Po</dc:creator><odd:tag a:b='1'/></item></channel></rss>"
    )
    assert draft.authors == ("Ann Po",)


@pytest.mark.parametrize(
    ("wait", "seconds"),
    [
        ("<ttl>60000</ttl>", 86_400),
        ("<ttl>soon</ttl>", 0),
        ("<ttl>²</ttl>", 0),
        ("<sy:updatePeriod> Hourly </sy:updatePeriod>", 3_600),
        ("<sy:updatePeriod>never</sy:updatePeriod>", 0),
        ("<sy:updateFrequency>24</sy:updateFrequency>", 3_600),
        ("", 0),
    ],
)
def test_wait(wait, seconds):
    assert read((RSS % wait).replace("<ttl>90</ttl>", "")).about.wait == seconds


@pytest.mark.parametrize("year", ["2099", "1999"])
def test_any_year_is_a_date(year):
    assert rss(f"<title>x</title><pubDate>Sun, 22 Nov {year} 07:30:00 GMT</pubDate>").published.year == int(year)


@pytest.mark.parametrize(
    "date",
    [
        "yesterday",
        "0000-00-00T00:00:00Z",
        "Thu, 99 Foo 20260 25:61:00 XYZ",
        "9999999999999",
        "-1",
        "2026-13-45",
        "\u0661" * 9,
    ],
)
def test_a_date_that_is_none_is_no_error(date):
    assert rss(f"<title>x</title><pubDate>{date}</pubDate>").published is None


@pytest.mark.parametrize("zone", ["+99:99", "-25:00", "+0000000000"])
def test_nonsense_zones_cost_no_entry(zone):
    assert rss(f"<title>x</title><pubDate>2026-11-22T07:30:00{zone}</pubDate>").title == "x"
    assert rss(f"<title>x</title><pubDate>Sun, 22 Nov 2026 07:30:00 {zone}</pubDate>").title == "x"


RUSSIAN = "<rss version='2.0'><channel><item><title>Туман над портом</title></item></channel></rss>"


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        (RUSSIAN.encode("cp1251"), "windows-1251"),
        (b"<?xml version='1.0' encoding='windows-1251'?>" + RUSSIAN.encode("cp1251"), ""),
        (b"<?xml version='1.0' encoding='windows-1251'?>" + RUSSIAN.encode("cp1251"), "no-such-charset"),
        (b"<?xml version='1.0' encoding='windows-1251'?>" + RUSSIAN.encode("cp1251"), "utf-8"),
        (b"<?xml version='1.0' encoding='utf-16'?>" + RUSSIAN.encode(), "iso-8859-1"),
        (b"\xef\xbb\xbf<?xml version='1.0' encoding='cp1251'?>" + RUSSIAN.encode(), "koi8-r"),
        (("<?xml version='1.0' encoding='utf-16'?>" + RUSSIAN).encode("utf-16"), ""),
        (RUSSIAN.encode("utf-16-le"), ""),
        (RUSSIAN.encode("utf-32-be"), "utf-7"),
        (RUSSIAN.encode("koi8-r"), "KOI8-R"),
        (b"\n\n <?xml version='1.0' encoding='utf-8'?>" + RUSSIAN.encode(), "zip"),
    ],
)
def test_charsets(data, charset):
    (draft,) = read(data, ParseRules(charset=charset)).drafts
    assert draft.title == "Туман над портом"


def test_japanese_made_of_ascii_bytes():
    document = RUSSIAN.replace("Туман над портом", "港の霧")
    assert read(document.encode("iso-2022-jp"), ParseRules(charset="iso-2022-jp")).drafts[0].title == "港の霧"


def test_controls_and_half_characters_vanish():
    document = (RSS % "<item><title>F\x00o\x0bg&#0;&#8; \ufffe</title></item>").encode() + b"\x00"
    assert [draft.title.replace("\ufffd", "") for draft in read(document).drafts] == ["Fog"]
    halves = read(document.replace(b"g&#0;", b"g\xed\xa0\x80"))
    assert [draft.title[:3] for draft in halves.drafts] == ["Fog"]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    "prolog",
    [
        f'<!DOCTYPE rss [<!ENTITY l0 "lol">{LAUGHS}]>',
        f'<!DOCTYPE rss [<!ENTITY l9 "{"a" * 100_000}">]>',
        '<!DOCTYPE rss [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE rss [<!-- <rss> --><!ENTITY l9 "x">]>',
        '<!DOCTYPE rss [<?x <rss ?><!ENTITY l9 "x">]>',
        '<!DOCTYPE rss [<!ENTITY % l9 SYSTEM "http://192.0.2.1/x.dtd"> %l9;]>',
    ],
)
def test_entities_are_refused_at_once(prolog):
    started = time.process_time()
    assert "<!ENTITY" in refused(f"{prolog}<rss><channel><item><title>{'&l9;' * 9_000}</title></item></channel></rss>")
    assert time.process_time() - started < 1


def test_an_article_about_entities_is_read():
    assert rss("<title>x</title><description><![CDATA[<!DOCTYPE a [<!ENTITY b 'c'>]>]]></description>").title == "x"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("", "empty"),
        (" \n\ufeff", "empty"),
        (b"\0\0\0\0", "empty"),
        ("<!DOCTYPE html><html><p>x", 'kind = "page"'),
        ("<?xml version='1.0'?><!-- x --><html xmlns='http://www.w3.org/1999/xhtml'><p/></html>", 'kind = "page"'),
        ('{"items": []}', "JSON"),
        ("<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'/>", 'kind = "sitemap"'),
        ("<opml version='2.0'><body/></opml>", "OPML"),
        ("<note>x</note>", "<note>"),
        ("Not Found", "not XML"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", ""),
        (bytes(range(256)) * 50, ""),
    ],
)
def test_what_is_no_feed_is_called_by_its_name(document, says):
    assert says in refused(document)


def test_a_page_names_its_feed():
    page = (
        "<!doctype html><head><link rel=stylesheet href=a.css>"
        "<link rel='alternate' type='application/atom+xml' href='/atom.xml'></head><p>x"
    )
    assert "https://mag.test/atom.xml" in refused(page)


def test_truncated_feeds_keep_what_came():
    whole = RSS % "".join(f"\n<item><title>T{n}</title><link>/{n}</link></item>" for n in range(9))
    reading = read(whole[: whole.index("T6") + 2])
    assert [draft.title for draft in reading.drafts][:6] == ["T0", "T1", "T2", "T3", "T4", "T5"]
    (problem,) = reading.problems
    assert problem.where.removeprefix("f:").isdigit()
    assert "entries could be read" in problem.reason


def test_too_many_entries_are_counted():
    started = time.process_time()
    reading = read(RSS % "".join(f"<item><title>T{n}</title></item>" for n in range(6_000)))
    assert len(reading.drafts) == MAX_ENTRIES
    assert reading.drafts[-1].title == f"T{MAX_ENTRIES - 1}"
    assert reading.drafts[-1].place == MAX_ENTRIES - 1
    (problem,) = reading.problems
    assert "6,000" in problem.reason
    assert time.process_time() - started < 20


def test_a_huge_entry_keeps_its_summary_only():
    started = time.process_time()
    content = f"<content:encoded><![CDATA[{'<p>long</p>' * (MAX_CONTENT // 10)}]]></content:encoded>"
    items = f"<item><title>a</title><description>Short.</description>{content}</item>"
    reading = read(RSS % f"{items}<item><title>b</title>{content}</item><item><title>c</title></item>")
    first, second, third = reading.drafts
    assert (first.summary, first.content_html) == ("Short.", "")
    assert second.summary.startswith("long")
    assert third.title == "c"
    assert [problem.where for problem in reading.problems] == ["f: entry 1 (a)", "f: entry 2 (b)"]
    assert f"{MAX_CONTENT:,}" in reading.problems[0].reason
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "entry",
    [
        "<![CDATA[" + "<div>" * 30_000 + "]]>",
        "&lt;" * 200_000,
        "<x>" * 50_000,
        "<![CDATA[" * 100_000,
        "&" * 200_000,
        "&a" * 200_000,
        "<!--" * 100_000,
        "<a:" * 100_000,
        "<x" + " a='b'" * 50_000 + ">",
        "<![CDATA[x]]></content:encoded>"
        + "".join(f"<category>{n}</category>" for n in range(20_000))
        + "<content:encoded>",
        "&lt;p&gt;" * 1_000_000,
    ],
)
def test_hostile_entries_are_quick_and_cost_nobody_else(entry):
    started = time.process_time()
    before = "<item><title>first</title></item>"
    reading = read(RSS % f"{before}<item><title>x</title><content:encoded>{entry}</content:encoded></item>")
    assert reading.drafts[0].title == "first"
    assert time.process_time() - started < 5


@pytest.mark.parametrize("document", ["<?xml " * 500_000, "<!--" * 500_000, "<?x" * 500_000, "<rss>" + "<" * 1_000_000])
def test_hostile_beginnings_are_refused_at_once(document):
    started = time.process_time()
    assert read(document).problems
    assert time.process_time() - started < 2


def test_a_guid_that_comes_twice_is_left_to_recognition():
    item = "<item><title>x</title><guid>1</guid></item>"
    assert [draft.explicit_id for draft in read(RSS % (item * 2)).drafts] == ["1", "1"]


def test_an_endless_id_costs_only_its_entry():
    reading = read(RSS % f"<item><title>x</title><guid>{'x' * 5_000}</guid></item><item><title>y</title></item>")
    assert [draft.title for draft in reading.drafts] == ["y"]
    assert reading.problems[0].where == "f: entry 1"


def test_nothing_is_opened_that_looks_like_a_path(tmp_path):
    file = tmp_path / "feed.xml"
    file.write_text(RSS % "<item><title>secret</title></item>")
    assert "secret" not in str(read(str(file)))


def test_feed_text_is_no_template():
    assert rss("<title>{{7*7}} {% for %}</title>").title == "{{7*7}} {% for %}"


SAMPLE = (
    RSS % f"<item><title>a &amp; b</title><link>/1</link><description><![CDATA[{LONG}]]></description></item>"
).encode()
PIECES = st.sampled_from(
    [
        b"<",
        b">",
        b"&",
        b"]]>",
        b"<![CDATA[",
        b"<item>",
        b"</item>",
        b"\0",
        b"\xff\xfe",
        b"<!DOCTYPE x [",
        b"&#x0;",
        b"xml:base='http://['",
        b"<entry>",
        b"<link href='//['/>",
        b"<author>@</author>",
        b"<ttl>",
    ]
)


@given(st.binary(max_size=300), st.sampled_from(["", "utf-8", "utf-16", "x", "\0", "idna", "ы"]))
@settings(max_examples=200)
def test_any_bytes_are_read(data, charset):
    assert isinstance(read(data, ParseRules(charset=charset, base="http://[")), Reading)


@given(st.lists(st.tuples(st.integers(0, len(SAMPLE)), st.integers(0, 40), PIECES | st.binary(max_size=8)), max_size=6))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_damaged_feeds_are_read(damages):
    data = SAMPLE
    for place, length, piece in damages:
        data = data[:place] + piece + data[place + length :]
    reading = read(data)
    for draft in reading.drafts:
        assert draft.title
        assert draft.link is None or draft.link.startswith(("http://", "https://"))
