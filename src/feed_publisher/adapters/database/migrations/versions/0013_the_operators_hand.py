"""What the operator changes in an issue, who decided about it, and mails that ask for a decision"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0013"
down_revision = "0012"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("issue", sa.Column("edits", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("issue", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("issue", sa.Column("held", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("edition", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("edition_entry", sa.Column("left_out", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "issue_event",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("issue_id", ID, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("what", sa.String(length=20), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_issue_event_issue_id_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_issue_event")),
    )
    op.create_index(op.f("ix_issue_event_issue_id"), "issue_event", ["issue_id"], unique=False)
    op.create_table(
        "desk_letter",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("issue_id", ID, nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("due_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_desk_letter_issue_id_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_desk_letter")),
        sa.UniqueConstraint("issue_id", "address", name=op.f("uq_desk_letter_issue_id_address")),
    )
    op.create_index("ix_desk_letter_due_at", "desk_letter", ["due_at"], unique=False)


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
