"""Values with something in every field, for tests that they come back."""

from datetime import UTC, datetime

from precordia.quality import Defect, Finding, Grade, LeadQuality, Quality
from precordia.record import Device, Hints, Remark, Sex, Unit
from precordia.steps import Step
from precordia.stored import StoredChannel, StoredRecording

NOON = datetime(2024, 2, 29, 12, 0, 0, 123456, tzinfo=UTC)
STEPS = (Step("band_pass", 1, {"low_hz": 0.5, "high_hz": 40.0}), Step("z_score"))
HINTS = Hints(500.0, Unit.STANDARDISED, 200.0, ("I", "MLII"), STEPS, ";", ",", -1, "ecg")
REMARK = Remark("nan_filled", "Three samples are missing.", "V2")
DEVICE = Device("Maker", "Cart 2", {"mains": "50 Hz"}, {"PR": "160 ms"}, ("Sinus rhythm",), {"II": (0.5, 1.25)})
CHANNELS = (
    StoredChannel("I", "LEAD I", "mV", 500.0, 5000, "int16", 200.0, 12.0, 0.25, False, True),
    StoredChannel("RESP", "RESP", "l", 125.0, 1250, "float64", None, 0.0, 0.0, True, False),
)
STORED = StoredRecording(
    recording_id="r-1",
    source_name="a.hea",
    source_sha256="00" * 32,
    source_index=3,
    source_record="17",
    format="wfdb",
    channels=CHANNELS,
    leads=("I",),
    sample_rate_hz=500.0,
    samples=5000,
    unit=Unit.MILLIVOLT,
    applied=STEPS,
    patient_key="k",
    acquired_at=NOON,
    age_years=61.5,
    sex=Sex.FEMALE,
    remarks=(REMARK,),
    labels=("NORM", "MI"),
    reader="wfdb",
    reader_version="1",
    hints=HINTS,
    created_at=NOON,
    supersedes="r-0",
    device=DEVICE,
    transforms=("calibration pulse trimmed",),
    quality=Quality(
        Grade.POOR,
        (Finding(Defect.ARMS_SWAPPED, Grade.POOR, "Lead I is upside down.", "I", -0.5, 0.0),),
        (
            LeadQuality("I", Grade.USABLE, 0.25, 0.0, 0.001, 31.5, 50.0, 0.4, 7.25),
            LeadQuality("II", Grade.GOOD, 0.0, 0.0, 0.0),
        ),
    ),
)
