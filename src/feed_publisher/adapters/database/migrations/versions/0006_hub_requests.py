"""Requests to our own hub apart from its subscriptions"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    # What was told and asked so far is forgotten: hubs are told once more, and subscribers renew.
    op.drop_table("hub_ping")
    op.drop_table("hub_subscription")
    op.create_table(
        "hub_ping",
        sa.Column("hub", sa.String(length=500), nullable=False),
        sa.Column("path", sa.String(length=760), nullable=False),
        sa.Column("told_etag", sa.String(length=80), server_default="", nullable=False),
        sa.Column("tried_etag", sa.String(length=80), server_default="", nullable=False),
        *_tries(),
        sa.PrimaryKeyConstraint("hub", "path", name=op.f("pk_hub_ping")),
    )
    op.create_table(
        "hub_request",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("mode", sa.String(length=12), nullable=False),
        *_who_wants_what(),
        sa.Column("lease_seconds", sa.Integer(), nullable=False),
        sa.Column("secret", sa.String(length=200), nullable=False),
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("etag", sa.String(length=80), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_hub_request")),
    )
    op.create_index(op.f("ix_hub_request_host"), "hub_request", ["host"], unique=False)
    op.create_index(op.f("ix_hub_request_due_at"), "hub_request", ["due_at"], unique=False)
    op.create_table(
        "hub_subscription",
        sa.Column("key", sa.String(length=64), nullable=False),
        *_who_wants_what(),
        sa.Column("secret", sa.String(length=200), nullable=False),
        sa.Column("delivered_etag", sa.String(length=80), nullable=False),
        sa.Column("lease_until", Utc(), nullable=False),
        *_tries(),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_hub_subscription")),
    )
    op.create_index(op.f("ix_hub_subscription_host"), "hub_subscription", ["host"], unique=False)
    op.create_index(op.f("ix_hub_subscription_lease_until"), "hub_subscription", ["lease_until"], unique=False)
    op.create_index("ix_hub_subscription_path", "hub_subscription", ["path", "delivered_etag", "due_at"], unique=False)


def _who_wants_what() -> list[sa.Column]:
    return [
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("path", sa.String(length=760), nullable=False),
        sa.Column("callback", sa.Text(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
    ]


def _tries() -> list[sa.Column]:
    return [
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
    ]


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
