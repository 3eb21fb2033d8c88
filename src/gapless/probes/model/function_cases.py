"""Function-calling cases: the Berkeley Function-Calling Leaderboard's where they are at hand, and how calls are judged.

Source:
    BFCL v4 (Patil et al. 2025, The Berkeley Function Calling Leaderboard, ICML): an argument is right if it is among the
    values its ground truth lists, and may be left out where "" is one of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from gapless.probes.base import ProbeUnavailable
from gapless.probes.model.corpus import FUNCTION_CASES, FunctionCase
from gapless.probes.model.structured import decoded, fits

CATEGORIES = ("simple_python", "multiple", "parallel", "parallel_multiple", "live_simple")
"""Categories with a ground truth of single-turn calls."""
NO_CALL, SOME_CALL = "irrelevance", "live_relevance"
_TYPES = {"dict": "object", "float": "number", "tuple": "array"}
_NAME = re.compile(r"[^a-zA-Z0-9_-]")

Call = tuple[str, dict[str, Any]]


def cases(folder: Path | None, *, each: int = 4) -> tuple[tuple[FunctionCase, ...], str]:
    """The cases to ask, and in words where they are from.

    Args:
        folder: With BFCL's files; that of the package bfcl-eval where installed, else our own corpus, when None.
        each: How many of a category, evenly spread over its file.

    Raises:
        ProbeUnavailable: The folder holds no such files, or they cannot be read.
    """
    folder = folder or _installed()
    if folder is None:
        return FUNCTION_CASES, "our own corpus"
    found: list[FunctionCase] = []
    for category in (*CATEGORIES, NO_CALL, SOME_CALL):
        try:
            read = list(read_category(folder, category))
        except (LookupError, TypeError, AttributeError) as error:  # JSON of another shape
            raise ProbeUnavailable(
                f"{folder}: {category} is not of BFCL's form: {type(error).__name__}: {error}"
            ) from error
        found += read[:: max(1, len(read) // each)][:each]
    if not found:
        raise ProbeUnavailable(f"{folder}: holds none of BFCL's files (BFCL_v4_simple_python.json, ...)")
    return tuple(found), "BFCL v4"


def read_category(folder: Path, category: str) -> Iterator[FunctionCase]:
    """The cases of one category; none where its file is not there.

    Raises:
        ProbeUnavailable: A file cannot be read.
    """
    questions = _lines(folder, category)
    truths = {line["id"]: line["ground_truth"] for line in _lines(folder / "possible_answer", category)}
    for line in questions:
        known = truths.get(line["id"])
        if category in CATEGORIES and known is None:
            continue
        calls = [(tool_name(name), said) for call in known or [] for name, said in call.items()]
        yield FunctionCase(
            id=line["id"],
            messages=tuple(line["question"][0]),
            tools=tuple(_tool(function) for function in line["function"]),
            calls=tuple(calls),
            any_call=category == SOME_CALL,
        )


def _lines(folder: Path, category: str) -> list[dict[str, Any]]:
    files = [folder / f"BFCL_v4_{category}{end}" for end in (".jsonl", ".json")]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return []
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise ProbeUnavailable(f"{file}: cannot be read: {error}") from error


def _installed() -> Path | None:
    spec = find_spec("bfcl_eval")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "data"
    return folder if folder.is_dir() else None


def tool_name(name: str) -> str:
    """A name that endpoints take: BFCL's have dots.

    Example:
        >>> tool_name("spotify.play")
        'spotify_play'
    """
    return _NAME.sub("_", name)


def _tool(function: dict[str, Any]) -> dict[str, Any]:
    name, said = tool_name(function["name"]), function.get("description", "")
    return {"name": name, "description": said, "parameters": schema_of(function["parameters"])}


def schema_of(said: Any) -> Any:
    """A JSON schema from BFCL's Python-like one, at any depth."""
    if isinstance(said, list):
        return [schema_of(one) for one in cast("list[Any]", said)]
    if not isinstance(said, dict):
        return said
    made: dict[str, Any] = {}
    for key, value in cast("dict[str, Any]", said).items():
        if key == "type" and isinstance(value, str):
            if value != "any":
                made["type"] = _TYPES.get(value, value)
        elif key == "properties" and isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            made["properties"] = {name: schema_of(one) for name, one in inner.items()}
        elif key in ("items", "required", "enum", "description", "additionalProperties", "format", "default"):
            made[key] = schema_of(value) if key in ("items", "additionalProperties") else value
    if made.get("type") == "array" and "enum" in made:  # BFCL means the items
        made["items"] = made.get("items", {}) | {"enum": made.pop("enum")}
    return made


def truth(case: FunctionCase) -> list[Call]:
    """The calls with the first right value of each argument: what a right answer looks like."""
    required = {tool["name"]: tool["parameters"].get("required", []) for tool in case.tools}
    return [
        (name, {k: _first(v) for k, v in said.items() if k in required.get(name, ()) or not _omitted(v)})
        for name, said in case.calls
    ]


def _omitted(values: Any) -> bool:
    return isinstance(values, list) and bool(values) and values[0] == ""


def _first(values: Any) -> Any:
    """The first right value; objects list the right values of each of their keys in turn."""
    if not isinstance(values, list) or not values:
        return values
    return _plain(next((value for value in cast("list[Any]", values) if value != ""), ""))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value)
        return {key: _first(v) for key, v in inner.items() if not _omitted(v)}
    if isinstance(value, list):
        return [_plain(one) for one in cast("list[Any]", value)]
    return value


def valid(case: FunctionCase, call: Call) -> bool:
    """Whether a call names an offered tool and its arguments fit that tool's schema, none of them unknown to it."""
    name, arguments = call
    tool = next((tool for tool in case.tools if tool["name"] == name), None)
    if tool is None:
        return False
    schema = tool["parameters"]
    unknown = set(arguments) - set(schema.get("properties", {}))
    return not unknown and fits(schema, arguments)


def right(said: dict[str, Any], arguments: dict[str, Any]) -> bool:
    """Whether arguments are right by their ground truth.

    Example:
        >>> right({"base": [10], "unit": ["cm", ""]}, {"base": 10.0})
        True
    """
    if set(arguments) - set(said):
        return False
    return all(_among(arguments[k], v) if k in arguments else not v or "" in v for k, v in said.items())


def _among(given: Any, values: Sequence[Any]) -> bool:
    if not values:  # BFCL lists nothing where nothing is to be said
        return given in ([], "", None)
    return any(_same(given, value) for value in values)


def _same(given: Any, value: Any) -> bool:
    if isinstance(value, dict) and isinstance(given, dict):
        return right(cast("dict[str, Any]", value), cast("dict[str, Any]", given))
    if isinstance(value, list) and isinstance(given, list):
        pairs = (cast("list[Any]", given), cast("list[Any]", value))
        return len(pairs[0]) == len(pairs[1]) and all(map(_same, *pairs))
    if isinstance(value, str) and isinstance(given, str):
        return _word(given) == _word(value)
    return bool(given == value) and isinstance(given, bool) == isinstance(value, bool)


def _word(text: str) -> str:
    """BFCL compares texts without case, spaces and these signs."""
    return re.sub(r"[ ,./\-_*^]", "", text).lower().replace("'", '"')


def matched(case: FunctionCase, calls: Sequence[Call]) -> bool:
    """Whether the calls are exactly the right ones, in any order."""
    left = list(case.calls)
    for name, arguments in calls:
        found = next((one for one in left if one[0] == name and right(one[1], arguments)), None)
        if found is None:
            return False
        left.remove(found)
    return not left


def parsed(calls: Sequence[tuple[str, str]]) -> list[Call] | None:
    """Calls with their arguments decoded; None where one is no JSON object."""
    made: list[Call] = []
    for name, text in calls:
        value = decoded(text or "{}")
        if not isinstance(value, dict):
            return None
        made.append((name, cast("dict[str, Any]", value)))
    return made
