"""A server written without the SDK, for what a careful one never does: `python raw_server.py FILE`.

It takes a line of FILE for every message that it hears: its method, and whom a cancellation is for.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"
"""Two names that look the same."""
TOOLS = ("wait", "large", "strange_id", "no_id", "twice", "garbage", "gapless_no_such_tool", COMPOSED)


def command(file: Path) -> tuple[str, ...]:
    """The server, as a proxy is told of it."""
    return (sys.executable, str(Path(__file__).resolve()), str(file))


def _tools() -> list[dict[str, Any]]:
    hints = {"readOnlyHint": True}
    schema = {"type": "object", "properties": {"mb": {"type": "integer"}}}
    return [
        {"name": name, "description": name, "inputSchema": schema, "annotations": hints} for name in TOOLS
    ]


def _said(text: str) -> dict[str, Any]:
    return {"result": {"content": [{"type": "text", "text": text}]}}


def _send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def _called(number: Any, params: dict[str, Any]) -> None:
    name = params["name"]
    if name == "wait":
        return
    if name == "large":
        _send(id=number, **_said("x" * (params["arguments"]["mb"] * 1_000_000)))
    elif name == "strange_id":
        _send(id=987_654, **_said("for somebody else"))
        _send(id="a word", **_said("for somebody else"))
        _send(id=number, **_said("for you"))
    elif name == "no_id":
        _send(id=None, error={"code": -32603, "message": "whose was that?"})
        _send(id=number, **_said("for you"))
    elif name == "twice":
        _send(id=number, **_said("first"))
        _send(id=number, **_said("second"))
    elif name == "garbage":
        sys.stdout.write("{ this is no message\n[]\n\x00\n")
        _send(id=number, **_said("for you"))
    else:
        _send(id=number, **_said(f"{name} answered"))


def _serve(file: Path) -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        method, number = asked.get("method"), asked.get("id")
        with file.open("a", encoding="utf-8") as heard:
            heard.write(f"{method}\n")
        if method == "initialize":
            able = {"tools": {}, "resources": {"subscribe": True, "listChanged": True}}
            about = {"name": "raw", "version": "1"}
            _send(
                id=number, result={"protocolVersion": "2025-06-18", "capabilities": able, "serverInfo": about}
            )
        elif method == "tools/list":
            _send(id=number, result={"tools": _tools()})
        elif method == "tools/call":
            _called(number, asked["params"])
        elif method == "resources/subscribe":
            _send(id=number, result={})
            time.sleep(0.3)  # what is told when no request is open has to arrive, too
            _send(method="notifications/resources/updated", params={"uri": asked["params"]["uri"]})
            _send(method="notifications/resources/list_changed")
        elif number is not None:
            _send(id=number, error={"code": -32601, "message": "no such method"})


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
