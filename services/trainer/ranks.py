"""Several processes of this host that carry out one plan together, kept alive by torch elastic.

The worker is their parent. They meet through files in the job's folder and talk over loopback: no
port is open to the network. One that dies takes the others down, and all begin again from the last
checkpoint; when the parent dies, they end.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import torch
from torch import distributed
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from precordia.errors import PrecordiaError
from services.trainer.job.folder import JobFolder

log = logging.getLogger(__name__)

_MEETING = "meeting-"
_RESTARTS = 2
"""Before the worker itself gives up, and is started again by the service as often as there is progress."""
_LOOK_EVERY_S = 0.5
_LONGEST_WAIT = datetime.timedelta(days=7)
"""For each other: the death of one is seen by their parent, and needs no limit on waiting."""


def shared_by(batch_size: int, wanted: int) -> int:
    """Number of processes: at most as many as wanted, each with an equal share of two ECGs or more of a batch."""
    return max(n for n in range(1, max(1, wanted) + 1) if n == 1 or (batch_size % n == 0 and batch_size // n >= 2))


def processes_wanted(asked: int) -> int:
    """As asked; 0 = one for each GPU, one without. Two of them on one GPU would wait for each other for ever."""
    gpus = torch.cuda.device_count()
    return min(asked or gpus, gpus) if gpus else max(1, asked)


def run_together(folder: Path, attempt: int, processes: int) -> bool:
    """Have so many processes carry out the job's plan. Whether they came to an end, by an outcome or as asked."""
    for old in folder.glob(f"{_MEETING}*"):
        shutil.rmtree(old, ignore_errors=True)
    meeting = Path(tempfile.mkdtemp(prefix=_MEETING, dir=folder))
    # Without this, torch elastic opens a port on every interface for a store that nobody needs here.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=f"{folder.name}-{attempt}",
        role="rank",
        rdzv_backend="c10d",
        rdzv_endpoint=str(meeting / "rendezvous"),
        rdzv_configs={"store_type": "file"},
        max_restarts=_RESTARTS,
        local_addr="127.0.0.1",
        logs_specs=DefaultLogsSpecs(log_dir=str(meeting / "logs")),
    )
    try:
        elastic_launch(config, rank_main)(str(folder), attempt, str(meeting))
    except (ChildFailedError, SignalException) as error:
        log.warning("the processes that train together ended: %s", type(error).__name__)
        return JobFolder(folder).outcome() is not None
    finally:
        shutil.rmtree(meeting, ignore_errors=True)
    return True


def rank_main(folder: str, attempt: int, meeting: str) -> None:
    """One of the processes, started by torch elastic."""
    from services.trainer.worker import Superseded, Worker, log_to_stderr

    log_to_stderr()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    job, rank = JobFolder(Path(folder)), int(os.environ["RANK"])
    if job.outcome() is not None or job.attempt != attempt or job.stop_is_asked:
        return  # an earlier start of these processes came to an end, and this one is not needed
    try:
        _join(Path(meeting), rank)
        with contextlib.closing(Worker(Path(folder), attempt, leads=rank == 0)) as worker:
            worker.work()
    except Superseded:
        sys.exit(1)  # the others would wait
    except PrecordiaError as error:
        job.fail(error)
        sys.exit(1)
    except Exception:  # no outcome: often it is only the echo of another's death
        log.exception("process %d of those that train together failed", rank)
        sys.exit(1)
    distributed.destroy_process_group()


def _join(meeting: Path, rank: int) -> None:
    for library in ("GLOO", "NCCL"):
        os.environ.setdefault(f"{library}_SOCKET_IFNAME", _loopback())
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        backend = "cpu:gloo,cuda:nccl"
    distributed.init_process_group(
        backend,
        init_method=f"file://{meeting}/group-{os.environ['TORCHELASTIC_RESTART_COUNT']}",
        rank=rank,
        world_size=int(os.environ["WORLD_SIZE"]),
        timeout=_LONGEST_WAIT,
    )


def _loopback() -> str:
    """Name of the loopback interface: lo, or lo0 on BSDs."""
    names = [name for _, name in socket.if_nameindex()]
    return next((name for name in names if name.startswith("lo")), "lo")


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
