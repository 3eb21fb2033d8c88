"""The arithmetic of interference, what cannot be told, and the parts that a checkup opens."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest
from planted_model import RUNNING, paced, served

from gapless.operations.checkup_beside import _Caller, beside_for
from gapless.probes import check
from gapless.probes.base import ProbeUnavailable, Subject
from gapless.probes.hardware import interference
from gapless.probes.hardware.interference import losses
from gapless.probes.hardware.writing import written
from gapless.records.finding import Finding
from gapless.settings import ModelSettings, ServerSettings


def found(speeds: list[Mapping[str, float]], subject: Subject | None = None) -> Finding:
    return interference._finding(subject or Subject(), speeds, 0.5, ())  # pyright: ignore[reportPrivateUsage]


def rounds(*beside: float, alone: float = 100.0) -> list[Mapping[str, float]]:
    return [{"alone": alone, "embedding": speed, "JSON": alone, "all together": speed} for speed in beside]


def test_each_window_is_held_against_the_one_alone_of_its_round() -> None:
    busy = [{"alone": 50.0, "json": 45.0}, {"alone": 100.0, "json": 90.0}, {"alone": 10.0, "json": 9.0}]
    (one,) = losses(busy)
    assert (round(one.median, 9), round(one.low, 9), round(one.high, 9)) == (0.1, 0.1, 0.1)
    assert one.level == 0.75


def test_of_nine_rounds_one_that_was_disturbed_does_not_decide() -> None:
    speeds = [{"alone": 100.0, "all together": rate} for rate in (70, 71, 72, 73, 74, 75, 76, 77, 130)]
    (one,) = losses(speeds)
    assert (round(one.low, 9), round(one.high, 9), round(one.level, 4)) == (0.23, 0.29, 0.9609)
    assert found(speeds).status == "warn"


def test_pieces_are_interpolated_and_none_are_made_up() -> None:
    arrivals = [0.1 * n for n in range(101)]
    assert written(arrivals, 1.03, 2.57) == pytest.approx(10.0)
    assert written(arrivals, 20.0, 21.0) == 0.0
    assert written([], 0.0, 1.0) == 0.0


def test_a_loss_is_one_whose_whole_interval_is_beyond_the_target() -> None:
    bad = found(rounds(70, 75, 60, 80, 72, 71))
    assert bad.status == "warn"
    assert "29 % (20 to 40 %)" in bad.said
    assert "most to embedding" in bad.said
    assert found(rounds(95, 99, 94, 96, 97, 98)).status == "ok"
    unclear = found(rounds(70, 105, 60, 120, 72, 71))
    assert (unclear.status, "too much to tell" in unclear.next_step) == ("warn", True)
    undecided = found(rounds(95, 99, 80, 96, 97, 98))
    assert undecided.status == "ok"
    assert undecided.undecided.startswith("lost to all together may be as high as 20.0 %: more rounds")
    assert "nothing for sure" in found(rounds(95, 99, 94, 103, 97, 98)).said


def test_too_little_to_tell_is_not_told() -> None:
    with pytest.raises(ProbeUnavailable, match="too few to tell"):
        found(rounds(1, 1, 1, 1, 1, 1, alone=2.0))
    with pytest.raises(ProbeUnavailable, match="in 2 rounds"):
        found(rounds(70, 75))


def checked(subject: Subject) -> Finding:
    """The probe's finding; what was served for it is stopped."""
    try:
        (one,) = check(subject, "interference")
    finally:
        while RUNNING:
            RUNNING.pop().stop()
    return one


def test_on_a_busy_host_nothing_is_said_of_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "proc/pressure").mkdir(parents=True)
    (tmp_path / "proc/pressure/cpu").write_text("some avg10=60.0 avg60=43.0 avg300=9.0 total=1\n")
    subject = served(paced(), beside={"retrieval": lambda: None}, root=tmp_path)
    one = checked(subject)
    assert one.status == "not-applicable"
    assert one.said.startswith("tasks waited for a CPU 43 % of the last minute")


def test_advice_names_cpus_of_this_host_or_says_that_the_model_is_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/status").write_text("Cpus_allowed_list:\t0-7\n")
    here = Subject(root=tmp_path)
    here = replace(here, model=replace_url("http://127.0.0.1:8000/v1"))
    bad = found(rounds(70, 75, 60, 80, 72, 71), here)
    assert bad.command == "taskset --cpu-list 6-7 PIPELINE-COMMAND"
    elsewhere = replace(here, model=replace_url("https://models.example/v1"))
    bad = found(rounds(70, 75, 60, 80, 72, 71), elsewhere)
    assert "on another host" in bad.next_step


def replace_url(url: str) -> ModelSettings:
    return ModelSettings(url=url, model="m")


def test_a_part_that_raises_is_left_out_and_named(tmp_path: Path) -> None:
    def broken() -> None:
        raise RuntimeError("no index")

    subject = served(paced(), beside={"retrieval": broken}, root=tmp_path)
    one = checked(subject)
    assert one.status == "not-applicable"
    assert "retrieval: RuntimeError: no index" in one.said


def test_a_part_that_begins_to_fail_is_named(tmp_path: Path) -> None:
    runs: list[int] = []

    def failing() -> None:
        runs.append(1)
        if len(runs) > 1:
            raise RuntimeError("too many requests")

    subject = served(paced(), beside={"retrieval": failing}, seconds=1.0, root=tmp_path)
    one = checked(subject)
    assert one.status == "not-applicable"
    assert f"retrieval: failed in {len(runs) - 1} of {len(runs) - 1} runs" in one.said


def test_a_part_that_never_ran_took_nothing_and_shows_nothing() -> None:
    speeds = rounds(95, 99, 94, 96, 97, 98)
    idle = ["retrieval: failed in 9 of 9 runs"]
    one = interference._finding(Subject(), speeds, 0.5, idle, idle=idle)  # pyright: ignore[reportPrivateUsage]
    assert one.status == "ok"
    assert one.undecided == "a part that did not run took nothing (retrieval: failed in 9 of 9 runs)"


def test_without_a_model_it_says_why() -> None:
    (one,) = check(Subject(no_model="the weights are not there"), "interference")
    assert (one.status, one.said) == ("not-applicable", "the weights are not there")


def test_the_parts_of_a_pipeline_run(tmp_path: Path) -> None:
    from tool_server import command

    async def opened() -> tuple[list[str], list[str]]:
        subject = served(
            paced(), retrieve=lambda query: [query], servers={"orders": command(""), "gone": GONE}
        )
        async with beside_for(subject, ["interference"], asyncio.Event(), stand_in=False) as (ready, said):
            for part in ready.beside.values():
                await asyncio.to_thread(part)
            return list(ready.beside), said

    try:
        names, said = asyncio.run(opened())
    finally:
        while RUNNING:
            RUNNING.pop().stop()
    assert {"retrieval", "JSON", "tools (orders)"} <= set(names)
    assert any("Tools of gone" in line for line in said)


def test_a_session_that_is_closed_leaves_no_call_behind() -> None:
    from tool_server import command

    with _Caller("orders", command("")) as caller:
        caller.once()
        assert caller._over is not None
        caller._loop.call_soon_threadsafe(caller._over.set)  # Ctrl-C, while another thread makes calls
        with pytest.raises((CancelledError, RuntimeError)):
            caller.once()
    with pytest.raises(RuntimeError, match="closed"):
        caller.once()
    gc.collect()  # a coroutine that was never awaited says so when it goes


GONE = ServerSettings(command=("/nowhere/at/all",))
