"""The pictures and files of entries"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("entry_revision", sa.Column("image", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("entry_revision", sa.Column("enclosures", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
