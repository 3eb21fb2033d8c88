"""Files that people ask for: a file stands there whole or not at all, in a folder that is made where it is missing."""

from __future__ import annotations

from pathlib import Path

from gapless.errors import UsageError


def write_whole(path: Path, body: str | bytes) -> None:
    """Writes a file, as UTF-8 where it is text.

    Raises:
        UsageError: It cannot be written there.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(body.encode() if isinstance(body, str) else body)
        temporary.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UsageError:
    """What is said where a file that was asked for cannot be written."""
    why = f"{path.parent} is no folder" if isinstance(error, FileExistsError) else error.strerror
    return UsageError(f"{path}: cannot be written ({why}). Choose another path.")
