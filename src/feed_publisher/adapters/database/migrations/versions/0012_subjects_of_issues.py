"""Subjects: which issue of a digest has one, so that no two issues have the same"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "issue_subject",
        sa.Column("digest_id", ID, nullable=False),
        sa.Column("rehearsal", sa.Boolean(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("issue_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["digest_id"], ["digest.id"], name=op.f("fk_issue_subject_digest_id_digest")),
        sa.ForeignKeyConstraint(["issue_id"], ["issue.id"], name=op.f("fk_issue_subject_issue_id_issue")),
        sa.PrimaryKeyConstraint("digest_id", "rehearsal", "subject", name=op.f("pk_issue_subject")),
    )
    op.execute(
        "INSERT INTO issue_subject (digest_id, rehearsal, subject, issue_id) "
        "SELECT issue.digest_id, issue.rehearsal, edition.subject, max(issue.id) "
        "FROM edition JOIN issue ON issue.id = edition.issue_id "
        "GROUP BY issue.digest_id, issue.rehearsal, edition.subject"
    )


def downgrade() -> None:
    raise RuntimeError("an older version cannot read this database; restore a backup instead")
