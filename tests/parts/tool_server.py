"""A small MCP server over stdio, healthy or with one defect: `python tool_server.py [DEFECT]`.

It sits on the SDK's low level, where a server may say one thing and do another.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from gapless.records.tools import LockedServer, ToolsLock
from gapless.settings import ServerSettings

PAGES = 3
TAKES_S = {"unhurried": 0.05, "slow": 0.2, "blocks": 30.0}


def command(defect: str = "") -> ServerSettings:
    """The server, as a checkup is told of it."""
    return ServerSettings(command=(sys.executable, str(Path(__file__).resolve()), defect))


def described(defect: str = "") -> dict[str, Any]:
    """Its tool as MCP writes it."""
    query = {"type": "string", "description": "What to look for"}
    tool: dict[str, Any] = {
        "name": "search_orders",
        "description": "Finds orders by a word in them.",
        "inputSchema": {"type": "object", "properties": {"query": query}, "required": ["query"]},
        "outputSchema": {
            "type": "object",
            "properties": {"orders": {"type": "array", "items": {"type": "string"}}},
            "required": ["orders"],
        },
        "annotations": {"readOnlyHint": True},
    }
    if defect == "narrowed":
        tool["inputSchema"]["properties"]["since"] = {"type": "string", "description": "First day"}
        tool["inputSchema"]["required"].append("since")
    if defect == "lying-hint":
        tool |= {"name": "delete_orders", "description": "Deletes orders by a word in them."}
    if defect == "empty-schema":
        tool["inputSchema"] = {}
    return tool


def lock(folder: Path, defect: str = "") -> Path:
    """A lock that somebody wrote when the server was as `defect` says."""
    from gapless.frameworks.mcp.reading import tools_of
    from gapless.operations.tools_lock import write_lock

    (tool,) = tools_of([described(defect)])
    path = folder / "tools.lock.json"
    write_lock(path, ToolsLock(servers={"orders": LockedServer(server="orders", tools={tool.name: tool})}))
    return path


def _answer(defect: str, params: Any) -> Any:
    from mcp import types

    arguments = params.arguments or {}
    known = params.name == described(defect)["name"]
    fits = isinstance(arguments.get("query"), str)
    if defect == "error-as-success" and not (known and fits):
        return types.CallToolResult(
            content=[types.TextContent(type="text", text="Error: cannot do that")],
            structured_content={"orders": []},
        )
    if not known or not fits:
        text = "no such tool" if not known else "query must be a string"
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
    time.sleep(TAKES_S.get(defect, 0.0))  # on the loop, so that everything waits
    orders: Any = "none" if defect == "other-than-declared" else ["A-1"]
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=str(orders))], structured_content={"orders": orders}
    )


def _raw() -> None:
    """Written without the SDK, which would not send a tool that has no input schema."""
    import json

    for line in sys.stdin:
        asked = json.loads(line)
        told: dict[str, Any] = {"error": {"code": -32601, "message": "no such method"}}
        if asked["method"] == "initialize":
            version = asked["params"]["protocolVersion"]
            about = {"name": "orders", "version": "1.0"}
            told = {
                "result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
            }
        elif asked["method"] == "tools/list":
            bare = {key: value for key, value in described().items() if key != "inputSchema"}
            tools = [bare, described("empty-schema") | {"name": "find_orders"}]
            told = {"result": {"tools": tools}}
        if "id" in asked:
            print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}), flush=True)


_asked: dict[str, Any] = {}


async def _found_later(arguments: dict[str, Any], *, shared: bool) -> Any:
    """An answer to what was asked: last by anybody, where that is kept for all calls together."""
    import anyio
    from mcp import types

    held = _asked if shared else {}
    held["query"] = arguments.get("query")
    await anyio.sleep(0.02)
    if not isinstance(held["query"], str):
        text = types.TextContent(type="text", text="query must be a string")
        return types.CallToolResult(content=[text], is_error=True)
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=held["query"])],
        structured_content={"orders": [held["query"]]},
    )


def build(defect: str) -> Any:
    """The server itself."""
    from mcp import types
    from mcp.server.lowlevel import Server

    async def list_tools(_: Any, params: Any) -> Any:
        if defect not in ("paged", "endless"):
            return types.ListToolsResult(tools=[types.Tool.model_validate(described(defect))])
        page = int((params.cursor if params is not None else None) or 0)
        tool = types.Tool.model_validate(described() | {"name": f"search_{page}"})
        following = "0" if defect == "endless" else str(page + 1) if page + 1 < PAGES else None
        return types.ListToolsResult(tools=[tool], next_cursor=following)

    async def call_tool(context: Any, params: Any) -> Any:
        for told in {"tells": (1, 2, 3), "goes-back": (1, 3, 2)}.get(defect, ()):
            await context.session.report_progress(told, 3)
        if defect in ("keeps", "keeps-apart"):
            return await _found_later(params.arguments or {}, shared=defect == "keeps")
        return _answer(defect, params)

    return Server("orders", version="1.0", on_list_tools=list_tools, on_call_tool=call_tool)


def _serve(defect: str) -> None:
    import anyio

    if defect == "crash":
        sys.exit("cannot open the order book: no key")
    while defect == "flood":
        sys.stdout.write("INFO still starting\n")
    if defect == "hang":
        time.sleep(600)
    if defect == "chatty":
        print("INFO starting", flush=True)
    if defect == "raw":
        return _raw()
    server = build(defect)

    async def over_stdio() -> None:
        from mcp.server.stdio import stdio_server

        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    return anyio.run(over_stdio)


if __name__ == "__main__":
    _serve(sys.argv[1] if len(sys.argv) > 1 else "")
