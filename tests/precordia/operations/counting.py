"""Long work for a process of its own: it counts, and remembers how far it came."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from precordia.operations import OperationContext, Operations
from precordia.storage.database import open_database


def count(context: OperationContext) -> Mapping[str, Any]:
    reached = (context.state or {"reached": 0})["reached"]
    while reached < context.operation.request["to"]:
        context.check()
        reached += 1
        context.emit("count", {"reached": reached})
        context.save_state({"reached": reached})
        time.sleep(0.02)
    return {"counted": reached}


HANDLERS = {"count": count}

if __name__ == "__main__":
    operations = Operations(open_database(sys.argv[1], "precordia.operations.migrations"), HANDLERS)
    operations.start()
    time.sleep(600)
