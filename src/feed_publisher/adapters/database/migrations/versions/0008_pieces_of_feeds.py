"""Entries as they stand in feeds, kept"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "entry_piece",
        sa.Column("entry_id", id, autoincrement=False, nullable=False),
        sa.Column("recipe", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "recipe", name=op.f("pk_entry_piece")),
    )


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
