"""What is reported of mails after they were accepted, and what readers answer to the address of bounces"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "bounce",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("subscription_id", ID, nullable=False),
        sa.Column("subscriber_id", ID, nullable=False),
        sa.Column("issue_id", ID, nullable=True),
        sa.Column("delivery_id", ID, nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscription.id"], name=op.f("fk_bounce_subscription_id_subscription")
        ),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscriber.id"], name=op.f("fk_bounce_subscriber_id_subscriber")),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_bounce_issue_id_issue")),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_bounce_delivery_id_delivery")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bounce")),
        sa.UniqueConstraint("delivery_id", "attempt", "kind", name=op.f("uq_bounce_delivery_id_attempt_kind")),
    )
    op.create_index(op.f("ix_bounce_subscription_id"), "bounce", ["subscription_id"], unique=False)
    op.create_index("ix_bounce_subscriber_id_at", "bounce", ["subscriber_id", "at"], unique=False)
    op.create_index("ix_bounce_issue_id_kind", "bounce", ["issue_id", "kind"], unique=False)
    op.create_table(
        "mail_back",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "what", name=op.f("pk_mail_back")),
    )
    op.create_table(
        "answer",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("mail", sa.LargeBinary(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("left_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_answer")),
        sa.UniqueConstraint("fingerprint", name=op.f("uq_answer_fingerprint")),
    )
    op.create_index(op.f("ix_answer_at"), "answer", ["at"], unique=False)
    op.create_index("ix_answer_due_at", "answer", ["due_at"], unique=False)
    op.create_index("ix_answer_left_at", "answer", ["left_at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
