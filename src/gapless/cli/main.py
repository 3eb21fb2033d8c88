"""The `gapless` command: finds the verb, and turns errors into sentences and exit codes."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Any

import click

from gapless import __version__
from gapless.errors import GaplessError

COMMANDS: dict[str, str] = {
    "demo": "The reference agent on real parts: measure, locate, report.",
    "init": "Write gapless.toml and a first suite from an existing graph.",
    "run": "Run a program with every LangGraph graph in it recorded.",
    "measure": "Run cases x trials and say where reliability goes.",
    "benchmark": "Run each step alone on golden inputs.",
    "checkup": "Check the layers under a workflow: host to records.",
    "tools": "Lint, lock and compare the tools of MCP servers.",
    "proxy": "Guard the calls of an MCP server's tools, from in front of it.",
    "faults": "Break a workflow at every step, and see what becomes of it.",
    "crash": "Kill a workflow everywhere, resume it, count what doubles.",
    "replay": "Run a recorded trial again from a step; find causes.",
    "calibrate": "Gate thresholds with a stated guarantee.",
    "label": "Say whether a trial was right; promote it to a case.",
    "review": "Decide what waits for a person: show, approve, edit, reject.",
    "judge": "Hold a model's end verdicts against people's.",
    "report": "Show a measurement: terminal, HTML, Markdown, JUnit, JSON.",
    "ingest": "Take in runs that gapless did not make: run tables, tau-bench.",
    "export": "Write a measurement as a run table.",
    "fake-llm": "Serve a scripted OpenAI-compatible model with seeded faults.",
}
"""Verb -> one line of help. A verb's module is imported when it is used, never for the list."""

EXIT_INTERRUPTED = 130
EXIT_BUG = 70


class _ReaderLeft(Exception):
    """Whoever read our output went away (`gapless report | head -1`): no failure of ours."""


@contextmanager
def _reader() -> Generator[None]:
    try:
        yield
    except BrokenPipeError as error:  # click itself would exit with 1, which says that a budget was not kept
        raise _ReaderLeft from error


class _Verbs(click.Group):
    """Imports a command's module only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gapless.cli.{cmd_name.replace('-', '_')}")
        return module.command

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gapless")
def cli() -> None:
    """Measure, locate and close what an AI workflow loses between its steps.

    \b
    Start here:
      gapless demo                                          see it on a real agent
      gapless measure app.py:graph --cases inputs.jsonl     look at your own, no labels needed

    Each command's --help has an example; the guides are in the repository, docs/how-to/COMMAND.md.
    """


def main(argv: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 fine, 1 budget, 2 usage, 3 outside, 70 our bug, 130 stopped (Ctrl-C, SIGTERM)."""
    _open_closed_streams()
    on_main_thread = threading.current_thread() is threading.main_thread()
    if on_main_thread and (argv or sys.argv[1:])[:1] != [
        "run"
    ]:  # a program that is only recorded is told what it is told
        signal.signal(signal.SIGTERM, _interrupt)
    code = _run(argv)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _silence(stream)
    loop = sys.modules.get("gapless.operations.loop")
    if loop is not None and loop.left_behind():
        os._exit(code)  # a step that was given up would keep the process alive
    sys.exit(code)


def _run(argv: list[str] | None) -> int:
    try:
        result: Any = cli.main(args=argv, prog_name="gapless", standalone_mode=False)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except GaplessError as error:
        from gapless.report.printable import lines  # an error may repeat what a server said

        click.echo(f"gapless: {lines(str(error))}\n({error.code}: docs/errors.md#{error.code})", err=True)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("gapless: interrupted; everything that was reported is on disk.", err=True)
        return EXIT_INTERRUPTED
    except _ReaderLeft:
        _silence(sys.stdout)
        return 0
    except Exception as error:  # whatever is left is our mistake, and is told as one
        _bug(error)
        return EXIT_BUG
    return result if isinstance(result, int) else 0


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _open_closed_streams() -> None:
    # Started with `>&-`. The place has to be taken, else the next file that is opened (the store) gets what is printed.
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, PTH123


def _silence(stream: Any) -> None:
    """Leads a stream nowhere: what is left in its buffer must not fail when the interpreter flushes it."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _bug(error: Exception) -> None:
    import traceback

    click.echo("".join(traceback.format_exception(error)), err=True)
    click.echo("gapless: this is a bug in gapless. Please report it with the lines above.", err=True)


if __name__ == "__main__":
    main()
