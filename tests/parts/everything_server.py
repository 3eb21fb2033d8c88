"""An MCP server with one of everything, as the public conformance suite asks for it: `python everything_server.py [PORT]`.

Over stdio without a port. It is built on the SDK's low level, in both protocol eras.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server

DIALECT = "https://json-schema.org/draft/2020-12/schema"
WATCHED = "test://watched-resource"


def _png() -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    body = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    body += chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00")) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + body).decode()


def _wav() -> str:
    head = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    return base64.b64encode(head + b"data" + struct.pack("<I", 0)).decode()


PNG, WAV = _png(), _wav()


def text(said: str) -> types.TextContent:
    return types.TextContent(type="text", text=said)


def image() -> types.ImageContent:
    return types.ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri: str, kind: str, said: str) -> types.EmbeddedResource:
    held = types.TextResourceContents(uri=uri, mime_type=kind, text=said)
    return types.EmbeddedResource(type="resource", resource=held)


async def _simple(ctx: Any, given: dict[str, Any]) -> list[Any]:
    return [text("This is a simple text response for testing.")]


async def _image(ctx: Any, given: dict[str, Any]) -> list[Any]:
    return [image()]


async def _audio(ctx: Any, given: dict[str, Any]) -> list[Any]:
    return [types.AudioContent(type="audio", data=WAV, mime_type="audio/wav")]


async def _embedded(ctx: Any, given: dict[str, Any]) -> list[Any]:
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


async def _mixed(ctx: Any, given: dict[str, Any]) -> list[Any]:
    held = embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}')
    return [text("Multiple content types test:"), image(), held]


async def _logging(ctx: Any, given: dict[str, Any]) -> list[Any]:
    for said in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        params = types.LoggingMessageNotificationParams(level="info", data=said)
        told = types.LoggingMessageNotification(method="notifications/message", params=params)
        await ctx.session.send_notification(told, related_request_id=ctx.request_id)
        await anyio.sleep(0.05)
    return [text("Logged three times.")]


async def _progress(ctx: Any, given: dict[str, Any]) -> list[Any]:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(0.05)
    return [text("Progress was reported.")]


async def _failing(ctx: Any, given: dict[str, Any]) -> list[Any]:
    raise ValueError("This tool intentionally returns an error for testing")


async def _sampling(ctx: Any, given: dict[str, Any]) -> list[Any]:
    asked = types.SamplingMessage(role="user", content=text(given["prompt"]))
    params = types.CreateMessageRequestParams(messages=[asked], max_tokens=100)
    request = types.CreateMessageRequest(method="sampling/createMessage", params=params)
    said = await ctx.session.send_request(request, types.CreateMessageResult)
    return [text(f"LLM response: {said.content.text}")]


async def _elicited(ctx: Any, message: str, properties: dict[str, Any], required: list[str]) -> str:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "required": required}
    said = await ctx.session.elicit(message, schema, related_request_id=ctx.request_id)
    return f"action={said.action}, content={json.dumps(said.content or {})}"


async def _elicitation(ctx: Any, given: dict[str, Any]) -> list[Any]:
    fields = {"username": {"type": "string", "description": "User's response"}}
    fields["email"] = {"type": "string", "description": "User's email address"}
    return [text(f"User response: {await _elicited(ctx, given['message'], fields, list(fields))}")]


async def _defaults(ctx: Any, given: dict[str, Any]) -> list[Any]:
    fields: dict[str, Any] = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return [text(f"Elicitation completed: {await _elicited(ctx, 'Look at these', fields, [])}")]


async def _enums(ctx: Any, given: dict[str, Any]) -> list[Any]:
    options = ["option1", "option2", "option3"]
    titled = [
        {"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second"), 1)
    ]
    chosen = [
        {"const": f"value{n}", "title": f"{word} Choice"} for n, word in enumerate(("First", "Second"), 1)
    ]
    names = ["Option One", "Option Two", "Option Three"]
    fields: dict[str, Any] = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": names},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": chosen}},
    }
    return [text(f"Elicitation completed: {await _elicited(ctx, 'Choose', fields, [])}")]


async def _echo(ctx: Any, given: dict[str, Any]) -> list[Any]:
    return [text(json.dumps(given))]


def _takes(**fields: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {n: {"type": t} for n, t in fields.items()},
        "required": list(fields),
    }


_ADDRESS = {"type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}
_DIALECTAL: dict[str, Any] = {
    "$schema": DIALECT,
    "type": "object",
    "$defs": {"address": _ADDRESS},
    "properties": {"name": {"type": "string"}, "address": {"$ref": "#/$defs/address"}},
    "additionalProperties": False,
}
Tool = Callable[[Any, dict[str, Any]], Awaitable[list[Any]]]
TOOLS: dict[str, tuple[Tool, dict[str, Any]]] = {
    "test_simple_text": (_simple, _takes()),
    "test_image_content": (_image, _takes()),
    "test_audio_content": (_audio, _takes()),
    "test_embedded_resource": (_embedded, _takes()),
    "test_multiple_content_types": (_mixed, _takes()),
    "test_tool_with_logging": (_logging, _takes()),
    "test_tool_with_progress": (_progress, _takes()),
    "test_error_handling": (_failing, _takes()),
    "test_sampling": (_sampling, _takes(prompt="string")),
    "test_elicitation": (_elicitation, _takes(message="string")),
    "test_elicitation_sep1034_defaults": (_defaults, _takes()),
    "test_elicitation_sep1330_enums": (_enums, _takes()),
    "json_schema_2020_12_tool": (_echo, _DIALECTAL),
}


async def list_tools(ctx: Any, params: Any) -> types.ListToolsResult:
    found = [
        types.Tool(name=name, description=f"For the suite: {name}", input_schema=schema)
        for name, (_, schema) in TOOLS.items()
    ]
    return types.ListToolsResult(tools=found)


async def call_tool(ctx: Any, params: Any) -> types.CallToolResult:
    if params.name not in TOOLS:
        return types.CallToolResult(content=[text(f"Unknown tool: {params.name}")], is_error=True)
    try:
        return types.CallToolResult(content=await TOOLS[params.name][0](ctx, params.arguments or {}))
    except ValueError as error:
        return types.CallToolResult(content=[text(str(error))], is_error=True)


async def list_resources(ctx: Any, params: Any) -> types.ListResourcesResult:
    kinds = {"test://static-text": "text/plain", "test://static-binary": "image/png", WATCHED: "text/plain"}
    found = [
        types.Resource(uri=uri, name=uri.removeprefix("test://"), description="For the suite", mime_type=kind)
        for uri, kind in kinds.items()
    ]
    return types.ListResourcesResult(resources=found)


async def list_templates(ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
    one = types.ResourceTemplate(
        uri_template="test://template/{id}/data", name="template", mime_type="application/json"
    )
    return types.ListResourceTemplatesResult(resource_templates=[one])


async def read_resource(ctx: Any, params: Any) -> types.ReadResourceResult:
    uri = str(params.uri)
    if uri == "test://static-binary":
        held: Any = types.BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
    elif uri.startswith("test://template/"):
        number = uri.split("/")[3]
        said = json.dumps({"id": number, "templateTest": True, "data": f"Data for ID: {number}"})
        held = types.TextResourceContents(uri=uri, mime_type="application/json", text=said)
    else:
        held = types.TextResourceContents(
            uri=uri, mime_type="text/plain", text="This is the content of the static text resource."
        )
    return types.ReadResourceResult(contents=[held])


async def _empty(ctx: Any, params: Any) -> types.EmptyResult:
    return types.EmptyResult()


async def subscribe(ctx: Any, params: Any) -> types.EmptyResult:
    await ctx.session.send_resource_updated(str(params.uri))
    return types.EmptyResult()


PROMPTS: dict[str, tuple[str, ...]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
}


async def list_prompts(ctx: Any, params: Any) -> types.ListPromptsResult:
    found = [
        types.Prompt(
            name=name,
            description=f"For the suite: {name}",
            arguments=[
                types.PromptArgument(name=a, description="For the suite", required=True) for a in takes
            ],
        )
        for name, takes in PROMPTS.items()
    ]
    return types.ListPromptsResult(prompts=found)


async def get_prompt(ctx: Any, params: Any) -> types.GetPromptResult:
    given = params.arguments or {}
    said: list[Any] = [text("This is a simple prompt for testing.")]
    if params.name == "test_prompt_with_arguments":
        said = [text(f"Prompt with arguments: arg1='{given.get('arg1')}', arg2='{given.get('arg2')}'")]
    elif params.name == "test_prompt_with_embedded_resource":
        held = embedded(given.get("resourceUri", ""), "text/plain", "Embedded resource content for testing.")
        said = [held, text("Please process the embedded resource above.")]
    elif params.name == "test_prompt_with_image":
        said = [image(), text("Please analyze the image above.")]
    return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=one) for one in said])


async def complete(ctx: Any, params: Any) -> types.CompleteResult:
    values = [word for word in ("paris", "park", "party") if word.startswith(params.argument.value)]
    return types.CompleteResult(completion=types.Completion(values=values, total=len(values), has_more=False))


def build() -> Server[Any]:
    return Server(
        "everything",
        version="1.0",
        instructions="Has one of everything.",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=_empty,
        on_list_prompts=list_prompts,
        on_get_prompt=get_prompt,
        on_completion=complete,
        on_set_logging_level=_empty,
    )


def _over_http(port: int) -> None:
    import socket

    import uvicorn

    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen(64)
        app = build().streamable_http_app(host="127.0.0.1")
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
        print(f"http://127.0.0.1:{made.getsockname()[1]}/mcp", flush=True)
        anyio.run(lambda: server.serve(sockets=[made]))


async def _over_stdio() -> None:
    from mcp.server.stdio import stdio_server

    server = build()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


if __name__ == "__main__":
    _over_http(int(sys.argv[1])) if len(sys.argv) > 1 else anyio.run(_over_stdio)
