"""Digests that go to the operators only: a shadow is mailed in the place of one that rests"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column("digest", sa.Column("rests", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
