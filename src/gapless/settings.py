"""Settings: flags win over environment variables, which win over `gapless.toml`, which wins over defaults."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from gapless.errors import InvalidSettings
from gapless.records.base import Record
from gapless.records.cost import Prices
from gapless.records.proxy import ProxySettings, ToolSettings, check_proxy
from gapless.records.workflow import Layer

FILE = "gapless.toml"
FOLDER = ".gapless"
_OTHER_NAMES = {"target": "workflow"}
"""What the command line calls otherwise -> the key in the file."""


class StepSettings(Record, frozen=True, kw_only=True):
    """What a user says about one step."""

    layer: Layer | None = None
    """Overrides the guess."""
    effect: bool | None = None
    """Whether the step changes the world outside the workflow."""
    review: bool | None = None
    """Whether a person decides there."""
    contract: str | None = None
    """What must hold at its exit: "contracts.py:retrieve" names a `gapless.Contract`."""


class Budget(Record, frozen=True, kw_only=True):
    """What a measurement must keep to, judged by interval. Rates are shares, 0 to 1."""

    min_success: float | None = None
    max_silent_failures: float | None = None
    max_escalation: float | None = None
    max_loud_failures: float | None = None
    p95_ms: float | None = None
    """Of whole trials, in milliseconds."""
    p99_ms: float | None = None
    max_regression: float | None = None
    """Loss of S that a comparison tolerates."""
    undecided: Literal["fail", "pass"] = "fail"
    """What a limit means that is neither proven kept nor proven broken."""


class Privacy(Record, frozen=True, kw_only=True):
    """What must never be written down."""

    redact: tuple[str, ...] = ()
    """Glob paths over keys, case ignored: `ssn`, `customer.ssn`, `customer.**`, `*token*`."""


class ModelSettings(Record, frozen=True, kw_only=True):
    """An OpenAI-compatible endpoint. Nothing is asked anywhere that is not named."""

    url: str | None = None
    """Base address, up to and including "/v1"."""
    model: str | None = None
    api_key_env: str | None = None
    """Environment variable that holds the key; the key itself is never written down."""
    timeout_s: float = 60.0
    """Seconds one attempt may take."""
    max_retries: int = 2
    """Further attempts; a Retry-After is obeyed."""
    temperature: float = 0.0
    seed: int | None = None


class CheckupModelSettings(ModelSettings, frozen=True, kw_only=True):
    """The model that a checkup asks: an endpoint, or a LangChain chat model."""

    kind: Literal["openai", "anthropic", "langchain"] | None = None
    """Protocol. When None: LangChain's where `target` or a "provider:model" without `url` names one, else OpenAI's."""
    target: str | None = None
    """"app.py:chat" names a LangChain chat model, asked as it is."""
    results: tuple[str, ...] = ()
    """Result files of guidellm or aiperf: where times are read instead of taken."""


class PromptSettings(ModelSettings, frozen=True, kw_only=True):
    """One plain prompt, to hold the workflow against."""

    template: str | None = None
    """File with the prompt (Jinja; `input` is the case's input); the input alone when None."""
    system: str | None = None
    """File with a system message."""
    output: str | None = None
    """Where the reply stands in the output, as the end checks look for it: "answer"; guessed from them when None."""
    reply: Literal["text", "json"] | None = None
    """Whether the reply is a text or a JSON value; guessed from the end checks when None."""
    workflow: str | None = None
    """A target that is the plain prompt ("app.py:prompt_only"), in place of a template."""
    margin: float = 0.03
    """By how much the workflow must be better to be worth keeping, as a share of trials."""
    evidence: bool = True
    """False where the model is too small to say anything about prompts: then no verdict is drawn."""


class FaultSettings(Record, frozen=True, kw_only=True):
    """What `gapless faults` breaks a workflow with, besides what fits any."""

    shelf: str | None = None
    """The workflow's own faults: "faults.py:FAULTS" names a tuple of them, or a `gapless.Weather`."""


class ServerSettings(Record, frozen=True, kw_only=True):
    """Where tools come from: an MCP server, an OpenAPI document, or Python functions. One of the first four is named."""

    command: tuple[str, ...] = ()
    """An MCP server that speaks over stdio."""
    url: str | None = None
    """Address of an MCP server that speaks streamable HTTP."""
    openapi: str | None = None
    """File or address of an OpenAPI document (3.0, 3.1), whose operations are the tools."""
    functions: str | None = None
    """"tools.py:TOOLS" names a function, a LangChain tool, or a list of them."""
    base_url: str | None = None
    """Where the operations of an OpenAPI document are called; none is called without it, unless the document came from there."""
    headers_env: dict[str, str] = {}
    """Header -> the variable that holds its value: for the calls of a document's operations, and for all requests to `url`."""
    env: tuple[str, ...] = ()
    """Variables that `command` needs although other settings name them for keys: else it does not get those."""
    withheld: tuple[str, ...] = ()
    """Further variables that `command` does not get."""
    read_only: tuple[str, ...] = ()
    """Tools (names, or patterns: `get_*`) that you vouch for: they only read, whatever they say of themselves."""
    arguments: dict[str, dict[str, Any] | tuple[dict[str, Any], ...]] = {}
    """Tool -> arguments that work, in place of the least that its schema takes: a file that is there. Several, in a list, are
    also sent at the same time, to see whether they are mixed up."""
    failing: dict[str, dict[str, Any]] = {}
    """Tool -> arguments that must end in an error: a file that is not there, a backend that is down."""


class FigureLimit(Record, frozen=True, kw_only=True):
    """What one figure of a probe must keep to, in its own unit; judged by its interval or spread, never by the point."""

    probe: str
    figure: str = ""
    """How the figure's name begins ("p99"); the probe's first figure when empty."""
    min: float | None = None
    max: float | None = None


class CheckupBudget(Record, frozen=True, kw_only=True):
    """What a checkup must keep to, for the exit code."""

    fail_on: Literal["fail", "warn", "undecided", "nothing"] = "fail"
    """The mildest finding that breaks it; "undecided" is an ok that its interval does not show."""
    measured: tuple[str, ...] = ()
    """Probes that must measure something: one that is not applicable breaks it."""
    limits: tuple[FigureLimit, ...] = ()
    undecided: Literal["fail", "pass"] = "fail"
    """What a limit means that lies inside of a figure's interval."""


class StoreSettings(Record, frozen=True, kw_only=True):
    """A search store that gapless opens itself."""

    kind: str
    """"builtin", "usearch" or "pgvector"; a store around a client of yours is named as a retriever."""
    place: str | None = None
    """File, relative to the settings' folder, or PostgreSQL address."""
    place_env: str | None = None
    """Or the variable that holds it, where it has a password in it."""
    embedder: str | None = None
    """"minilm", or "module:object" with a method `embed`; words alone are searched when None."""
    model: str = "unnamed"
    """Name of the embedder's model, as the store was made with it."""
    table: str | None = None
    """PostgreSQL's table."""


class CheckupSettings(Record, frozen=True, kw_only=True):
    """What `gapless checkup` looks at besides the workflow, and what it holds findings against."""

    model: CheckupModelSettings = CheckupModelSettings()
    """The model that steps ask."""
    function_cases: str | None = None
    """Folder with function-calling cases in BFCL's form; those of bfcl-eval where installed, else a few of our own."""
    servers: dict[str, ServerSettings] = {}
    """Name -> an MCP server whose tools steps call."""
    retriever: str | None = None
    """"retrieval.py:search" names a function of a query that returns ranked documents; "retrieval.py:store" a search store."""
    store: StoreSettings | None = None
    """A search store, in place of a retriever."""
    queries: str | None = None
    """File with labelled queries for it, relative to the settings' folder."""
    texts: str | None = None
    """Folder of texts: searched by the built-in engines where no retriever is named, and cut in several ways."""

    targets: dict[str, float] = {}
    """Probe -> target in place of ours: `memory-bandwidth = 100` (GB/s)."""
    skip: tuple[str, ...] = ()
    """Probes that do not apply here."""
    budget: CheckupBudget = CheckupBudget()
    """What ends the command with exit code 1."""
    runs_per_s: float = 2.0
    """How often the pipeline runs beside the model: what `interference` is measured at."""
    seconds: float = 8.0
    """About how long one probe may take; more shows more."""


class Settings(Record, frozen=True, kw_only=True):
    """Everything `gapless.toml` may hold."""

    workflow: str | None = None
    """Target: "app.py:graph"."""
    suite: str | None = None
    """Path of the suite, relative to the settings' folder."""
    stakes: Literal["high", "low"] = "high"
    trials: int = 1
    """Trials per case."""
    concurrency: int = 4
    """Trials in flight at once."""
    timeout_s: float = 120.0
    """Seconds a trial may take before it fails loudly."""
    seed: int | None = None
    """Root of every trial's seed; the suite's own seed when None."""
    max_payload_bytes: int = 8 * 1024 * 1024
    """A larger value is recorded as omitted, and counted."""
    steps: dict[str, StepSettings] = {}
    budget: Budget = Budget()
    faults: FaultSettings = FaultSettings()
    cost: Prices = Prices()
    """What tokens and reviews cost, for the report."""
    privacy: Privacy = Privacy()
    judge: ModelSettings = ModelSettings()
    """The model behind the check `llm_judge`."""
    prompt: PromptSettings = PromptSettings()
    """What `gapless measure --baseline prompt` asks."""
    checkup: CheckupSettings = CheckupSettings()
    proxy: ProxySettings = ProxySettings()


class Place(Record, frozen=True, kw_only=True):
    """Where gapless works: the settings, and the folder they hold for."""

    root: str
    """Folder of the nearest `gapless.toml`, else the current folder."""
    settings: Settings
    database: str
    """URL of the store."""

    @property
    def folder(self) -> Path:
        """`.gapless/`: the store, locks and reports."""
        return Path(self.root) / FOLDER


def locate(start: Path | None = None) -> Place:
    """The settings that hold in a folder.

    Args:
        start: Folder to look from; the current one when None.

    Raises:
        InvalidSettings: `gapless.toml` cannot be read or holds something it may not.
    """
    here = (start or Path.cwd()).resolve()
    file = next((folder / FILE for folder in (here, *here.parents) if (folder / FILE).is_file()), None)
    root = file.parent if file is not None else here
    settings = read(file) if file is not None else Settings()
    default = f"sqlite:///{root / FOLDER / 'gapless.db'}"
    return Place(root=str(root), settings=settings, database=os.environ.get("GAPLESS_DATABASE_URL", default))


def read(file: Path) -> Settings:
    """Reads one `gapless.toml`.

    Raises:
        InvalidSettings: Naming the file, the key and what is allowed.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(
            f"{file}: cannot be read as TOML: {error}. Mend the file or remove it."
            + (
                " A table stands once: put the key into the one that is there."
                if "twice" in str(error)
                else ""
            )
        ) from error
    _check_keys(data, Settings, str(file))
    for name, step in cast("dict[str, Any]", data.get("steps", {})).items():
        _check_keys(step, StepSettings, f"{file} [steps.{name}]")
    _check_keys(data.get("budget", {}), Budget, f"{file} [budget]")
    _check_keys(data.get("privacy", {}), Privacy, f"{file} [privacy]")
    _check_keys(data.get("judge", {}), ModelSettings, f"{file} [judge]")
    _check_keys(data.get("prompt", {}), PromptSettings, f"{file} [prompt]")
    checkup = data.get("checkup", {})
    _check_keys(checkup, CheckupSettings, f"{file} [checkup]")
    _check_keys(checkup.get("budget", {}), CheckupBudget, f"{file} [checkup.budget]")
    _check_keys(checkup.get("model", {}), CheckupModelSettings, f"{file} [checkup.model]")
    _check_keys(checkup.get("store", {}), StoreSettings, f"{file} [checkup.store]")
    for name, server in cast("dict[str, Any]", checkup.get("servers", {})).items():
        _check_keys(server, ServerSettings, f"{file} [checkup.servers.{name}]")
    _check_keys(data.get("proxy", {}), ProxySettings, f"{file} [proxy]")
    for name, tool in cast("dict[str, Any]", data.get("proxy", {}).get("tools", {})).items():
        _check_keys(tool, ToolSettings, f"{file} [proxy.tools.{name}]")
    try:
        settings = msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:
        raise InvalidSettings(f"{file}: {error}.") from error
    _check_ranges(settings, file)
    return settings


def _check_keys(data: Any, kind: type[Record], where: str) -> None:
    if not isinstance(data, dict):
        raise InvalidSettings(f"{where}: expected a table, got {type(data).__name__}.")
    allowed = [field.name for field in msgspec.structs.fields(kind)]
    for key in cast("dict[str, Any]", data):
        if key not in allowed:
            other = _OTHER_NAMES.get(key)
            near = [other] if other in allowed else difflib.get_close_matches(key, allowed, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise InvalidSettings(f"{where}: unknown key `{key}`.{hint} Allowed: {', '.join(allowed)}.")


def check_budget(budget: Budget, where: str) -> None:
    """Refuses limits that no measurement could be held against: 2 where 2 % was meant.

    Args:
        budget: The limits.
        where: What to call their place in the message.

    Raises:
        InvalidSettings: A limit is out of its range.
    """
    for name in budget.__struct_fields__:
        limit = getattr(budget, name)
        if name == "undecided" or limit is None:
            continue
        if name.endswith("_ms"):
            if not limit > 0:
                raise InvalidSettings(
                    f"{where}: {name} is {limit:g}; allowed is a time above 0, in milliseconds."
                )
        elif not 0 <= limit <= 1:
            raise InvalidSettings(f"{where}: {name} is {limit:g}; allowed is a share, 0 to 1.")


def _check_ranges(settings: Settings, file: Path) -> None:
    for name, value, least in (
        ("trials", settings.trials, 1),
        ("concurrency", settings.concurrency, 1),
        ("timeout_s", settings.timeout_s, 0.001),
        ("max_payload_bytes", settings.max_payload_bytes, 1024),
    ):
        if value < least:
            raise InvalidSettings(f"{file}: {name} is {value}; the least allowed is {least}.")
    check_budget(settings.budget, f"{file} [budget]")
    _check_checkup(settings.checkup, file)
    check_proxy(settings.proxy, f"{file} [proxy]")
    for name in (*(f"per_million_tokens_{what}" for what in ("in", "out", "embedded")), "per_review"):
        price = getattr(settings.cost, name)
        if price is not None and not 0 <= price < math.inf:
            raise InvalidSettings(f"{file} [cost]: {name} is {price:g}; a price is 0 or more.")
    if not 0 < settings.prompt.margin < 1:
        raise InvalidSettings(
            f"{file} [prompt]: margin is {settings.prompt.margin:g}; allowed is a share between 0 and 1, for example 0.03."
        )
    for pattern in settings.privacy.redact:
        if not all(pattern.split(".")):
            raise InvalidSettings(
                f"{file} [privacy]: redact holds {pattern!r}, which names no key. Write keys joined by dots: customer.ssn, *.ssn, authorization."
            )


def _check_checkup(said: CheckupSettings, file: Path) -> None:
    if not 0 < said.runs_per_s < math.inf:
        raise InvalidSettings(
            f"{file} [checkup]: runs_per_s is {said.runs_per_s:g}; allowed is a rate above 0, for example 2."
        )
    if not 0 < said.seconds <= 3600:
        raise InvalidSettings(
            f"{file} [checkup]: seconds is {said.seconds:g}; allowed is a time above 0, up to 3600."
        )
    for one in said.budget.limits:
        if one.min is None and one.max is None:
            raise InvalidSettings(
                f"{file} [checkup.budget]: the limit on {one.probe!r} says neither min nor max. Give one of them."
            )
