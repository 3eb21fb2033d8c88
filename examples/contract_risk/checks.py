"""What is right at each step and at the end: the suite names these functions, the harness calls them after a trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract_risk.claims import problems, read
from gapless import Verdict

if TYPE_CHECKING:
    from gapless import CheckContext


def understood_right(context: CheckContext) -> Verdict:
    """The question is about this supplier and no other."""
    return _same("supplier", context, "supplier")


def retrieved_right(context: CheckContext) -> Verdict:
    """Every passage that the answer rests on is there, in its wording of today."""
    found = {item.get("id"): item.get("text") for item in context.value.get("retrieved", [])}
    wanted = {item["id"]: item["text"] for item in context.golden["retrieved"]}
    lost = [name for name in wanted if name not in found]
    stale = [name for name in wanted if name in found and found[name] != wanted[name]]
    score = 1 - (len(lost) + len(stale)) / len(wanted) if wanted else 1.0
    wrong = [f"{name} was not retrieved" for name in lost] + [f"{name} is another version" for name in stale]
    return _verdict("evidence", wrong, score)


def extracted_right(context: CheckContext) -> Verdict:
    """Every fact is as the contracts state it today, and none is made up."""
    return _same("facts", context, "facts")


def assessed_right(context: CheckContext) -> Verdict:
    """Figures, findings and what is missing are as the facts demand."""
    return _same("assessment", context, "assessment")


def drafted_right(context: CheckContext) -> Verdict:
    """The draft says every finding, each in the right relation, and names nothing else."""
    answer = context.case.golden["deliver"]["answer"]
    return _verdict("claims", problems(context.value.get("draft", ""), answer["name"], answer["figures"]))


def delivered_right(context: CheckContext) -> Verdict:
    """The answer is complete and right, or says rightly that there is none."""
    answer = context.value.get("answer") if isinstance(context.value, dict) else None
    if not isinstance(answer, dict):
        return _verdict("delivered", ["nothing was delivered"])
    right = context.golden["answer"]
    text = str(answer.get("summary", ""))
    wrong = (
        problems(text, right["name"], right["figures"])
        if right["answerable"]
        else _refusal(text, right["name"])
    )
    for part in ("supplier", "answerable", "figures", "missing"):
        if part in answer and _plain(answer[part]) != _plain(right[part]):
            wrong.append(f"{part} is {answer[part]!r}, should be {right[part]!r}")
    return _verdict("delivered", wrong)


def _refusal(text: str, name: str) -> list[str]:
    wrong = [] if "cannot be answered" in text.lower() else ["does not say that it cannot be answered"]
    wrong += [f"claims {claim}" for claim in read(text)]
    return wrong if name in text else [*wrong, f"does not name {name}"]


def _same(check: str, context: CheckContext, key: str) -> Verdict:
    got, right = context.value.get(key), context.golden[key]
    if not isinstance(right, dict):
        return _verdict(check, [] if got == right else [f"{key} is {got!r}, should be {right!r}"])
    got = got if isinstance(got, dict) else {}
    names = [name for name in {**right, **got} if _plain(got.get(name)) != _plain(right.get(name))]
    return _verdict(check, [f"{name} is {got.get(name)!r}, should be {right.get(name)!r}" for name in names])


def _plain(value: Any) -> Any:
    return (
        sorted(value) if isinstance(value, list) and all(isinstance(item, str) for item in value) else value
    )


def _verdict(check: str, wrong: list[str], score: float | None = None) -> Verdict:
    return Verdict(check=check, status="fail" if wrong else "pass", reason="; ".join(wrong), score=score)
