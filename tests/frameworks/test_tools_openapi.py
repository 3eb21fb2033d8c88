"""OpenAPI documents as tools: what is read of them, and calls to a real service on the loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from http_shop import Shop, document, shop

from gapless.errors import EndpointError, InvalidSettings, InvalidTarget
from gapless.frameworks.tools.http import Request, exchange
from gapless.frameworks.tools.openapi import Operation, read_document
from gapless.frameworks.tools.source import Source, connected
from gapless.probes.tool.linting import lint
from gapless.probes.tool.schemas import fault_of
from gapless.records.tools import Hints, Offer
from gapless.settings import ServerSettings


@pytest.fixture
def service() -> Iterator[Shop]:
    with shop() as running:
        yield running


JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}


def operations(revision: str = "3.1.0", **more: Any) -> dict[str, Operation]:
    return {one.tool.name: one for one in read_document(document(revision, **more)).operations}


def rules(one: Operation) -> set[str]:
    return {issue.rule for issue in lint(Offer(name="shop", tools=(one.tool,)))}


def within(server: ServerSettings, work: Callable[[Source], Awaitable[Any]]) -> Any:
    async def asked() -> Any:
        async with connected(server, "shop") as source:
            return await work(source)

    return asyncio.run(asked())


def named(tmp_path: Path, service: Shop | None = None, **more: Any) -> ServerSettings:
    file = tmp_path / "api.json"
    file.write_text(json.dumps(document()))
    return ServerSettings(openapi=str(file), base_url=service.url if service else None, **more)


def test_operations_are_tools_with_schemas_and_the_hints_of_http() -> None:
    found = operations()
    assert list(found) == ["showPet", "delete_pets_id", "listPets", "addPet"]
    show = found["showPet"].tool
    assert show.input_schema["properties"]["id"] == {
        "type": "integer", "minimum": 0, "maximum": 99, "description": "Its number",
    }  # fmt: skip
    assert show.input_schema["required"] == ["id"]
    assert show.output_schema["$ref"] == "#/$defs/Pet"
    assert show.output_schema["$defs"]["Pet"]["required"] == ["id", "name"]
    assert show.annotations == Hints(read_only=True, destructive=False, idempotent=True)
    assert found["delete_pets_id"].tool.annotations == Hints(
        read_only=False, destructive=True, idempotent=True
    )
    assert found["delete_pets_id"].tool.output_schema == {"type": "null"}
    add = found["addPet"].tool
    assert add.annotations == Hints(read_only=False)
    assert add.input_schema["required"] == ["body"]


@pytest.mark.parametrize(
    ("method", "responses", "output"),
    [
        ("delete", {"204": {}}, {"type": "null"}),
        ("delete", {204: {}, "404": {}}, {"type": "null"}),
        ("put", {"200": JSON, "204": {}}, {"anyOf": [{"type": "object"}, {"type": "null"}]}),
        ("put", {"200": {"description": "done"}, "204": {}}, None),
        ("head", {"200": JSON}, {"type": "null"}),
        ("get", {"200": {"description": "them"}}, None),
    ],
)
@pytest.mark.parametrize("revision", ["3.0.3", "3.1.0"])
def test_an_answer_without_a_body_is_declared_as_one(
    method: str, responses: Any, output: Any, revision: str
) -> None:
    (one,) = operations(revision, paths={"/pets": {method: {"responses": responses}}}).values()
    assert one.tool.output_schema == output
    assert ("no-output-schema" in rules(one)) == (output is None)


def test_an_answer_without_a_body_is_as_declared(service: Shop, tmp_path: Path) -> None:
    server = named(tmp_path, service)
    gone = within(server, lambda source: source.call("delete_pets_id", {"id": 1}))
    assert (gone.ended, gone.has_structured, gone.structured) == ("answered", True, None)
    (tmp_path / "api.json").write_text(json.dumps(document(paths={"/pets": {"head": {"responses": {}}}})))
    seen = within(server, lambda source: source.call("head_pets", {}))
    assert (seen.ended, seen.has_structured, seen.structured) == ("answered", True, None)


def test_what_is_only_answered_is_not_asked_for() -> None:
    body = operations()["addPet"].tool.input_schema["$defs"]["Pet"]
    assert body["required"] == ["name"]
    assert list(body["properties"]) == ["name"]


def test_the_dialect_of_30_becomes_json_schema() -> None:
    old = {"type": "integer", "minimum": 0, "exclusiveMinimum": True, "nullable": True, "example": 4}
    parameters = {"Number": {"name": "id", "in": "path", "required": True, "schema": old}}
    components = {"schemas": {"Pet": {"type": "object"}}, "parameters": parameters}
    show = operations(revision="3.0.3", components=components)["showPet"].tool
    assert show.input_schema["properties"]["id"] == {
        "type": ["integer", "null"], "exclusiveMinimum": 0, "examples": [4],
    }  # fmt: skip


def test_references_elsewhere_are_left_and_never_fetched() -> None:
    components = {
        "schemas": {"Pet": {"$ref": "http://127.0.0.1:1/pet.json"}},
        "parameters": {"Number": {"$ref": "other.yaml#/Number"}},
    }
    found = operations(components=components)
    assert found["showPet"].tool.input_schema["$defs"]["Number"] == {"$ref": "other.yaml#/Number"}
    assert fault_of(found["showPet"].tool.input_schema)
    assert found["addPet"].tool.input_schema["$defs"]["Pet"] == {"$ref": "http://127.0.0.1:1/pet.json"}


def test_a_schema_may_refer_to_itself() -> None:
    family = {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}},
    }
    found = operations(components={"schemas": {"Pet": family}, "parameters": {}})
    inner = found["addPet"].tool.input_schema["$defs"]["Pet"]
    assert inner["properties"]["kids"]["items"] == {"$ref": "#/$defs/Pet"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"swagger": "2.0", "paths": {}}', "Swagger 2.0"),
        ('{"openapi": "3.2.0", "paths": {}}', "OpenAPI 3.2.0"),
        ('{"openapi": "3.1.0"}', "no `paths`"),
        ("[1]", "list"),
        ("a: [", "neither JSON nor YAML"),
    ],
)
def test_what_is_no_document_is_said(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "api.yaml").write_text(text)
    with pytest.raises(InvalidTarget, match=said):
        within(ServerSettings(openapi=str(tmp_path / "api.yaml")), lambda source: source.offer())


def test_calls_reach_the_service_as_the_document_says(tmp_path: Path, service: Shop) -> None:
    async def calls(source: Source) -> list[Any]:
        return [
            await source.call("showPet", {"id": 7}),
            await source.call("showPet", {"id": "x"}),
            await source.call("listPets", {"kind": ["a b", "c"], "X-Shop": "main"}),
            await source.call("addPet", {"body": {"name": "Kit"}}),
            await source.unknown(5.0),
        ]

    shown, refused, listed, added, unknown = within(named(tmp_path, service), calls)
    assert (shown.ended, shown.structured) == ("answered", {"id": 7, "name": "Tom"})
    assert refused.ended == "tool-error"
    assert refused.text.startswith("HTTP 422")
    assert listed.structured["kinds"] == ["a b", "c"]
    assert added.structured == {"id": 1, "name": "Kit"}
    assert unknown.ended == "tool-error"
    assert ("/pets", {"name": "Kit"}) in service.asked
    assert next(h for path, h in service.asked if "kind=" in path)["X-Shop"] == "main"


def test_nothing_is_called_where_nobody_said_where(tmp_path: Path) -> None:
    async def asked(source: Source) -> tuple[str, Any]:
        return source.cannot("showPet", {"id": 1}), await source.unknown(1.0)

    why, unknown = within(named(tmp_path), asked)
    assert "base_url" in why
    assert unknown is None


def test_a_document_is_read_from_an_address_and_called_where_it_came_from(service: Shop) -> None:
    server = ServerSettings(openapi=f"{service.url}/openapi.json")
    answer = within(server, lambda source: source.call("showPet", {"id": 3}))
    assert answer.structured["id"] == 3
    with pytest.raises(EndpointError, match="HTTP 404"):
        within(ServerSettings(openapi=f"{service.url}/no.json"), lambda source: source.offer())
    with pytest.raises(EndpointError, match="not followed"):
        within(ServerSettings(openapi=f"{service.url}/moved"), lambda source: source.offer())


def test_a_redirect_leads_nowhere_else(service: Shop) -> None:
    reply = asyncio.run(exchange(Request(method="GET", url=f"{service.url}/moved"), 5.0))
    assert (reply.status, reply.led_to) == (302, "http://localhost:1/")
    service.elsewhere = "/pets/5"
    assert asyncio.run(exchange(Request(method="GET", url=f"{service.url}/moved"), 5.0)).status == 200
    service.elsewhere = "/moved"
    assert asyncio.run(exchange(Request(method="GET", url=f"{service.url}/moved"), 5.0)).led_to


def test_a_service_that_does_not_answer_is_given_up(service: Shop) -> None:
    with pytest.raises(TimeoutError):
        asyncio.run(exchange(Request(method="GET", url=f"{service.url}/silent"), 0.2))


def test_a_service_that_is_down_is_said(tmp_path: Path) -> None:
    file = named(tmp_path).openapi
    server = ServerSettings(openapi=file, base_url="http://127.0.0.1:1")
    with pytest.raises(EndpointError, match=r"127\.0\.0\.1:1"):
        within(server, lambda source: source.call("showPet", {"id": 1}))


def test_keys_come_from_variables(tmp_path: Path, service: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    server = named(tmp_path, service, headers_env={"Authorization": "SHOP_KEY"})
    with pytest.raises(InvalidSettings, match="SHOP_KEY"):
        within(server, lambda source: source.offer())
    monkeypatch.setenv("SHOP_KEY", "Bearer abc")
    within(server, lambda source: source.call("showPet", {"id": 1}))
    assert service.asked[-1][1]["Authorization"] == "Bearer abc"


def test_a_key_that_the_service_repeats_is_masked(
    tmp_path: Path, service: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_KEY", "Bearer sk-live-4711")
    number = {"name": "code", "in": "path", "required": True, "schema": {"type": "integer"}}
    repeat = {"operationId": "repeat", "parameters": [number], "responses": {"200": JSON}}
    file = tmp_path / "api.json"
    file.write_text(json.dumps(document(paths={"/repeat/{code}": {"get": repeat}})))
    keyed = {"Authorization": "SHOP_KEY"}
    server = ServerSettings(openapi=str(file), base_url=service.url, headers_env=keyed)
    for code in (200, 403, 500):
        told = within(server, lambda source, code=code: source.call("repeat", {"code": code}))
        assert "[redacted]" in told.text
        assert "4711" not in told.text + str(told.structured)
        assert code != 200 or told.structured["sent"]["Authorization"] == "[redacted]"


def test_what_an_address_cannot_hold_is_not_sent(tmp_path: Path, service: Shop) -> None:
    async def asked(source: Source) -> list[Any]:
        return [
            source.cannot("showPet", {}),
            source.cannot("showPet", {"id": "a/b"}),
            source.cannot("listPets", {"X-Shop": "a\nb"}),
            source.differs("showPet", {"id": "x"}),
            source.differs("showPet", {"id": "5"}),
            source.differs("showPet", {"id": 5, "stranger": 1}),
        ]

    without, slash, line, word, number, stranger = within(named(tmp_path, service), asked)
    assert "no address" in without
    assert "no part of an address" in slash
    assert "no value of a header" in line
    assert word
    assert not number  # in an address, "5" is 5
    assert not stranger  # what is not declared is not sent
