"""Calls the operations of an OpenAPI document over HTTP. The document is read from a file or an address; nothing else is fetched."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode, urljoin

import jsonschema_rs
import yaml

from gapless.errors import EndpointError, InvalidTarget
from gapless.frameworks.tools import keys
from gapless.frameworks.tools.http import Reply, Request, exchange, origin
from gapless.frameworks.tools.openapi import FORM, Document, Operation, Parameter, is_json, read_document
from gapless.records.tools import Offer, ToolAnswer
from gapless.settings import ServerSettings

NOWHERE = "gapless_no_such_tool"
_WEB = ("http://", "https://")
_MOST_SHOWN = 2000
_NO_CONTENT = (204, 205)


async def open_document(server: ServerSettings, name: str, timeout_s: float) -> OpenApiTools:
    """The tools of the document that a server's settings name.

    Raises:
        EndpointError: Its address does not answer with it.
        InvalidTarget: The file is not there, or holds no OpenAPI document.
        InvalidSettings: A header's variable is not set.
    """
    place = str(server.openapi)
    headers = keys.headers(server, name)
    if place.startswith(_WEB):
        text = await _fetched(place, name, timeout_s)
    else:
        text = _from_file(Path(place))
    try:
        document = read_document(_parsed(text))
    except ValueError as error:
        raise InvalidTarget(f"{place}: is no document with operations: {error}.") from error
    return OpenApiTools(
        document, name, _base(server, place, document), headers, keys.said(server.headers_env)
    )


def _from_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidTarget(f"{file}: cannot be read ({error}).") from error


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"neither JSON nor YAML: {str(error).splitlines()[0]}") from error


async def _fetched(url: str, name: str, timeout_s: float) -> str:
    try:
        reply = await exchange(Request(method="GET", url=url), timeout_s)
    except TimeoutError as error:
        raise EndpointError(f"{name} ({url}): no answer within {timeout_s:g} s") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EndpointError(f"{name} ({url}): {error or type(error).__name__}") from error
    if reply.led_to:
        raise EndpointError(f"{name} ({url}): leads on to {reply.led_to}, which is not followed")
    if reply.status != 200:
        raise EndpointError(f"{name} ({url}): HTTP {reply.status} {reply.reason}")
    return reply.text


def _base(server: ServerSettings, place: str, document: Document) -> str:
    """Where operations are called: only where the user said so, or where the document itself came from."""
    if server.base_url:
        return server.base_url.rstrip("/")
    if place.startswith(_WEB):
        told = urljoin(place, document.server or "/")
        return told.rstrip("/") if origin(told) == origin(place) else ""
    return ""


class OpenApiTools:
    """The operations of one document as tools."""

    noise = 0

    def __init__(
        self, document: Document, name: str, base: str, headers: Mapping[str, str], keyed: str
    ) -> None:
        self._document, self._name, self._base, self._headers = document, name, base, headers
        self._keyed, self._secrets = keyed, keys.hidden(headers)
        self._operations = {one.tool.name: one for one in document.operations}

    async def offer(self, timeout_s: float = 20.0) -> Offer:
        """The tools that the document describes; nothing is asked for that."""
        return Offer(
            name=self._name,
            server=self._document.title,
            protocol=self._document.revision,
            tools=tuple(one.tool for one in self._document.operations),
        )

    def cannot(self, tool: str, arguments: Mapping[str, Any]) -> str:
        """Why a call cannot be made; empty where it can."""
        if not self._base:
            return (
                "nothing says where its operations are called: --base-url, or base_url = ... in gapless.toml"
            )
        operation = self._operations.get(tool)
        return operation.unsent or _unsendable(operation, arguments) if operation is not None else ""

    def differs(self, tool: str, arguments: Mapping[str, Any]) -> bool:
        """Whether wrong arguments are still wrong where they arrive: in an address everything is text."""
        operation = self._operations[tool]
        if self.cannot(tool, arguments):
            return False
        known = operation.tool.input_schema["properties"]  # what is not declared is not sent
        seen = {name: value for name, value in arguments.items() if name in known}
        seen |= _as_seen(operation, arguments)
        try:
            return not jsonschema_rs.validator_for(operation.tool.input_schema, offline=True).is_valid(seen)
        except ValueError:
            return False

    async def unknown(self, timeout_s: float) -> ToolAnswer | None:
        """The answer to an operation that is not there."""
        if not self._base:
            return None
        return await self._sent(
            Request(method="GET", url=f"{self._base}/{NOWHERE}", headers=self._headers), timeout_s
        )

    async def call(self, tool: str, arguments: Mapping[str, Any], timeout_s: float = 20.0) -> ToolAnswer:
        """Calls one operation. However that ends is the answer; nothing is checked against a schema.

        Raises:
            EndpointError: The address cannot be reached.
            InvalidTarget: There is no such operation, or it cannot be sent.
        """
        operation = self._operations.get(tool)
        if operation is None:
            raise InvalidTarget(f"{self._name} has no operation {tool!r}.")
        if why := self.cannot(tool, arguments):
            raise InvalidTarget(f"{self._name}: {tool}: {why}.")
        return await self._sent(request_of(operation, arguments, self._base, self._headers), timeout_s)

    async def _sent(self, request: Request, timeout_s: float) -> ToolAnswer:
        begun = time.perf_counter()

        def ended(how: Any, text: str, **more: Any) -> ToolAnswer:
            ms = (time.perf_counter() - begun) * 1e3
            shown = self._secrets.text(text)[:_MOST_SHOWN]  # masked before it is cut: half a key is one, too
            return ToolAnswer(ended=how, text=shown, ms=ms, **more)

        try:
            reply = await exchange(request, timeout_s)
        except TimeoutError:
            return ended("timeout", f"no answer within {timeout_s:g} s")
        except http.client.HTTPException as error:
            return ended("protocol-error", f"no HTTP: {type(error).__name__}: {error}")
        except ValueError as error:
            return ended("protocol-error", f"it cannot be sent: {error}")
        except OSError as error:
            said = self._secrets.text(str(error))
            raise EndpointError(f"{self._name} ({self._base}): {said}") from error
        if reply.led_to:
            return ended(
                "protocol-error", f"HTTP {reply.status} leads on to {reply.led_to}, which is not followed"
            )
        if not 200 <= reply.status < 300:
            why = f" ({self._keyed})" if reply.status in keys.REFUSED else ""
            return ended("tool-error", f"HTTP {reply.status} {reply.reason}{why}: {reply.text}")
        there, value = _structured(reply, request.method)
        structured = self._secrets.plain(value)
        return ended("answered", reply.text, structured=structured, has_structured=there)


def _structured(reply: Reply, method: str) -> tuple[bool, Any]:
    """Whether an answer carries data, and which; one that has no body by HTTP's own rules carries null."""
    if method == "HEAD" or reply.status in _NO_CONTENT:
        return True, None
    if not is_json(reply.media or "text/plain"):
        return False, None
    try:
        return True, json.loads(reply.body)
    except ValueError:
        return False, None


def request_of(
    operation: Operation, arguments: Mapping[str, Any], base: str, headers: Mapping[str, str]
) -> Request:
    """An operation with its arguments, as HTTP."""
    path, query, cookies = operation.path, list[tuple[str, str]](), list[str]()
    sent = {"Accept": "application/json, */*;q=0.5", "User-Agent": "gapless", **headers}
    for parameter in operation.parameters:
        if parameter.argument not in arguments:
            continue
        value = arguments[parameter.argument]
        if parameter.where == "path":
            path = path.replace(f"{{{parameter.name}}}", quote(_flat(value, parameter), safe=""))
        elif parameter.where == "query":
            query += _pairs(value, parameter)
        elif parameter.where == "header":
            sent[parameter.name] = _flat(value, parameter)
        else:
            cookies.append(f"{parameter.name}={quote(_flat(value, parameter), safe='')}")
    if cookies:
        sent["Cookie"] = "; ".join(cookies)
    body = None
    if operation.body and operation.body in arguments:
        body = _encoded(arguments[operation.body], operation.media)
        sent["Content-Type"] = operation.media
    url = base + path + (f"?{urlencode(query)}" if query else "")
    return Request(method=operation.method, url=url, headers=sent, body=body)


def _encoded(value: Any, media: str) -> bytes:
    if media == FORM and isinstance(value, Mapping):
        return urlencode([(str(key), _text(one)) for key, one in value.items()]).encode()
    return json.dumps(value, ensure_ascii=False).encode()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _flat(value: Any, parameter: Parameter) -> str:
    """A value in one piece (`simple`), as paths, headers and cookies have it."""
    if parameter.as_json:
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return ",".join(_text(one) for one in cast("list[Any]", value))
    if isinstance(value, Mapping):
        joint = "=" if parameter.explode else ","
        return ",".join(f"{key}{joint}{_text(one)}" for key, one in cast("Mapping[str, Any]", value).items())
    return _text(value)


def _pairs(value: Any, parameter: Parameter) -> Iterator[tuple[str, str]]:
    """A value in the query, in the style that the document asks for."""
    name = parameter.name
    if parameter.as_json:
        yield name, json.dumps(value, ensure_ascii=False)
    elif isinstance(value, list):
        parts = [_text(one) for one in cast("list[Any]", value)]
        joint = {"spaceDelimited": " ", "pipeDelimited": "|"}.get(parameter.style, ",")
        if parameter.explode:
            yield from ((name, part) for part in parts)
        else:
            yield name, joint.join(parts)
    elif isinstance(value, Mapping):
        for key, one in cast("Mapping[str, Any]", value).items():
            yield (f"{name}[{key}]" if parameter.style == "deepObject" else key), _text(one)
    else:
        yield name, _text(value)


def _unsendable(operation: Operation, arguments: Mapping[str, Any]) -> str:
    """Arguments that HTTP itself has no place for."""
    for parameter in operation.parameters:
        if parameter.argument not in arguments:
            if parameter.where == "path":
                return f"without {parameter.argument} there is no address"
            continue
        flat = _flat(arguments[parameter.argument], parameter)
        if parameter.where == "path" and (flat in ("", ".", "..") or "/" in flat or "\0" in flat):
            return f"{parameter.argument}={flat!r} is no part of an address"
        if parameter.where == "header" and not (
            flat.isascii() and flat.isprintable() and flat == flat.strip()
        ):
            return f"{parameter.argument}={flat!r} is no value of a header"
    return ""


def _as_seen(operation: Operation, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a server can make of arguments that came as text: a number where a number is declared, else the text."""
    properties = operation.tool.input_schema.get("properties", {})
    seen: dict[str, Any] = {}
    for parameter in operation.parameters:
        if parameter.argument not in arguments or parameter.as_json:
            continue
        declared = properties.get(parameter.argument)
        kinds = declared.get("type") if isinstance(declared, Mapping) else None
        kinds = cast("list[str]", kinds) if isinstance(kinds, list) else [str(kinds)]
        seen[parameter.argument] = _read(_flat(arguments[parameter.argument], parameter), kinds)
    return seen


def _read(text: str, kinds: list[str]) -> Any:
    if {"None", "string"} & set(kinds):
        return text
    if "array" in kinds:
        return text.split(",")
    try:
        return json.loads(text)
    except ValueError:
        return text
