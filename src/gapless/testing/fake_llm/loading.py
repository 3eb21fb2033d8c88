"""Reads scripts from YAML, JSON, Python files and dicts, and says exactly where one is wrong."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from gapless.errors import InvalidSettings
from gapless.records.base import Record
from gapless.testing.fake_llm.checking import check
from gapless.testing.fake_llm.script import Rule, Script

ScriptSource = Script | Mapping[str, Any] | Sequence[Rule | Mapping[str, Any]] | str | Path
"""What a fake model can be scripted with."""


def load_script(path: str | Path) -> Script:
    """The script in a file: .yaml, .yml, .json, or .py with a variable `script` (a dict or a `Script`).

    Raises:
        InvalidSettings: Naming the file, the rule, the offending key or value, and what is allowed.
    """
    file = Path(path)
    try:
        data = _read(file)
    except InvalidSettings:
        raise
    except OSError as error:
        raise InvalidSettings(f"{file}: cannot be read ({error.strerror}). Check the path.") from error
    except Exception as error:  # a YAML, JSON or Python file may be wrong in any way
        raise InvalidSettings(f"{file}: {type(error).__name__}: {error}. Mend the file.") from error
    if isinstance(data, Script):
        check(data, str(file))
        return data
    return parse_script(data, str(file))


def parse_script(data: Any, where: str = "script") -> Script:
    """The script that plain data describes: an object, or just the list of its rules.

    Args:
        data: As read from YAML or JSON.
        where: What an error names as the place, a file's path say.

    Raises:
        InvalidSettings: Naming the place, the rule, the offending key or value, and what is allowed.

    Example:
        >>> parse_script([{"when": {"user": "hi"}, "reply": "hello"}]).rules[0].reply.text
        'hello'
    """
    plain = _tidy(data, where)
    _check_keys(plain, Script, where)
    try:
        script = msgspec.convert(plain, Script)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"{where}: {_readable(str(error))}.") from error
    check(script, where)
    return script


def to_script(source: ScriptSource | None) -> Script:
    """A script from whatever a test has at hand: a `Script`, a dict, a list of rules, a path, or None for no rules.

    Raises:
        InvalidSettings: The script is wrong, or `source` is none of these.
    """
    if source is None:
        return Script()
    if isinstance(source, (str, Path)):
        return load_script(source)
    if isinstance(source, Script):
        script = source
    elif isinstance(source, Mapping):
        return parse_script(source)
    else:
        return parse_script(list(source))
    check(script, "script")
    return script


def _read(file: Path) -> Any:
    if file.suffix == ".py":
        import runpy

        found = runpy.run_path(str(file)).get("script")
        if found is None:
            raise InvalidSettings(f"{file}: has no variable `script`. Assign a dict or a Script to it.")
        return found
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return msgspec.json.decode(text)
    import yaml

    return yaml.safe_load(text)


def _tidy(data: Any, where: str) -> dict[str, Any]:
    """The full form of a script's shorthands: a bare list of rules, a bare text as reply, a bare rate as fault."""
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        data = {"rules": data}
    if not isinstance(data, Mapping):
        raise InvalidSettings(
            f"{where}: a script is an object with `rules`, or a list of rules; got {type(data).__name__}."
        )
    plain = {str(key): value for key, value in cast("Mapping[Any, Any]", data).items()}
    if isinstance(plain.get("rules"), Sequence):
        plain["rules"] = [_tidy_rule(rule) for rule in plain["rules"]]
    if isinstance(plain.get("faults"), Mapping):
        plain["faults"] = {
            str(name): {"rate": fault} if isinstance(fault, (int, float)) else fault
            for name, fault in plain["faults"].items()
        }
    return plain


def _tidy_rule(rule: Any) -> Any:
    if isinstance(rule, Rule):
        return {name: value for name, value in msgspec.to_builtins(rule).items() if value is not None}
    if not isinstance(rule, Mapping):
        return rule
    plain = dict(cast("Mapping[str, Any]", rule))
    if isinstance(plain.get("reply"), str):
        plain["reply"] = {"text": plain["reply"]}
    if isinstance(plain.get("fault"), int):
        plain["fault"] = str(plain["fault"])  # YAML reads 429 as a number
    return plain


def _check_keys(value: Any, kind: Any, where: str) -> None:
    """Walks plain data beside the types it is to become, and stops at the first key or word that they do not have."""
    record = _part_of(kind, lambda part: isinstance(part, type) and issubclass(part, Record))
    table = _part_of(kind, lambda part: get_origin(part) is dict)
    words = _part_of(kind, lambda part: get_origin(part) is Literal)
    if isinstance(value, Mapping) and (record or table):
        hints = get_type_hints(record) if record else {}
        for key, inner in cast("Mapping[str, Any]", value).items():
            if record and key not in hints:
                raise InvalidSettings(f"{where}: unknown key {_or_what(key, list(hints))}")
            inner_kind = hints[key] if record else get_args(table)[1]
            _check_keys(inner, inner_kind, where if isinstance(inner, list) else f"{where}, {key}")
    elif isinstance(value, list):
        label = "rule" if _item_of(kind) is Rule else "tool call"
        for number, item in enumerate(cast("list[Any]", value)):
            named = f" ({item['name']})" if isinstance(item, Mapping) and "name" in item else ""
            _check_keys(item, _item_of(kind), f"{where}, {label} {number}{named}")
    elif isinstance(value, str) and words and value not in get_args(words):
        raise InvalidSettings(f"{where}: unknown value {_or_what(value, list(get_args(words)))}")


def _or_what(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(str(word), allowed, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{word!r}.{hint} Allowed: {', '.join(allowed)}."


def _part_of(kind: Any, wanted: Callable[[Any], bool]) -> Any:
    """The type itself, or the first member of a union, that is wanted."""
    parts = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((part for part in parts if wanted(part)), None)


def _item_of(kind: Any) -> Any:
    parts = get_args(kind)
    return parts[0] if get_origin(kind) is tuple and parts else None


def _readable(message: str) -> str:
    """msgspec's message with the place first: "rules[2].times: Expected `int | null`, got `str`"."""
    found = re.fullmatch(r"(.*) - at `\$\.?(.*)`", message)
    return f"{found[2]}: {found[1]}" if found else message
