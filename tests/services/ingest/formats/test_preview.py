"""The proposal before an import."""

from __future__ import annotations

import numpy as np
import pytest

from precordia.errors import UnknownFormat
from precordia.leads import STANDARD_LEADS
from precordia.record import Hints, Unit
from precordia.source import Source
from services.ingest.formats import preview_source, read_source
from tests.services.ingest.formats.written_files import ecg_counts, npz_file, text_table, wfdb_record

VALUES = ecg_counts(500) / 1000
TIMES = np.arange(500)[:, None] / 250


def test_a_bare_table_shows_its_dialect_and_what_it_lacks() -> None:
    preview = preview_source(Source("a.csv", text_table(VALUES, delimiter=";", mark=",")))
    assert (preview.format, preview.orientation, preview.header_rows) == ("csv", "samples_by_leads", 0)
    assert (preview.proposal.delimiter, preview.proposal.decimal_mark, preview.proposal.time_column) == (";", ",", -1)
    assert set(preview.missing_fields) == {"sample_rate_hz", "unit", "lead_names"}
    assert (preview.proposal.sample_rate_hz, preview.proposal.unit, preview.proposal.lead_names) == (None, None, ())
    assert preview.recordings == 1


def test_a_complete_table_proposes_hints_that_import_it_unchanged() -> None:
    titles = ["time [s]", *(f"{lead} [mV]" for lead in STANDARD_LEADS)]
    source = Source("a.csv", text_table(np.hstack([TIMES, VALUES]), titles=titles))
    preview = preview_source(source)
    assert (preview.missing_fields, preview.header_rows, preview.column_names[0]) == ((), 1, "time [s]")
    assert (preview.proposal.sample_rate_hz, preview.proposal.unit) == (250.0, Unit.MILLIVOLT)
    assert (preview.proposal.time_column, preview.proposal.lead_names) == (0, STANDARD_LEADS)
    proposed, plain = read_source(source, preview.proposal)[0], read_source(source)[0]
    for one, other in zip(proposed.channels, plain.channels, strict=True):
        np.testing.assert_array_equal(one.physical(), other.physical())


def test_what_is_hinted_is_not_missing_any_more() -> None:
    hints = Hints(sample_rate_hz=500, lead_names=STANDARD_LEADS)
    preview = preview_source(Source("a.csv", text_table(VALUES)), hints)
    assert (preview.missing_fields, preview.proposal.sample_rate_hz) == (("unit",), 500)


def test_an_archive_proposes_its_array_and_orientation() -> None:
    preview = preview_source(npz_file(ecg=VALUES.T, fs=250, note=np.array([1, 2, 3])))
    assert (preview.format, preview.proposal.variable, preview.orientation) == ("npz", "ecg", "leads_by_samples")
    assert preview.proposal.sample_rate_hz == 250.0
    assert set(preview.missing_fields) == {"unit", "lead_names"}


def test_an_archive_whose_signal_is_not_clear_asks_for_its_name() -> None:
    assert preview_source(npz_file(one=VALUES, two=VALUES[:, :3])).missing_fields == ("variable",)


def test_a_format_that_says_everything_lacks_nothing() -> None:
    preview = preview_source(wfdb_record(ecg_counts()))
    assert (preview.format, preview.missing_fields, preview.proposal.sample_rate_hz) == ("wfdb", (), 500.0)
    assert preview.column_names == STANDARD_LEADS


def test_nothing_is_proposed_for_bytes_that_nobody_knows() -> None:
    with pytest.raises(UnknownFormat):
        preview_source(Source("a.bin", bytes(range(256)) * 8))
