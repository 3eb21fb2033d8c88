"""Transactions on a database that must stay the file it was: what was decided may not go into one that nobody will open."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import Connection

from gapless.errors import StoreError
from gapless.stores.database import open_engine, translated


class Anchored:
    """One database file, opened once; safe to use from several threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = open_engine(url)
        self._writing = self._engine.execution_options(gapless_write=True)
        self.file = Path(str(self._engine.url.database))
        self._identity = self._look()

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    @contextmanager
    def write(self) -> Generator[Connection]:
        """One write transaction.

        Raises:
            StoreError: It failed, or the file has gone; nothing of it counts.
        """
        self._check()
        with translated(self.url), self._writing.begin() as connection:
            yield connection
            self._check()

    @contextmanager
    def read(self) -> Generator[Connection]:
        """One read transaction."""
        self._check()
        with translated(self.url), self._engine.connect() as connection:
            yield connection

    def _look(self) -> tuple[int, int] | None:
        try:
            seen = self.file.stat()
        except OSError:
            return None
        return seen.st_dev, seen.st_ino

    def _check(self) -> None:
        # SQLite goes on writing into a file that was deleted under it, and says nothing.
        if self._look() != self._identity:
            raise StoreError(
                f"{self.url}: the file was deleted, moved or replaced while it was in use. Nothing was decided. Put it back, and run again."
            )
