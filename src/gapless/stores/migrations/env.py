"""Alembic's entry: runs the migrations on the connection it is handed, never on one of its own."""

from __future__ import annotations

from alembic import context

from gapless.stores.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
