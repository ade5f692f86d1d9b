"""Import of many staged files as long work: a verdict for each, none lost to a crash.

Files are read by a few threads ahead of the one that records them in their order. After each file
the number of the next one is saved, so that a restarted service goes on where it was; a file that
was recorded just before the crash is found to be there already.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from typing import Any

from precordia.catalog import checked_name
from precordia.errors import (
    Cancelled,
    FailedPrecondition,
    InternalError,
    InvalidArgument,
    InvalidInput,
    NotFound,
    PrecordiaError,
)
from precordia.operations import OperationContext
from precordia.record import Hints
from precordia.stored import StoredRecording
from services.ingest.assembly import plain_name
from services.ingest.importer import Imported, Importer, Prepared
from services.ingest.reader_pool import ReaderPool
from services.ingest.reclaim import Reclaimer
from services.ingest.uploads import Uploads

log = logging.getLogger(__name__)

KIND = "import"
MAX_SOURCES = 100_000
KEEP_STAGED_H = 14 * 24.0
"""Hours for which files of an import that waits or runs are kept."""

_FORGOTTEN_AT_ONCE = 25

MANY = 24
"""Files from which on processes are worth their start."""

STATUSES = ("imported", "existing", "refused")


@dataclass(frozen=True)
class StagedSource:
    """A source made of staged files: upload ids by what they are."""

    name: str
    upload_id: str
    companions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As the operation's request keeps it."""
        return {"file_name": self.name, "upload_id": self.upload_id, "companions": dict(self.companions)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> StagedSource:
        """The inverse of `to_json`."""
        return StagedSource(value["file_name"], value["upload_id"], value["companions"])

    @property
    def upload_ids(self) -> list[str]:
        """All staged files of this source."""
        return [self.upload_id, *self.companions.values()]


def import_request(
    sources: Sequence[StagedSource], hints: Hints, dataset: str, *, deidentify: bool = False
) -> dict[str, Any]:
    """The request of an import operation.

    Raises:
        InvalidArgument: there is nothing to import, too much for one operation, or a dataset's name
            that cannot be one.
    """
    if dataset:
        checked_name(dataset, field="dataset")
    if not 1 <= len(sources) <= MAX_SOURCES:
        raise InvalidArgument(f"An import names 1 to {MAX_SOURCES} sources.", field="sources")
    named = [
        StagedSource(plain_name(s.name), s.upload_id, {plain_name(k): v for k, v in s.companions.items()})
        for s in sources
    ]
    request = {"sources": [source.to_json() for source in named], "hints": hints.to_json(), "dataset": dataset}
    return {**request, "deidentify": True} if deidentify else request


class BatchImport:
    """The handler of import operations.

    Args:
        importer: reads and records one source.
        uploads: where the files wait.
        reclaimer: spares what was read and is not recorded yet.
        threads: files read at the same time.
        readers: processes that read where there are many files; without it, threads of this process do.
    """

    def __init__(
        self,
        importer: Importer,
        uploads: Uploads,
        reclaimer: Reclaimer,
        *,
        threads: int,
        readers: ReaderPool | None = None,
    ) -> None:
        self._importer = importer
        self._readers = readers
        self._uploads = uploads
        self._reclaimer = reclaimer
        self._threads = threads

    def __call__(self, context: OperationContext) -> Mapping[str, Any]:
        """Import what is left of the operation's sources; returns the counts."""
        request = context.operation.request
        sources = [StagedSource.from_json(source) for source in request["sources"]]
        state = context.state or {"next": 0, **dict.fromkeys(STATUSES, 0)}
        done = deque(sources[: state["next"]])  # an attempt before may not have come to dropping them
        left = [upload_id for source in sources[state["next"] :] for upload_id in source.upload_ids]
        context.progress(state["next"], len(sources))
        try:
            with closing(self._read_ahead(sources, request, state["next"])) as readings:
                for index, reading in readings:
                    context.check()
                    verdict = self._verdict(index, sources[index], reading, request["dataset"])
                    state = _report(context, verdict, state, len(sources))
                    done.append(sources[index])
                    if len(done) >= _FORGOTTEN_AT_ONCE:
                        self._forget(done)
            self._forget(done)
        except Cancelled:
            self._forget(done)
            self._uploads.forget(left)
            raise
        return _counts(state, len(sources))

    def _forget(self, done: deque[StagedSource]) -> None:
        """Drop the staged files of what is imported: several at once, as each time costs a durable write."""
        self._uploads.forget([upload_id for source in done for upload_id in source.upload_ids])
        done.clear()

    def _read_ahead(
        self, sources: Sequence[StagedSource], request: Mapping[str, Any], first: int
    ) -> Generator[tuple[int, Future[Prepared]]]:
        """Sources in order, a few of them being read already."""
        waiting: deque[tuple[int, Future[Prepared]]] = deque()
        importer = self._importer
        working: AbstractContextManager[None] = nullcontext()
        if self._readers is not None and len(sources) - first >= MANY:
            importer, working = self._importer.reading_with(self._readers.read), self._readers.working()
        with working, self._reclaimer.writing(), ThreadPoolExecutor(self._threads, "precordia-import") as pool:
            try:
                for index in range(first, len(sources)):
                    waiting.append((index, pool.submit(self._prepare, importer, sources[index], request)))
                    if len(waiting) > self._threads:
                        yield waiting.popleft()
                while waiting:
                    yield waiting.popleft()
            finally:
                for _, reading in waiting:
                    reading.cancel()

    def _prepare(self, importer: Importer, staged: StagedSource, request: Mapping[str, Any]) -> Prepared:
        source = self._uploads.source(staged.name, staged.upload_id, staged.companions)
        hints = Hints.from_json(request["hints"])
        return importer.prepare(source, hints, deidentify=bool(request.get("deidentify")))

    def _verdict(self, index: int, staged: StagedSource, reading: Future[Prepared], dataset: str) -> dict[str, Any]:
        """What became of one file. What concerns the service, not the file, ends the operation."""
        try:
            imported = self._importer.commit(reading.result(), dataset=dataset)
        except (InvalidInput, NotFound, FailedPrecondition) as error:
            return _refused(index, staged, error)
        except PrecordiaError:
            raise
        except Exception:  # one file must not take the others along
            log.exception("a source could not be imported")
            return _refused(index, staged, InternalError("The reader failed; the service's log has the cause."))
        return _accepted(index, staged, imported)


def _report(
    context: OperationContext, verdict: Mapping[str, Any], state: Mapping[str, Any], total: int
) -> dict[str, Any]:
    """Tell the verdict and save that this file is done, both or neither; returns the new state."""
    state = {**state, "next": verdict["index"] + 1, verdict["status"]: state[verdict["status"]] + 1}
    context.emit("verdict", verdict, state=state)
    context.keep_result(_counts(state, total))
    context.progress(state["next"], total)
    return state


def _refused(index: int, staged: StagedSource, error: PrecordiaError) -> dict[str, Any]:
    return {
        "index": index,
        "source": staged.name,
        "recordings": [],
        "status": "refused",
        "reason": error.reason,
        "message": error.message,
        "details": error.details,
        "remarks": [],
    }


def _accepted(index: int, staged: StagedSource, imported: Imported) -> dict[str, Any]:
    return {
        "index": index,
        "source": staged.name,
        "sha256": imported.recordings[0].source_sha256 if imported.recordings else "",
        "recordings": [stored.recording_id for stored in imported.recordings],
        "status": "imported" if imported.created else "existing",
        "reason": "",
        "message": "",
        "details": {},
        "remarks": _remarks(imported.recordings),
    }


def _remarks(recordings: Sequence[StoredRecording]) -> list[dict[str, str]]:
    """Each remark once, however many of the source's recordings have it."""
    remarks = dict.fromkeys(remark for stored in recordings for remark in stored.remarks)
    return [{"code": remark.code, "message": remark.message, "lead": remark.lead} for remark in remarks]


def _counts(state: Mapping[str, Any], total: int) -> dict[str, Any]:
    return {"total": total, **{status: state[status] for status in STATUSES}}
