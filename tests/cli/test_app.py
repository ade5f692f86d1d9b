"""The command itself: help, usage, and how fast it gets there."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from cli.app import COMMANDS, app


def test_help_lists_every_command_and_loads_none() -> None:
    code = (
        "import sys; from cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'numpy', 'grpc', 'scipy', 'precordia.client', 'textual', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f" {name} " in done.stdout for name in COMMANDS)


def test_no_command_imports_torch_or_a_service() -> None:
    names = [name if name != "import" else "imports" for name in COMMANDS]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module('cli.commands.' + name)\n"
        "assert 'torch' not in sys.modules and 'textual' not in sys.modules\n"
        "assert not [name for name in sys.modules if name.startswith('services')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself(name: str) -> None:
    answer = CliRunner().invoke(app, [name, "--help"])
    assert answer.exit_code == 0
    assert "Usage: " in answer.stdout


def test_the_version_is_printed() -> None:
    answer = CliRunner().invoke(app, ["--version"])
    assert (answer.exit_code, answer.stdout) == (0, "precordia 0.1.0\n")


@pytest.mark.parametrize(
    "wrong",
    [
        ["predct"],
        ["import"],
        ["import", "a.csv", "--rate", "-1"],
        ["import", "a.csv", "--unit", "furlong"],
        ["import", "a.csv", "--applied", "magic"],
        ["predict"],
        ["status", "printer"],
        ["predict", "rec-1", "--dataset", "study"],
        ["predict", "rec-1", "--model", "no:name"],
        ["export", "rec-1"],
        ["evaluate", "--dataset", "study", "--rule", "youden"],
        ["evaluate", "--dataset", "study", "--store-thresholds"],
        ["jobs", "--cancel"],
        ["serve", "coffee"],
        ["datasets", "snapshot", "study", "--split", "train"],
        ["models", "alias", "mine", "prod"],
        ["models", "delete", "mine"],
        ["train", "--dataset", "study", "--name", "mine", "--leads", "I,X"],
    ],
)
def test_wrong_usage_ends_with_status_2(wrong: list[str]) -> None:
    assert CliRunner().invoke(app, wrong).exit_code == 2


def test_labels_need_a_dataset(tmp_path_factory: pytest.TempPathFactory) -> None:
    table = tmp_path_factory.mktemp("labels") / "labels.csv"
    table.write_text("file_name,label\n")
    answer = CliRunner().invoke(app, ["import", "a.csv", "--labels", str(table)])
    assert answer.exit_code == 2
    assert "--dataset" in answer.stderr


def test_a_misspelt_command_gets_a_suggestion() -> None:
    assert "Did you mean 'predict'" in CliRunner().invoke(app, ["predct"]).stderr
