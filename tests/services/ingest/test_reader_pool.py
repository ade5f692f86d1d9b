from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from precordia.errors import MissingField, UnreadableFile
from precordia.record import Hints
from precordia.source import Source
from services.ingest.formats import Limits, ReaderContext, read_source
from services.ingest.reader_pool import ReaderPool
from tests.services.ingest.ecg_files import wfdb

CONTEXT = ReaderContext(Limits(), b"secret")


def test_a_worker_reads_as_the_readers_do(dicom_ecg: Path) -> None:
    pool = ReaderPool(CONTEXT, 1, linger_s=0)
    with pool.working():
        for source in (wfdb("a", 1), Source("ecg.dcm", dicom_ecg.read_bytes())):
            ours, theirs = pool.read(source, Hints()), read_source(source, Hints(), CONTEXT)
            assert len(ours) == len(theirs)
            for one, other in zip(ours, theirs, strict=True):
                assert (one.provenance, one.patient_key, one.remarks) == (
                    other.provenance,
                    other.patient_key,
                    other.remarks,
                )
                for mine, yours in zip(one.channels, other.channels, strict=True):
                    np.testing.assert_array_equal(mine.samples, yours.samples)
                    assert (mine.label, mine.gain, mine.samples.dtype) == (yours.label, yours.gain, yours.samples.dtype)
        with pytest.raises(MissingField) as refused:
            pool.read(Source("bare.csv", b"1,2\n3,4\n5,6\n7,8\n" * 50), Hints())
        assert refused.value.field


def test_a_reader_that_crashes_costs_its_own_file_only() -> None:
    pool = ReaderPool(CONTEXT, 2, linger_s=0, module="tests.services.ingest.crashing_worker")
    sources = [wfdb(f"r{seed}", seed) for seed in range(8)]
    sources[3] = replace(sources[3], name="crash.hea")

    def read(source: Source) -> str:
        try:
            return pool.read(source, Hints())[0].provenance.source_name
        except UnreadableFile:
            return "refused"

    with pool.working(), ThreadPoolExecutor(2) as threads:
        found = list(threads.map(read, sources))
    assert found == ["refused" if source.name == "crash.hea" else source.name for source in sources]


def test_a_reader_that_never_ends_is_given_up() -> None:
    pool = ReaderPool(CONTEXT, 1, timeout_s=120, linger_s=0, module="tests.services.ingest.crashing_worker")
    with pool.working():
        pool.read(wfdb("warm"), Hints())
        pool._timeout_s = 0.5
        with pytest.raises(UnreadableFile, match=r"0\.5 s"):
            pool.read(replace(wfdb("x"), name="endless.hea"), Hints())
        pool._timeout_s = 120
        assert pool.read(wfdb("after"), Hints())[0].provenance.source_name == "after.hea"
