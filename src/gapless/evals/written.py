"""Turns a case as it is written into a record; whatever is wrong with it becomes one error that names the place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast, get_args

import msgspec

from gapless.errors import InvalidSuite
from gapless.evals.checks.base import build, check_class, prepare
from gapless.evals.formats.base import Entry, Lined
from gapless.evals.pointer import half_letter_in, nan_in
from gapless.evals.sameness import shown
from gapless.records.suite import END, Case, CheckSpec, Split
from gapless.records.value import is_unserialisable, to_plain

_LETTERED = ("id", "input", "group", "slice", "path", "golden")
CASE_KEYS = tuple(field.name for field in msgspec.structs.fields(Case))
SPLITS: tuple[Split, ...] = get_args(Split)
Checks = dict[str, tuple[CheckSpec, ...]]


def is_case(data: Any) -> bool:
    """Whether something written is meant as a case: a record, or a mapping with at least one key of a case."""
    return isinstance(data, Case) or (isinstance(data, Mapping) and any(key in CASE_KEYS for key in data))


def check_keys(data: Mapping[str, Any], allowed: tuple[str, ...], where: str, remedy: str = "") -> None:
    """Makes sure that a mapping has no other keys than those.

    Raises:
        InvalidSuite: Naming the key, its line where known, and the nearest allowed one.
    """
    for key in data:
        if key not in allowed:
            near = difflib.get_close_matches(str(key), allowed, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            place = _line(data, key, where)
            raise InvalidSuite(f"{place}: unknown key `{key}`.{hint} Allowed: {', '.join(allowed)}.{remedy}")


def case_of(entry: Entry, number: int, defaults: Checks, specs: Specs) -> Case:
    """The record of a case as written.

    Args:
        entry: The case and its place.
        number: Its position from 1; its id is "c<number>" when it has none.
        defaults: Checks of the whole suite, for the places where the case has none of its own.
        specs: Reads checks.

    Raises:
        InvalidSuite: Something in it may not be so.
    """
    data = _mapping(entry)
    remedy = "" if "input" in data else " If the whole object is the input, write {input: {...}}."
    check_keys(data, CASE_KEYS, entry.where, remedy)
    case_id = _text(data.get("id"), "id", entry.where) or f"c{number}"
    where = f"{entry.where}, case {case_id!r}"
    case = Case(
        id=case_id,
        input=_plain(data.get("input"), "input", where),
        group=_text(data.get("group"), "group", where),
        split=_split(data.get("split"), where),
        slice=_slice(data.get("slice"), where),
        path=_path(data.get("path"), where),
        golden=_golden(data.get("golden"), where),
        checks=defaults | specs.read(data.get("checks"), where),
    )
    check_letters({name: getattr(case, name) for name in _LETTERED}, where)
    written = {place: [[spec.name, spec.params] for spec in found] for place, found in case.checks.items()}
    check_letters({"checks": written}, where)
    return case


def check_letters(parts: Mapping[str, Any], where: str) -> None:
    """Makes sure that every text is one that can be written down.

    Raises:
        InvalidSuite: Naming the place of half a surrogate pair.
    """
    for name, part in parts.items():
        if (place := half_letter_in(part, name)) is not None:
            raise InvalidSuite(
                f"{where}: {place} holds half a surrogate pair (such as \\ud83d alone), which is no letter. Write the whole "
                "character, or remove it."
            )


class Specs:
    """Reads checks as written; one that many cases share is prepared and tried once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, CheckSpec] = {}

    def read(self, written: Any, where: str) -> Checks:
        """The checks of a case or of a whole suite.

        Raises:
            InvalidSuite: One of them is unknown or cannot be as written.
        """
        if written is None:
            return {}
        if not isinstance(written, Mapping):
            raise InvalidSuite(
                f"{where}: checks is {shown(written)}, allowed is a mapping from `{END}` or a step to a list of checks."
            )
        found: Checks = {}
        for place, items in cast("Mapping[str, Any]", written).items():
            here = f"{_line(written, place, where)}, checks.{place}"
            listed = (
                cast("list[Any]", items or []) if isinstance(items, (list, tuple, type(None))) else [items]
            )
            found[str(place)] = tuple(self._spec(item, here) for item in listed)
        return found

    def _spec(self, item: Any, where: str) -> CheckSpec:
        if isinstance(item, Lined) and item.lines:
            where = _relined(where, min(item.lines.values()))
        try:
            written = _written(item)
            key = f"{written.name} {written.params!r}"
            if key not in self._known:
                prepared = prepare(written, self._folder)
                prepared = CheckSpec(name=prepared.name, params=to_plain(prepared.params))
                build(prepared)
                self._known[key] = prepared
        except InvalidSuite as error:
            raise InvalidSuite(f"{where}: {error}") from error
        return self._known[key]


def _written(item: Any) -> CheckSpec:
    """Name and parameters of a check as written: a name, {name: parameters}, a function, a CheckSpec."""
    if isinstance(item, CheckSpec):
        return item
    if isinstance(item, str):
        return CheckSpec(name=item)
    if isinstance(item, Mapping) and len(cast("Mapping[str, Any]", item)) == 1:
        name, given = next(iter(cast("Mapping[str, Any]", item).items()))
        return CheckSpec(name=str(name), params=_params(str(name), given))
    if isinstance(item, Mapping):
        raise InvalidSuite(
            f"a check has one name, this mapping has the keys {', '.join(map(str, item))}. "
            "Indent its parameters deeper than its name, and give each check a list item of its own."
        )
    if callable(item):
        return CheckSpec(name="python", params={"function": cast("Callable[..., Any]", item)})
    raise InvalidSuite(f"{shown(item)} is no check. Write a name, or {{name: {{parameter: value}}}}.")


def _params(name: str, given: Any) -> dict[str, Any]:
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {str(key): value for key, value in cast("Mapping[Any, Any]", given).items()}
    shorthand = getattr(check_class(name), "shorthand", None)
    if shorthand is None:
        raise InvalidSuite(f"check `{name}`: its parameters are {shown(given)}, allowed is a mapping.")
    return {shorthand: given}


def _mapping(entry: Entry) -> Mapping[str, Any]:
    if isinstance(entry.data, Case):
        return {name: getattr(entry.data, name) for name in CASE_KEYS}
    if isinstance(entry.data, Mapping):
        return cast("Mapping[str, Any]", entry.data)
    raise InvalidSuite(
        f"{entry.where}: {shown(entry.data)} is no case. Write {{id: ..., input: ...}}; allowed keys: {', '.join(CASE_KEYS)}."
    )


def _plain(value: Any, what: str, where: str) -> Any:
    plain = to_plain(value)
    if (place := nan_in(plain, what)) is not None:
        raise InvalidSuite(
            f"{where}: {place} is no number (NaN or infinite). Write a finite number, a text, or null."
        )
    if is_unserialisable(plain):
        raise InvalidSuite(
            f"{where}: {what} holds a value without a plain form: {shown(plain)}. Use what JSON knows, dates, dataclasses or models."
        )
    return plain


def _text(value: Any, what: str, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)) or hasattr(value, "isoformat"):
        return str(to_plain(value))
    raise InvalidSuite(f"{where}: {what} is {shown(value)}, allowed is a text.")


def _split(value: Any, where: str) -> Split | None:
    if value is None or value in SPLITS:
        return value
    near = difflib.get_close_matches(str(value), SPLITS, 1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise InvalidSuite(f"{where}: split is {shown(value)}, allowed: {', '.join(SPLITS)}.{hint}")


def _slice(value: Any, where: str) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidSuite(f"{where}: slice is {shown(value)}, allowed is a mapping: {{category: cap}}.")
    items = cast("Mapping[str, Any]", value).items()
    return {
        str(key): text for key, inner in items if (text := _text(inner, f"slice.{key}", where)) is not None
    }


def _path(value: Any, where: str) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, (list, tuple)) or not all(isinstance(step, str) for step in value):
        raise InvalidSuite(f"{where}: path is {shown(value)}, allowed is a list of steps: [retrieve, draft].")
    return tuple(cast("list[str]", value))


def _golden(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidSuite(
            f"{where}: golden is {shown(value)}, allowed is a mapping from steps to what each should hand over."
        )
    items = cast("Mapping[str, Any]", value).items()
    return {str(step): _plain(update, f"golden.{step}", where) for step, update in items}


def _line(data: Mapping[str, Any], key: str, where: str) -> str:
    return _relined(where, data.lines[key]) if isinstance(data, Lined) and key in data.lines else where


def _relined(where: str, line: int) -> str:
    """A place with a more exact line."""
    exact, count = re.subn(r":\d+(?=,|$)", f":{line}", where, count=1)
    return exact if count else f"{where}:{line}"
