"""A database written by an earlier schema is brought up to date, and keeps what it holds."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from gapless.stores import schema
from gapless.stores.database import HEAD, open_engine


def test_a_database_of_the_first_schema_gets_the_later_tables(tmp_path: Path) -> None:
    file = tmp_path / "old.db"
    config = Config()
    config.set_main_option("script_location", "gapless.stores:migrations")
    with sa.create_engine(f"sqlite:///{file}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO suites (digest, body) VALUES ('d', x'01')")
    engine = open_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT digest FROM suites").scalar() == "d"
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == HEAD
        found = sa.inspect(connection)
        for table in schema.metadata.tables.values():
            assert {column["name"] for column in found.get_columns(table.name)} == set(table.columns.keys())
    engine.dispose()
