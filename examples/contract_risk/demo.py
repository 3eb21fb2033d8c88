"""What `gapless demo` asks of the reference agent; found through the entry point `gapless.demo`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contract_risk import cuad, prompt_only
from contract_risk.app import Agent, graph
from contract_risk.background import BACKGROUND
from contract_risk.corpus import SEED, SUPPLIERS, generate
from contract_risk.finance.desk import Desk
from contract_risk.library import Library
from contract_risk.model.client import Endpoint, Model
from contract_risk.suite import prompt_suite, suite
from contract_risk.weather import weather
from gapless import Suite, Weather
from gapless.retrievers import weights


class Demo:
    """The agent over the generated contracts, with parts shared by all measurements of one demo."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._graph: Any = None

    @property
    def weather(self) -> Weather:
        """Seven faults with fixed rates."""
        return weather()

    def prepare(self, say: Callable[[str], None], model: str | None) -> None:
        """Fetches the weights that are not there yet.

        Args:
            say: Is told what takes time.
            model: Base URL of an OpenAI-compatible endpoint, or None for the embedded model. The model's name is read
                from `CONTRACT_RISK_MODEL`.
        """
        for name in ("minilm", *(() if model else ("smollm2",))):
            say(f"weights of {name}: in the user's cache, verified by hash")
            weights.fetch(name)
        endpoint = Endpoint.chosen()
        if model is not None:
            key = os.environ.get("OPENAI_API_KEY")
            name = os.environ.get("CONTRACT_RISK_MODEL", "gpt-4o-mini")
            endpoint = Endpoint(
                url=model.rstrip("/"), name=name, key=key, grammar=endpoint.grammar and bool(endpoint.url)
            )
        self._model = Model(endpoint)

    def suite(self, cases: int) -> Suite:
        """The questions, with goldens for every step."""
        return suite(cases)

    def prompt_suite(self, cases: int) -> Suite:
        """The same questions and end checks, for a workflow without steps."""
        return prompt_suite(cases)

    def workflow(self) -> Any:
        """The agent as a compiled graph."""
        if self._graph is None:
            agent = Agent(library=Library(generate(SUPPLIERS, SEED)), finance=Desk(), model=self._need())
            self._graph = graph(agent)
        return self._graph

    def prompt_only(self) -> Any:
        """One plain prompt with the supplier's contracts in it."""
        return prompt_only.build(model=self._need())

    def notes(self) -> list[str]:
        """How many drafts the model wrote, and how many it had written before."""
        drafts = self._need().drafts
        notes = [
            f"drafts: {drafts.computed} written now, {drafts.reused} reused (same model, same prompt); a reused one shows as no latency"
        ]
        if self._need().endpoint.url is None:
            notes.append(
                "one plain prompt: the embedded model has 135 million parameters; this is not evidence for or against orchestration"
            )
        return notes

    def close(self) -> None:
        """Ends the tool server and the model's processes."""
        BACKGROUND.close()

    def cuad(self, directory: Path, arm: str) -> tuple[Any, Suite]:
        """The retrieval agent over real contracts, and its suite."""
        return cuad.workflow(directory, arm), cuad.suite(directory)

    def cuad_figures(self, directory: Path, arm: str) -> dict[str, Any]:
        """Recall and hit rate at k of one arm, and what the agent makes of it."""
        return cuad.summary(directory, arm)

    def _need(self) -> Model:
        if self._model is None:
            self._model = Model(Endpoint.chosen())
        return self._model
