"""The model layer's planted defects: endpoints that are scripted to do what real ones do, and their healthy twins."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from planted import Planted

from gapless.probes.base import Subject
from gapless.probes.model.corpus import EXTRACTIONS, FUNCTION_CASES
from gapless.settings import ModelSettings
from gapless.testing.fake_llm import FakeLLM

RUNNING: list[FakeLLM] = []
"""Servers that a test has to stop."""
KEY = "GAPLESS_PLANTED_KEY"
os.environ[KEY] = "right"
STORY = {"text": "word " * 200}


def served(
    script: dict[str, Any], *, token: str | None = None, key: str | None = None, **more: Any
) -> Subject:
    """A subject whose model is a server that does as the script says."""
    server = FakeLLM(script, token=token).start()
    RUNNING.append(server)
    given: dict[str, Any] = {"seconds": 2.4} | more
    model = ModelSettings(
        url=server.base_url, model="fake-llm", api_key_env=key, timeout_s=given.pop("timeout_s", 10)
    )
    return Subject(model=model, **given)


def paced(first_ms: float = 20, between_ms: float = 5, text: str = "one two three", **more: Any) -> Any:
    """A server that answers everything with a text, at a pace."""
    latency = {"ttft_ms": first_ms, "inter_token_ms": between_ms} | more.pop("latency", {})
    return {"rules": [{"reply": {"text": text}}], "latency": latency} | more


def extracting() -> dict[str, Any]:
    return {"rules": [{"when": {"user": case.text}, "reply": {"json": case.right}} for case in EXTRACTIONS]}


def calling(**faults: float) -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for case in FUNCTION_CASES:
        calls = [
            {"name": name, "arguments": {key: values[0] for key, values in said.items()}}
            for name, said in case.calls
        ]
        reply = {"tool_calls": calls} if calls else {"text": "Here you are."}
        rules.append({"when": {"user": case.messages[0]["content"]}, "reply": reply})
    return {"rules": rules, "faults": faults}


def beside(part: Any, root: Path) -> Subject:
    """A model with a part of a pipeline always beside it, which may cost it half: a busy machine is no planted defect."""
    given: dict[str, Any] = {"beside": {"a neighbour": part}, "runs_per_s": 1e3, "root": root}
    return served(paced(text=STORY["text"]), targets={"interference": 0.5}, **given)


def hogging() -> None:
    """Holds the interpreter, which the server needs too; how fast or how busy the machine is does not matter."""
    ctypes.PyDLL(None).usleep(100_000)


PAUSING = {"pause_every_s": 2.0, "pause_ms": 1200.0}
SLOW_NOW_AND_THEN = {"slow": {"rate": 0.2, "ms": 1200}}
ONE_ROUND: dict[str, Any] = {"seconds": 0.5, "streams": 8}
"""A load of eight answers, all at once: enough for an interval of the median, and no longer than the slowest of them."""
BRIEF: dict[str, Any] = {"seconds": 1.2}
"""Long enough for some dozen answers of a quick server."""
ONE_SLOT = {"latency": {"slots": 1}, "text": STORY["text"], "between_ms": 10}
COUNTING = {"rules": [{"reply": {"text": "The sea, as seen {{ seen }} times."}}]}
CLAIMS_TO_BE_WHOLE = {"rules": [{"reply": STORY | {"finish_reason": "stop"}}]}


def opened(seconds: float, **latency: float) -> Subject:
    return served(paced(40, 10, latency=latency), streams=1, seconds=seconds, targets={"ttft": 600.0})


PLANTED_MODEL = (
    Planted(
        "interference",
        "a neighbour that lets the model hardly run",
        "% .* is lost to the pipeline",
        lambda f: beside(hogging, f),
        lambda f: beside(lambda: None, f),
    ),
    Planted(
        "endpoint-answers",
        "a server that accepts and never answers",
        r"no answer within 0\.5 s",
        lambda _: served({"faults": {"timeout": 1.0}}, timeout_s=0.5),
        lambda _: served(paced()),
    ),
    Planted(
        "plain-refusals",
        "a server that takes any key and any model",
        "a wrong key: answered as if it were right",
        lambda _: served(paced(), key=KEY),
        lambda _: served(paced(models=["fake-llm"]), token="right", key=KEY),
    ),
    Planted(
        "streaming",
        "a proxy that holds the stream back to its end",
        "all at once",
        lambda _: served(paced(20, 10, STORY["text"], faults={"burst": 1.0})),
        lambda _: served(paced(20, 10, STORY["text"])),
    ),
    Planted(
        "ttft",
        "first tokens after 2.3 seconds",
        r"p50 [2-9]\d{3} ms",
        lambda _: served(paced(2300), **ONE_ROUND),
        lambda _: served(paced(), **BRIEF),
    ),
    Planted(
        "inter-token",
        "1.3 seconds between tokens, where one second is allowed",
        r"p50 [1-9]\d{3} ms",
        lambda _: served(paced(20, 1300, "one two"), targets={"inter-token": 1000.0}, **ONE_ROUND),
        lambda _: served(paced(20, 20), targets={"inter-token": 1000.0}, **BRIEF),
    ),
    Planted(
        "end-to-end",
        "answers of 1.5 seconds in a step that has one",
        r"p50 [1-9]\d{3} ms",
        lambda _: served(paced(1500), targets={"end-to-end": 1000.0}, **ONE_ROUND),
        lambda _: served(paced(), targets={"end-to-end": 1000.0}, **BRIEF),
    ),
    Planted(
        "open-loop",
        "a server that stands still for 1.2 seconds in every two",
        r"^[1-8]?\d % of \d+ within the budget",
        lambda _: opened(5.0, **PAUSING),
        lambda _: opened(3.0),
    ),
    Planted(
        "knee",
        "a queue from ten answers a second on, where 25 are asked for",
        "the knee is between",
        lambda _: served(paced(100, 0, latency={"slots": 1}), seconds=3.0, streams=2, targets={"knee": 25.0}),
        lambda _: served(paced(100, 0), seconds=3.0, streams=2, targets={"knee": 25.0}),
    ),
    Planted(
        "tail-cascade",
        "one answer in five over its limit",
        r"^[1-9]\d+ % of loops",
        lambda _: served(paced(faults=SLOW_NOW_AND_THEN), streams=8, targets={"tail-cascade": 1000.0}),
        lambda _: served(paced(40), targets={"tail-cascade": 1000.0}, **BRIEF),
    ),
    Planted(
        "whole-answers",
        "a third of the streams break off without an end",
        "stream broken off",
        lambda _: served(paced(faults={"truncated_stream": 0.33})),
        lambda _: served(paced()),
    ),
    Planted(
        "usual-client",
        "a client that is told not to try again",
        "a 429 is not asked again",
        lambda _: Subject(model=ModelSettings(url="http://127.0.0.1:9/v1", model="m", max_retries=0)),
        lambda _: Subject(model=ModelSettings(url="http://127.0.0.1:9/v1", model="m")),
    ),
    Planted(
        "structured-output",
        "JSON that fits its schema and is wrong",
        "20 valid, 0 right",
        lambda _: served({}),
        lambda _: served(extracting()),
    ),
    Planted(
        "function-calling",
        "prose with status 200 in place of every call",
        "8 of 8 needed calls silently missing",
        lambda _: served(calling(no_call=1.0)),
        lambda _: served(calling()),
    ),
    Planted(
        "determinism",
        "another text each time",
        "different texts in 4 answers",
        lambda _: served(COUNTING),
        lambda _: served(paced()),
    ),
    Planted(
        "cut-answers",
        'half an answer with finish_reason "stop"',
        "finish_reason 'stop'",
        lambda _: served(CLAIMS_TO_BE_WHOLE),
        lambda _: served(paced(text=STORY["text"])),
    ),
    Planted(
        "long-prompts",
        "a server that cuts long prompts in silence",
        "tokens were read, and status 200",
        lambda _: served(paced(context=2000, cut_prompts=True)),
        lambda _: served(paced(context=2000)),
    ),
    Planted(
        "cancel",
        "a server that writes on for nobody",
        r"first token ([5-9]\d\d|\d{4,}) ms after hanging up",
        lambda _: served(paced(**ONE_SLOT, faults={"deaf": 1.0})),
        lambda _: served(paced(**ONE_SLOT)),
    ),
)
