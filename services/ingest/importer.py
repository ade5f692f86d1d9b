"""One source in, its recordings kept: read, make safe, record. All of a source's recordings, or none.

The order is what makes a crash harmless: bytes and samples go to the blob store first, where nothing
refers to them, then one transaction makes every recording of the source visible at once. What a
killed process leaves in the blob store is swept at the next start.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass

from sqlalchemy.exc import IntegrityError

from precordia.catalog import checked_name
from precordia.errors import UnreadableFile
from precordia.quality import Defect
from precordia.record import Hints, Recording
from precordia.signal.quality import assess
from precordia.source import Source
from precordia.storage.blobs import BlobStore
from precordia.stored import StoredRecording, describe
from services.ingest.deidentify.deidentified import deidentified
from services.ingest.reclaim import Reclaimer
from services.ingest.requests import RequestStore, fingerprint
from services.ingest.samples import Place, read_samples, rebuild, store_samples, unpack_channels
from services.ingest.store import KeptSource, NewRecording, RecordingStore, SourceFile

ReadSource = Callable[[Source, Hints], Sequence[Recording]]

_MISSING = f"quality_{Defect.MISSING.value}"
_RACES = 3  # how often another import of the same source may come first


@dataclass(frozen=True)
class Imported:
    """What an import made. `created` is False where every recording was there before.

    `read` are the recordings themselves, where they were read and not kept.
    """

    recordings: tuple[StoredRecording, ...]
    created: bool
    read: tuple[Recording, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A source that was read and whose bytes are safe, but which nobody can see yet."""

    source: KeptSource
    ids: tuple[str, ...]
    new: tuple[NewRecording, ...]


def recording_id(source_sha256: str, index: int, hints: Hints) -> str:
    """A recording's identity: its source, its place in it, and what the caller said about it."""
    facts = {name: float(value) if isinstance(value, int) else value for name, value in hints.to_json().items()}
    said = json.dumps(facts, sort_keys=True, separators=(",", ":"))  # 500 and 500.0 are one rate
    return "rec-" + hashlib.sha256(f"{source_sha256}\n{index}\n{said}".encode()).hexdigest()[:16]


def assessed(recording: Recording, *, recording_id: str = "") -> StoredRecording:
    """The facts of a recording with the quality of its signal, which is measured here and changed nowhere."""
    quality = assess(recording)
    # Readers say themselves what is missing.
    warned = [] if quality is None else [one for one in quality.remarks() if one.code != _MISSING]
    return describe(recording.with_remarks(*warned), recording_id=recording_id, quality=quality)


class Importer:
    """Turns sources into kept recordings.

    Args:
        store: facts.
        blobs: bytes.
        read: the file readers; raises typed errors only.
        reclaimer: spares blobs in the making.
        requests: answers already given.
        secret: the key of pseudonyms.
        deidentify: take out what identifies from every source, asked for or not.
    """

    def __init__(
        self,
        store: RecordingStore,
        blobs: BlobStore,
        read: ReadSource,
        reclaimer: Reclaimer,
        requests: RequestStore,
        *,
        secret: bytes = b"",
        deidentify: bool = False,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._read = read
        self._reclaimer = reclaimer
        self._requests = requests
        self._secret = secret
        self._deidentify = deidentify

    def reading_with(self, read: ReadSource) -> Importer:
        """The same importer, whose sources are read by someone else."""
        other = copy(self)
        other._read = read
        return other

    def import_source(
        self,
        source: Source,
        hints: Hints | None = None,
        *,
        dataset: str = "",
        request_id: str = "",
        validate_only: bool = False,
        deidentify: bool = False,
    ) -> Imported:
        """Read one source and keep its recordings; the same again changes nothing.

        Args:
            source: the file and its companions.
            hints: facts that the file does not say.
            dataset: also put the recordings there; created when absent.
            request_id: a repeated one gets the first answer again.
            validate_only: read and describe, keep nothing.
            deidentify: keep nothing that identifies the patient; the recordings' remarks say what was taken out.

        Raises:
            InvalidInput: the file cannot be read, or not without a further hint.
            RequestReused: the request id came with other content before.
        """
        hints = hints or Hints()
        if dataset:
            checked_name(dataset, field="dataset")
        if validate_only:
            _, read = self._read_safely(source, hints, deidentify=deidentify)
            return Imported(tuple(assessed(recording) for recording in read), created=False, read=tuple(read))
        said = json.dumps(hints.to_json(), sort_keys=True)
        asked = fingerprint("import", source.sha256(), said, dataset, *(["deidentify"] if deidentify else []))
        answered = self._requests.answer(request_id, asked)
        if answered is not None:
            return Imported(self._in_order(answered["recordings"]), answered["created"])
        with self._reclaimer.writing():
            imported = self.commit(self.prepare(source, hints, deidentify=deidentify), dataset=dataset)
        ids = [stored.recording_id for stored in imported.recordings]
        self._requests.keep(request_id, asked, {"recordings": ids, "created": imported.created})
        return imported

    def prepare(self, source: Source, hints: Hints, *, deidentify: bool = False) -> Prepared:
        """Read a source and put its bytes in safety. Several threads may do so at once.

        The caller holds `Reclaimer.writing` until the commit.
        """
        kept, read = self._read_safely(source, hints, deidentify=deidentify)
        sha256, source_name = read[0].provenance.source_sha256, read[0].provenance.source_name
        ids = tuple(recording_id(sha256, index, hints) for index in range(len(read)))
        there = self._store.find(ids)
        absent = [(name, recording) for name, recording in zip(ids, read, strict=True) if name not in there]
        if not absent:
            return Prepared(KeptSource(sha256, source_name, ()), ids, ())
        files = self._keep_files(kept) if kept is not None else ()
        places = store_samples(self._blobs, [recording for _, recording in absent])
        new = tuple(
            NewRecording(assessed(recording, recording_id=name), place)
            for (name, recording), place in zip(absent, places, strict=True)
        )
        return Prepared(KeptSource(sha256, source_name, files), ids, new)

    def commit(self, prepared: Prepared, *, dataset: str = "") -> Imported:
        """Make a prepared source's recordings visible, all at once."""
        new = prepared.new
        for _ in range(_RACES):
            try:
                self._store.add(prepared.source, new, imported=prepared.ids, dataset=dataset)
                break
            except IntegrityError:
                there = self._store.find(prepared.ids)
                new = tuple(recording for recording in new if recording.stored.recording_id not in there)
        else:
            self._store.add(prepared.source, new, imported=prepared.ids, dataset=dataset)
        return Imported(self._in_order(prepared.ids), created=bool(new))

    def recording(self, name: str) -> Recording:
        """A kept recording with its native samples, exact.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        stored, place = self._store.get_with_place(name)
        return self.load(stored, place)

    def load(self, stored: StoredRecording, place: Place) -> Recording:
        """A recording whose facts and place are known already."""
        return rebuild(stored, unpack_channels(read_samples(self._blobs, place), stored.channels))

    def delete(self, name: str) -> None:
        """Remove a recording. Blobs that nothing needs any more go; frozen snapshots keep theirs.

        Raises:
            RecordingNotFound: there is none of this id.
        """
        self._reclaimer.release(self._store.delete(name))

    def _read_safely(
        self, source: Source, hints: Hints, *, deidentify: bool
    ) -> tuple[Source | None, Sequence[Recording]]:
        """What of the source may be kept, and its recordings."""
        read = self._read(source, hints)
        if not read:
            raise UnreadableFile("The file holds no recording.")
        if not (deidentify or self._deidentify):
            return source, read
        safe = deidentified(source, read, lambda cleaned: self._read(cleaned, hints), self._secret)
        return safe.source, safe.recordings

    def _keep_files(self, source: Source) -> tuple[SourceFile, ...]:
        files = [(source.name, source.content), *sorted(source.companions.items())]
        kept = [(name, self._blobs.put(content)) for name, content in files]
        return tuple(SourceFile(name, blob.sha256, blob.size_bytes) for name, blob in kept)

    def _in_order(self, ids: Sequence[str]) -> tuple[StoredRecording, ...]:
        there = self._store.find(ids)
        return tuple(there[name] for name in ids if name in there)
