"""A server that is what a file says now: `python named_server.py FILE`, with {"name": ..., "tools": [...]} as JSON in it.

It speaks the older era by hand, so that names and tools are what no library would let through.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def command(file: Path) -> tuple[str, ...]:
    """How it is started."""
    return (sys.executable, str(Path(__file__).resolve()), str(file))


def write(file: Path, name: str, *tools: dict[str, Any]) -> None:
    """What it is from now on."""
    file.write_text(json.dumps({"name": name, "tools": tools}), encoding="utf-8")


def _answer(asked: dict[str, Any], file: Path) -> dict[str, Any] | None:
    said = json.loads(file.read_text(encoding="utf-8"))
    if asked["method"] == "initialize":
        info = {"name": said["name"], "version": "1"}
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": info}
    if asked["method"] == "tools/list":
        return {"tools": said["tools"]}
    if asked["method"] == "tools/call":
        return {"content": [{"type": "text", "text": f"{asked['params']['name']} answered"}]}
    return None


if __name__ == "__main__":
    for line in sys.stdin:
        asked = json.loads(line)
        if "id" not in asked:
            continue
        result = _answer(asked, Path(sys.argv[1]))
        unknown = {"error": {"code": -32601, "message": "Method not found"}}
        told = unknown if result is None else {"result": result}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}), flush=True)
