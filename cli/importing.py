"""Files on their way into the ingest service, several at once, each with its verdict."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

from cli.output import Output
from cli.running import error_form, explain
from precordia.client import BatchImport, Connection, FileVerdict, ImportAnswer, SourceFile, find_sources
from precordia.errors import PrecordiaError, ServiceUnavailable, Unauthenticated
from precordia.record import Hints
from precordia.source import Source
from precordia.stored import StoredRecording

_AT_ONCE = 4

FEW = 8
"""Files up to which each is imported by a call of its own; more are staged."""

Answer = TypeVar("Answer")

Bring = Callable[[Source], Awaitable[ImportAnswer]]
"""Brings one source into the ingest service."""


@dataclass(frozen=True)
class Imported:
    """A recording that came of a file, by its path as given."""

    source: str
    recording: StoredRecording
    created: bool


@dataclass(frozen=True)
class Verdicts:
    """What became of the files, in the order named. `refused` holds document entries."""

    imported: tuple[Imported, ...]
    refused: tuple[dict[str, Any], ...]


def refused_form(source: str, error: PrecordiaError) -> dict[str, Any]:
    """A refusal in a document: source, reason, message."""
    return {"source": source, **error_form(error)}


async def import_files(output: Output, paths: Sequence[str], bring: Bring) -> Verdicts:
    """Bring in every source that the paths mean.

    Raises:
        ServiceUnavailable, Unauthenticated: no file can succeed; the others are verdicts.
    """

    async def imported(source: Source) -> list[tuple[StoredRecording, bool]]:
        answer = await bring(source)
        return [(recording, answer.created) for recording in answer.recordings]

    answers = await for_each_source(output, "Importing", paths, imported)
    found = tuple(
        Imported(path, recording, created)
        for path, answer in answers
        if not isinstance(answer, PrecordiaError)
        for recording, created in answer
    )
    return Verdicts(found, refusals(answers, output))


async def verdicts_on(
    precordia: Connection,
    output: Output,
    files: Sequence[SourceFile],
    hints: Hints,
    dataset: str = "",
    *,
    deidentify: bool = False,
) -> AsyncGenerator[FileVerdict, None]:
    """Import sources: a few one by one, many as staged imports; to be de-identified, none is staged.

    Raises:
        ServiceUnavailable, Unauthenticated: no further file can succeed.
    """
    one_by_one = len(files) <= FEW or deidentify  # what is staged rests on a disk as it came
    batch = BatchImport(precordia.ingest, hints, dataset)
    run = _one_by_one(precordia, files, hints, dataset, deidentify) if one_by_one else batch.run(files)
    done = 0
    with output.progress("Importing", len(files)) as step:
        async with aclosing(run) as verdicts:
            async for verdict in verdicts:
                done += 1
                step(done, len(files))
                yield verdict


async def _one_by_one(
    precordia: Connection, files: Sequence[SourceFile], hints: Hints, dataset: str, deidentify: bool
) -> AsyncGenerator[FileVerdict, None]:
    async def imported(source: Source) -> ImportAnswer:
        return await precordia.ingest.import_source(source, hints, dataset, deidentify=deidentify)

    for index, file in enumerate(files):
        answer = await _verdict(file, imported)
        if isinstance(answer, ServiceUnavailable | Unauthenticated):
            raise answer
        if isinstance(answer, PrecordiaError):
            yield FileVerdict(index, str(file.path), error=answer)
        else:
            yield FileVerdict(index, str(file.path), answer.recordings, answer.created)


def find_files(output: Output, paths: Sequence[str]) -> tuple[SourceFile, ...]:
    """The sources that paths mean; what was left out is said."""
    found = find_sources(paths)
    if found.left_out:
        output.say(f"{len(found.left_out)} annotation files beside WFDB headers were left out.")
    return found.sources


async def for_each_source(
    output: Output, what: str, paths: Sequence[str], call: Callable[[Source], Awaitable[Answer]]
) -> list[tuple[str, Answer | PrecordiaError]]:
    """Read each source and call; the answer or the refusal by path, in the order named."""
    files = find_files(output, paths)
    gate = asyncio.Semaphore(_AT_ONCE)
    done = 0

    async def one(file: SourceFile) -> Answer | PrecordiaError:
        nonlocal done
        async with gate:
            answer = await _verdict(file, call)
        done += 1
        step(done, len(files))
        return answer

    with output.progress(what, len(files)) as step:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(file)) for file in files]
    answers = [(str(file.path), task.result()) for file, task in zip(files, tasks, strict=True)]
    for _, answer in answers:
        if isinstance(answer, ServiceUnavailable | Unauthenticated):
            raise answer
    return answers


async def _verdict(file: SourceFile, call: Callable[[Source], Awaitable[Answer]]) -> Answer | PrecordiaError:
    try:
        return await call(await asyncio.to_thread(file.read))
    except PrecordiaError as error:
        return error


def refusals(answers: Sequence[tuple[str, Answer | PrecordiaError]], output: Output) -> tuple[dict[str, Any], ...]:
    """The refused ones as document entries, each said on stderr."""
    refused = [(path, answer) for path, answer in answers if isinstance(answer, PrecordiaError)]
    for path, error in refused:
        output.refuse(f"{path}: {explain(error)}")
    return tuple(refused_form(path, error) for path, error in refused)
