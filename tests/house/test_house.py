"""The house itself: floors, sizes, names, and what importing costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gapless

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    file
    for file in (ROOT / "src" / "gapless").rglob("*.py")
    if "versions" not in file.parts  # migrations are history
)
HEAVY = (
    "numpy",
    "scipy",
    "sqlalchemy",
    "langgraph",
    "langchain_core",
    "pydantic",
    "rich",
    "jinja2",
    "starlette",
    "yaml",
)

LONG_FUNCTIONS: dict[str, str] = {}
"""Functions over 50 lines, each with the reason it is one."""


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_and_functions_stay_liveable(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400, "over 400 lines: this module hides two"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            begin = (first.end_lineno or first.lineno) if documented else node.lineno
            assert (node.end_lineno or 0) - begin <= 50 or node.name in LONG_FUNCTIONS, (
                f"{node.name} is over 50 lines"
            )


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    assert not [file for file in SOURCES if file.stem in ("utils", "util", "helpers", "misc", "common")]


def test_importing_gapless_loads_nothing_heavy() -> None:
    probe = f"import sys, gapless; print([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    probe = f"import sys\nfrom gapless.cli.main import _run\n_run(['--help'])\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert out.stdout.strip().splitlines()[-1] == "[]"


def test_the_face_is_small_and_every_name_is_there() -> None:
    assert len(gapless.__all__) <= 25
    for name in gapless.__all__:
        assert getattr(gapless, name) is not None
    assert sorted(gapless.__all__) == list(gapless.__all__)


PUBLIC = (
    "gapless",
    "gapless.errors",
    "gapless.retrievers",
    "gapless.boundary.faults",
    "gapless.boundary.signals",
)
"""What the reference agent may import: the face, and the parts that are meant to be built with."""


@pytest.mark.parametrize("file", sorted((ROOT / "examples").rglob("*.py")), ids=lambda file: file.name)
def test_examples_stand_on_the_public_face_alone(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        module = node.module if isinstance(node, ast.ImportFrom) else None
        if module is not None and module.partition(".")[0] == "gapless":
            assert module == "gapless" or module.startswith(PUBLIC[1:]), module
