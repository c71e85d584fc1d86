"""How far readers who get a digest as it happens have been served"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("digest", sa.Column("instant_through", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
