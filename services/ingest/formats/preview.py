"""Looking before importing: what a reader would do with a source, and what it still needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from precordia.errors import MissingField, UnknownFormat
from precordia.record import Hints, Recording, Remark, Unit
from precordia.source import Source
from services.ingest.formats import hdf5, mat, npy, table
from services.ingest.formats.gaps import read_with_gaps
from services.ingest.formats.limits import Limits, ReaderContext
from services.ingest.formats.named_arrays import Named, find_signals, signal_layout, stated_facts
from services.ingest.formats.reader import DEFAULT_CONTEXT, read_as_hinted, reader_for


@dataclass(frozen=True)
class SourcePreview:
    """What is known of a source before it is imported.

    Attributes:
        format: the reader's name.
        proposal: the hints given, and what the file says itself in their terms.
        missing_fields: fields of `Hints` that neither says.
        header_rows: rows before the numbers, in a text table.
        orientation: "samples_by_leads" or "leads_by_samples"; empty where the format fixes it.
        column_names: channel names as the file has them, time column included.
        remarks: what reading it would remark; empty while fields are missing.
        recordings: how many recordings it holds; 0 while that cannot be told.
    """

    format: str
    proposal: Hints
    missing_fields: tuple[str, ...] = ()
    header_rows: int = 0
    orientation: str = ""
    column_names: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    recordings: int = 0


def preview_source(
    source: Source, hints: Hints | None = None, context: ReaderContext = DEFAULT_CONTEXT
) -> SourcePreview:
    """The proposal for a source. Nothing is guessed: what is missing is listed.

    Raises:
        UnknownFormat, UnreadableFile, UnsafeContent, TooLarge, HintConflict: as `read_source` does.
    """
    hints = hints or Hints()
    recordings, missing = read_with_gaps(lambda tried: read_as_hinted(source, tried, context), hints)
    recordings = recordings or ()
    reader = reader_for(source, hints)
    if reader is None:
        raise UnknownFormat("No reader knows this file.")
    plan = _LAYOUTS.get(reader.name, _no_layout)(source, hints, context.limits)
    proposal = _proposed(plan.proposal, recordings, missing)
    return replace(
        plan,
        format=reader.name,
        proposal=proposal,
        missing_fields=missing,
        column_names=plan.column_names or (() if "lead_names" in missing else _source_labels(recordings)),
        remarks=recordings[0].remarks if recordings and not missing else (),
        recordings=len(recordings),
    )


def _proposed(hints: Hints, recordings: tuple[Recording, ...], missing: tuple[str, ...]) -> Hints:
    """The hints with what the file says itself, except for stand-ins."""
    if not recordings:
        return hints
    channels = recordings[0].channels
    rates = {channel.sample_rate_hz for channel in channels}
    units = {channel.unit for channel in channels if channel.unit in {unit.value for unit in Unit}}
    said = hints
    if "sample_rate_hz" not in missing and len(rates) == 1:
        said = replace(said, sample_rate_hz=rates.pop())
    if "unit" not in missing and len(units) == 1 and said.gain_adu_per_mv is None:
        said = replace(said, unit=Unit(units.pop()))
    if "lead_names" not in missing and not said.lead_names:
        said = replace(said, lead_names=tuple(channel.label for channel in channels))
    return said


def _source_labels(recordings: tuple[Recording, ...]) -> tuple[str, ...]:
    return tuple(channel.source_label for channel in recordings[0].channels) if recordings else ()


def _no_layout(source: Source, hints: Hints, limits: Limits) -> SourcePreview:
    return SourcePreview("", hints)


def _table_layout(source: Source, hints: Hints, limits: Limits) -> SourcePreview:
    found = table.understand(source, hints, limits)
    index = found.time.index
    return SourcePreview(
        "",
        replace(
            hints,
            delimiter=found.dialect.delimiter,
            decimal_mark=found.dialect.decimal_mark,
            time_column=-1 if index is None else index,
        ),
        header_rows=len(found.dialect.titles),
        orientation=found.layout,
        column_names=found.titles,
    )


def _arrays_layout(named: Named, hints: Hints) -> SourcePreview:
    facts = stated_facts(named)
    try:
        signals = find_signals(named, facts, hints)
    except MissingField:
        return SourcePreview("", hints)
    path, array = next(iter(signals.arrays.items()))
    one = len(signals.arrays) == 1 and len(named) > 1
    return SourcePreview(
        "",
        replace(hints, variable=path) if one else hints,
        orientation=signal_layout(array, signals.channels),
        column_names=facts.labels,
    )


_LAYOUTS: dict[str, Callable[[Source, Hints, Limits], SourcePreview]] = {
    table.FORMAT: _table_layout,
    npy.NPY: lambda source, hints, limits: _arrays_layout(npy.npy_arrays(source, limits), hints),
    npy.NPZ: lambda source, hints, limits: _arrays_layout(npy.npz_arrays(source, limits), hints),
    hdf5.FORMAT: lambda source, hints, limits: _arrays_layout(hdf5.hdf5_arrays(source, limits), hints),
    mat.FORMAT: lambda source, hints, limits: _arrays_layout(mat.mat_arrays(source, limits), hints),
}
