"""Commands that findings advise, as they can be typed where the checkup ran; what cannot is advice in words."""

from __future__ import annotations

from gapless.probes.base import Subject


def advised(subject: Subject, step: str, verb: str, options: str = "", *, agents: str = "") -> dict[str, str]:
    """The next step of a finding, and the command for it where one can be typed as it stands.

    Args:
        subject: What the checkup looks at.
        step: What to do, in words.
        verb: The command that takes a workflow and its cases: "measure", "crash".
        options: What follows them.
        agents: The reference agent's own way, typed where it stands in.
    """
    tail = f" {options}" if options else ""
    if not subject.own_workflow:
        yours = f"`gapless {verb} app.py:graph --suite suite.yaml{tail}`"
        own = f" `{agents}` does it with the reference agent." if agents else ""
        return {"next_step": f"{step}{own} With your graph: {yours}.", "command": agents}
    named = f" {subject.named}" if subject.named else ""
    if subject.has_suite:
        return {"next_step": step, "command": f"gapless {verb}{named}{tail}"}
    return {
        "next_step": f"{step} With cases of yours: `gapless {verb}{named} --suite suite.yaml{tail}`.",
        "command": "",
    }
