"""`python -m tui [RECORDING]`."""

from __future__ import annotations

import argparse

from tui.app import run


def main() -> None:
    """Read the one argument and open the screen."""
    arguments = argparse.ArgumentParser(prog="precordia tui", description="See ECGs and what models think of them.")
    arguments.add_argument("recording", nargs="?", default="", help="id of the recording to begin with")
    run(arguments.parse_args().recording)


if __name__ == "__main__":
    main()
