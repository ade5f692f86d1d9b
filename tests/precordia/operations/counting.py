"""Long work for a process of its own: it counts, and remembers how far it came.

Told a number, it stays for ever between saying it and remembering it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from precordia.operations import OperationContext, Operations
from precordia.storage.database import open_database

_stay_at: int | None = None


def count(context: OperationContext) -> Mapping[str, Any]:
    reached = (context.state or {"reached": 0})["reached"]
    while reached < context.operation.request["to"]:
        context.check()
        reached += 1
        context.emit("count", {"reached": reached})
        if reached == _stay_at:
            time.sleep(600)
        context.save_state({"reached": reached})
    return {"counted": reached}


HANDLERS = {"count": count}

if __name__ == "__main__":
    _stay_at = int(sys.argv[2])
    operations = Operations(open_database(sys.argv[1], "precordia.operations.migrations"), HANDLERS)
    operations.start()
    time.sleep(600)
