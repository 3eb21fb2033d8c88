"""Peers live in environments of their own, built on first use under bench/.peers; gapless is installed beside them."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent / ".peers"

PINS: dict[str, list[str]] = {
    "pydantic-evals": ["pydantic-evals==2.62.0"],
    "tracing": [
        "langgraph==1.2.22",
        "opentelemetry-sdk==1.45.2",
        "openinference-instrumentation-langchain==0.1.80",
        "langfuse==5.0.4",
        "langgraph-checkpoint-sqlite==3.1.2",
    ],
}


def python(peer: str) -> Path:
    """The interpreter of a peer's environment, which also has gapless."""
    folder = HERE / peer
    interpreter = folder / "bin" / "python"
    stamp = folder / ".installed"
    wanted = "\n".join(PINS[peer])
    if not (stamp.exists() and stamp.read_text(encoding="utf-8") == wanted):
        print(f"  installing {peer} ...", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [str(interpreter), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *PINS[peer], "-e", str(ROOT)], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return interpreter


def figures(interpreter: Path | str, module: str, *arguments: str) -> dict[str, Any]:
    """Runs a module of this folder and reads the JSON object it prints last."""
    command = [str(interpreter), "-m", module, *arguments]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if out.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{out.stderr[-3000:]}")
    return json.loads(out.stdout.strip().splitlines()[-1])


def median(values: list[float]) -> float:
    """The middle value."""
    return sorted(values)[len(values) // 2]
