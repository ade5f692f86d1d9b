"""Fixtures that several rooms' tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("precordia", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("precordia")  # the same examples each time, on a machine of any speed


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real ECGs; tests that need it skip where it is not set."""
    folder = os.environ.get("PRECORDIA_TESTDATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("PRECORDIA_TESTDATA is not set: no real ECGs here")
    return Path(folder)


@pytest.fixture(scope="session")
def dicom_ecg() -> Path:
    """The real 12-lead DICOM ECG that the pydicom wheel carries."""
    import pydicom

    return Path(pydicom.__file__).parent / "data" / "test_files" / "waveform_ecg.dcm"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What starts and kills whole services has more time: a slow machine is no fault."""
    for item in items:
        if item.get_closest_marker("faults") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(900))
