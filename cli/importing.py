"""Files on their way into the ingest service, several at once, each with its verdict."""

from __future__ import annotations

import asyncio
import glob
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from cli.output import Output
from cli.running import error_form, explain
from precordia.client import BatchImport, Connection, FileVerdict, ImportAnswer, SourceFile, find_sources
from precordia.client.archives import is_archive
from precordia.errors import NotFound, PrecordiaError, ServiceUnavailable, Unauthenticated
from precordia.record import Hints
from precordia.source import Source
from precordia.stored import StoredRecording

_AT_ONCE = 4

FEW = 8
"""Files up to which each is imported by a call of its own; more are staged."""

NAMES_IN_GROUP = 3
"""Files up to which equal refusals are said one by one; of more, as many are named."""

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
    """The sources that paths mean; what was left out is said, and a path without any is a source that is refused."""
    found = find_sources(paths)
    if found.left_out:
        output.say(f"{len(found.left_out)} annotation files beside WFDB headers were left out.")
    patterns = {Path(path).expanduser() for path in paths if glob.has_magic(path)}
    sources = [_matched(source) if source.path in patterns else source for source in found.sources]
    return (*sources, *_without_files(paths, found.sources))


def _matched(source: SourceFile) -> SourceFile:
    """A source named by a pattern; where it is the pattern itself, nothing matched."""
    if source.path.exists():
        return source
    return replace(source, refusal=NotFound("No file matches this pattern."))


def _without_files(paths: Sequence[str], sources: Sequence[SourceFile]) -> list[SourceFile]:
    """Folders and archives among the paths in which there is no source."""
    named = dict.fromkeys(path for path in map(Path, paths) if path.expanduser().is_dir() or is_archive(path))
    empty: list[SourceFile] = []
    for path in named:
        place = path.expanduser()
        if place.exists() and not any(source.path.is_relative_to(place) for source in sources):
            what = "folder" if place.is_dir() else "archive"
            said = f"There is no file to read in this {what}; hidden files and annotation files are passed over."
            empty.append(SourceFile(place, refusal=NotFound(said)))
    return empty


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
    """The refused ones as document entries; said on stderr, equal ones together."""
    refused = [(path, answer) for path, answer in answers if isinstance(answer, PrecordiaError)]
    for line in refusal_lines(refused):
        output.refuse(line)
    return tuple(refused_form(path, error) for path, error in refused)


def refusal_lines(refused: Sequence[tuple[str, PrecordiaError]]) -> list[str]:
    """Refusals for people, in the order of the files: one line each, and one for many of equal reason and message."""
    groups: dict[tuple[str, str], list[tuple[str, PrecordiaError]]] = {}
    for path, error in refused:
        groups.setdefault((error.reason, error.message), []).append((path, error))
    return [line for group in groups.values() for line in _group_lines(group)]


def _group_lines(group: Sequence[tuple[str, PrecordiaError]]) -> list[str]:
    if len(group) <= NAMES_IN_GROUP:
        return [f"{path}: {explain(error)}" for path, error in group]
    names = ", ".join(path for path, _ in group[:NAMES_IN_GROUP])
    return [f"{len(group)} files: {explain(group[0][1])} They are {names} and {len(group) - NAMES_IN_GROUP} more."]
