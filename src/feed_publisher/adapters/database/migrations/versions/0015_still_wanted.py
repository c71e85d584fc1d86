"""Rounds of asking readers whether they still want a digest, and what became of each"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0015"
down_revision = "0014"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "asking",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("part", sa.JSON(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("remind_after", sa.Integer(), nullable=False),
        sa.Column("pause_after", sa.Integer(), nullable=False),
        sa.Column("per_day", sa.Integer(), nullable=True),
        sa.Column("rehearsal", sa.Boolean(), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("reached", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("ready_at", Utc(), nullable=True),
        sa.Column("looked_at", Utc(), nullable=True),
        sa.Column("hold_until", Utc(), nullable=True),
        sa.Column("stopped_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"], name=op.f("fk_asking_digest_id_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asking")),
    )
    op.create_table(
        "asked",
        sa.Column("asking_id", ID, nullable=False),
        sa.Column("subscription_id", ID, nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("handing", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("tries", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("asked_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["asking_id"], ["asking.id"], name=op.f("fk_asked_asking_id_asking")),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_asked_subscription_id_subscription")
        ),
        sa.PrimaryKeyConstraint("asking_id", "subscription_id", name=op.f("pk_asked")),
    )
    op.create_index(op.f("ix_asked_subscription_id"), "asked", ["subscription_id"], unique=False)
    op.create_index("ix_asked_asking_id_state_due_at", "asked", ["asking_id", "state", "due_at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
