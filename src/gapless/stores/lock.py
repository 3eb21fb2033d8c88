"""One process per measurement, and per run that goes on: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gapless.errors import StoreError


@contextmanager
def exclusive(
    folder: Path, name: str, held: str = "the same measurement is already running"
) -> Generator[None]:
    """Holds a lock while the body runs.

    Args:
        folder: Where its file lies.
        name: What is locked.
        held: What it means that somebody else holds it.

    Raises:
        StoreError: Another process holds it, or the folder cannot be written.
    """
    import fcntl

    path = folder / f"{name}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Choose another place with GAPLESS_DATABASE_URL."
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode("ascii", "replace") or "unknown"
            raise StoreError(f"{held} (process {holder}). Wait for it, or stop it and run again.") from None
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode("ascii"))
        yield
    finally:
        os.close(handle)
