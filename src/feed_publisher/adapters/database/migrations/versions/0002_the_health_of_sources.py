"""The health of sources, and what was pushed to them"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in _source_columns():
        op.add_column("source", column)
    op.create_index(op.f("ix_source_due_at"), "source", ["due_at"], unique=False)
    op.create_index(op.f("ix_source_push_hash"), "source", ["push_hash"], unique=True)
    op.create_index("ix_entry_source_id_first_seen", "entry", ["source_id", "first_seen"], unique=False)
    _fill_in()
    op.create_table(
        "push_request",
        sa.Column("source_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("response", sa.JSON(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name=op.f("fk_push_request_source_id_source")),
        sa.PrimaryKeyConstraint("source_id", "key", name=op.f("pk_push_request")),
    )
    op.create_index(op.f("ix_push_request_at"), "push_request", ["at"], unique=False)


def _source_columns() -> list[sa.Column]:
    return [
        sa.Column("state", sa.String(length=12), nullable=False, server_default="active"),
        _text("reason"),
        sa.Column("gone", sa.Boolean(), nullable=False, server_default=sa.false()),
        _text("location"),
        _text("address"),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("hastened", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("tried_at", Utc(), nullable=True),
        sa.Column("read_at", Utc(), nullable=True),
        sa.Column("newest_at", Utc(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        _text("error"),
        _text("etag"),
        _text("last_modified"),
        _text("fingerprint"),
        _text("hub"),
        _text("hub_topic"),
        sa.Column("hub_until", Utc(), nullable=True),
        sa.Column("hub_secret", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("push_hash", sa.String(length=64), nullable=True),
    ]


def _text(name: str) -> sa.Column:
    return sa.Column(name, sa.Text(), nullable=False, server_default="")


def _fill_in() -> None:
    """What the sources there are did so far; where they are is told by the configuration at the next start."""
    op.execute("UPDATE source SET read_at = picked_up_at, tried_at = picked_up_at")
    newest = "SELECT max(entry.first_seen) FROM entry WHERE entry.source_id = source.id"
    op.execute(f"UPDATE source SET newest_at = ({newest})")


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
