"""Human review: opens the inbox and the ledger of a place, and turns what a reviewer says into a decision."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from gapless.boundary.review import Choice, Decision
from gapless.errors import UnknownName, UsageError
from gapless.records.review import OnExpiry, ReviewRecord
from gapless.report.printable import printable
from gapless.settings import Place, locate

if TYPE_CHECKING:
    from gapless.review.inbox import Inbox
    from gapless.review.seeded import Seeding
    from gapless.stores.ledger import DurableLedger, Serializer


def open_inbox(
    place: Place | None = None,
    *,
    expires_s: float | None = None,
    on_expiry: OnExpiry = "escalate",
    thread: str = "",
    timeout_s: float | None = None,
) -> Inbox:
    """The inbox of a place, for `guard(graph, contracts, inbox=...)` or `guard(function, contracts, reviewer=inbox.ask)`.

    Args:
        place: Where gapless works; the folder of the nearest `gapless.toml` when None.
        expires_s: Seconds after which a new review is too old; never when None.
        on_expiry: "refuse": a review that is too old is rejected; "escalate": it waits on, at the head of the list.
        thread: What a function's reviews are filed under.
        timeout_s: Seconds a function waits for its reviewer; for ever when None.

    Raises:
        StoreError: The database cannot be opened.
    """
    from gapless.review.inbox import Inbox

    here = place or locate()
    return Inbox(
        here.database,
        expires_s=expires_s,
        on_expiry=on_expiry,
        thread=thread,
        timeout_s=timeout_s,
        mask=_mask(here),
    )


def open_ledger(place: Place | None = None, *, serializer: Serializer | None = None) -> DurableLedger:
    """The durable ledger of a place, for `guard(workflow, contracts, ledger=...)`.

    Args:
        place: Where gapless works; the folder of the nearest `gapless.toml` when None.
        serializer: Keeps what actions hand over where that is no plain data, such as messages and Commands; a LangGraph
            checkpointer's `.serde` is one. Without it such an action is never run again, and somebody is asked instead.

    Raises:
        StoreError: The database cannot be opened.
    """
    from gapless.stores.ledger import DurableLedger

    here = place or locate()
    return DurableLedger(here.database, serializer=serializer, mask=_mask(here))


def open_seeding(place: Place | None = None) -> Seeding:
    """Reviews with known answers in the inbox of a place.

    Raises:
        StoreError: The database cannot be opened.
    """
    from gapless.review.seeded import Seeding

    here = place or locate()
    return Seeding(here.database, mask=_mask(here))


def _mask(place: Place) -> Callable[[Any], Any] | None:
    from gapless.trace.redaction import Redaction

    redaction = Redaction.of(place.settings.privacy.redact)
    return redaction.value if redaction is not None else None


def made(found: Any) -> Any:
    """A graph, or what a function without arguments makes."""
    return found() if callable(found) and not hasattr(found, "get_state") else found


def resume(graph: Any, thread: str, *, config: Any = None) -> Any:
    """Goes on with a paused thread of a graph guarded with `inbox=`; see `gapless.frameworks.langgraph.resuming`."""
    from gapless.frameworks.langgraph.resuming import resume as go_on

    return go_on(graph, thread, config=config)


async def aresume(graph: Any, thread: str, *, config: Any = None) -> Any:
    """`resume` for graphs with async steps or a checkpointer that is awaited."""
    from gapless.frameworks.langgraph.resuming import aresume as go_on

    return await go_on(graph, thread, config=config)


def settle(ledger: DurableLedger, prefix: str, happened: bool, value: Any = None) -> str:
    """Writes down what a person found out about an action that was begun and never reported back.

    Args:
        ledger: Where it stands.
        prefix: Beginning of the action.
        happened: Whether it took place. If not, it may be run again.
        value: What it handed over, if it took place.

    Returns:
        The whole action.

    Raises:
        UnknownName: No action in doubt begins like this, or several do.
    """
    found = [open_action for open_action in ledger.asked() if open_action.action.startswith(prefix)]
    if len(found) != 1:
        raise UnknownName(
            f"{len(found)} actions in doubt begin with {prefix!r}. `gapless review actions` lists them all."
        )
    known = found[0]
    if happened:
        ledger.consume(known.scope, known.action, value)
    else:
        ledger.give_up(known.scope, known.action)
    return known.action


def decision(review: ReviewRecord, choice: Choice, *, note: str = "", value: Any = None) -> dict[str, Any]:
    """A reviewer's choice, bound to what was shown."""
    return Decision(subject=review.subject, choice=choice, value=value, note=note).to_plain()


def edited(review: ReviewRecord, changes: Iterable[str] = (), file: Path | None = None) -> Any:
    """The handoff with a reviewer's changes in it.

    Args:
        review: What is edited.
        changes: "path=value" each; the path is dotted, the value is YAML (so `12` is a number and `"12"` a text).
        file: YAML or JSON that takes the handoff's place before the changes.

    Raises:
        UsageError: A change or the file cannot be read, a path leads nowhere, or nothing would change.
    """
    before = review.question.get("handoff")
    value = copy.deepcopy(before) if file is None else _read(file)
    for change in changes:
        path, found, text = change.partition("=")
        if not found or not path.strip():
            raise UsageError(f"--set {change!r}: write path=value, for example --set answer.total=12.")
        new = parsed(text, f"--set {change!r}")
        value = _put(value, path.strip().split("."), new, change, adding=file is not None)
    if msgspec.json.encode(value) == msgspec.json.encode(before):
        raise UsageError("the edit changes nothing. Approve the handoff if it is right as it is.")
    return value


def _put(value: Any, path: list[str], new: Any, said: str, *, adding: bool) -> Any:
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and (head in value or (adding and not rest)):
        value[head] = _put(value.get(head), rest, new, said, adding=adding)
        return value
    if isinstance(value, list) and head.isdigit() and int(head) < len(value):
        value[int(head)] = _put(value[int(head)], rest, new, said, adding=adding)
        return value
    has = printable(", ".join(map(str, value))) if isinstance(value, dict) else f"a {type(value).__name__}"
    raise UsageError(
        f"--set {said!r}: the path leads nowhere at {head!r}; there is {has}. To add a key, give the whole handoff with --file."
    )


def _read(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file}: cannot be read ({error}).") from error
    return parsed(text, str(file))


def parsed(text: str, where: str) -> Any:
    """Plain data from YAML or JSON.

    Raises:
        UsageError: It is neither; `where` is named.
    """
    import yaml

    from gapless.records.value import to_plain

    try:
        return to_plain(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UsageError(f"{where}: cannot be read as YAML or JSON: {error}.") from error
