"""The report of an import: a verdict for each file, as a document, a table, and a CSV file."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import typer

from cli import forms
from cli.importing import refusal_lines, refused_form
from cli.output import Output
from precordia.client import FileVerdict
from precordia.errors import MissingField, PrecordiaError
from precordia.stored import StoredRecording

SHOWN = 200
"""Recordings that a table for people shows; the report file has all."""

COLUMNS = (
    *("source", "verdict", "recording", "record", "sha256", "format", "leads", "rate_hz", "samples", "unit"),
    *("quality", "reason", "field", "message", "warnings"),
)
_NAMED = 20  # lines about refusals where a file has all


class ImportReport:
    """Takes verdicts as they come. A context manager: at its end the CSV file is complete and the refusals are said."""

    def __init__(self, output: Output, path: Path | None = None) -> None:
        self._output = output
        self._path = path
        self._file: IO[str] | None = None
        self._rows: list[tuple[object, ...]] = []
        self._imported: list[tuple[int, dict[str, Any]]] = []
        self._refused: list[tuple[int, str, PrecordiaError]] = []
        self.counts: Counter[str] = Counter()
        self.incomplete: set[int] = set()
        """Indices of the files that lack a fact, which a hint can say."""

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._path.open("w", newline="", encoding="utf-8")
            except OSError as error:
                raise typer.BadParameter(f"It cannot be written: {error.strerror}.", param_hint="--report") from None
            csv.writer(self._file).writerow(COLUMNS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        lines = refusal_lines([(source, error) for _, source, error in sorted(self._refused, key=_index)])
        shown = lines if self._path is None else lines[:_NAMED]
        for line in shown:
            self._output.refuse(line)
        if len(lines) > len(shown):
            self._output.refuse("Further refusals are in the report.")

    @property
    def refused(self) -> bool:
        """Whether a file was refused."""
        return self.counts["refused"] > 0

    def add(self, verdict: FileVerdict) -> None:
        """One file's verdict."""
        if verdict.error is not None:
            self._refuse(verdict)
            return
        for stored in verdict.recordings:
            self._accept(verdict, stored)
        self.counts["imported" if verdict.created else "existing"] += 1

    def forget(self, index: int) -> None:
        """Take back a refusal: the file is tried again with more hints."""
        self._refused = [entry for entry in self._refused if entry[0] != index]
        self.counts["refused"] -= 1
        self.incomplete.discard(index)

    def _refuse(self, verdict: FileVerdict) -> None:
        assert verdict.error is not None  # the caller looked
        form = refused_form(verdict.source, verdict.error)
        self._refused.append((verdict.index, verdict.source, verdict.error))
        self.counts["refused"] += 1
        if isinstance(verdict.error, MissingField):
            self.incomplete.add(verdict.index)
        self._write(**{"field": "", **form, "verdict": "refused"})

    def _accept(self, verdict: FileVerdict, stored: StoredRecording) -> None:
        form = forms.imported_form(verdict.source, stored, verdict.created)
        if self._output.as_json:
            self._imported.append((verdict.index, form))
        elif len(self._rows) < SHOWN:
            self._rows.append(_row(verdict, stored))
        said = "imported" if verdict.created else "existing"
        warnings = forms.remarks_text(stored.remarks)
        grade = stored.quality.grade.value if stored.quality is not None else ""
        facts = {**form, "leads": " ".join(form["leads"]), "quality": grade, "warnings": warnings}
        self._write(**{**facts, "verdict": f"{said} with warnings" if warnings else said})

    def _write(self, **facts: object) -> None:
        if self._file is not None:
            cells = [facts.get(column) for column in COLUMNS]
            csv.writer(self._file).writerow(["" if cell is None else cell for cell in cells])

    def document(self) -> dict[str, Any]:
        """The verdicts in the order of the files, and how many there are of each."""
        document: dict[str, Any] = {
            "imported": [form for _, form in sorted(self._imported, key=_index)],
            "refused": [refused_form(source, error) for _, source, error in sorted(self._refused, key=_index)],
            "counts": {name: self.counts[name] for name in ("imported", "existing", "refused")},
        }
        return document if self._path is None else {**document, "report": str(self._path)}

    def show(self) -> None:
        """The table, and a line of counts where it does not show everything."""
        columns = ("recording", "source", "format", "#leads", "#Hz", "#samples", "", "warnings")
        if self._rows:
            self._output.table("recordings", columns, self._rows)
        files = sum(self.counts.values())
        if files > len(self._rows) or self._path is not None:
            counts, noun = self.counts, "file" if files == 1 else "files"
            self._output.line(
                f"{files} {noun}: {counts['imported']} imported, {counts['existing']} were there, "
                f"{counts['refused']} refused." + (f" Report: {self._path}" if self._path else "")
            )


def _row(verdict: FileVerdict, stored: StoredRecording) -> tuple[object, ...]:
    return (
        stored.recording_id,
        verdict.source,
        stored.format,
        len(stored.leads),
        f"{stored.sample_rate_hz:g}",
        stored.samples,
        "" if verdict.created else "was there",
        forms.remarks_text(stored.remarks),
    )


def _index(entry: tuple[Any, ...]) -> int:
    """A file's place in the order named."""
    index: int = entry[0]
    return index
