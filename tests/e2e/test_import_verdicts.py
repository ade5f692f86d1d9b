"""`precordia import` of every format's real files, and of a folder that is broken off."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Cli, run_cli
from tests.e2e.verdicts import EXPECTED, verdicts
from tests.precordia.client.generated import write_records


def test_every_real_file_gets_the_verdict_that_is_committed(cli: Cli, testdata: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    answer = cli("import", str(testdata / "formats"), "--report", str(report), "--json")
    expected = json.loads(EXPECTED.read_text("utf-8"))
    assert verdicts(answer.document, testdata / "formats") == expected, "see tests/e2e/verdicts.py"
    with report.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {Path(row["source"]).relative_to(testdata / "formats").as_posix() for row in rows} == set(expected)
    assert {row["verdict"] for row in rows} <= {"imported", "imported with warnings", "refused"}
    counts = answer.document["counts"]
    assert counts["imported"] == sum(one["verdict"] == "imported" for one in expected.values())
    assert counts["refused"] == sum(one["verdict"] == "refused" for one in expected.values())
    again = cli("import", str(testdata / "formats"), "--json").document
    assert again["counts"] == {**counts, "imported": 0, "existing": counts["imported"]}


def test_an_archive_is_imported_as_its_folder_would_be(cli: Cli, tmp_path: Path) -> None:
    folder = write_records(tmp_path / "study", 3)
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, f"study/{file.name}")
    packed = cli("import", str(tmp_path / "study.zip"), "--json").document["imported"]
    assert [one["source"] for one in packed] == [str(tmp_path / "study.zip" / "study" / f"r{n}.hea") for n in range(3)]
    plain = cli("import", str(folder), "--json").document["imported"]
    assert [(one["recording"], one["created"]) for one in plain] == [(one["recording"], False) for one in packed]


def test_a_saved_profile_serves_a_whole_folder_and_no_pipe_is_asked(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    for number in range(12):
        rows = [",".join(f"{(row * 7 + lead * number) % 90 - 45}" for lead in range(12)) for row in range(400)]
        (folder / f"{number}.csv").write_text("\n".join(rows) + "\n")
    bare = cli("import", str(folder), "--json")
    assert (bare.status, bare.document["counts"]["refused"]) == (1, 12)
    said = ("--rate", "200", "--unit", "uV", "--leads", "I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5,V6")
    first = str(folder / "0.csv")
    assert cli("import", first, "--preview", *said[:4], "--save-profile", "cart", "--json").status == 1
    assert cli("import", first, "--preview", *said, "--save-profile", "cart", "--json").status == 0
    answer = cli("import", str(folder), "--profile", "cart", "--json")
    assert (answer.status, answer.document["counts"]["imported"]) == (0, 12)
    assert {(one["rate_hz"], tuple(one["leads"])[6:8]) for one in answer.document["imported"]} == {
        (200.0, ("V1", "V2"))
    }
    assert cli("import", first, "--profile", "nobody", "--json").document["error"]["reason"] == "NOT_FOUND"


def _hears_interrupts() -> None:
    """As at a terminal; what a shell starts in the background ignores them, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.faults
@pytest.mark.parametrize("victim", ["client", "service"])
def test_killed_halfway_and_run_again_it_ends_in_the_same_state(tmp_path: Path, victim: str) -> None:
    home, files = tmp_path / "home", 60
    folder = write_records(tmp_path / "study", files)
    up = run_cli(home, "up", "--detach", "--ports", "0", "--json")
    assert up.status == 0, up.narration
    try:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PRECORDIA_")}
        client = subprocess.Popen(
            [sys.executable, "-m", "cli", "import", str(folder), "--dataset", "study", "--json"],
            env=kept | {"PRECORDIA_HOME": str(home)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=_hears_interrupts,
        )
        until = time.monotonic() + 60
        while time.monotonic() < until and client.poll() is None:
            if len(run_cli(home, "recordings", "--json").document["recordings"]) >= 3:
                break
        if victim == "client":
            client.kill()
        else:
            os.kill(json.loads((home / "run" / "ingest.json").read_text())["pid"], signal.SIGKILL)
            client.send_signal(signal.SIGINT)  # it would wait for the service to come back; its user does not
        client.wait(240)
        if victim == "service":
            run_cli(home, "down", "--json")
            up = run_cli(home, "up", "--detach", "--ports", "0", "--json")
            assert up.status == 0, up.narration
        again = run_cli(home, "import", str(folder), "--dataset", "study", "--json")
        assert (again.status, again.document["refused"]) == (0, [])
        listed = run_cli(home, "recordings", "--dataset", "study", "--json").document["recordings"]
        assert len({one["recording"] for one in listed}) == len(listed) == files
    finally:
        client.kill()
        client.wait(60)
        run_cli(home, "down", "--json")
