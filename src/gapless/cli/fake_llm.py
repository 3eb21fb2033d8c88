"""`gapless fake-llm`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from gapless.testing.fake_llm import FakeLLM, Script


@click.command("fake-llm", epilog="Example: gapless fake-llm script.yaml --port 8311 --fault 503=0.1")
@click.argument("script", required=False, type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8311, show_default=True, help="0 takes a free one."
)
@click.option(
    "--seed", type=int, help="Root of the draws of latency and faults; the script's own by default."
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="NAME=RATE",
    help="A fault and its share of requests, 0..1; repeatable.",
)
@click.option("--ttft-ms", type=click.FloatRange(min=0), help="Milliseconds until the first token.")
@click.option("--token-ms", type=click.FloatRange(min=0), help="Milliseconds between two tokens.")
@click.option(
    "--strict", is_flag=True, help="Answer with status 500 where no rule applies, instead of an echo."
)
@click.option(
    "--label-faults", is_flag=True, help="Name the fault that struck in the header x-gapless-fault."
)
@click.option(
    "--token",
    envvar="GAPLESS_FAKE_LLM_TOKEN",
    help="Bearer token clients must send; needed on a host that others can reach.",
)
@click.option(
    "--json", "as_json", is_flag=True, help='Print one line {"base_url": ...} on stdout once it listens.'
)
def command(
    script: str | None,
    host: str,
    port: int,
    strict: bool,
    label_faults: bool,
    token: str | None,
    as_json: bool,
    **changes: Any,
) -> int:
    """Serve a scripted model, as OpenAI and Anthropic do, with seeded latency and faults.

    SCRIPT is a YAML, JSON or Python file of rules; without one every answer is an echo. It runs until Ctrl-C (exit code
    130) or SIGTERM (exit code 0).
    """
    from gapless.testing.fake_llm import FakeLLM

    server = FakeLLM(
        _script(script, changes),
        strict=strict or None,
        host=host,
        port=port,
        token=token,
        label_faults=label_faults,
    )
    with _terminable() as ended, server:
        if as_json:
            click.echo(json.dumps({"base_url": server.base_url, "url": server.url}))
        _introduce(server, script, needs_token=token is not None)
        code = _wait(ended)
        _sum_up(server)
    return code


def _script(path: str | None, changes: dict[str, Any]) -> Script:
    """The script in the file, with what the flags change."""
    import msgspec

    from gapless.testing.fake_llm import Fault, Script, load_script

    script = Script() if path is None else load_script(path)
    faults = dict(script.faults)
    for text in changes["faults"]:
        name, rate = _fault(text)
        faults[name] = msgspec.structs.replace(faults.get(name, Fault(rate=rate)), rate=rate)
    pace = {"ttft_ms": changes["ttft_ms"], "inter_token_ms": changes["token_ms"]}
    latency = msgspec.structs.replace(
        script.latency, **{key: value for key, value in pace.items() if value is not None}
    )
    seed = script.seed if changes["seed"] is None else changes["seed"]
    return msgspec.structs.replace(script, faults=faults, latency=latency, seed=seed)


def _fault(text: str) -> tuple[str, float]:
    name, _, rate = text.partition("=")
    try:
        return name, float(rate)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not NAME=RATE, 503=0.1 say.", param_hint="--fault") from None


def _introduce(server: FakeLLM, script: str | None, *, needs_token: bool) -> None:
    from gapless.report.wording import count

    rules = count(len(server.script.rules), "rule")
    what = f"{script} ({rules})" if script else "no script: every answer is an echo"
    key = "(the token)" if needs_token else "fake"
    click.echo(
        f"fake-llm: {what}\n"
        f"  {server.base_url}\n"
        f"  export OPENAI_BASE_URL={server.base_url} OPENAI_API_KEY={key}\n"
        f"  export ANTHROPIC_BASE_URL={server.url} ANTHROPIC_API_KEY={key}\n"
        f"What was received: {server.url}/gapless/requests. Stop: Ctrl-C.",
        err=True,
    )


def _sum_up(server: FakeLLM) -> None:
    from collections import Counter

    from gapless.report.wording import count

    parts = [count(len(server.requests), "request")]
    if server.unmatched:
        parts.append(f"{server.unmatched} of them without a rule")
    struck = Counter(note.fault for note in server.requests if note.fault)
    parts += [f"{fault} x {times}" for fault, times in struck.items()]
    click.echo(f"fake-llm: {', '.join(parts)}.", err=True)


@contextmanager
def _terminable() -> Generator[threading.Event]:
    """An event that SIGTERM sets; in place before anybody is told that the server listens."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(ended: threading.Event) -> int:
    """Blocks until somebody stops the process; the exit code that says who."""
    try:
        while not ended.wait(0.5):  # a wait without end cannot be interrupted on every platform
            pass
    except KeyboardInterrupt:
        return 130
    return 0
