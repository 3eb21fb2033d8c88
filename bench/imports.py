"""What `import gapless` and `gapless --help` cost over an empty interpreter."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

from bench.peers import median

ROUNDS = 15


def run() -> list[dict[str, Any]]:
    """Wall time of whole processes, interleaved, as a difference from `python -c pass`."""
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import gapless": [sys.executable, "-c", "import gapless"],
        "gapless --help": [sys.executable, "-m", "gapless", "--help"],
    }
    seen: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(ROUNDS):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seen[name].append((time.perf_counter() - began) * 1e3)
    base = median(seen["python -c pass"])
    targets = {"import gapless": "<= +120", "gapless --help": "<= +250"}
    rows: list[dict[str, Any]] = [{"what": "python -c pass", "value": base, "unit": "ms"}]
    for name, target in targets.items():
        rows.append(
            {
                "what": f"{name}, beyond that",
                "value": median(seen[name]) - base,
                "unit": "ms",
                "target": target,
            }
        )
    return rows
