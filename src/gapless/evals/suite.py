"""Suites: read from a file or from live data, with everything that can be wrong found before the first trial."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from gapless.errors import InvalidSuite
from gapless.evals.checks.base import build, check_class
from gapless.evals.formats.base import Entry, Source, of_data, read
from gapless.evals.written import CASE_KEYS, Specs, case_of, check_keys, check_letters, is_case
from gapless.records.suite import END, Case, Suite
from gapless.records.workflow import Shape

HEADER_KEYS = ("name", "seed", "checks")


def load(path: Path) -> Suite:
    """Reads a suite from YAML, JSON, JSONL, CSV or Python ("suite.py", "suite.py:cases", "module:cases").

    A file in which nothing is a case (one input per line, say) is taken as inputs without labels.

    Raises:
        InvalidSuite: Naming the place, the value, what is allowed, and what to do.
    """
    source = read(Path(path))
    return _inputs(source) if _is_bare(source) else _suite(source)


def from_inputs(path: Path) -> Suite:
    """Reads inputs without labels: each a JSON value, a line of text, or an object with `input` (and `id`).

    Raises:
        InvalidSuite: As `load` does.
    """
    return _inputs(read(Path(path)))


def from_data(data: Any, *, name: str = "suite", folder: Path | None = None) -> Suite:
    """A suite from live data: dictionaries as in a suite file, cases, bare inputs, or a mapping with `cases`.

    Args:
        data: The cases.
        name: The suite's name.
        folder: Where files that checks name are looked for; the current folder when None.

    Raises:
        InvalidSuite: As `load` does.
    """
    if isinstance(data, Suite):
        return data
    source = of_data(data, name, folder or Path())
    return _inputs(source) if _is_bare(source) else _suite(source)


def validate_against(suite: Suite, shape: Shape) -> None:
    """Makes sure that every step a suite names is one of the workflow's.

    Raises:
        InvalidSuite: Naming the case, the step, and the workflow's steps.
    """
    known = [step.name for step in shape.steps]
    if not known:
        return
    seen: set[tuple[str, str]] = set()
    for case in suite.cases:
        for what, step in _named(case):
            if (what, step) in seen:
                continue
            seen.add((what, step))
            if step not in known and step.rsplit("/", 1)[-1] not in known:
                near = difflib.get_close_matches(step, known, 1)
                hint = f" Did you mean `{near[0]}`?" if near else ""
                raise InvalidSuite(
                    f"suite {suite.name}, case {case.id!r}: {what} names step `{step}`, which the workflow does not have."
                    f"{hint} Its steps: {', '.join(known)}; the whole trial is `{END}`."
                )


def _named(case: Case) -> list[tuple[str, str]]:
    found = [("golden", step) for step in case.golden if step != END]
    found += [("path", step) for step in case.path or ()]
    for where, specs in case.checks.items():
        found += [("checks", where)] if where != END else []
        for spec in specs:
            if hasattr(check_class(spec.name), "steps"):
                named: tuple[str, ...] = getattr(build(spec), "steps", ())
                found += [(f"check `{spec.name}`", step) for step in named]
    return found


def _is_bare(source: Source) -> bool:
    return not source.header and not any(is_case(entry.data) for entry in source.entries)


def _inputs(source: Source) -> Suite:
    entries = [
        entry
        if isinstance(entry.data, Case)
        or (is_case(entry.data) and "input" in entry.data and set(entry.data) <= set(CASE_KEYS))
        else Entry({"input": entry.data}, entry.where)
        for entry in source.entries
    ]
    return _suite(Source(source.name, entries, source.header, source.folder))


def _suite(source: Source) -> Suite:
    check_keys(source.header, HEADER_KEYS, source.name)
    specs = Specs(source.folder)
    defaults = specs.read(source.header.get("checks"), source.name)
    name, seed = source.header.get("name"), source.header.get("seed", 0)
    if name is not None and not isinstance(name, str):
        raise InvalidSuite(f"{source.name}: name is {name!r}, allowed is a text.")
    check_letters({"name": name, "the file's name": source.name}, ascii(source.name)[1:-1])
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise InvalidSuite(f"{source.name}: seed is {seed!r}, allowed is a whole number.")
    if not source.entries:
        raise InvalidSuite(f"{source.name}: holds no cases. Add at least one: {{id: c1, input: ...}}.")
    cases = [case_of(entry, number, defaults, specs) for number, entry in enumerate(source.entries, 1)]
    _check_ids(cases, source)
    return Suite(name=name or _stem(source.name), cases=tuple(cases), seed=seed)


def _check_ids(cases: list[Case], source: Source) -> None:
    first: dict[str, str] = {}
    for case, entry in zip(cases, source.entries, strict=True):
        if case.id in first:
            raise InvalidSuite(
                f"{entry.where}: case id {case.id!r} is already used at {first[case.id]}. Ids are unique: rename one."
            )
        first[case.id] = entry.where


def _stem(name: str) -> str:
    place, _, attribute = name.rpartition(":")
    path = Path(place if place and attribute.isidentifier() else name)
    return path.stem if path.suffix else path.name
