"""CPU time of one synchronised pan of twelve leads in the terminal UI.

    .venv/bin/python benchmarks/tui_pan.py [--rate 500] [--width 200] [--height 55] [--rounds 60]

The real application runs without a terminal; each round presses the arrow key and waits until the
screen is composed again and turned into the bytes a terminal would get. Time is the process's CPU
time, all of textual's work included. Reference measured on two cores, 12 leads x 5 s, 200 x 55,
500 Hz: plotext 202 ms, hires-canvas 70 ms. Bar: 12 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import time
from importlib.metadata import version

import numpy as np
from textual.pilot import Pilot

from precordia.client import Addresses
from precordia.leads import STANDARD_LEADS
from precordia.record import Signal
from precordia.stored import StoredRecording
from tui import drawing
from tui.app import PrecordiaApp
from tui.messages import ShownRecording
from tui.traces import traces_of_signal

NOWHERE = "127.0.0.1:1"


def ecg(rate_hz: float, seconds: float = 10.0) -> Signal:
    """Twelve leads of beats and noise."""
    at = np.arange(round(rate_hz * seconds)) / rate_hz
    beat = np.zeros_like(at)
    for start in np.arange(0.4, seconds, 0.83):
        for delay, width, height in ((-0.17, 0.03, 0.12), (0.0, 0.012, 1.0), (0.03, 0.012, -0.25), (0.26, 0.05, 0.3)):
            beat += height * np.exp(-(((at - start - delay) / width) ** 2))
    gains = np.linspace(-0.6, 1.4, 12)[:, None]
    noise = np.random.default_rng(1).standard_normal((12, at.size)) * 0.012
    return Signal((gains * beat + noise).astype(np.float32), STANDARD_LEADS, rate_hz)


def recording(signal: Signal) -> StoredRecording:
    """Facts for the heading."""
    return StoredRecording(
        "made-up", "made-up.npy", "", 0, "", "npy", (), signal.leads, signal.sample_rate_hz,
        signal.values.shape[1], signal.unit,
    )  # fmt: skip


async def pans(pilot: Pilot[None], app: PrecordiaApp, rounds: int) -> list[float]:
    """CPU milliseconds of each pan, there and back."""
    times = []
    for index in range(rounds):
        start = time.process_time()
        app.main.action_pan(1 if index % 20 < 10 else -1)
        await pilot.pause()
        app.screen._compositor.render_full_update().render_segments(app.console)
        times.append(1000 * (time.process_time() - start))
    return times


async def measure(arguments: argparse.Namespace) -> None:
    """Run the application, pan, print."""
    addresses = Addresses(ingest=NOWHERE, inference=NOWHERE, trainer=NOWHERE, registry=NOWHERE)
    app = PrecordiaApp(addresses=addresses, poll_s=3600)
    signal = ecg(arguments.rate)
    async with app.run_test(size=(arguments.width, arguments.height)) as pilot:
        await pilot.pause(1.0)
        app.main.show(ShownRecording(recording(signal), traces_of_signal(signal)))
        await pilot.pause(0.5)
        await pans(pilot, app, 10)
        times = sorted(await pans(pilot, app, arguments.rounds))
        chart, view = app.main.chart, app.main.view
        width, height = chart.size
        start = time.process_time()
        for _ in range(50):
            drawing.draw(chart.traces, view, chart.page, width, height).strips(chart.palette.inks)
        drawn_ms = 1000 * (time.process_time() - start) / 50
    tenth, ninetieth = times[len(times) // 10], times[len(times) * 9 // 10]
    print(f"{platform.machine()}, Python {platform.python_version()}, textual {version('textual')}")
    print(f"12 leads at {arguments.rate:g} Hz, {arguments.width} x {arguments.height}, chart {width} x {height}")
    print(
        f"one pan: {statistics.median(times):.1f} ms CPU (10 % {tenth:.1f}, 90 % {ninetieth:.1f}, n = {len(times)}); "
        f"of this drawing the page: {drawn_ms:.1f} ms"
    )


def main() -> None:
    """Read the arguments and measure."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=float, default=500.0)
    arguments.add_argument("--width", type=int, default=200)
    arguments.add_argument("--height", type=int, default=55)
    arguments.add_argument("--rounds", type=int, default=60)
    asyncio.run(measure(arguments.parse_args()))


if __name__ == "__main__":
    main()
