"""All tables. Names as in docs/glossary.md; the migrations under migrations/ lead here (a test compares)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Utc(TypeDecorator[datetime]):
    """Aware UTC in, aware UTC out, on both databases (SQLite's DateTime drops the zone)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Id = BigInteger().with_variant(Integer, "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


counter = Table(
    "counter",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

fact = Table(
    "fact",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)

secret = Table(
    "secret",
    metadata,
    Column("purpose", String(20), primary_key=True),
    Column("key_id", Integer, primary_key=True),
    Column("value", String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
)

process = Table(
    "process",
    metadata,
    Column("owner", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("heartbeat", Utc, nullable=False, index=True),
)

notice = Table(
    "notice",
    metadata,
    _id(),
    Column("about", String(200), nullable=False, unique=True),
    Column("at", Utc, nullable=False, index=True),
    Column("sentence", Text, nullable=False),
)

source = Table(
    "source",
    metadata,
    _id(),
    Column("slug", String(255), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("added_at", Utc, nullable=False),
    Column("picked_up_at", Utc),  # when it last brought a document that had changed; an overview says so
    Column("first_read_at", Utc),
    Column("state", String(12), nullable=False, server_default="active"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("gone", Boolean, nullable=False, server_default=false()),  # retired by itself, not by the operator
    Column("location", Text, nullable=False, server_default=""),
    Column("address", Text, nullable=False, server_default=""),
    Column("due_at", Utc, index=True),  # of active fetched sources only
    Column("hastened", Boolean, nullable=False, server_default=false()),  # since it was last claimed
    Column("tried_at", Utc),
    Column("read_at", Utc),
    Column("newest_at", Utc),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("etag", Text, nullable=False, server_default=""),
    Column("last_modified", Text, nullable=False, server_default=""),
    Column("fingerprint", Text, nullable=False, server_default=""),
    Column("hub", Text, nullable=False, server_default=""),
    Column("hub_topic", Text, nullable=False, server_default=""),
    Column("hub_until", Utc),
    Column("hub_secret", String(64), nullable=False, server_default=""),
    Column("push_hash", String(64), unique=True, index=True),
)

push_request = Table(
    "push_request",
    metadata,
    Column("source_id", Id, ForeignKey("source.id"), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSON, nullable=False),
    Column("at", Utc, nullable=False, index=True),
)

source_document = Table(
    "source_document",
    metadata,
    Column("source_id", Id, ForeignKey("source.id"), primary_key=True),
    Column("name", String(500), primary_key=True),
    Column("fingerprint", String(80), nullable=False),
    Column("entries", Integer, nullable=False),
    Column("problems", JSON, nullable=False),
)

topic = Table(
    "topic",
    metadata,
    _id(),
    Column("slug", String(80), nullable=False, unique=True),
    Column("title", String(500), nullable=False),
    Column("added_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("merged_into", Id),  # the topic it went into, or is going into; never one that has gone itself
    Column("merged_at", Utc),  # since when nothing shows it any more
)

topic_change = Table(  # what was decided once about the readers of a topic, and how far it has been carried out
    "topic_change",
    metadata,
    _id(),
    Column("kind", String(10), nullable=False),
    Column("topic_id", Id, ForeignKey("topic.id"), nullable=False),
    Column("other_id", Id, ForeignKey("topic.id"), nullable=False),
    Column("sequence", BigInteger, nullable=False),  # from where the topic counts for the readers of the other one
    Column("at", Utc, nullable=False),
    Column("done_at", Utc),
    UniqueConstraint("kind", "topic_id", "other_id"),
)

topic_alias = Table(
    "topic_alias",
    metadata,
    Column("slug", String(80), primary_key=True),
    Column("topic_id", Id, ForeignKey("topic.id"), nullable=False),
)

topic_heading = Table(
    "topic_heading",
    metadata,
    Column("heading", String(500), primary_key=True),
    Column("topic_id", Id, ForeignKey("topic.id"), nullable=False),
)

entry = Table(
    "entry",
    metadata,
    _id(),
    Column("key", String(36), nullable=False, unique=True),
    Column("atom_id", String(1000), nullable=False, unique=True),
    Column("source_id", Id, ForeignKey("source.id"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("feed_only", Boolean, nullable=False, default=False),
    Column("link", Text),
    Column("published", Utc, nullable=False),
    Column("updated", Utc, nullable=False),
    Column("first_seen", Utc, nullable=False),
    Column("revision_id", Id),
    Column("lang", String(8), nullable=False, server_default=""),
    Index("ix_entry_state_published", "state", "published", "id"),
    Index("ix_entry_lang_state_published", "lang", "state", "published", "id"),
    Index("ix_entry_source_id_published", "source_id", "published"),
    Index("ix_entry_source_id_first_seen", "source_id", "first_seen"),
)

entry_revision = Table(
    "entry_revision",
    metadata,
    _id(),
    Column("entry_id", Id, ForeignKey("entry.id"), nullable=False, index=True),
    Column("title", Text, nullable=False),
    Column("authors", JSON, nullable=False),
    Column("summary", Text, nullable=False),
    Column("content_html", Text, nullable=False),
    Column("language", String(35)),
    Column("image", JSON(none_as_null=True)),
    Column("enclosures", JSON, nullable=False, server_default="[]"),
    Column("created_at", Utc, nullable=False),
)

entry_key = Table(
    "entry_key",
    metadata,
    Column("scope", String(255), primary_key=True),
    Column("kind", String(10), primary_key=True),
    Column("value", String(64), primary_key=True),
    Column("entry_id", Id, ForeignKey("entry.id"), nullable=False, index=True),
)

listing = Table(
    "listing",
    metadata,
    Column("source_id", Id, ForeignKey("source.id"), primary_key=True),
    Column("name", String(500), primary_key=True),
    Column("entry_id", Id, ForeignKey("entry.id"), primary_key=True),
    Column("place", Integer, nullable=False),
)

entry_topic = Table(
    "entry_topic",
    metadata,
    Column("entry_id", Id, ForeignKey("entry.id"), primary_key=True),
    Column("topic_id", Id, ForeignKey("topic.id"), primary_key=True),
    Column("sequence", BigInteger, unique=True),
    Column("mailable_at", Utc),
    Column("published", Utc, nullable=False),
    Index("ix_entry_topic_topic_id_published", "topic_id", "published", "entry_id"),
)

entry_piece = Table(
    "entry_piece",
    metadata,
    Column("entry_id", Id, primary_key=True),  # no foreign key: it would lock the entry, after the feed
    Column("recipe", String(32), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

author = Table(
    "author",
    metadata,
    _id(),
    Column("slug", String(80), nullable=False, unique=True),
    Column("name", String(500), nullable=False),
    Column("heading", String(500), nullable=False, unique=True),
    Column("added_at", Utc, nullable=False),
)

entry_author = Table(
    "entry_author",
    metadata,
    Column("entry_id", Id, ForeignKey("entry.id"), primary_key=True),
    Column("author_id", Id, ForeignKey("author.id"), primary_key=True),
    Column("published", Utc, nullable=False),
    Index("ix_entry_author_author_id_published", "author_id", "published", "entry_id"),
)

feed = Table(
    "feed",
    metadata,
    _id(),
    Column("slug", String(720), nullable=False, unique=True),
    Column("kind", String(12), nullable=False, server_default="topic", index=True),
    Column("title", String(500), nullable=False, server_default=""),
    Column("topic_id", Id, ForeignKey("topic.id"), index=True),
    Column("author_id", Id, ForeignKey("author.id"), index=True),
    Column("digest_id", Id, ForeignKey("digest.id"), index=True),
    Column("lang", String(8), nullable=False, server_default=""),
    Column("both_forms", Boolean, nullable=False, server_default=false()),
    Column("atom_id", String(60), nullable=False),
    Column("added_at", Utc, nullable=False),
    Column("dirty", Boolean, nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    Column("problem", Text, nullable=False, default=""),
)

feed_topic = Table(
    "feed_topic",
    metadata,
    Column("feed_id", Id, ForeignKey("feed.id"), primary_key=True),
    Column("topic_id", Id, ForeignKey("topic.id"), primary_key=True, index=True),
)

feed_page = Table(
    "feed_page",
    metadata,
    _id(),
    Column("feed_id", Id, ForeignKey("feed.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("published", Utc, nullable=False),
    Column("entry_id", Id, nullable=False),
    Column("dirty", Boolean, nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    UniqueConstraint("feed_id", "number"),
    Index("ix_feed_page_feed_id_published", "feed_id", "published", "entry_id"),
)

feed_file = Table(
    "feed_file",
    metadata,
    Column("path", String(760), primary_key=True),
    Column("feed_id", Id, ForeignKey("feed.id"), nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    Column("etag", String(80), nullable=False),
    Column("last_modified", Utc, nullable=False, index=True),
)

feed_use = Table(
    "feed_use",
    metadata,
    Column("path", String(760), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("owner", String(64), primary_key=True),
    Column("polls", Integer, nullable=False),
    Column("readers", Integer, nullable=False),
    Index("ix_feed_use_day", "day"),
)

digest = Table(
    "digest",
    metadata,
    _id(),
    Column("slug", String(80), nullable=False, unique=True),
    Column("start", BigInteger, nullable=False),
    Column("added_at", Utc, nullable=False),
    Column("issue_number", Integer, nullable=False, default=0),
    Column("instant_through", BigInteger),
    Column("rests", Boolean, nullable=False, server_default=false()),  # nothing is mailed of it: its other half is
)

topic_set = Table(
    "topic_set",
    metadata,
    _id(),
    Column("choice", Text, nullable=False, unique=True),
)

clock = Table(
    "clock",
    metadata,
    _id(),
    Column("zone", String(64), nullable=False),
    Column("at", String(5), nullable=False),
    UniqueConstraint("zone", "at"),
)

subscriber = Table(
    "subscriber",
    metadata,
    _id(),
    Column("address", String(320), nullable=False),
    Column("address_key", String(64), nullable=False, unique=True),
    Column("name", String(200), nullable=False, default=""),
    Column("language", String(35)),
    Column("added_at", Utc, nullable=False),
    Column("new_address", String(320)),  # until its owner has said yes
    Column("move_request", Integer, nullable=False, server_default="0"),
    Column("move_asked_at", Utc),
)

subscription = Table(
    "subscription",
    metadata,
    _id(),
    Column("subscriber_id", Id, ForeignKey("subscriber.id"), nullable=False),
    Column("digest_id", Id, ForeignKey("digest.id"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("cadence", String(12), nullable=False),
    Column("clock_id", Id, ForeignKey("clock.id"), nullable=False),
    Column("topic_set_id", Id, ForeignKey("topic_set.id"), nullable=False),
    Column("cursor", BigInteger, nullable=False),
    Column("rehearsed_cursor", BigInteger, nullable=False),
    Column("paused_until", Utc),
    Column("paused_fresh", Boolean, nullable=False, server_default=false()),
    Column("joined_at", Utc, nullable=False),
    Column("cadence_at", Utc),  # since when it has its cadence, if that was changed
    Column("left_at", Utc),
    Column("consented_at", Utc),
    Column("consent_source", Text, nullable=False, default=""),
    Column("asked_at", Utc),
    Column("request", Integer, nullable=False, default=0),
    Column("letter", String(12)),
    Column("letter_due_at", Utc),
    UniqueConstraint("subscriber_id", "digest_id"),
    Index("ix_subscription_digest_id_cadence_clock_id", "digest_id", "cadence", "clock_id", "state"),
    # An audience is walked in the order of its numbers, page by page.
    Index("ix_subscription_digest_id_id", "digest_id", "id"),
    Index("ix_subscription_digest_id_cadence_id", "digest_id", "cadence", "id"),
    Index("ix_subscription_letter_due_at", "letter_due_at"),
    Index("ix_subscription_paused_until", "paused_until"),
)

letter_log = Table(
    "letter_log",
    metadata,
    Column("address_key", String(64), primary_key=True),
    Column("at", Utc, primary_key=True),
    Index("ix_letter_log_at", "at"),
)

subscription_event = Table(
    "subscription_event",
    metadata,
    _id(),
    Column("subscription_id", Id, ForeignKey("subscription.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("what", String(20), nullable=False),
    Column("detail", Text, nullable=False),
)

suppression = Table(
    "suppression",
    metadata,
    Column("address_key", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
)

reader_import = Table(
    "reader_import",
    metadata,
    _id(),
    Column("digest_id", Id, ForeignKey("digest.id"), nullable=False),
    Column("file", Text, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("finished_at", Utc),
    Column("undone_at", Utc),
    Column("counts", JSON, nullable=False),
)

reader_import_row = Table(
    "reader_import_row",
    metadata,
    Column("import_id", Id, ForeignKey("reader_import.id"), primary_key=True),
    Column("address_key", String(64), primary_key=True),
    Column("place", BigInteger, nullable=False),
    Column("fate", String(20), nullable=False),
    Column("subscription_id", Id, index=True),  # no foreign key: an undone import leaves no subscription
    Column("before", JSON(none_as_null=True)),  # of what it changed
    Column("after", String(64), nullable=False, default=""),  # hash of what it left, to see whether it is so still
)

asking = Table(
    "asking",
    metadata,
    _id(),
    Column("digest_id", Id, ForeignKey("digest.id"), nullable=False),
    Column("part", JSON, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("remind_after", Integer, nullable=False),  # days, as the two that follow
    Column("pause_after", Integer, nullable=False),
    Column("per_day", Integer),
    Column("rehearsal", Boolean, nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("reached", BigInteger, nullable=False),
    Column("size", Integer, nullable=False),
    Column("ready_at", Utc),  # since when all of them are in
    Column("looked_at", Utc),  # when the program was last alive, to an hour
    Column("hold_until", Utc),  # nobody is paused before
    Column("stopped_at", Utc),
    Column("ended_at", Utc),
)

asked = Table(
    "asked",
    metadata,
    Column("asking_id", Id, ForeignKey("asking.id"), primary_key=True),
    Column("subscription_id", Id, ForeignKey("subscription.id"), primary_key=True, index=True),
    Column("state", String(12), nullable=False),
    Column("due_at", Utc),
    Column("handing", Boolean, nullable=False, server_default=false()),  # its mail may have left
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("asked_at", Utc),
    Column("ended_at", Utc),
    Index("ix_asked_asking_id_state_due_at", "asking_id", "state", "due_at"),
)

issue = Table(
    "issue",
    metadata,
    _id(),
    Column("digest_id", Id, ForeignKey("digest.id"), nullable=False),
    Column("slot", String(80), nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("reason", Text, nullable=False, default=""),
    Column("rehearsal", Boolean, nullable=False),
    Column("issue_number", Integer),
    Column("subject", Text, nullable=False, default=""),
    Column("through", BigInteger, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("ready_at", Utc),
    Column("finished_at", Utc),
    Column("sent_at", Utc),  # since when it stands in the archive
    Column("settled", Boolean, nullable=False, server_default=false()),  # its editions' readers are those who got it
    Column("audience", Integer),
    Column("entries", Integer, nullable=False, default=0),
    Column("prepared_to", BigInteger, nullable=False, default=0),
    Column("owner", String(64), nullable=False),
    Column("edits", JSON(none_as_null=True)),
    Column("revision", Integer, nullable=False, server_default="0"),  # of the edits
    Column("held", Boolean, nullable=False, server_default=false()),  # leaves only when somebody says so
    UniqueConstraint("digest_id", "slot"),
    Index("ix_issue_digest_id_sent_at", "digest_id", "sent_at", "id"),
)

issue_event = Table(
    "issue_event",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issue.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("what", String(20), nullable=False),
    Column("who", Text, nullable=False),
)

desk_letter = Table(
    "desk_letter",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issue.id"), nullable=False),
    Column("address", String(320), nullable=False),
    Column("due_at", Utc),  # None: handed over, or being so
    UniqueConstraint("issue_id", "address"),
    Index("ix_desk_letter_due_at", "due_at"),
)

template = Table(
    "template",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("source", Text, nullable=False),
)

issue_subject = Table(  # which issue of a digest has a subject, so that no other one gets it
    "issue_subject",
    metadata,
    Column("digest_id", Id, ForeignKey("digest.id"), primary_key=True),
    Column("rehearsal", Boolean, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("issue_id", Id, ForeignKey("issue.id"), nullable=False),
)

issue_sponsor = Table(  # what an issue was opened with; changed settings change nothing in it
    "issue_sponsor",
    metadata,
    Column("issue_id", Id, ForeignKey("issue.id"), primary_key=True),
    Column("place", String(10), primary_key=True),
    Column("sponsor", String(80), nullable=False, index=True),
    Column("block", JSON(none_as_null=True), nullable=False),
    Column("out_since", Integer),  # the revision of the edits that left it out; None: it is in
)

edition = Table(
    "edition",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issue.id"), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("template_hash", String(64), ForeignKey("template.hash"), nullable=False),
    Column("language", String(35), nullable=False),
    Column("subject", Text, nullable=False),
    Column("html", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("nonce", String(32), nullable=False),
    Column("readers", Integer, nullable=False, server_default="0"),
    Column("shown", Integer),  # entries that stand in it; the others it only counts
    Column("revision", Integer, nullable=False, server_default="0"),  # of the issue's edits it was made with
    UniqueConstraint("issue_id", "fingerprint"),
)

edition_entry = Table(
    "edition_entry",
    metadata,
    Column("edition_id", Id, ForeignKey("edition.id"), primary_key=True),
    Column("entry_id", Id, ForeignKey("entry.id"), primary_key=True),
    Column("revision_id", Id, ForeignKey("entry_revision.id"), nullable=False),
    Column("topic_id", Id, ForeignKey("topic.id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("left_out", Boolean, nullable=False, server_default=false()),  # by hand; after those that are in it
    Index("ix_edition_entry_entry_id", "entry_id", "edition_id"),
)

delivery = Table(
    "delivery",
    metadata,
    _id(),
    Column("issue_id", Id, ForeignKey("issue.id"), nullable=False),
    Column("subscription_id", Id, ForeignKey("subscription.id"), nullable=False),
    Column("subscriber_id", Id, ForeignKey("subscriber.id"), nullable=False),
    Column("edition_id", Id, ForeignKey("edition.id"), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("from_sequence", BigInteger, nullable=False),
    Column("not_before", Utc, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("tries", Integer, nullable=False, default=0),
    Column("attempted", Boolean, nullable=False, default=False),
    Column("owner", String(64)),
    Column("changed_at", Utc, nullable=False),
    UniqueConstraint("issue_id", "subscription_id"),
    CheckConstraint(
        "state IN ('queued','claimed','transmitting','sent','deferred','bounced','unknown',"
        "'suppressed','excluded','expired')",
        name="state",
    ),
    Index("ix_delivery_issue_id_state_due_at", "issue_id", "state", "due_at", "id"),
    Index("ix_delivery_subscription_id", "subscription_id", "state"),
    Index("ix_delivery_owner", "owner"),
)

bounce = Table(  # what was reported of a mail after the relay had accepted it
    "bounce",
    metadata,
    _id(),
    Column("at", Utc, nullable=False),
    Column("kind", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("subscription_id", Id, ForeignKey("subscription.id"), nullable=False, index=True),
    Column("subscriber_id", Id, ForeignKey("subscriber.id"), nullable=False),
    Column("issue_id", Id, ForeignKey("issue.id")),  # None: the report names the reader only
    Column("delivery_id", Id, ForeignKey("delivery.id")),
    Column("attempt", Integer),
    UniqueConstraint("delivery_id", "attempt", "kind"),
    Index("ix_bounce_subscriber_id_at", "subscriber_id", "at"),
    Index("ix_bounce_issue_id_kind", "issue_id", "kind"),
)

mail_back = Table(  # how much mail came back, also of what is not kept
    "mail_back",
    metadata,
    Column("day", Date, primary_key=True),
    Column("what", String(20), primary_key=True),
    Column("count", Integer, nullable=False),
)

answer = Table(  # what a reader wrote to the address that bounces come back to
    "answer",
    metadata,
    _id(),
    Column("fingerprint", String(64), nullable=False, unique=True),
    Column("digest", String(80), nullable=False),
    Column("at", Utc, nullable=False, index=True),
    Column("mail", LargeBinary, nullable=False),  # empty once it is passed on
    Column("due_at", Utc),  # None: passed on, or being so
    Column("left_at", Utc),
    Index("ix_answer_due_at", "due_at"),
    Index("ix_answer_left_at", "left_at"),
)

hub_ping = Table(
    "hub_ping",
    metadata,
    Column("hub", String(500), primary_key=True),
    Column("path", String(760), primary_key=True),
    Column("told_etag", String(80), nullable=False, server_default=""),
    Column("tried_etag", String(80), nullable=False, server_default=""),  # what is out when it is given up
    Column("due_at", Utc, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
)

hub_request = Table(
    "hub_request",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("mode", String(12), nullable=False),
    Column("topic", Text, nullable=False),
    Column("path", String(760), nullable=False),
    Column("callback", Text, nullable=False),
    Column("host", String(255), nullable=False, index=True),
    Column("lease_seconds", Integer, nullable=False),
    Column("secret", String(200), nullable=False),
    Column("challenge", String(64), nullable=False),
    Column("etag", String(80), nullable=False),  # what was out when it was asked
    Column("due_at", Utc, nullable=False, index=True),
)

hub_subscription = Table(
    "hub_subscription",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("topic", Text, nullable=False),
    Column("path", String(760), nullable=False),
    Column("callback", Text, nullable=False),
    Column("host", String(255), nullable=False, index=True),
    Column("secret", String(200), nullable=False),
    Column("delivered_etag", String(80), nullable=False),
    Column("lease_until", Utc, nullable=False, index=True),
    Column("due_at", Utc, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Index("ix_hub_subscription_path", "path", "delivered_etag", "due_at"),
)
