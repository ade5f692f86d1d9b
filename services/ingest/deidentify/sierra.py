"""Philips SierraECG XML without identity: waveforms, acquisition, measurements, age and sex stay."""

from __future__ import annotations

from precordia.source import Source
from services.ingest.deidentify.cleaned import Cleaned
from services.ingest.deidentify.pseudonyms import Pseudonyms
from services.ingest.deidentify.xml_tree import Keep, clean_xml

_TEXTS_NAMES = """
    documenttype documentversion machine samplingrate resolution signalresolution signalbandwidth hipass lowpass
    acsetting notchfiltered notchfilterfreqs acquisitiontype bitspersample signaloffset signalsigned
    numberchannelsallocated numberchannelsvalid leadset electrodeplacement sex parsedwaveforms waveform
    highpassfiltersetting lowpassfiltersetting notchfiltersetting pacestatus
"""

_ATTRIBUTES_NAMES = """
    dataencoding compressflag compressmethod compression numberofleads leadlabels samplespersecond samplespersec
    resolution durationperchannel nbitspersample bitspersample signed offset leadname leadnumber time unit duration
"""

_MEASURED_NAMES = """
    globalmeasurements interpretationmeasurements crossleadmeasurements groupmeasurements leadmeasurements
"""

_KEEP = Keep(
    texts=frozenset(_TEXTS_NAMES.split()),
    attributes=frozenset(_ATTRIBUTES_NAMES.split()),
    measured=frozenset(_MEASURED_NAMES.split()),
    moved=frozenset({"dataacquisition@date", "reportinfo@date"}),
    ages=frozenset({"years"}),
    pseudonym="patientid",
)


def clean(source: Source, pseudonyms: Pseudonyms) -> Cleaned:
    """The document with what is technical."""
    return clean_xml(source, pseudonyms, _KEEP)
