"""Opens the database, brings its schema up to date, and says in plain words what went wrong with it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine

from gapless.errors import StoreError

HEAD = "0005_checkups"
"""Newest migration this version of gapless knows."""
_BUSY_MS = 10_000
_AGAIN_S = 0.01


def open_engine(url: str) -> Engine:
    """An engine whose schema is up to date.

    Raises:
        StoreError: The database cannot be opened, is locked, corrupt, or written by a newer gapless.
    """
    parsed = _parse(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(
            f"GAPLESS_DATABASE_URL: {parsed.get_backend_name()} is not supported by this version. Use sqlite:///path/to/gapless.db."
        )
    if parsed.database in (None, "", ":memory:"):
        raise StoreError(
            f"GAPLESS_DATABASE_URL: {url!r} names no file, so nothing would be kept. Use sqlite:///path/to/gapless.db."
        )
    # A workflow may change the folder it runs in; connections that are opened later must find the same file.
    file = Path(str(parsed.database)).absolute()
    _make_folder(file.parent)
    parsed = parsed.set(database=str(file))
    engine = sa.create_engine(parsed)
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    with translated(url):
        _migrate(engine)
    return engine


@contextmanager
def translated(url: str) -> Generator[None]:
    """Turns database errors into StoreError with the place and the remedy."""
    try:
        yield
    except exc.DBAPIError as error:
        raise StoreError(_explain(str(error.orig), url)) from error


@contextmanager
def driver_transaction(engine: Engine, url: str) -> Generator[sqlite3.Cursor]:
    """One write transaction on a bare cursor of the driver's, for many rows at once: the layer above costs more than they do.

    Raises:
        StoreError: Something in it failed; nothing of it is written.
    """
    try:
        connection = engine.raw_connection()
        try:
            cursor = cast("sqlite3.Cursor", connection.cursor())
            cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            cursor.execute("COMMIT")
        finally:
            connection.close()  # gives it back to the pool, which rolls back what was not committed
    except (sqlite3.Error, exc.DBAPIError) as error:
        raise StoreError(_explain(str(getattr(error, "orig", error)), url)) from error


def _parse(url: str) -> sa.engine.URL:
    try:
        return sa.engine.make_url(url)
    except exc.ArgumentError as error:
        raise StoreError(
            f"GAPLESS_DATABASE_URL is no database URL: {url!r}. Example: sqlite:///gapless.db"
        ) from error


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if folder.name == ".gapless" and not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be created ({error.strerror}). Choose another place with GAPLESS_DATABASE_URL."
        ) from error


def _on_connect(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, so that a write locks at its start
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    _write_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Turns the write-ahead log on. Of two that open a new file, SQLite refuses one at once, whatever busy_timeout says."""
    until = time.monotonic() + _BUSY_MS / 1e3
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)


def _on_begin(connection: Connection) -> None:
    # Readers never block in WAL mode; a writer that would only find out at its first write takes the lock now.
    immediate = connection.get_execution_options().get("gapless_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _migrate(engine: Engine) -> None:
    with engine.connect() as connection:
        revision = _revision(connection)
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise StoreError(
            f"{engine.url.database}: written by a newer gapless (schema {revision}, this one knows {HEAD}). Upgrade gapless."
        )
    with engine.execution_options(gapless_write=True).begin() as connection:
        if _revision(connection) != HEAD:  # another process may have been quicker
            _upgrade(connection)


def _revision(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(connection: Connection) -> None:
    # Alembic costs 0.2 s to import; an up-to-date database does without it.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "gapless.stores:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _explain(text: str, url: str) -> str:
    lowered = text.lower()
    if "locked" in lowered or "busy" in lowered:
        return f"{url}: locked by another process for more than {_BUSY_MS // 1000} s. Wait for it or stop it, then run the same command again."
    if "full" in lowered or "disk i/o" in lowered:
        return f"{url}: the disk is full or failing ({text}). Nothing already measured is lost; free some space and run the same command again."
    if "malformed" in lowered or "not a database" in lowered:
        return f"{url}: the file is corrupt or no SQLite database ({text}). Move it away, or restore a copy, and run again."
    if "readonly" in lowered or "unable to open" in lowered:
        return f"{url}: cannot be opened for writing ({text}). Check the path and its permissions, or set GAPLESS_DATABASE_URL."
    return f"{url}: {text}."
