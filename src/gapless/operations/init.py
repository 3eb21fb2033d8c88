"""`gapless init`: settings and a first suite from an existing graph; nothing is overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gapless.errors import UsageError
from gapless.operations.open import open_workflow
from gapless.records.workflow import Shape
from gapless.settings import FILE, locate


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffold:
    """What was written."""

    files: tuple[str, ...]
    shape: Shape
    kept: tuple[str, ...]
    """Files that were there already and were left alone."""


def scaffold(target: str, folder: Path) -> Scaffold:
    """Imports a workflow, lists its steps with guessed layers, and writes `gapless.toml` and `suite.yaml`.

    Raises:
        InvalidTarget: The workflow cannot be imported.
        UsageError: The folder cannot be written to.
    """
    shape = open_workflow(target, locate(folder)).shape
    files, kept = [], []
    for name, text in ((FILE, _settings(target, shape)), ("suite.yaml", _suite(shape))):
        path = folder / name
        if path.exists():
            kept.append(name)
            continue
        try:
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written ({error.strerror}).") from error
        files.append(name)
    return Scaffold(files=tuple(files), shape=shape, kept=tuple(kept))


def _settings(target: str, shape: Shape) -> str:
    lines = [f'workflow = "{target}"', 'suite = "suite.yaml"', 'stakes = "high"', "trials = 3", ""]
    for step in shape.steps:
        if step.router:
            continue
        lines.append(f'[steps."{step.name}"]')
        guess = "  # guessed from its name: correct it" if step.layer_guessed else ""
        lines.append(f'layer = "{step.layer}"{guess}')
        if step.review:
            lines.append("review = true")
        if step.effect:
            lines.append("effect = true")
        lines.append("")
    return "\n".join(lines)


def _suite(shape: Shape) -> str:
    route = shape.only_route()
    path = list(route or ())
    said = f"[{', '.join(path)}]" if route else "[...]"
    planned = f"#   path: {said}   # the steps a complete answer needs\n"
    first = path[0] if path else next((step.name for step in shape.steps if not step.router), "step")
    return (
        "# One entry per case: an input and what is expected of it. How checks are written: docs/how-to/write-a-suite.md\n"
        "#\n"
        "# - id: first-case\n"
        "#   input: {}              # what the workflow is called with\n"
        f"{planned}"
        "#   golden:                # the update each step should hand over: makes `gapless benchmark` possible\n"
        f"#     {first}: {{}}\n"
        "#   checks:\n"
        "#     end: [{contains: {path: answer, any: [expected words]}}]\n"
    )
