"""Docs are true: every command and every error has its page, every Python block runs, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gapless import errors
from gapless.cli.main import COMMANDS, cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CODES = sorted(
    {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.GaplessError)
    }
)


@pytest.mark.parametrize("code", CODES)
def test_every_error_code_is_explained(code: str) -> None:
    assert f"\n## {code}\n" in (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", COMMANDS)
def test_every_command_has_a_page_and_an_example(verb: str) -> None:
    page = (ROOT / "docs" / "how-to" / f"{verb}.md").read_text(encoding="utf-8")
    assert f"gapless {verb}" in page
    command = cli.get_command(None, verb)  # type: ignore[arg-type]
    assert command is not None
    assert "Example: gapless" in (command.epilog or "")
    assert any("--json" in parameter.opts for parameter in command.params)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "page"}  # a page reads from top to bottom: a block may use what an earlier one made
    for number, block in enumerate(
        re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    ):
        exec(compile(block, f"{page.name}[{number}]", "exec"), names)
