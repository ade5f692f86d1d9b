"""`make demo`: what a newcomer would type, typed for them, each command shown before it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HOME = Path(os.environ.get("PRECORDIA_HOME") or ".precordia").absolute()


def real_ecg() -> Path:
    """The 12-lead DICOM ECG that the pydicom package carries: a real recording, openly published."""
    package = find_spec("pydicom")
    if package is None or package.origin is None:
        raise SystemExit("pydicom is not installed; run `make venv`.")
    return Path(package.origin).parent / "data" / "test_files" / "waveform_ecg.dcm"


def precordia(*arguments: str, shown: str = "", capture: bool = False) -> str:
    """Run one command of the command line; a failure ends the demo with its status."""
    print(f"\n$ precordia {shown or ' '.join(arguments)}", flush=True)
    environment = os.environ | {"PRECORDIA_HOME": str(HOME)}
    done = subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        env=environment,
        stdout=subprocess.PIPE if capture else None,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.stdout.write(done.stdout or "")
        raise SystemExit(done.returncode)
    return done.stdout or ""


def show(prediction: dict[str, Any], recording: dict[str, Any]) -> None:
    """Rate, leads and scores, for people."""
    seconds = recording["samples"] / recording["rate_hz"]
    print(f"  recording  {recording['recording']}  ({recording['format']}, {seconds:g} s)")
    print(f"  rate       {recording['rate_hz']:g} Hz")
    print(f"  leads      {' '.join(recording['leads'])}")
    print(f"  model      {prediction['model']}:{prediction['version']}")
    for name, value in prediction["scores"].items():
        print(f"  {name:<10} {value:5.3f}  {'█' * round(value * 40)}")
    for warning in prediction["warnings"]:
        print(f"  note       {warning['message']}")
    print("\n  For research use only. These scores are no diagnosis.")


def main() -> None:
    """Start the services, read a real ECG, predict, and show it."""
    precordia("up", "--detach", "--ports", "0", "--home", str(HOME), shown="up --detach")
    try:
        answer = precordia("predict", str(real_ecg()), "--json", shown=f"predict {real_ecg().name}", capture=True)
        (prediction,) = json.loads(answer)["predictions"]
        shown = precordia("show", prediction["recording"], "--json", shown="show REC", capture=True)
        show(prediction, json.loads(shown))
        if sys.stdin.isatty() and sys.stdout.isatty():
            precordia("tui", prediction["recording"])
    finally:
        precordia("down")
    print("\nStart them again with `.venv/bin/precordia up`; the README has the first calls.")


if __name__ == "__main__":
    main()
