"""One plain prompt as a workflow of one step: a template filled with the case's input, and the reply put where the checks look."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from gapless.boundary.ending import Ending
from gapless.boundary.session import Passage, current_session
from gapless.errors import EndpointError, InvalidSettings
from gapless.evals.chat import Endpoint, Message, ask, need_client
from gapless.records.suite import END, Case, CheckSpec, Suite
from gapless.records.value import digest, encode, to_plain
from gapless.records.workflow import FINISH, START, Edge, Shape, Step
from gapless.settings import Place, PromptSettings

STEP = "prompt"
_ON_TEXT = (
    "contains",
    "regex",
    "llm_judge",
    "grounded_figures",
    "grounded_names",
    "python",
    "latency",
    "trajectory",
)
"""Checks that a plain text can pass."""
_FENCED = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a reply becomes."""

    reply: Literal["text", "json"]
    output: str = ""
    """Keys, joined by dots, under which the reply stands in the output; the output itself when empty."""
    keys: tuple[str, ...] = ()
    """Keys a JSON reply needs, where they are known."""


@dataclass(frozen=True, kw_only=True)
class PromptWorkflow:
    """Asks one question per case."""

    endpoint: Endpoint
    template: str | None
    system: str | None
    form: Form

    @property
    def target(self) -> str:
        """As reports name it."""
        return f"one plain prompt ({self.endpoint.model})"

    @property
    def fingerprint(self) -> str:
        """Digest of everything that decides what is asked, and of whom."""
        end, form = self.endpoint, self.form
        asked = [end.url, end.model, end.temperature, end.seed, self.template, self.system]
        return digest(encode(["prompt", *asked, form.reply, form.output, list(form.keys)]))

    @property
    def shape(self) -> Shape:
        """One step."""
        step = Step(name=STEP, layer="model", layer_source="calls")
        return Shape(steps=(step,), edges=(Edge(source=START, target=STEP), Edge(source=STEP, target=FINISH)))

    async def run(self, value: Any, *, trial: str) -> Ending:
        """Asks, recorded as one step."""
        session = current_session.get()
        if session is None:
            return Ending(output=await self._answer(value))
        return Ending(output=await session.across(Passage(step=STEP), value, self._answer))

    async def run_step(self, step: str, golden: Any) -> Any:
        """Asks, with the case's input."""
        return await self._answer(golden)

    def state_before(self, step: str, value: Any, golden: dict[str, Any]) -> Any:
        """The case's input."""
        return value

    def messages(self, value: Any) -> list[Message]:
        """What is asked about one case.

        Raises:
            ValueError: The template cannot be filled with this input.
        """
        text = self._filled(value) if self.template is not None else _plain(value)
        if self.template is None and self.form.reply == "json":
            keys = f" with the keys {', '.join(self.form.keys)}" if self.form.keys else ""
            text = f"{text}\n\nReply with one JSON object{keys}, and nothing else."
        system: list[Message] = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": text}]

    def _filled(self, value: Any) -> str:
        from jinja2 import TemplateError

        try:
            return self._compiled.render(input=value)
        except (TemplateError, TypeError, ArithmeticError) as error:
            raise ValueError(f"the prompt's template cannot be filled: {error}") from error

    @cached_property
    def _compiled(self) -> Any:
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        environment = SandboxedEnvironment(
            undefined=StrictUndefined, keep_trailing_newline=False, autoescape=False
        )
        return environment.from_string(self.template or "")

    async def _answer(self, value: Any) -> Any:
        from gapless.frameworks.calls import begin_call

        messages = self.messages(to_plain(value))
        pending = begin_call("model", self.endpoint.model, messages)
        try:
            reply = await ask(self.endpoint, messages)
        except EndpointError as error:
            if pending is not None:
                pending.end(error=error)
            raise
        if pending is not None:
            pending.end(reply.text, tokens=(reply.tokens_in, reply.tokens_out))
        return self._placed(reply.text)

    def _placed(self, text: str) -> Any:
        found: Any = text if self.form.reply == "text" else _json(text)
        for key in reversed(self.form.output.split(".")) if self.form.output else ():
            found = {key: found}
        return found


def prompt_workflow(place: Place, suite: Suite) -> PromptWorkflow:
    """The plain prompt that `[prompt]` in `gapless.toml` describes.

    Args:
        place: The settings, and the folder their files are relative to.
        suite: The cases; the form of the reply is guessed from their end checks where the settings do not say it.

    Raises:
        InvalidSettings: The endpoint is missing or unusable, or a template cannot be read or filled.
        MissingExtra: The client is not installed.
    """
    need_client("--baseline prompt")
    settings = place.settings.prompt
    workflow = PromptWorkflow(
        endpoint=_endpoint(settings),
        template=_file(place, "template", settings.template),
        system=_file(place, "system", settings.system),
        form=form_of(suite, settings),
    )
    for case in suite.cases:  # before the first trial: a template with a slip in it would fail them all
        try:
            workflow.messages(to_plain(case.input))
        except ValueError as error:
            raise InvalidSettings(
                f"[prompt] {settings.template}, case {case.id!r}: {error}. It knows `input`."
            ) from error
    return workflow


def form_of(suite: Suite, settings: PromptSettings) -> Form:
    """What the reply must become for the end checks to find it."""
    specs = [spec for case in suite.cases for spec in case.checks.get(END, ())]
    paths = sorted({path for spec in specs if (path := _path(spec))})
    golden = _golden_keys(suite.cases)
    texts = all(_takes_text(spec) for spec in specs) and len(paths) <= 1 and not (golden and not specs)
    reply = settings.reply or ("text" if texts else "json")
    if reply == "text":
        named = paths[0] if len(paths) == 1 and re.fullmatch(r"\w+(\.\w+)*", paths[0]) else ""
        return Form(reply="text", output=named if settings.output is None else settings.output)
    keys = sorted({re.split(r"[.\[]", path)[0] for path in paths} | (set() if paths else golden))
    return Form(reply="json", output=settings.output or "", keys=tuple(keys))


def _takes_text(spec: CheckSpec) -> bool:
    if spec.name == "exact":
        return isinstance(spec.params.get("value"), str)
    return spec.name in _ON_TEXT or (spec.name == "numeric" and spec.params.get("in_text") is True)


def _path(spec: CheckSpec) -> str:
    path = spec.params.get("path")
    return path if isinstance(path, str) else ""


def _golden_keys(cases: Iterable[Case]) -> set[str]:
    goldens = [case.golden[END] for case in cases if END in case.golden]
    return {str(key) for golden in goldens if isinstance(golden, dict) for key in cast("Any", golden)}


def _endpoint(settings: PromptSettings) -> Endpoint:
    if settings.url is None or settings.model is None:
        raise InvalidSettings(
            "[prompt] in gapless.toml names no url and model, so there is nobody to ask. Write both, or `workflow`, the target that is your plain prompt."
        )
    try:
        return Endpoint.of(settings)
    except ValueError as error:
        raise InvalidSettings(f"[prompt] in gapless.toml: {error}.") from error


def _file(place: Place, name: str, given: str | None) -> str | None:
    if given is None:
        return None
    try:
        return (Path(place.root) / given).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(
            f"[prompt] {name} = {given!r} cannot be read: {error}. It names a text file beside gapless.toml."
        ) from error


def _plain(value: Any) -> str:
    """An input as a person would write it down: a text, the only text in a mapping, else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(cast("Any", value)) == 1:
        only = next(iter(cast("dict[str, Any]", value).values()))
        if isinstance(only, str):
            return only
    return json.dumps(value, ensure_ascii=False, indent=1, default=repr)


def _json(text: str) -> Any:
    fenced = _FENCED.fullmatch(text.strip())
    try:
        return json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the prompt's reply is not JSON: {text[:200]!r}") from error
