"""XML and JSON files of ECG devices, written by other means than the readers' own.

They follow what is published of the formats, with names and identifiers in every place where such
files hold them, so that tests can look for them in what is kept.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precordia.leads import STANDARD_LEADS
from precordia.source import Source

IDENTITIES = ("PID-4711", "Doe", "Jane", "19500102", "Smith", "Ward 7")
MUSE_LEADS = ("I", "II", *STANDARD_LEADS[6:])


def _base64(values: NDArray[Any]) -> str:
    return base64.encodebytes(values.astype("<i2").tobytes()).decode()


def muse_waveform(
    values: NDArray[Any],
    leads: Sequence[str] = MUSE_LEADS,
    *,
    kind: str = "Rhythm",
    base: int = 500,
    exponent: int = 0,
    **changes: str | None,
) -> str:
    """A Waveform element of (samples, leads). `changes` replace facts of each lead; None takes one away."""
    items = []
    for column, lead in zip(values.T, leads, strict=True):
        content = column.astype("<i2").tobytes()
        facts: dict[str, str | None] = {
            "LeadSampleCountTotal": str(column.size),
            "LeadAmplitudeUnitsPerBit": "4.88",
            "LeadAmplitudeUnits": "MICROVOLTS",
            "LeadID": lead,
            "LeadSampleSize": "2",
            "LeadDataCRC32": str(zlib.crc32(content)),
            "WaveFormData": _base64(column),
            **changes,
        }
        said = "".join(f"<{name}>{value}</{name}>" for name, value in facts.items() if value is not None)
        items.append(f"<LeadData>{said}</LeadData>")
    return (
        f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>{len(leads)}</NumberofLeads>"
        f"<SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>{base}</SampleBase>"
        f"<SampleExponent>{exponent}</SampleExponent><HighPassFilter>16</HighPassFilter>{''.join(items)}</Waveform>"
    )


def muse_file(*waveforms: str) -> Source:
    """A MUSE file of these waveforms."""
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>'
        "<PatientDemographics><PatientID>PID-4711</PatientID><PatientAge>18</PatientAge><AgeUnits>MONTHS</AgeUnits>"
        "<DateofBirth>01-02-1950</DateofBirth><Gender>FEMALE</Gender><PatientLastName>Doe</PatientLastName>"
        "<PatientFirstName>Jane</PatientFirstName></PatientDemographics>"
        "<TestDemographics><SiteName>Ward 7</SiteName><AcquisitionDevice>MAC55</AcquisitionDevice>"
        "<AcquisitionTime>22:41:16</AcquisitionTime><AcquisitionDate>04-29-2023</AcquisitionDate>"
        "<ReferringMDLastName>Smith</ReferringMDLastName></TestDemographics>"
        "<RestingECGMeasurements><VentricularRate>61</VentricularRate><ECGSampleBase>500</ECGSampleBase>"
        "</RestingECGMeasurements><Diagnosis><DiagnosisStatement><StmtText>Anterior infarct</StmtText>"
        "</DiagnosisStatement><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>, age undetermined</StmtText>"
        "</DiagnosisStatement><DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag>"
        "<StmtText>Confirmed by Smith, Jane (77) on 4/30/2023</StmtText></DiagnosisStatement></Diagnosis>"
        f"{''.join(waveforms)}</RestingECG>"
    )
    return Source("ecg.xml", text.encode("latin-1"))


def lzw_packed(content: bytes) -> bytes:
    """LZW with codes of ten bits, most significant bit first."""
    known = {bytes([byte]): byte for byte in range(256)}
    codes: list[int] = []
    have = b""
    for byte in content:
        longer = have + bytes([byte])
        if longer in known:
            have = longer
            continue
        codes.append(known[have])
        if len(known) <= 1022:
            known[longer] = len(known)
        have = bytes([byte])
    codes.append(known[have])
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def xli_chunk(values: NDArray[Any]) -> bytes:
    """One lead, packed as Philips does."""
    samples = values.astype(np.int64)
    changes = 2 * samples[1:-1] - samples[:-2] - samples[2:]
    stored = np.zeros(samples.size, np.int64)
    stored[:2] = samples[:2]
    stored[2:-1] = changes[1:] + 64
    words = (stored & 0xFFFF).astype(">u2").tobytes()
    packed = lzw_packed(words[0::2] + words[1::2])
    return len(packed).to_bytes(4, "little") + b"\0\0" + int(changes[0]).to_bytes(2, "little", signed=True) + packed


def xli_packed(values: NDArray[Any]) -> bytes:
    """Twelve leads (samples, leads) in standard order, with what is left of III and the augmented ones."""
    columns = [column.astype(np.int64) for column in values.T]
    one, two, three = columns[:3]
    half = [np.trunc(total / 2).astype(np.int64) for total in (one + two, one - three, two + three)]
    rest = [two - one - three, -half[0] - columns[3], half[1] - columns[4], half[2] - columns[5]]
    return b"".join(xli_chunk(column) for column in (one, two, *rest, *columns[6:], np.zeros(one.size)))


def sierra_file(
    values: NDArray[Any],
    leads: Sequence[str] = STANDARD_LEADS,
    *,
    version: str = "1.04",
    form: str = "XLI",
    encoding: str = "UTF-8",
    rate: int = 500,
    resolution: str = "5",
) -> Source:
    """A Philips file of (samples, leads). `form`: XLI, base64 or plain."""
    content = {
        "XLI": lambda: base64.encodebytes(xli_packed(values)).decode(),
        "base64": lambda: _base64(values.T.reshape(-1)),
        "plain": lambda: " ".join(map(str, values.T.reshape(-1).tolist())),
    }[form]()
    duration = round(1000 * len(values) / rate)
    if version == "1.03":
        facts = f'compressflag="{form == "XLI"}" compressmethod="{form if form == "XLI" else ""}"'
        stated = f"<signalresolution>{resolution}</signalresolution><leadset>STD-12</leadset>"
    else:
        facts = f'compression="{form if form == "XLI" else "None"}" leadlabels="{" ".join(leads)}"'
        stated = f"<resolution>{resolution}</resolution>"
    kind = "Plain" if form == "plain" else "Base64"
    beat = f'<repbeat leadname="I"><waveform duration="40">{_base64(values[:20, 0])}</waveform></repbeat>'
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><restingecgdata xmlns="http://www3.medical.philips.com">'
        f"<documentinfo><documentversion>{version}</documentversion></documentinfo>"
        '<dataacquisition date="2010-01-19" time="15:19:22"><machine machineid="M1">PageWriter</machine><acquirer>'
        "<institutionname>Ward 7</institutionname></acquirer>"
        f"<signalcharacteristics><samplingrate>{rate}</samplingrate>{stated}<signaloffset>0</signaloffset>"
        f"<numberchannelsvalid>{len(leads)}</numberchannelsvalid></signalcharacteristics></dataacquisition>"
        "<patient><generalpatientdata><patientid>PID-4711</patientid><name><lastname>Doe</lastname>"
        "<firstname>Jane</firstname></name><age><dateofbirth>1950-01-02</dateofbirth></age><sex>Female</sex>"
        "</generalpatientdata></patient><interpretations><interpretation><globalmeasurements><heartrate>84</heartrate>"
        "</globalmeasurements><mdsignatureline>Confirmed by Smith</mdsignatureline>"
        "<severity>- ABNORMAL ECG -</severity>"
        "<statement><leftstatement>SINUS RHYTHM</leftstatement><rightstatement>normal P axis</rightstatement>"
        "</statement></interpretation></interpretations><waveforms>"
        f'<parsedwaveforms dataencoding="{kind}" {facts} durationperchannel="{duration}">{content}</parsedwaveforms>'
        f'<repbeats samplespersec="500" resolution="2.5">{beat}</repbeats></waveforms></restingecgdata>'
    )
    return Source("ecg.xml", text.encode(encoding))


def aecg_sequences(
    digits: Mapping[str, Sequence[Any]],
    *,
    origin: str = 'value="0" unit="uV"',
    scale: str = 'value="2.5" unit="uV"',
    increment: str = 'value="0.002" unit="s"',
) -> str:
    """A sequence set: times, and leads by their code."""
    leads = "".join(
        f'<component><sequence><code code="{code}"/><value xsi:type="SLIST_PQ"><origin {origin}/><scale {scale}/>'
        f"<digits>{' '.join(map(str, values))}</digits></value></sequence></component>"
        for code, values in digits.items()
    )
    return (
        '<component><sequenceSet><component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">'
        f'<head value="20021122091000.000"/><increment {increment}/></value></sequence></component>{leads}'
        "</sequenceSet></component>"
    )


def aecg_file(*sets: str, beat: str = "", code: str = "RHYTHM") -> Source:
    """An annotated ECG with one series of these sequence sets, and a representative beat."""
    derived = f'<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>{beat}</derivedSeries></derivation>'
    text = (
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><effectiveTime><center value="20021122091000"/>'
        "</effectiveTime><componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        '<id root="2.16.840" extension="PID-4711"/><subjectDemographicPerson><name>Jane Doe</name>'
        '<administrativeGenderCode code="F"/><birthTime value="19500102"/></subjectDemographicPerson></trialSubject>'
        "</subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
        f'<component><series><code code="{code}"/><effectiveTime><low value="20021122091000"/></effectiveTime>'
        "<author><seriesAuthor><manufacturedSeriesDevice><manufacturerModelName>ELI</manufacturerModelName>"
        "</manufacturedSeriesDevice><manufacturerOrganization><name>Mortara</name></manufacturerOrganization>"
        "</seriesAuthor></author><secondaryPerformer><seriesPerformer><assignedPerson><name>Smith</name>"
        f"</assignedPerson></seriesPerformer></secondaryPerformer>{''.join(sets)}"
        "<subjectOf><annotationSet><component><annotation>"
        '<code code="MDC_ECG_TIME_PD_QT"/><value xsi:type="PQ" value="420" unit="ms"/></annotation></component>'
        "</annotationSet></subjectOf>"
        f"{derived if beat else ''}</series></component></AnnotatedECG>"
    )
    return Source("ecg.xml", text.encode())


def _cardiosoft(body: str) -> Source:
    text = (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<CardiologyXML><ObservationDateTime><Hour>10</Hour>'
        "<Minute>20</Minute><Second>30</Second><Day>29</Day><Month>2</Month><Year>2016</Year></ObservationDateTime>"
        "<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc></DeviceInfo></ClinicalInfo>"
        "<PatientInfo><PID>PID-4711</PID><Name><FamilyName>Doe</FamilyName><GivenName>Jane</GivenName></Name>"
        '<Age units="years">66</Age><BirthDateTime><Day>2</Day><Month>1</Month><Year>1950</Year></BirthDateTime>'
        "<Gender>FEMALE</Gender></PatientInfo><FilterSetting><LowPass>100</LowPass></FilterSetting>"
        "<Interpretation><Diagnosis><DiagnosisText>Sinusrhythmus für 10 s</DiagnosisText>"
        "<DiagnosisText>---</DiagnosisText><DiagnosisText>Confirmed by: Dr. Smith</DiagnosisText></Diagnosis>"
        f"</Interpretation>{body}</CardiologyXML>"
    )
    return Source("1000000_20205_2_0.xml", text.encode("latin-1"))


def _waveforms(values: NDArray[Any], leads: Sequence[str]) -> str:
    return "".join(
        f'<WaveformData lead="{lead}">\n\t{",".join(map(str, column.tolist()))}\n</WaveformData>'
        for column, lead in zip(values.T, leads, strict=True)
    )


def cardiosoft_rest(
    values: NDArray[Any],
    leads: Sequence[str] = tuple(lead.upper() for lead in STANDARD_LEADS),
    *,
    resolution: str = '<Resolution units="uVperLsb">5</Resolution>',
    rate: str = '<SampleRate units="Hz">500</SampleRate>',
) -> Source:
    """A resting ECG (UK Biobank field 20205) of (samples, leads), with a median of the first 20 samples."""
    median = f"{rate}{resolution}{_waveforms(values[:20], leads)}"
    return _cardiosoft(
        '<RestingECGMeasurements><VentricularRate units="BPM">61</VentricularRate>'
        f"<MedianSamples>{median}</MedianSamples></RestingECGMeasurements>"
        f"<StripData><NumberOfLeads>{len(leads)}</NumberOfLeads>{rate}"
        f"<ChannelSampleCountTotal>{len(values)}</ChannelSampleCountTotal>{resolution}{_waveforms(values, leads)}"
        "</StripData>"
    )


def cardiosoft_exercise(values: NDArray[Any], leads: Sequence[str], *, rate: int = 500, strips: int = 1) -> Source:
    """An exercise test (field 6025): full disclosure in seconds of one lead after another, and strips of it."""
    seconds = len(values) // rate
    block = values[: seconds * rate].reshape(seconds, rate, len(leads)).transpose(0, 2, 1).reshape(-1)
    rest = values[seconds * rate :, 0]
    numbers = [f"{number}," for number in (*block.tolist(), *rest.tolist())]
    broken = "\n\t".join("".join(numbers[at : at + 90]) for at in range(0, len(numbers), 90))
    facts = f'<SampleRate units="Hz">{rate}</SampleRate><Resolution units="uVperLsb">5</Resolution>'
    cut = "".join(
        f"<Strip><Time><Minute>{place}</Minute><Second>15</Second></Time>{_waveforms(values[:rate], leads)}</Strip>"
        for place in range(strips)
    )
    return _cardiosoft(
        f"<StripData>{facts}{cut}</StripData><FullDisclosure><StartTime><Minute>0</Minute><Second>1</Second></StartTime>"
        f"<NumberOfChannels>{len(leads)}</NumberOfChannels>{facts}<LeadOrder>{','.join(leads)}</LeadOrder>"
        f"<FullDisclosureData>{broken}</FullDisclosureData></FullDisclosure>"
    )


def schiller_file(
    values: NDArray[Any], leads: Sequence[str] = STANDARD_LEADS, *, exponent: str = "1", units: str = "UV"
) -> Source:
    """A Schiller file of (samples, leads); averages of the first 20 samples stand first."""

    def wave(kind: str, block: NDArray[Any]) -> str:
        channels = "".join(
            f"<channel><name>{lead.upper()}</name><data>{','.join(map(str, column.tolist()))}</data>"
            f"<datastype>COMMASEPARATE</datastype><samplecount>{column.size}</samplecount></channel>"
            for column, lead in zip(block.T, leads, strict=True)
        )
        return (
            f"<wavedata><type>{kind}</type><resolution><samplerate><exponent>{exponent}</exponent><value>500</value>"
            f"</samplerate><yres><unitperbit>2.0</unitperbit><units>{units}</units></yres></resolution>{channels}"
            "</wavedata>"
        )

    text = (
        '<?xml version="1.0"?>\n<com.xiriuz.sema.xml.schillerEDI.SchillerEDI><patdata><id>PID-4711</id>'
        "<lastname>Doe</lastname><firstname>Jane</firstname><birthdate>19500102</birthdate><gender>FEMALE</gender>"
        "</patdata><examdescript><startdatetime><date>20160229</date><time>102030000</time></startdatetime>"
        "<aquiringdevice><hardware><vendor>Schiller</vendor><model>AT-10</model></hardware></aquiringdevice>"
        "</examdescript><eventdata><event>"
        f"{wave('ECG_AVERAGES', values[:20])}{wave('ECG_RHYTHMS', values)}"
        "<annotation_global><name>HR</name><value>69</value></annotation_global>"
        "<annotation_global><name>BP_S</name><value>-</value></annotation_global>"
        "</event></eventdata></com.xiriuz.sema.xml.schillerEDI.SchillerEDI>"
    )
    return Source("ecg.xml", text.encode())


def fhir_component(lead: str, data: str, **facts: Any) -> dict[str, Any]:
    """A component of an Observation: one lead of sampled data in R4's terms; None takes a fact away."""
    sampled = {
        "origin": {"value": 0, "unit": "uV", "system": "http://unitsofmeasure.org", "code": "uV"},
        "period": 2,
        "factor": 2.5,
        "dimensions": 1,
        "data": data,
        **facts,
    }
    return {
        "code": {"coding": [{"system": "urn:local", "code": lead, "display": lead}]},
        "valueSampledData": {name: value for name, value in sampled.items() if value is not None},
    }


def fhir_observation(*components: Mapping[str, Any], **facts: Any) -> Source:
    """An Observation of these components."""
    resource = {
        "resourceType": "Observation",
        "id": "ekg",
        "status": "final",
        "subject": {"reference": "Patient/PID-4711", "display": "Jane Doe"},
        "performer": [{"display": "A. Smith"}],
        "effectiveDateTime": "2015-02-19T09:30:35+01:00",
        "component": list(components),
        **facts,
    }
    return Source("ekg.json", json.dumps(resource, indent=1).encode())
