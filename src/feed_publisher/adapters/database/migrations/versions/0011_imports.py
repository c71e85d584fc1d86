"""Imports of lists of readers, and what each did, so that it can be continued and taken back"""

import sqlalchemy as sa
from alembic import op

from feed_publisher.adapters.database.schema import Utc

revision = "0011"
down_revision = "0010"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "reader_import",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("finished_at", Utc(), nullable=True),
        sa.Column("undone_at", Utc(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"], name=op.f("fk_reader_import_digest_id_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reader_import")),
    )
    op.create_table(
        "reader_import_row",
        sa.Column("import_id", ID, nullable=False),
        sa.Column("address_key", sa.String(length=64), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("fate", sa.String(length=20), nullable=False),
        sa.Column("subscription_id", ID, nullable=True),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["import_id"], ["reader_import.id"], name=op.f("fk_reader_import_row_import_id_reader_import")
        ),
        sa.PrimaryKeyConstraint("import_id", "address_key", name=op.f("pk_reader_import_row")),
    )
    op.create_index(
        op.f("ix_reader_import_row_subscription_id"), "reader_import_row", ["subscription_id"], unique=False
    )


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
