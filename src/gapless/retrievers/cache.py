"""The user's cache folder, and files that appear in it whole or not at all."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """Where downloads and what is computed from them are kept: `GAPLESS_CACHE`, else the system's place for caches."""
    if own := os.environ.get("GAPLESS_CACHE"):
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gapless"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gapless"


def publish(path: Path, write: Callable[[Path], object]) -> Path:
    """Writes a file beside its place and moves it there when it is complete; a reader never sees half of it.

    Args:
        path: Where the file shall be.
        write: Writes the file at the path it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-") as room:
        draft = Path(room) / path.name
        write(draft)
        draft.replace(path)
    return path


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Holds a lock beside a path while the body runs; another process waits, so that no file is made twice at once."""
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
