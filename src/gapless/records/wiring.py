"""How a graph is wired besides its steps and edges: state, checkpointer, and the policies its framework holds itself."""

from __future__ import annotations

from gapless.records.base import Record


class StepWiring(Record, frozen=True, kw_only=True):
    """What the framework itself does about one step."""

    attempts: int | None = None
    """Calls in all that its own retry policy allows; None where it has none."""
    timeout: bool = False
    """Whether it has a time limit of its own."""
    cached: bool = False
    """Whether its answers are cached: by a policy, in a cache that its own graph was compiled with."""
    writes: tuple[str, ...] = ()
    """Keys that its own code is seen to hand over; silence proves nothing."""
    goes: tuple[str, ...] = ()
    """Steps that its own code is seen to send the run to, besides what edges declare; a subgraph by its node, and the end."""
    fanned: bool = False
    """Whether code is seen to start it several times in one round, by several Sends."""
    partly: bool = False
    """Whether its own code also hands over keys that are not seen."""
    fans_to: str | None = None
    """Step that its one conditional edge only ever starts, by Sends, and that nothing else leads on to or past; None where it
    is not seen to be so."""
    counts: tuple[str, ...] = ()
    """Comparisons of the state with a whole number in the code that decides where it leads: `s['n'] < 3 in route`."""
    tools: tuple[str, ...] = ()
    """Names of the tools that its node calls, where it is one that calls tools."""
    asks: bool = False
    """Whether its own code is seen to wait for a person, by `interrupt`."""
    error_handler: str | None = None
    """Step that takes its exceptions; None where none does."""


class Wiring(Record, frozen=True, kw_only=True):
    """Read from a compiled graph; nothing of it is run."""

    state: str
    """Name of the state's type; "dict" or "list" where it has none."""
    typed: bool
    """Whether the state says which keys it has, and of what types."""
    keys: dict[str, bool] = {}
    """Key of the state -> whether it has a reducer, so that several steps may write it at once."""
    inside: dict[str, dict[str, bool]] = {}
    """Node that holds a subgraph -> the keys of the subgraph's own state, likewise."""
    rounds: tuple[tuple[str, ...], ...] = ()
    """Steps, and nodes that hold subgraphs, that run side by side for certain, because unconditional edges start them together."""
    checkpointer: str | None = None
    """Class of the checkpointer; None where there is none."""
    lasting: bool = False
    """Whether checkpoints outlive the process."""
    recursion_limit: int | None = None
    """Supersteps the graph's own configuration allows; None where it leaves the framework's default."""
    steps: dict[str, StepWiring] = {}
    """By address; a node that holds a subgraph has an entry beside those of its steps."""
    interrupts: tuple[str, ...] = ()
    """Steps before or after which the graph stops for a person."""
    interrupts_after: tuple[str, ...] = ()
    """Those of them that have run by then."""
