"""A fault seen in other tools: leads of XML and FHIR files under each other's names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS
from precordia.source import Source
from services.ingest.formats import read_source
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
)

Writer = Callable[[NDArray[Any], Sequence[str]], Source]

VALUES = ecg_counts(400)
THREE_CYCLE = ("III", "I", "II", *STANDARD_LEADS[3:])
MIMIC = ("I", "II", "III", "aVR", "aVF", "aVL", *STANDARD_LEADS[6:])


def _aecg(values: NDArray[Any], leads: Sequence[str]) -> Source:
    codes = [f"MDC_ECG_LEAD_{lead.upper()}" for lead in leads]
    return aecg_file(aecg_sequences(dict(zip(codes, values.T.tolist(), strict=True))))


def _fhir(values: NDArray[Any], leads: Sequence[str]) -> Source:
    texts = [" ".join(map(str, column)) for column in values.T.tolist()]
    return fhir_observation(*(fhir_component(f"Lead {lead}", text) for lead, text in zip(leads, texts, strict=True)))


WRITERS: dict[str, tuple[Writer, float]] = {
    "muse-xml": (lambda values, leads: muse_file(muse_waveform(values, leads)), 0.00488),
    "sierra-xml": (lambda values, leads: sierra_file(values, leads, form="base64"), 0.005),
    "hl7-aecg": (_aecg, 0.0025),
    "cardiosoft-xml": (cardiosoft_rest, 0.005),
    "schiller-xml": (schiller_file, 0.002),
    "fhir": (_fhir, 0.0025),
}


@pytest.mark.parametrize("order", [STANDARD_LEADS, THREE_CYCLE, MIMIC, STANDARD_LEADS[::-1]])
@pytest.mark.parametrize("name", WRITERS)
def test_every_lead_has_its_own_samples_in_any_order(name: str, order: tuple[str, ...]) -> None:
    write, millivolts = WRITERS[name]
    places = [STANDARD_LEADS.index(lead) for lead in order]
    (recording,) = read_source(write(VALUES[:, places], order))
    assert recording.provenance.format == name
    signal = recording.signal()
    assert signal.derived == ()
    for place, lead in enumerate(STANDARD_LEADS):
        np.testing.assert_allclose(signal.lead(lead), VALUES[:, place] * millivolts, rtol=1e-6, err_msg=lead)


def test_full_disclosure_is_not_taken_sample_by_sample() -> None:
    values = np.arange(3000).reshape(1000, 3)
    whole = read_source(cardiosoft_exercise(values, ("I", "2", "3"), strips=0))[0]
    assert [channel.samples[:3].tolist() for channel in whole.channels] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize("name", WRITERS)
def test_a_file_under_another_formats_name_is_told_by_its_bytes(name: str) -> None:
    content = WRITERS[name][0](VALUES, STANDARD_LEADS).content
    for given in ("ecg.csv", "ecg.dcm", "ecg", "ecg.json"):
        assert read_source(Source(given, content))[0].provenance.format == name
