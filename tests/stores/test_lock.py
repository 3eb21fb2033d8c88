"""The lock: one holder at a time, also where its file is removed when it is let go."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from gapless.errors import StoreError
from gapless.stores.lock import exclusive


@pytest.mark.parametrize("keep", [True, False])
def test_never_two_hold_it_and_nothing_is_left_behind(tmp_path: Path, keep: bool) -> None:
    inside, most, entered = [0], [0], [0]
    until = time.monotonic() + 1.0

    def take() -> None:
        while time.monotonic() < until:
            try:
                with exclusive(tmp_path, "x", "somebody has it", keep=keep):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    entered[0] += 1
                    time.sleep(0.0005)
                    inside[0] -= 1
            except StoreError:
                continue

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]
    assert entered[0] > 10
    with exclusive(tmp_path, "x", keep=keep), pytest.raises(StoreError, match="somebody has it"):
        take_once(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == (["x.lock"] if keep else [])


def take_once(folder: Path) -> None:
    with exclusive(folder, "x", "somebody has it"):
        raise AssertionError("it is held")
