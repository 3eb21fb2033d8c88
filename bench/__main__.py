"""`python -m bench [imports|harness|node|run_table|cuad ...]`: runs the benchmarks and prints ratios; `--json FILE` keeps them."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

NAMES = ("imports", "harness", "node", "run_table", "cuad")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="which; all by default")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--runs", type=Path, help="cuad: also write a run table of its answers there")
    given = parser.parse_args()
    results = {}
    for name in given.names or NAMES:
        print(f"\n{name}")
        results[name] = importlib.import_module(f"bench.{name}").run(
            **({"runs": given.runs} if name == "cuad" else {})
        )
        for row in results[name]:
            print(
                f"  {row['what']:58} {row['value']:10.3f} {row['unit']:10} {row.get('ratio', ''):>8} {row.get('target', '')}"
            )
    if given.json:
        given.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
