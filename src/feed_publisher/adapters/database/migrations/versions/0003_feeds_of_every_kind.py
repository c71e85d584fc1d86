"""Feeds of every kind: of authors, languages and several topics; their archives and the other form"""

from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc
from feed_publisher.domain.slug import free_slug, heading_key

revision = "0003"
down_revision = "0002"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("entry", sa.Column("lang", sa.String(length=8), nullable=False, server_default=""))
    op.create_index("ix_entry_lang_state_published", "entry", ["lang", "state", "published", "id"], unique=False)
    op.add_column("topic", sa.Column("ended_at", Utc(), nullable=True))
    op.create_table(
        "topic_alias",
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("topic_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["topic_id"], ["topic.id"], name=op.f("fk_topic_alias_topic_id_topic")),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_topic_alias")),
    )
    _authors()
    _widen_feeds()
    op.create_table(
        "feed_topic",
        sa.Column("feed_id", ID, nullable=False),
        sa.Column("topic_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_feed_topic_feed_id_feed")),
        sa.ForeignKeyConstraint(["topic_id"], ["topic.id"], name=op.f("fk_feed_topic_topic_id_topic")),
        sa.PrimaryKeyConstraint("feed_id", "topic_id", name=op.f("pk_feed_topic")),
    )
    op.create_index(op.f("ix_feed_topic_topic_id"), "feed_topic", ["topic_id"], unique=False)
    op.create_table(
        "feed_page",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("feed_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("published", Utc(), nullable=False),
        sa.Column("entry_id", ID, nullable=False),
        sa.Column("dirty", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feed.id"], name=op.f("fk_feed_page_feed_id_feed")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_page")),
        sa.UniqueConstraint("feed_id", "number", name=op.f("uq_feed_page_feed_id_number")),
    )
    op.create_index(op.f("ix_feed_page_dirty"), "feed_page", ["dirty"], unique=False)
    op.create_index("ix_feed_page_feed_id_published", "feed_page", ["feed_id", "published", "entry_id"], unique=False)
    _fill_in()


def _authors() -> None:
    op.create_table(
        "author",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("name", sa.String(length=500), nullable=False),
        sa.Column("heading", sa.String(length=500), nullable=False),
        sa.Column("added_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_author")),
        sa.UniqueConstraint("heading", name=op.f("uq_author_heading")),
        sa.UniqueConstraint("slug", name=op.f("uq_author_slug")),
    )
    op.create_table(
        "entry_author",
        sa.Column("entry_id", ID, nullable=False),
        sa.Column("author_id", ID, nullable=False),
        sa.Column("published", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["author_id"], ["author.id"], name=op.f("fk_entry_author_author_id_author")),
        sa.ForeignKeyConstraint(["entry_id"], ["entry.id"], name=op.f("fk_entry_author_entry_id_entry")),
        sa.PrimaryKeyConstraint("entry_id", "author_id", name=op.f("pk_entry_author")),
    )
    columns = ["author_id", "published", "entry_id"]
    op.create_index("ix_entry_author_author_id_published", "entry_author", columns, unique=False)


def _widen_feeds() -> None:
    """SQLite copies a table to change a column; the files' rows, which refer to it, step aside for that."""
    connection = op.get_bind()
    file = sa.table("feed_file", *map(sa.column, ("path", "feed_id", "version", "etag", "last_modified")))
    rows = [dict(row._mapping) for row in connection.execute(sa.select(file))]
    connection.execute(sa.delete(file))
    with op.batch_alter_table("feed") as feed:
        feed.alter_column("slug", existing_type=sa.String(length=80), type_=sa.String(length=720), nullable=False)
        feed.add_column(sa.Column("kind", sa.String(length=12), nullable=False, server_default="topic"))
        feed.add_column(sa.Column("title", sa.String(length=500), nullable=False, server_default=""))
        feed.add_column(sa.Column("author_id", ID, nullable=True))
        feed.add_column(sa.Column("lang", sa.String(length=8), nullable=False, server_default=""))
        feed.add_column(sa.Column("both_forms", sa.Boolean(), nullable=False, server_default=sa.false()))
        feed.create_foreign_key(op.f("fk_feed_author_id_author"), "author", ["author_id"], ["id"])
        feed.create_index(op.f("ix_feed_kind"), ["kind"], unique=False)
        feed.create_index(op.f("ix_feed_author_id"), ["author_id"], unique=False)
        feed.create_index(op.f("ix_feed_topic_id"), ["topic_id"], unique=False)
    with op.batch_alter_table("feed_file") as files:
        files.alter_column("path", existing_type=sa.String(length=200), type_=sa.String(length=760), nullable=False)
        files.create_index(op.f("ix_feed_file_feed_id"), ["feed_id"], unique=False)
        files.create_index(op.f("ix_feed_file_last_modified"), ["last_modified"], unique=False)
    if rows:
        connection.execute(sa.insert(file), rows)
    op.execute("UPDATE feed SET kind = 'all' WHERE slug = 'all'")
    op.execute("UPDATE feed SET dirty = (1 = 1), version = version + 1")


def _fill_in() -> None:
    """Languages and authors of the entries there are. An entry that does not say is in the site's language: see 'lang'."""
    connection = op.get_bind()
    authors: dict[str, int] = {}
    slugs: set[str] = set()
    for number, published, names, language in _entries(connection):
        if language:
            tag = language.split("-")[0].lower()[:8]
            update = sa.text("UPDATE entry SET lang = :lang WHERE id = :id")
            connection.execute(update, {"lang": tag, "id": number})
        for heading, name in {heading_key(name)[:500]: name[:500] for name in reversed(names)}.items():
            if heading not in authors:
                slug = free_slug(name, slugs)
                slugs.add(slug)
                authors[heading] = _add_author(connection, slug, name, heading, published)
            row = {"entry_id": number, "author_id": authors[heading], "published": published}
            connection.execute(sa.insert(_ENTRY_AUTHOR), row)


_ENTRY = sa.table("entry", sa.column("id"), sa.column("published", Utc()), sa.column("revision_id"))
_REVISION = sa.table("entry_revision", sa.column("id"), sa.column("authors", sa.JSON()), sa.column("language"))
_AUTHOR = sa.table(
    "author", sa.column("id"), *map(sa.column, ("slug", "name", "heading")), sa.column("added_at", Utc())
)
_ENTRY_AUTHOR = sa.table("entry_author", sa.column("entry_id"), sa.column("author_id"), sa.column("published", Utc()))


def _entries(connection: sa.Connection) -> Iterator[tuple]:
    query = sa.select(_ENTRY.c.id, _ENTRY.c.published, _REVISION.c.authors, _REVISION.c.language)
    yield from connection.execute(query.where(_REVISION.c.id == _ENTRY.c.revision_id).order_by(_ENTRY.c.id)).all()


def _add_author(connection: sa.Connection, slug: str, name: str, heading: str, added_at: object) -> int:
    row = {"slug": slug, "name": name, "heading": heading, "added_at": added_at}
    connection.execute(sa.insert(_AUTHOR), row)
    return connection.execute(sa.select(_AUTHOR.c.id).where(_AUTHOR.c.heading == heading)).scalar_one()


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
