"""The archive of issues: which have been sent, how many readers each edition has, and feeds of issues"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0007"
down_revision = "0006"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("issue", sa.Column("sent_at", Utc(), nullable=True))
    op.add_column("issue", sa.Column("settled", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_issue_digest_id_sent_at", "issue", ["digest_id", "sent_at", "id"], unique=False)
    op.add_column("edition", sa.Column("readers", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("edition", sa.Column("shown", sa.Integer(), nullable=True))
    op.execute(
        "UPDATE edition SET readers = (SELECT count(*) FROM delivery"
        " WHERE delivery.issue_id = edition.issue_id AND delivery.edition_id = edition.id)"
    )
    _feeds_of_digests()


def _feeds_of_digests() -> None:
    if op.get_bind().dialect.name == "sqlite":
        # A new column may come with its foreign key there; a copy of the table would break those that refer to it.
        key = "CONSTRAINT fk_feed_digest_id_digest REFERENCES digest (id)"
        op.execute(f"ALTER TABLE feed ADD COLUMN digest_id INTEGER {key}")
    else:
        op.add_column("feed", sa.Column("digest_id", ID, nullable=True))
        op.create_foreign_key(op.f("fk_feed_digest_id_digest"), "feed", "digest", ["digest_id"], ["id"])
    op.create_index(op.f("ix_feed_digest_id"), "feed", ["digest_id"], unique=False)


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
