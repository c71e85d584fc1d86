"""What readers choose for themselves: pauses that end by themselves, a history, and how many letters were asked for"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0009"
down_revision = "0008"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    column = sa.Column("paused_fresh", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("subscription", column)
    op.add_column("subscription", sa.Column("cadence_at", Utc(), nullable=True))
    op.add_column("subscriber", sa.Column("new_address", sa.String(length=320), nullable=True))
    op.add_column("subscriber", sa.Column("move_request", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("subscriber", sa.Column("move_asked_at", Utc(), nullable=True))
    op.create_index("ix_subscription_paused_until", "subscription", ["paused_until"], unique=False)
    op.create_table(
        "letter_log",
        sa.Column("address_key", sa.String(length=64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("address_key", "at", name=op.f("pk_letter_log")),
    )
    op.create_index("ix_letter_log_at", "letter_log", ["at"], unique=False)
    op.create_table(
        "subscription_event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("subscription_id", ID, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_subscription_event_subscription_id_subscription")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_event")),
    )
    op.create_index(
        op.f("ix_subscription_event_subscription_id"), "subscription_event", ["subscription_id"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
