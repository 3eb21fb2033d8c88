"""Suites written in Python: a list of cases, a Suite, or a function that returns one."""

from __future__ import annotations

import re
from pathlib import Path

from gapless.errors import InvalidSuite
from gapless.evals.code import import_place
from gapless.evals.formats.base import Source, of_data

_NAMES = ("suite", "cases")
_NAME = re.compile(r"[A-Za-z_]\w*")


def python_place(path: Path) -> tuple[str, str | None] | None:
    """File or module and the name in it, when a path means Python; None when it means a file of data."""
    text = str(path)
    if path.suffix == ".py":
        return text, None
    place, _, name = text.rpartition(":")
    return (place, name) if place and _NAME.fullmatch(name) and not path.exists() else None


def read_python(place: str, name: str | None) -> Source:
    """Runs the module and takes the cases from it.

    Raises:
        InvalidSuite: It is not there, raises, or holds no cases.
    """
    try:
        module = import_place(place)
    except ValueError as error:
        raise InvalidSuite(f"{error}.") from error
    wanted = _NAMES if name is None else (name,)
    found = next((one for one in wanted if hasattr(module, one)), None)
    if found is None:
        raise InvalidSuite(
            f"{place}: has no {' or '.join(f'`{one}`' for one in wanted)}. Name what holds the cases: {place}:name."
        )
    cases = getattr(module, found)
    if callable(cases):
        try:
            cases = cases()
        except (Exception, SystemExit) as error:
            raise InvalidSuite(f"{place}:{found} raised {type(error).__name__}: {error}.") from error
    return of_data(cases, f"{place}:{found}", Path(place).parent if place.endswith(".py") else Path())
