"""Recordings as files again: a view of them, in a format that other programs read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from precordia.errors import UnsupportedView
from precordia.record import Recording, Remark
from services.ingest.sheet import Sheet, sheets
from services.ingest.views import VIEWS, resampled
from services.ingest.writers.writer import WRITERS
from services.ingest.writers.written import WrittenFile


def export(
    recording_id: str,
    recording: Recording,
    *,
    file_format: str,
    view: str = "raw",
    sample_rate_hz: float | None = None,
) -> Iterator[WrittenFile]:
    """The files of each time base: `<recording>.npz`, and `<recording>-2-125hz.npz` for channels of another rate.

    Raises:
        UnsupportedView: a format or view that is not made here, or that cannot hold the recording.
        InvalidArgument: a rate that cannot be.
    """
    check_export(file_format, view)
    first, *others = sheets(recording_id, recording)
    files = list(WRITERS[file_format](_seen(first, view, sample_rate_hz)))
    said = [remark for remark in recording.remarks if remark.code == "deidentified"]
    for sheet in others:
        try:
            files += WRITERS[file_format](_seen(sheet, view, sample_rate_hz))
        except UnsupportedView as error:
            if any(channel.is_standard_lead for channel in sheet.channels):
                raise
            said += [Remark("left_out", f"This channel is left out: {error.message}", one) for one in sheet.labels]
    yield replace(files[0], remarks=(*files[0].remarks, *said))
    yield from files[1:]


def _seen(sheet: Sheet, view: str, sample_rate_hz: float | None) -> Sheet:
    """Filtered first, at the rate that holds most of the band; resampled then."""
    shown = VIEWS[view](sheet)
    return shown if sample_rate_hz is None else resampled(shown, sample_rate_hz)


def check_export(file_format: str, view: str) -> None:
    """Refuse what is not made here, before the first file.

    Raises:
        UnsupportedView: a format or view that is not made here.
    """
    if file_format not in WRITERS:
        raise UnsupportedView(f"There is no export to '{file_format[:16]}'; there is: {', '.join(WRITERS)}.")
    if view not in VIEWS:
        raise UnsupportedView(f"There is no view '{view[:16]}'; there is: {', '.join(VIEWS)}.")
