"""Alembic's entry: always runs on the connection that migrate() hands in."""

from alembic import context

from feed_publisher.adapters.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
context.run_migrations()
