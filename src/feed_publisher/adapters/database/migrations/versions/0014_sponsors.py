"""Which sponsors an issue carries, as they stood in the settings when it was opened"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "issue_sponsor",
        sa.Column("issue_id", ID, nullable=False),
        sa.Column("place", sa.String(length=10), nullable=False),
        sa.Column("sponsor", sa.String(length=80), nullable=False),
        sa.Column("block", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("out_since", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_issue_sponsor_issue_id_issue")),
        sa.PrimaryKeyConstraint("issue_id", "place", name=op.f("pk_issue_sponsor")),
    )
    op.create_index(op.f("ix_issue_sponsor_sponsor"), "issue_sponsor", ["sponsor"], unique=False)
    op.execute("INSERT INTO counter (name, value) VALUES ('sponsors', 0)")  # its row is locked to count them


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
