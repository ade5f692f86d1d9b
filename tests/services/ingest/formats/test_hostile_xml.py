"""Broken and hostile XML and FHIR files: typed errors, in bounded time, and nothing else."""

from __future__ import annotations

import json
import re
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precordia.errors import InvalidInput
from precordia.leads import STANDARD_LEADS
from precordia.source import Source
from services.ingest.formats.limits import Limits
from services.ingest.formats.xli import unpack_xli
from tests.services.ingest.formats.test_hostile import HINTS, mutations, survives
from tests.services.ingest.formats.written_files import ecg_counts
from tests.services.ingest.formats.written_xml import (
    aecg_file,
    aecg_sequences,
    cardiosoft_exercise,
    cardiosoft_rest,
    fhir_component,
    fhir_observation,
    muse_file,
    muse_waveform,
    schiller_file,
    sierra_file,
    xli_chunk,
)

VALUES = ecg_counts(100)
DIGITS = {f"MDC_ECG_LEAD_{lead}": column.tolist() for lead, column in zip(STANDARD_LEADS, VALUES.T, strict=True)}
TEXTS = [" ".join(map(str, column.tolist())) for column in VALUES.T]

MADE = {
    "muse": muse_file(muse_waveform(VALUES[:, :8], kind="Median"), muse_waveform(VALUES[:, :8])),
    "sierra-xli": sierra_file(VALUES // 8),
    "sierra-plain": sierra_file(VALUES, form="plain", encoding="UTF-16"),
    "aecg": aecg_file(aecg_sequences(DIGITS), beat=aecg_sequences(DIGITS)),
    "cardiosoft-rest": cardiosoft_rest(VALUES),
    "cardiosoft-exercise": cardiosoft_exercise(VALUES[:, :3], ("I", "2", "3"), rate=20, strips=2),
    "schiller": schiller_file(VALUES),
    "fhir": fhir_observation(*(fhir_component(lead, data) for lead, data in zip(STANDARD_LEADS, TEXTS, strict=True))),
}

REAL = (
    "muse/example1.xml",
    "muse/example2.xml",
    "muse/egm-muse-sinus.redacted.xml",
    "philips/129DYPRG.XML",
    "philips/3191723_ZZDEMOPTONLY_1-04_orig.xml",
    "hl7-aecg/ecg_hl7.xml",
    "schiller/sample.xml",
)
"""Of the folder `formats`."""

WORDS = (
    "NaN",
    "inf",
    "1e308",
    "-1",
    "0",
    "1",
    "3",
    "999999999999",
    "",
    "I",
    "1.5.2",
    "/",
    "-32768",
    "uV",
    "Rhythm",
    "A=",
)
FACTS = re.compile(r">([^<>]{1,40})<|=\"([^\"<>]{0,40})\"|: ?(\"[^\"]{0,40}\"|[\d.]+)[,}\s]")


def rewritten(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The content with other words in place of short texts, attributes and values: well-formed, and wrong."""
    random = np.random.default_rng(seed)
    encoding = "utf-16" if content[:2] == b"\xff\xfe" else "latin-1"
    text = content.decode(encoding)
    facts = list(FACTS.finditer(text))
    for _ in range(count):
        wrong = text
        for place in sorted(random.choice(len(facts), 2, replace=False).tolist(), reverse=True):
            start, end = facts[place].span(facts[place].lastindex or 0)
            word = WORDS[int(random.integers(0, len(WORDS)))]
            quoted = json.dumps(word) if content[:1] == b"{" and text[start] == '"' else word
            wrong = wrong[:start] + quoted + wrong[end:]
        yield wrong.encode(encoding)


def damaged(source: Source, count: int, seed: int) -> Iterator[Source]:
    half = count // 2
    for content in (*mutations(source.content, count - half, seed), *rewritten(source.content, half, seed + 1)):
        yield Source(source.name, content)


@pytest.mark.parametrize("kind", MADE)
def test_damaged_files_are_read_or_refused(kind: str) -> None:
    survives(MADE[kind])
    for index, source in enumerate(damaged(MADE[kind], 80, seed=7)):
        survives(source, HINTS if index % 2 else None)


@pytest.mark.parametrize("kind", MADE)
def test_files_cut_anywhere_are_read_or_refused(kind: str) -> None:
    content = MADE[kind].content
    for end in range(0, len(content), max(1, len(content) // 40)):
        survives(Source("a.xml", content[:end]))


def test_damaged_real_files_are_read_or_refused(testdata: Path) -> None:
    for name in REAL:
        for source in damaged(Source("a.xml", (testdata / "formats" / name).read_bytes()), 10, seed=11):
            survives(source)


@pytest.mark.soak
@pytest.mark.parametrize("name", REAL)
def test_many_damaged_real_files_are_read_or_refused_in_bounded_memory(testdata: Path, name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for source in damaged(Source("a.xml", (testdata / "formats" / name).read_bytes()), 400, seed=13):
        survives(source)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 512 << 10


@pytest.mark.soak
@pytest.mark.parametrize("kind", MADE)
def test_many_damaged_made_files_are_read_or_refused(kind: str) -> None:
    for index, source in enumerate(damaged(MADE[kind], 2000, seed=17)):
        survives(source, HINTS if index % 2 else None)


@given(st.binary(max_size=400))
@settings(max_examples=150, deadline=None)
def test_random_compressed_waveforms_are_unpacked_or_refused(content: bytes) -> None:
    for chunk in (content, xli_chunk(VALUES[:, 0])[:8] + content, len(content).to_bytes(4, "little") + content):
        try:
            (samples,) = unpack_xli(chunk, 1, Limits())
        except InvalidInput:
            continue
        assert samples.dtype == np.int16


@given(st.text(alphabet="0123456789+-., \t\neENaUL", max_size=200))
@settings(max_examples=150, deadline=None)
def test_random_sample_texts_are_read_or_refused(text: str) -> None:
    survives(fhir_observation(fhir_component("II", text)))
    survives(aecg_file(aecg_sequences({"MDC_ECG_LEAD_II": [text]})))


@given(
    st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=8), st.lists)
)
@settings(max_examples=100, deadline=None)
def test_any_json_where_a_fact_belongs_is_read_or_refused(value: object) -> None:
    for name in ("origin", "period", "interval", "factor", "dimensions", "data", "intervalUnit"):
        survives(fhir_observation(fhir_component("II", **{"data": "1 2 3", name: value})))
    for name in ("component", "code", "subject", "contained", "effectivePeriod", "interpretation", "resourceType"):
        survives(fhir_observation(fhir_component("II", "1 2 3"), **{name: value}))
