"""How far readers who get a digest as it happens have been served, and ways to walk an audience in order"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("digest", sa.Column("instant_through", sa.BigInteger(), nullable=True))
    op.create_index("ix_subscription_digest_id_id", "subscription", ["digest_id", "id"], unique=False)
    op.create_index(
        "ix_subscription_digest_id_cadence_id", "subscription", ["digest_id", "cadence", "id"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
