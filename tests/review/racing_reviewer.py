"""A reviewer in a process of its own: says it is ready, waits for the start, takes one review and decides all it can."""

from __future__ import annotations

import json
import sys
from typing import Any

from gapless.errors import ReviewConflict
from gapless.operations.review import decision
from gapless.review.inbox import Inbox


def race(inbox: Inbox, who: str) -> dict[str, Any]:
    taken = inbox.take(who)
    decided = 0
    for review in inbox.list(every=True):
        try:
            inbox.decide(review.id, decision(review, "approve"), who)
            decided += 1
        except ReviewConflict:
            pass
    return {"who": who, "taken": taken.id if taken else None, "decided": decided}


if __name__ == "__main__":
    opened = Inbox(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(race(opened, sys.argv[2])), flush=True)
