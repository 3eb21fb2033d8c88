"""An OpenAPI document (3.0, 3.1) -> the tools that its operations are, and how each is sent. Only references within it are followed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from gapless.frameworks.tools.openapi_schemas import Schemas, at
from gapless.records.tools import Hints, ToolSchema

Where = Literal["path", "query", "header", "cookie"]
FORM = "application/x-www-form-urlencoded"
_METHODS = ("get", "head", "options", "put", "post", "delete", "patch", "trace")
_HINTS: Mapping[str, Hints] = {
    "get": Hints(read_only=True, destructive=False, idempotent=True),
    "head": Hints(read_only=True, destructive=False, idempotent=True),
    "options": Hints(read_only=True, destructive=False, idempotent=True),
    "trace": Hints(read_only=True, destructive=False, idempotent=True),
    "put": Hints(read_only=False, idempotent=True),
    "delete": Hints(read_only=False, destructive=True, idempotent=True),
    "post": Hints(read_only=False),
    "patch": Hints(read_only=False),
}
"""What HTTP itself says of its methods (RFC 9110, 9.2)."""
_STYLES: Mapping[str, str] = {"path": "simple", "header": "simple", "query": "form", "cookie": "form"}
_UNSENT = frozenset(("accept", "content-type", "authorization"))
"""Header parameters that OpenAPI says are to be ignored."""
_MOST_NESTED = 8
_NO_CONTENT = ("204", "205")
"""Answers that have no body (RFC 9110, 15.3.5 and 15.3.6); nor has any answer to HEAD."""
_EMPTY: Mapping[str, Any] = {"type": "null"}
"""What such an answer is, where answers are held against a schema."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument that does not travel in the body."""

    argument: str
    """What it is called in the tool's arguments."""
    name: str
    """What it is called in the request."""
    where: Where
    style: str
    """How lists and objects are written in it, by OpenAPI's names: "form"."""
    explode: bool
    """Whether each of their parts stands for itself."""
    as_json: bool
    """Whether its value is sent as JSON text."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: the tool it is, and how it is sent."""

    tool: ToolSchema
    method: str
    """"GET"."""
    path: str
    """"/pets/{petId}", below the address of the service."""
    parameters: tuple[Parameter, ...] = ()
    """Its arguments, but for the body."""
    body: str = ""
    """The argument that is the body; empty where there is none."""
    media: str = ""
    """Media type of the body."""
    unsent: str = ""
    """Why it cannot be sent; empty where it can."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a document offers."""

    title: str
    revision: str
    """"OpenAPI 3.1.0"."""
    operations: tuple[Operation, ...]
    server: str
    """The first address it names for calls, as it is written; empty where it names none."""


def read_document(document: Any) -> Document:
    """The operations of a document.

    Raises:
        ValueError: It is no OpenAPI document, or of a version that is not read; the text says what it is instead.
    """
    if not isinstance(document, Mapping):
        raise ValueError(f"it holds {type(document).__name__}, not an object")
    whole = cast("Mapping[str, Any]", document)
    version = str(whole.get("openapi") or "")
    if not version.startswith(("3.0", "3.1")):
        said = (
            f"OpenAPI {version}" if version else f"Swagger {whole['swagger']}" if "swagger" in whole else ""
        )
        raise ValueError(f"it is {said or 'no OpenAPI document'}; OpenAPI 3.0 and 3.1 are read")
    if not isinstance(whole.get("paths"), Mapping):
        raise ValueError("it has no `paths`")
    info = _object(whole.get("info"))
    servers = whole.get("servers")
    first = servers[0] if isinstance(servers, list) and servers else None
    return Document(
        title=" ".join(str(info.get(key) or "") for key in ("title", "version")).strip(),
        revision=f"OpenAPI {version}",
        operations=tuple(_operations(whole, version.startswith("3.0"))),
        server=_filled(first) if isinstance(first, Mapping) else "",
    )


def _filled(server: Mapping[str, Any]) -> str:
    """A server's address with the default values of its variables."""
    url = str(server.get("url") or "")
    for name, variable in _object(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(_object(variable).get("default", "")))
    return url


def _operations(document: Mapping[str, Any], old: bool) -> Iterator[Operation]:
    for path, item in cast("Mapping[str, Any]", document["paths"]).items():
        shared = _object(_local(document, item))
        for method in _METHODS:
            if isinstance(shared.get(method), Mapping):
                yield _Reader(document, old).operation(method, str(path), shared, shared[method])


@dataclass(slots=True)
class _Reader:
    document: Mapping[str, Any]
    old: bool

    def operation(
        self, method: str, path: str, item: Mapping[str, Any], said: Mapping[str, Any]
    ) -> Operation:
        requests = Schemas(self.document, "request", old=self.old)
        properties: dict[str, Any] = {}
        required: list[str] = []
        parameters: list[Parameter] = []
        faults: list[str] = []
        for where, name, one in self._parameters(item, said, faults):
            argument = name if name not in properties else f"{name}__{where}"
            properties[argument] = _described(one, self._schema_of(one))
            if one.get("required") is True or where == "path":
                required.append(argument)
            parameters.append(_parameter(argument, name, cast("Where", where), one))
        body, media, unsent = self._body(said, properties, required, faults)
        schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
        if required:
            schema["required"] = required
        if faults:
            schema["allOf"] = [{"$ref": fault} for fault in faults]
        tool = ToolSchema(
            name=_name(method, path, said),
            title=str(said.get("summary") or ""),
            description=_words(said) or _words(item),
            input_schema=requests.alone(schema),
            output_schema=self._output(method, said),
            annotations=_HINTS[method],
        )
        return Operation(tool, method.upper(), path, tuple(parameters), body, media, unsent)

    def _parameters(
        self, item: Mapping[str, Any], said: Mapping[str, Any], faults: list[str]
    ) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Place, name and parameter; those of the operation win over those of its path."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for listed in (item.get("parameters"), said.get("parameters")):
            for one in cast("list[Any]", listed) if isinstance(listed, list) else ():
                parameter = _local(self.document, one)
                if not isinstance(parameter, Mapping):
                    faults.append(str(_object(one).get("$ref", "")))
                    continue
                where, name = str(parameter.get("in")), str(parameter.get("name"))
                if where in _STYLES and not (where == "header" and name.lower() in _UNSENT):
                    found[where, name] = parameter
        return [(where, name, one) for (where, name), one in found.items()]

    def _schema_of(self, parameter: Mapping[str, Any]) -> Any:
        if "schema" in parameter:
            return parameter["schema"]
        media = next(iter(_object(parameter.get("content")).values()), None)
        return _object(media).get("schema", {})

    def _body(
        self, said: Mapping[str, Any], properties: dict[str, Any], required: list[str], faults: list[str]
    ) -> tuple[str, str, str]:
        """Name of the argument, media type, and why it cannot be sent."""
        if said.get("requestBody") is None:
            return "", "", ""
        body = _local(self.document, said["requestBody"])
        if not isinstance(body, Mapping):
            faults.append(str(_object(said["requestBody"]).get("$ref", "")))
            return "", "", "its body is described elsewhere"
        content = _object(body.get("content"))
        media = next((one for one in content if is_json(one)), FORM if FORM in content else "")
        chosen = media or next(iter(content), "")
        name = "body" if "body" not in properties else "request_body"
        properties[name] = _described(body, _object(content.get(chosen)).get("schema", {}))
        if body.get("required") is True:
            required.append(name)
        unsent = "" if media else f"its body is {chosen or 'of no media type'}: JSON and forms are sent"
        return name, chosen, unsent

    def _output(self, method: str, said: Mapping[str, Any]) -> Any:
        """The schema of the first answer that means success; null where it is said to be empty; None where nothing is said."""
        if method == "head":
            return dict(_EMPTY)
        responses = _object(said.get("responses"))
        found = sorted(str(key) for key in responses if re.fullmatch(r"2\d\d|2XX", str(key), re.IGNORECASE))
        empty = [status for status in found if status in _NO_CONTENT]
        for status in found:
            answer = _object(_local(self.document, responses.get(status, responses.get(_number(status)))))
            for media, one in _object(answer.get("content")).items():
                if is_json(media) and "schema" in _object(one):
                    schema = {"anyOf": [one["schema"], _EMPTY]} if empty else one["schema"]
                    return Schemas(self.document, "response", old=self.old).alone(schema)
        return dict(_EMPTY) if empty and empty == found else None


def is_json(media: str) -> bool:
    """Whether a media type is JSON.

    Example:
        >>> is_json("application/problem+json; charset=utf-8"), is_json("text/html")
        (True, False)
    """
    kind = media.partition(";")[0].strip().lower()
    return kind in ("application/json", "*/*", "application/*") or kind.endswith("+json")


def _parameter(argument: str, name: str, where: Where, said: Mapping[str, Any]) -> Parameter:
    style = str(said.get("style") or _STYLES[where])
    explode = said.get("explode")
    return Parameter(
        argument=argument,
        name=name,
        where=where,
        style=style,
        explode=explode if isinstance(explode, bool) else style == "form",
        as_json="schema" not in said and "content" in said,
    )


def _described(said: Mapping[str, Any], schema: Any) -> Any:
    """A schema with the words of the parameter that it belongs to, where it has none of its own."""
    words = str(said.get("description") or "")
    if not words or not isinstance(schema, Mapping) or "description" in schema or "$ref" in schema:
        return schema
    return {**schema, "description": words}


def _name(method: str, path: str, said: Mapping[str, Any]) -> str:
    """What the operation calls itself, else its method and path."""
    if said.get("operationId"):
        return str(said["operationId"])
    return re.sub(r"[^A-Za-z0-9]+", "_", f"{method}_{path}").strip("_")


def _words(said: Mapping[str, Any]) -> str:
    parts = [str(said.get(key) or "").strip() for key in ("summary", "description")]
    return "\n\n".join(dict.fromkeys(part for part in parts if part))


def _local(document: Any, node: Any) -> Any:
    """A node, or what its reference within the document stands for; None where that is elsewhere."""
    for _ in range(_MOST_NESTED):
        reference = node.get("$ref") if isinstance(node, Mapping) else None
        if not isinstance(reference, str):
            return node
        node = at(document, reference)
    return None


def _object(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _number(status: str) -> Any:
    return int(status) if status.isdigit() else status  # YAML reads an unquoted 200 as a number
