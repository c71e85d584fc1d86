"""Hubs that are told of our feeds, the subscriptions of our own hub, and how much each feed is read"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "feed_use",
        sa.Column("path", sa.String(length=760), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("polls", sa.Integer(), nullable=False),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("path", "day", "owner", name=op.f("pk_feed_use")),
    )
    op.create_index("ix_feed_use_day", "feed_use", ["day"], unique=False)
    op.create_table(
        "hub_ping",
        sa.Column("hub", sa.String(length=500), nullable=False),
        sa.Column("path", sa.String(length=760), nullable=False),
        sa.Column("etag", sa.String(length=80), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("hub", "path", name=op.f("pk_hub_ping")),
    )
    op.create_table(
        "hub_subscription",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("path", sa.String(length=760), nullable=False),
        sa.Column("callback", sa.Text(), nullable=False),
        sa.Column("callback_key", sa.String(length=64), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("secret", sa.String(length=200), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.Column("etag", sa.String(length=80), nullable=False),
        sa.Column("asked", sa.String(length=12), nullable=False),
        sa.Column("asked_secret", sa.String(length=200), nullable=False),
        sa.Column("asked_lease", sa.Integer(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hub_subscription")),
        sa.UniqueConstraint("path", "callback_key", name=op.f("uq_hub_subscription_path_callback_key")),
    )
    op.create_index(op.f("ix_hub_subscription_host"), "hub_subscription", ["host"], unique=False)
    op.create_index(op.f("ix_hub_subscription_due_at"), "hub_subscription", ["due_at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
