"""`python -m bench [imports|harness|node|bandwidth|run_table|load|proxy|vectors|cuad|chunking|agentrx [FOLDER] ...]`: runs the benchmarks and prints ratios; `--json FILE` keeps them."""

from __future__ import annotations

import argparse
import importlib
import json
import os.path
from pathlib import Path

NAMES = (
    "imports",
    "harness",
    "node",
    "bandwidth",
    "run_table",
    "load",
    "proxy",
    "vectors",
    "cuad",
    "chunking",
    "agentrx",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(NAMES)}; all by default")
    parser.add_argument("--json", type=Path, help="write every figure to this file")
    parser.add_argument("--runs", type=Path, help="cuad: also write a run table of its answers there")
    given = parser.parse_args()
    folders = [name for name in given.names if name not in NAMES]
    if len(folders) > ("agentrx" in given.names) or not all(map(os.path.isdir, folders)):
        parser.error(f"{', '.join(folders)}: no benchmark, and no folder for agentrx")
    options = {"cuad": {"runs": given.runs}, "agentrx": {"folder": Path(folders[0])} if folders else {}}
    results = {}
    for name in [name for name in given.names if name in NAMES] or NAMES:
        print(f"\n{name}")
        results[name] = importlib.import_module(f"bench.{name}").run(**options.get(name, {}))
        for row in results[name]:
            print(
                f"  {row['what']:58} {row['value']:10.3f} {row['unit']:10} {row.get('ratio', ''):>8} {row.get('target', '')}"
            )
    if given.json:
        given.json.write_text(json.dumps(results, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
