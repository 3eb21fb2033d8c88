"""What `gapless demo` asks of the reference agent; found through the entry point `gapless.demo`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from contract_risk import cuad, folder, prompt_only
from contract_risk.app import Agent, graph
from contract_risk.background import BACKGROUND
from contract_risk.contracts import contracts
from contract_risk.corpus import SEED, SUPPLIERS, generate
from contract_risk.finance.desk import Desk
from contract_risk.gate import FULL, QUICK, Gated
from contract_risk.labelled import Shelf, labelled
from contract_risk.library import Library
from contract_risk.model import embedded
from contract_risk.model.chat import open_chat
from contract_risk.model.client import Endpoint, Model
from contract_risk.suite import prompt_suite, suite
from contract_risk.weather import weather
from gapless import Suite, Weather, guard
from gapless.retrievers import weights
from gapless.retrievers.labelled import LabelledQuery


class Demo:
    """The agent over the generated contracts, with parts shared by all measurements of one demo."""

    def __init__(self) -> None:
        self._model: Model | None = None
        self._graph: Any = None
        self._parts: Agent | None = None

    @property
    def weather(self) -> Weather:
        """Seven faults with fixed rates."""
        return weather()

    def prepare(self, say: Callable[[str], None], model: str | None) -> None:
        """Opens the model and fetches the weights that are not there yet.

        Args:
            say: Is told what takes time.
            model: "provider:model" as LangChain names it; base URL of an OpenAI-compatible endpoint, whose model is
                named by `CONTRACT_RISK_MODEL`; or None for what the environment names, else the embedded model.

        Raises:
            UsageError: `model` names nothing, or its library is not installed.
            EndpointError: The model does not answer.
        """
        self._model = _opened(model)
        endpoint = self._model.endpoint
        if endpoint.url is not None:
            say(f"asking {endpoint.identity} for one word")
            BACKGROUND.wait(self._model.answers())
        for name in ("minilm", *(() if endpoint.url else ("smollm2",))):
            say(f"weights of {name}: in the user's cache, verified by hash")
            weights.fetch(name)

    def served(self) -> AbstractContextManager[tuple[str, str]]:
        """Base URL and name of the embedded model, in a process of its own for as long as the context lasts.

        Raises:
            WeightsUnavailable: The weights are not in the user's cache; nothing is fetched here.
            EndpointError: The server does not start.
        """
        return embedded.served()

    def suite(self, cases: int) -> Suite:
        """The questions, with goldens for every step."""
        return suite(cases)

    def prompt_suite(self, cases: int) -> Suite:
        """The same questions and end checks, for a workflow without steps."""
        return prompt_suite(cases)

    def workflow(self) -> Any:
        """The agent as a compiled graph."""
        if self._graph is None:
            self._graph = graph(self._agent())
        return self._graph

    def guarded(self) -> Any:
        """The same agent under its contracts."""
        return guard(self.workflow(), contracts(self._agent()))

    def prompt_only(self) -> Any:
        """One plain prompt with the supplier's contracts in it."""
        return prompt_only.build(model=self._need())

    def notes(self) -> list[str]:
        """Which model drafted, and how many drafts it wrote and had written before."""
        model = self._need()
        notes = [
            f"model: {model.endpoint.identity}; drafts: {model.drafts.computed} written now, {model.drafts.reused} reused (same model, same prompt); a reused one shows as no latency"
        ]
        if not model.endpoint.grammar:
            notes.append(
                "the model takes no grammar: nothing but the checks of whole claims holds its figures to the evidence"
            )
        return notes

    def remarks(self) -> list[str]:
        """What has to be said of the comparison with one plain prompt."""
        if self._need().endpoint.url is not None:
            return []
        return [
            "one plain prompt: the embedded model has 135 million parameters; this is not evidence for or against orchestration"
        ]

    def contracts(self, directory: Path, asked: Sequence[str]) -> tuple[Callable[[], Any], Suite, list[str]]:
        """The agent over a folder of contracts, to be built after `prepare`; a question for each supplier; what was read.

        Args:
            directory: One contract per file.
            asked: What will be asked instead; helps to name a supplier that neither contract nor file names.
        """
        corpus, notes = folder.corpus(directory, asked)

        def build() -> Any:
            library = Library(corpus)
            library.open()
            return graph(Agent(library=library, finance=Desk(), model=self._need()))

        return build, folder.questions_about(corpus), notes

    def retrieval(self) -> tuple[Shelf, tuple[LabelledQuery, ...]]:
        """The retriever over the generated contracts, and a question for each clause of each supplier."""
        corpus = generate(SUPPLIERS, SEED)
        return Shelf(corpus), labelled(corpus)

    def gated(self, *, full: bool) -> Gated:
        """The agent with a confidence gate, over 240 suppliers, or 1,500."""
        return Gated(FULL if full else QUICK, self._need())

    def servers(self) -> dict[str, tuple[str, ...]]:
        """The finance tool's server, as a checkup starts it."""
        return {"finance": (sys.executable, "-m", "contract_risk.finance.server")}

    def close(self) -> None:
        """Ends the tool server and the model's processes."""
        BACKGROUND.close()

    def cuad(self, directory: Path, arm: str) -> tuple[Any, Suite]:
        """The retrieval agent over real contracts, and its suite."""
        return cuad.workflow(directory, arm), cuad.suite(directory)

    def cuad_arms(self) -> Sequence[str]:
        """Word search, the expanded query, and the re-ranker with the learnt signal."""
        return ("bm25", "expanded", cuad.LEARNT)

    def cuad_figures(self, directory: Path, arm: str) -> dict[str, Any]:
        """Hit rate at k of one arm, what the agent makes of it, and whether it knows."""
        return cuad.summary(directory, arm)

    def cuad_knowledge(self, directory: Path) -> dict[str, list[dict[str, Any]]]:
        """What the best way thinks of each of its answers, on contracts that nothing was fitted on."""
        return cuad.knowledge(directory)

    def _agent(self) -> Agent:
        if self._parts is None:
            self._parts = Agent(
                library=Library(generate(SUPPLIERS, SEED)), finance=Desk(), model=self._need()
            )
        return self._parts

    def _need(self) -> Model:
        if self._model is None:
            self._model = _opened(None)
        return self._model


def _opened(model: str | None) -> Model:
    if model is None:
        return Model(Endpoint.chosen())
    if not model.startswith(("http://", "https://")):
        return open_chat(model)
    return Model(
        Endpoint(
            url=model.rstrip("/"),
            name=os.environ.get("CONTRACT_RISK_MODEL", "gpt-4o-mini"),
            key=os.environ.get("OPENAI_API_KEY"),
            grammar=os.environ.get("CONTRACT_RISK_GRAMMAR") == "1",
        )
    )
