"""GE MUSE XML without identity: waveforms, filters, measurements, age and sex stay."""

from __future__ import annotations

from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import Pseudonyms
from services.ingest.deidentify.xml_tree import Keep, clean_xml

_TEXTS_NAMES = """
    MuseVersion DataType AgeUnits Gender AcquisitionTime AcquisitionDevice WaveformType WaveformStartTime
    NumberofLeads SampleType SampleBase SampleExponent HighPassFilter LowPassFilter ACFilter LeadByteCountTotal
    LeadTimeOffset LeadSampleCountTotal LeadAmplitudeUnitsPerBit LeadAmplitudeUnits LeadHighLimit LeadLowLimit
    LeadID LeadOffsetFirstSample FirstSampleBaseline LeadSampleSize LeadOff BaselineSway LeadDataCRC32 WaveFormData
"""

_KEEP = Keep(
    texts=frozenset(_TEXTS_NAMES.split()),
    measured=frozenset({"RestingECGMeasurements", "OriginalRestingECGMeasurements", "QRSTimesTypes"}),
    moved=frozenset({"AcquisitionDate"}),
    ages=frozenset({"PatientAge"}),
    pseudonym="PatientID",
)


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned:
    """The document with what is technical."""
    return clean_xml(source, pseudonyms, _KEEP)
