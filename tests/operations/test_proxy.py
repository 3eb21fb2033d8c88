"""The guarding proxy before a real server in a process of its own, in both protocol eras."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import guarded_server
import pytest

from gapless.errors import EndpointError, InvalidSettings, UnknownName, UsageError
from gapless.operations.open import open_store
from gapless.operations.proxy import OpenProxy, ProxyAsk, open_proxy
from gapless.operations.tools import Learn, ToolsAsk, lock_tools
from gapless.records.proxy import ProxySettings, ToolSettings
from gapless.settings import Place, Settings

LEGACY, MODERN = "legacy", "2026-07-28"
ERAS = pytest.mark.parametrize("era", [LEGACY, MODERN])
SAME = pytest.mark.parametrize("era", [LEGACY, pytest.param(MODERN, marks=pytest.mark.full)])
"""Where the era should make no difference, the second one is left to the slower run."""
KEY = "gapless/idempotency-key"


def place_at(folder: Path, proxy: ProxySettings | None = None) -> Place:
    settings = Settings(proxy=proxy or ProxySettings())
    return Place(root=str(folder), settings=settings, database=f"sqlite:///{folder / 'gapless.db'}")


class Front:
    """A client in front of an open proxy, and the effects behind it."""

    def __init__(self, client: Any, proxy: OpenProxy, file: Path, said: list[str]) -> None:
        self.client, self.proxy, self.said = client, proxy, said
        self.effects = guarded_server.Effects(file)

    async def call(self, tool: str, key: str | None = None, **arguments: Any) -> Any:
        """A call as it ended; nothing is raised for an error that the tool tells."""
        meta = {KEY: key} if key is not None else None
        return await self.client.call_tool_mcp(tool, arguments, meta=meta)

    async def said_of(self, tool: str, **arguments: Any) -> str:
        """The words of a refusal."""
        result = await self.call(tool, **arguments)
        assert result.is_error, result
        return result.content[0].text


@asynccontextmanager
async def fronted(
    folder: Path, era: str = LEGACY, *, answer: Any = None, place: Place | None = None, **asked: Any
) -> AsyncGenerator[Front]:
    from fastmcp import Client

    file, said = folder / "effects", list[str]()
    ask = ProxyAsk(command=guarded_server.command(file), **asked)
    async with open_proxy(ask, place or place_at(folder), said.append) as proxy:
        handlers = {"elicitation_handler": answer} if answer is not None else {}
        async with Client(proxy.server, mode=era, **handlers) as client:
            yield Front(client, proxy, file, said)


def approving(word: str = "please", go: bool = True) -> Any:
    """A person at the client; `asked` holds what they read."""

    async def answer(message: str, response_type: Any, params: Any, context: Any) -> Any:
        from fastmcp.client.elicitation import ElicitResult

        answer.asked.append(message)  # type: ignore[attr-defined]
        if "Which word" in message:
            return ElicitResult(action="accept", content={"word": word})
        return ElicitResult(action="accept" if go else "decline", content={"approve": True} if go else None)

    answer.asked = []  # type: ignore[attr-defined]
    return answer


@SAME
async def test_what_is_right_passes_as_it_is(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era) as front:
        result = await front.call("look", n=1)
        assert (result.structured_content, result.is_error) == ({"n": 1}, False)
        assert [tool.name for tool in await front.client.list_tools()] == list(guarded_server.TOOLS)
        if era == LEGACY:  # a client that pins the newer era does not ask who it speaks to
            assert front.client.server_info.name == "guarded"
        assert not (await front.call(guarded_server.ODD)).is_error
        big = "x" * 3_000_000
        assert (await front.call("echo", word=big)).content[0].text == str(len(big))


@SAME
async def test_wrong_arguments_never_reach_the_server(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era) as front:
        said = await front.said_of("look", n="one")
        assert "n: " in said
        assert 'is not of type "integer"' in said
        assert front.effects.count("look") == 0
        assert "Unknown tool" in await front.said_of("no such tool")


@SAME
async def test_only_what_may_be_repeated_is(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era) as front:
        assert (await front.call("put")).content[0].text == "put 3"
        assert "503" in await front.said_of("pay_flaky")
        assert front.effects.count("pay_flaky") == 1
        assert not (await front.call("die_once")).is_error  # a broken connection, then a new process
        assert "may have taken place" in await front.said_of("die")
        assert front.effects.count("die") == 1
        assert not (await front.call("look", n=1)).is_error


@SAME
async def test_one_key_is_one_call(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era) as front:
        results = await asyncio.gather(*(front.call("pay", key="k", n=1) for _ in range(5)))
        assert {one.content[0].text for one in results} == {"pay 1"}
        assert sum((one.meta or {}).get("gapless/replayed", False) for one in results) == 4
        await front.call("pay", key="other", n=1)
        assert front.effects.count("pay") == 2
    async with fronted(tmp_path, era) as front:  # another process of the proxy
        assert (await front.call("pay", key="k", n=1)).content[0].text == "pay 1"
        assert front.effects.count("pay") == 2


@SAME
async def test_an_action_whose_end_nobody_saw_is_asked_about(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era) as front:
        assert "may have taken place" in (await front.call("die", key="k")).content[0].text
        said = (await front.call("die", key="k")).content[0].text
        assert "never reported back" in said
        assert "duplicate-effect" in said
        assert front.effects.count("die") == 1


@SAME
async def test_a_call_that_takes_too_long_is_cancelled(tmp_path: Path, era: str) -> None:
    limited = ProxySettings(tools={"wait": ToolSettings(timeout_s=0.3)})
    async with fronted(tmp_path, era, settings=limited) as front:
        assert "did not end within 0.3 s" in await front.said_of("wait")
        for _ in range(200):
            if front.effects.count("cancelled"):
                break
            await asyncio.sleep(0.05)
        assert front.effects.count("cancelled") == 1


@SAME
async def test_answers_that_are_not_what_they_seem(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era) as front:
        assert "the disk is full" in await front.said_of("lie")
        assert "not as declared" in await front.said_of("breach")
        assert "has_more is true" in (await front.call("page")).meta["gapless/partial"]
    strict = ProxySettings(partial="refuse", error_as_success="off")
    async with fronted(tmp_path, era, settings=strict) as front:
        assert "only a part" in await front.said_of("page")
        assert not (await front.call("lie")).is_error


@ERAS
async def test_a_person_approves_what_destroys(tmp_path: Path, era: str) -> None:
    person = approving()
    async with fronted(tmp_path, era, answer=person) as front:
        assert (await front.call("delete", n=1)).content[0].text == "delete 1"
        assert (await front.call("delete", n=2)).content[0].text == "delete 2"
        assert len(person.asked) == 2  # one approval, one call
        assert '{"n": 2}' in person.asked[1]
        said = (await front.call("delete_asking", n=1)).content[0].text
        assert said.startswith("deleted with please")
        assert ("the server's own" in said) == (era == MODERN)
        assert not (await front.call("pay")).is_error
        assert len([one for one in person.asked if "Approve" in one]) == 3


@ERAS
async def test_nothing_is_destroyed_without_an_approval(tmp_path: Path, era: str) -> None:
    async with fronted(tmp_path, era, answer=approving(go=False)) as front:
        assert "declined" in await front.said_of("delete")
        assert front.effects.count("delete") == 0
    async with fronted(tmp_path, era) as front:
        said = await front.said_of("delete")
        assert "cannot ask anybody" in said
        assert "[proxy.tools.delete] approve = false" in said
        assert front.effects.count("delete") == 0
    free = ProxySettings(tools={"delete": ToolSettings(approve=False)})
    async with fronted(tmp_path, era, settings=free) as front:
        assert not (await front.call("delete")).is_error


async def test_an_approval_is_for_its_arguments_and_for_one_call(tmp_path: Path) -> None:
    from mcp import MCPError, types

    able = approving()
    async with fronted(tmp_path, MODERN, answer=able) as front:
        ask = front.client.session.call_tool
        given = types.ElicitResult(action="accept", content={"approve": True})

        async def leg(arguments: dict[str, Any], state: str | None, answered: bool) -> Any:
            responses = {"gapless/approval": given} if answered else None
            return await ask(
                "delete", arguments, input_responses=responses, request_state=state, allow_input_required=True
            )

        first = await leg({"n": 1}, None, False)
        assert isinstance(first, types.InputRequiredResult)
        assert isinstance(
            await leg({"n": 1}, None, True), types.InputRequiredResult
        )  # an answer to no question
        with pytest.raises(MCPError, match="requestState"):  # asked about other arguments
            await leg({"n": 2}, first.request_state, True)
        assert front.effects.count("delete") == 0
        second = await leg({"n": 1}, None, False)
        assert (await leg({"n": 1}, second.request_state, True)).content[0].text == "delete 1"
        assert isinstance(await leg({"n": 1}, second.request_state, True), types.InputRequiredResult)
        assert front.effects.count("delete") == 1


@ERAS
async def test_an_approval_is_for_the_tool_that_the_person_was_shown(tmp_path: Path, era: str) -> None:
    asked: list[str] = []

    async def person(message: str, response_type: Any, params: Any, context: Any) -> Any:
        from fastmcp.client.elicitation import ElicitResult

        asked.append(message)
        if len(asked) == 1:
            assert not (await front.call("drift")).is_error  # the server changes while the person reads
        return ElicitResult(action="accept", content={"approve": True})

    settings = ProxySettings(tools={"look": ToolSettings(approve=True)})
    async with fronted(tmp_path, era, answer=person, settings=settings) as front:
        if era == LEGACY:
            assert "changed while a person was asked" in await front.said_of("look")
            assert front.effects.count("look") == 0
        assert not (await front.call("look")).is_error
        assert len(asked) == 2  # in the newer era the same call asks again
        assert front.effects.count("look") == 1


@SAME
async def test_the_lock_holds_while_the_server_changes(tmp_path: Path, era: str) -> None:
    place = place_at(tmp_path)
    ask = ToolsAsk(command=guarded_server.command(tmp_path / "effects"))
    await lock_tools(ask, place)
    async with fronted(tmp_path, era) as front:
        assert front.proxy.locked
        assert not (await front.call("look", n=1)).is_error
        await front.call("drift")
        names = {tool.name for tool in await front.client.list_tools()}
        assert names == set(guarded_server.TOOLS) - {"look"}
        said = await front.said_of("look", n=1)
        assert "changed since it was reviewed" in said
        assert "gapless tools lock --accept look -- " in said
        assert "nobody has reviewed it" in await front.said_of("fresh")
        assert front.effects.count("fresh") == 0


async def test_a_change_is_seen_without_a_listing(tmp_path: Path) -> None:
    await lock_tools(ToolsAsk(command=guarded_server.command(tmp_path / "effects")), place_at(tmp_path))
    async with fronted(tmp_path) as front:
        assert not (await front.call("look", n=1)).is_error
        await front.call("drift")
        assert "changed since it was reviewed" in await front.said_of("look", n=1)


async def test_answers_unlike_those_the_lock_has_learnt(tmp_path: Path) -> None:
    place, ask = place_at(tmp_path), ToolsAsk(command=guarded_server.command(tmp_path / "effects"))
    async with fronted(tmp_path) as front:
        await front.call("page")
    await lock_tools(ask, place, learn=Learn(recorded=True))  # from what the proxy has recorded
    async with fronted(tmp_path) as front:
        assert "gapless/unlike-earlier" not in ((await front.call("page")).meta or {})
        changed = await front.call("page", n=7)
        assert "items" in changed.meta["gapless/unlike-earlier"]
    async with fronted(tmp_path, settings=ProxySettings(inferred="refuse")) as front:
        assert "not as earlier ones were" in await front.said_of("page", n=7)


async def test_a_lock_that_was_named_must_be_there(tmp_path: Path) -> None:
    command = guarded_server.command(tmp_path / "effects")
    with pytest.raises(UsageError, match="there is no lock there"):
        async with open_proxy(ProxyAsk(command=command, lock=tmp_path / "none.json"), place_at(tmp_path)):
            pass


@SAME
async def test_faults_are_injected_and_labelled(tmp_path: Path, era: str) -> None:
    faults = ("http-503@pay", "wrong-figure@look", "empty@page")
    async with fronted(tmp_path, era, faults=faults) as front:
        assert "503" in await front.said_of("pay")
        assert front.effects.count("pay") == 0
        assert (await front.call("look", n=1)).structured_content != {"n": 1}
        assert (await front.call("page")).content[0].text != '{"items": [1, 2], "has_more": true, "total": 9}'
        kept = front.proxy.keeper
        assert kept is not None
    with open_store(place_at(tmp_path)) as store:
        records = list(store.records(kept.measurement or ""))
    assert {name for one in records for event in one.events for name in event.faults} == {
        "http-503",
        "wrong-figure",
        "empty",
    }


async def test_faults_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    command = guarded_server.command(tmp_path / "effects")
    for spoken, error in (
        ("hang", InvalidSettings),
        ("none@look", UnknownName),
        ("hang@none", InvalidSettings),
    ):
        with pytest.raises(error):
            async with open_proxy(ProxyAsk(command=command, faults=(spoken,)), place_at(tmp_path)):
                pass


@pytest.mark.parametrize("record", ["sync", "batched"])
async def test_every_call_is_on_disk(tmp_path: Path, record: Any) -> None:
    async with fronted(tmp_path, settings=ProxySettings(record=record)) as front:
        await front.call("look", n=1)
        await front.call("look", n=1)
        await front.call("look", n="one")
        await front.said_of("pay_flaky")
        assert await front.said_of("n" * 5000) == f"Unknown tool: {'n' * 5000!r}"
        kept = front.proxy.keeper
        assert kept is not None
        if record == "sync":
            assert kept.count == 5
    with open_store(place_at(tmp_path)) as store:
        measurement = store.measurement(kept.measurement or "")
        records = list(store.records(measurement.id))
    assert measurement.condition == "proxy"
    assert [one.outcome for one in records].count("failed") == 3
    assert [(one.path, one.trial) for one in records if one.outcome == "unjudged"] == [
        (("look",), 0),
        (("look",), 1),
    ]
    assert {ruling.guard for one in records for ruling in one.rulings} == {"arguments", "unknown-tool"}


async def test_a_store_that_fails_disturbs_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    broken = Place(
        root=str(tmp_path), settings=Settings(), database=f"sqlite:///{tmp_path / 'file' / 'gapless.db'}"
    )
    async with fronted(tmp_path, place=broken) as front:
        assert not (await front.call("look", n=1)).is_error
        assert not (await front.call("pay")).is_error
        assert [one for one in front.said if "not recorded" in one] == front.said
        said = (
            (await front.call("pay", key="k")).content[0].text
        )  # a promise that cannot be kept is not given
        assert "store-error" in said
        assert front.effects.count("pay") == 1


async def test_nothing_is_recorded_where_nobody_wants_it(tmp_path: Path) -> None:
    async with fronted(tmp_path, settings=ProxySettings(record="off")) as front:
        assert not (await front.call("look", n=1)).is_error
        assert front.proxy.keeper is None
    assert not (tmp_path / "gapless.db").exists()


@pytest.mark.parametrize(
    ("defect", "said"),
    [("crash", "cannot open the order book"), ("flood", "are no message"), ("hang", "no answer within")],
)
async def test_a_server_that_does_not_start_says_why(tmp_path: Path, defect: str, said: str) -> None:
    import tool_server

    command = tool_server.command(defect).command
    with pytest.raises(EndpointError, match=said):
        async with open_proxy(ProxyAsk(command=command, timeout_s=2), place_at(tmp_path)):
            pass


OLDER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    about = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}
    answers = {
        "initialize": about,
        "tools/list": {"tools": [{"name": "greet", "inputSchema": {"type": "object"}}]},
        "tools/call": {"content": [{"type": "text", "text": "hello"}]},
    }
    if asked.get("method") in answers:
        told = {"result": answers[asked["method"]]}
    else:
        told = {"error": {"code": -32601, "message": "no such method"}}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}), flush=True)
"""


async def test_before_an_older_server_the_proxy_is_an_older_server(tmp_path: Path) -> None:
    from fastmcp import Client

    ask = ProxyAsk(command=(sys.executable, "-c", OLDER))
    async with open_proxy(ask, place_at(tmp_path)) as proxy, Client(proxy.server, mode="auto") as client:
        assert client.protocol_version < "2026"
        assert (await client.call_tool_mcp("greet", {})).content[0].text == "hello"


PAYMENTS = """
import json, sys
state = {"type": "object", "properties": {"status": {"enum": ["paid", "failed"]}}, "required": ["status"]}
far = {"type": "object", "properties": {"status": {"$ref": "https://example.com/status.json"}}}
tools = [{"name": name, "inputSchema": {"type": "object"}} for name in ("declared", "silent", "far")]
tools[0]["outputSchema"], tools[2]["outputSchema"] = state, far
answers = {
    "initialize": {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "pay", "version": "1"}},
    "tools/list": {"tools": tools},
    "tools/call": {"content": [{"type": "text", "text": '{"status": "failed"}'}], "structuredContent": {"status": "failed"}},
}
for line in sys.stdin:
    asked = json.loads(line)
    told = {"result": answers[asked["method"]]} if asked["method"] in answers else {"error": {"code": -32601, "message": "no"}}
    if "id" in asked:
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], **told}), flush=True)
"""


async def test_the_state_of_a_thing_is_no_error_and_what_goes_unchecked_is_said(tmp_path: Path) -> None:
    from fastmcp import Client

    ask = ProxyAsk(command=(sys.executable, "-c", PAYMENTS))
    async with open_proxy(ask, place_at(tmp_path)) as proxy, Client(proxy.server, mode=LEGACY) as client:
        assert list(proxy.unchecked) == ["far"]
        assert proxy.unchecked["far"].startswith("its answers, for their schema cannot be used: ")
        declared, silent, far = [
            await client.call_tool_mcp(name, {}) for name in ("declared", "silent", "far")
        ]
    assert (declared.is_error, declared.structured_content) == (False, {"status": "failed"})
    assert "gapless/reads-like-an-error" not in (declared.meta or {})
    for one in (silent, far):
        assert (one.is_error, one.meta["gapless/reads-like-an-error"]) == (False, "status failed")
