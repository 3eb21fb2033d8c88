"""What servers call themselves and their tools drives no terminal: not by `gapless proxy`, and not by `gapless tools`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import named_server
import pytest

EVIL = "shop\x1b[2J\x1b]0;PWNED\x07\x9b31m\u202e"
FORBIDDEN = ("\x1b", "\x07", "\x9b", "\u202e")
TOOL: dict[str, Any] = {
    "name": f"look{EVIL}",
    "description": "Looks.",
    "inputSchema": {"type": "object", "properties": {}},
}


@pytest.fixture
def server(tmp_path: Path) -> list[str]:
    named_server.write(tmp_path / "server.json", EVIL, TOOL)
    return list(named_server.command(tmp_path / "server.json"))


def said(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code and everything that a command said; its input has ended."""
    done = subprocess.run(
        [sys.executable, "-m", "gapless", *words], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def clean(text: str) -> bool:
    return not any(mark in text for mark in FORBIDDEN)


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_proxy_says_foreign_names_printably(tmp_path: Path, server: list[str], more: list[str]) -> None:
    code, text = said(tmp_path, "proxy", *more, "--", *server)
    assert code == 0
    assert "shop" in text
    assert clean(text)


def test_tools_says_foreign_names_printably(tmp_path: Path, server: list[str]) -> None:
    code, text = said(tmp_path, "tools", "lock", "--", *server)
    assert code == 0
    assert "locked: shop" in text
    assert clean(text)
    code, text = said(tmp_path, "tools")
    assert "1 tools locked" in text
    assert clean(text)
    named_server.write(tmp_path / "server.json", f"other{EVIL}", TOOL)
    for words in (("proxy",), ("tools", "diff")):
        code, text = said(tmp_path, *words, "--", *server)
        assert code == 2
        assert "other" in text
        assert clean(text)
