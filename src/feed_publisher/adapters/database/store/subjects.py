"""Which issue has which subject. The primary key decides when two issues want the same at the same time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from feed_publisher.adapters.database.schema import digest, issue, issue_subject
from feed_publisher.adapters.database.store.common import insert_if_missing


def claim_subject(connection: Connection, number: int, candidates: Sequence[str]) -> str:
    """The first that no other issue of the digest has, now this issue's; the last one when all are taken.

    So an issue that is continued after a crash, or corrected, may keep its subject.
    """
    of = connection.execute(select(issue.c.digest_id, issue.c.rehearsal).where(issue.c.id == number)).one()
    for subject in candidates:
        key = {"digest_id": of.digest_id, "rehearsal": of.rehearsal, "subject": subject}
        if insert_if_missing(connection, issue_subject, {**key, "issue_id": number}):
            return subject
        query = select(issue_subject.c.issue_id).filter_by(**key)
        if connection.execute(query).scalar() == number:
            return subject
    return candidates[-1]


def free_subject(connection: Connection, slug: str, rehearsal: bool, candidates: Sequence[str]) -> str:
    """The first that no issue of the digest has."""
    query = select(issue_subject.c.subject).join(digest, digest.c.id == issue_subject.c.digest_id)
    query = query.where(digest.c.slug == slug, issue_subject.c.rehearsal == rehearsal)
    taken = set(connection.execute(query.where(issue_subject.c.subject.in_(candidates))).scalars())
    return next((subject for subject in candidates if subject not in taken), candidates[-1])
