"""One process per measurement: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from gapless.errors import StoreError


@contextmanager
def exclusive(folder: Path, name: str) -> Generator[None]:
    """Holds a lock while the body runs.

    Raises:
        StoreError: Another process holds it.
    """
    import fcntl

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode("ascii", "replace") or "unknown"
            raise StoreError(
                f"the same measurement is already running (process {holder}). Wait for it, or stop it and run again."
            ) from None
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode("ascii"))
        yield
    finally:
        os.close(handle)
