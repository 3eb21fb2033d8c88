"""The file that holds reviewed tools: `tools.lock.json`, read and written whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from gapless.errors import InvalidTarget
from gapless.records.tools import ToolsLock
from gapless.report.json import plain
from gapless.settings import Place

LOCK = "tools.lock.json"


def lock_path(place: Place) -> Path:
    """Where the lock is: beside `gapless.toml`, so that it is reviewed and versioned with it."""
    return Path(place.root) / LOCK


def read_lock(path: Path) -> ToolsLock | None:
    """The reviewed tools; None where there is no lock.

    Raises:
        InvalidTarget: The file is no lock.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ToolsLock)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise InvalidTarget(f"{path}: is no lock of tools: {error}.") from error


def write_lock(path: Path, lock: ToolsLock) -> None:
    """Writes the lock whole or not at all: readable, in a settled order, one key a line.

    Raises:
        InvalidTarget: It cannot be written there.
    """
    body: dict[str, Any] = {
        "schema": lock.schema,
        "servers": {name: plain(one) for name, one in sorted(lock.servers.items())},
    }
    for server in body["servers"].values():
        for tool in server["tools"].values():
            if not tool["inferred_from"]:  # what was not learnt is not there
                del tool["inferred_output_schema"], tool["inferred_from"]
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise InvalidTarget(f"{path}: cannot be written ({error.strerror}).") from error
