"""What `bench proxy` runs in processes of their own: `server`, a tool that answers at once; `plain`, fastmcp's proxy before it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
SERVER = (sys.executable, "-m", "bench.proxy_parts", "server")


async def _server() -> None:
    from mcp import types
    from mcp.server.lowlevel import Server
    from mcp.server.stdio import stdio_server

    hints = types.ToolAnnotations(read_only_hint=True)
    tool = types.Tool(
        name="double", description="Doubles.", input_schema=SCHEMA, output_schema=SCHEMA, annotations=hints
    )

    async def list_tools(_: Any, params: Any) -> Any:
        return types.ListToolsResult(tools=[tool])

    async def call_tool(_: Any, params: Any) -> Any:
        twice = {"n": 2 * params.arguments["n"]}
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=str(twice))], structured_content=twice
        )

    server = Server("bench", version="1", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _plain() -> None:
    from fastmcp.client.transports import StdioTransport
    from fastmcp.server import create_proxy

    create_proxy(StdioTransport(SERVER[0], list(SERVER[1:]))).run(
        "stdio", show_banner=False, log_level="CRITICAL"
    )


if __name__ == "__main__":
    asyncio.run(_server()) if sys.argv[1] == "server" else _plain()
