"""One process per measurement, and per run that goes on: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from gapless.errors import StoreError


@contextmanager
def exclusive(
    folder: Path, name: str, held: str = "the same measurement is already running", *, keep: bool = True
) -> Generator[None]:
    """Holds a lock while the body runs.

    Args:
        folder: Where its file lies.
        name: What is locked.
        held: What it means that somebody else holds it.
        keep: Whether the file stays behind; no where names are many.

    Raises:
        StoreError: Another process holds it, or the folder cannot be written.
    """
    path = folder / f"{name}.lock"
    handle = _locked(path, held)
    try:
        os.truncate(handle, 0)
        os.write(handle, str(os.getpid()).encode("ascii"))
        yield
    finally:
        if not keep:
            with suppress(OSError):
                path.unlink()
        os.close(handle)


def _locked(path: Path, held: str) -> int:
    import fcntl

    while True:
        handle = _opened(path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(handle, 20).decode("ascii", "replace") or "unknown"
            os.close(handle)
            raise StoreError(f"{held} (process {holder}). Wait for it, or stop it and run again.") from None
        if _is_at(path, handle):
            return handle
        os.close(
            handle
        )  # whoever held it has removed the file since: the lock is on one that nobody else will open


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be written ({error.strerror}). Choose another place with GAPLESS_DATABASE_URL."
        ) from error


def _is_at(path: Path, handle: int) -> bool:
    try:
        there, ours = path.stat(), os.fstat(handle)
    except OSError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)
