"""Topics that went into others, and what was decided about their readers"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0016"
down_revision = "0015"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("topic", sa.Column("merged_into", ID, nullable=True))
    op.add_column("topic", sa.Column("merged_at", Utc(), nullable=True))
    op.create_table(
        "topic_change",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("topic_id", ID, nullable=False),
        sa.Column("other_id", ID, nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["topic_id"], ["topic.id"], name=op.f("fk_topic_change_topic_id_topic")),
        sa.ForeignKeyConstraint(["other_id"], ["topic.id"], name=op.f("fk_topic_change_other_id_topic")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_topic_change")),
        sa.UniqueConstraint("kind", "topic_id", "other_id", name=op.f("uq_topic_change_kind_topic_id_other_id")),
    )


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
