"""Settings come from the environment, then from one file, then from defaults."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from precordia.errors import InvalidArgument
from precordia.rpc.settings import ServerSettings, misspelt_settings, service_settings


class IngestSettings(ServerSettings):
    model_config = service_settings("ingest")

    listen: str = "127.0.0.1:50051"
    """Where it listens."""

    database_url: str = ""
    """Where it keeps."""

    names: tuple[str, ...] = ()
    """Several."""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PRECORDIA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PRECORDIA_CONFIG", raising=False)
    return tmp_path


def config(monkeypatch: pytest.MonkeyPatch, folder: Path, content: str) -> None:
    (folder / "precordia.toml").write_text(content)
    monkeypatch.setenv("PRECORDIA_CONFIG", str(folder / "precordia.toml"))


def test_defaults_hold_where_nothing_is_said(tmp_path: Path) -> None:
    settings = IngestSettings()
    assert settings.listen == "127.0.0.1:50051"
    assert settings.home == tmp_path / "home"


def test_the_environment_counts_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config(monkeypatch, tmp_path, '[ingest]\ndatabase_url = "file"\ndrain_s = 3\n[trainer]\ndrain_s = 4\n')
    monkeypatch.setenv("PRECORDIA_INGEST_DATABASE_URL", "environment")
    settings = IngestSettings()
    assert (settings.database_url, settings.drain_s) == ("environment", 3.0)


def test_arguments_count_before_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECORDIA_INGEST_LISTEN", "127.0.0.1:1")
    assert IngestSettings(listen="127.0.0.1:2").listen == "127.0.0.1:2"


def test_a_misspelt_setting_in_the_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config(monkeypatch, tmp_path, '[ingest]\ndatabase = "file"\n')
    with pytest.raises(ValidationError, match="database"):
        IngestSettings()


@pytest.mark.parametrize("content", ["ingest = 3", "[ingest", "\xff"])
def test_an_unreadable_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str) -> None:
    config(monkeypatch, tmp_path, content)
    with pytest.raises(InvalidArgument):
        IngestSettings()


def test_a_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PRECORDIA_CONFIG", str(tmp_path / "none.toml"))
    with pytest.raises(InvalidArgument):
        IngestSettings()


def test_a_wrong_value_is_refused_without_being_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECORDIA_INGEST_DRAIN_S", "s3cret")
    with pytest.raises(ValidationError) as refused:
        IngestSettings()
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("abc", ("abc",)),
        ("a:1, b@champion ,c", ("a:1", "b@champion", "c")),
        ('["a", "b,c"]', ("a", "b,c")),
        ("", ()),
        ("[]", ()),
    ],
)
def test_a_list_is_words_between_commas_or_json(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PRECORDIA_INGEST_NAMES", value)
    assert IngestSettings().names == names
    monkeypatch.delenv("PRECORDIA_INGEST_NAMES")
    config(monkeypatch, tmp_path, f"[ingest]\nnames = '{value}'\n")
    assert IngestSettings().names == names


def test_a_list_in_the_file_is_a_list(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config(monkeypatch, tmp_path, '[ingest]\nnames = ["a", "b"]\n')
    assert IngestSettings().names == ("a", "b")


@pytest.mark.parametrize("value", ["[a", '{"a": 1}', '"a"', "[a, b]"])
def test_what_is_no_list_is_refused_with_what_one_looks_like(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PRECORDIA_INGEST_NAMES", value)
    with pytest.raises(ValidationError) as refused:
        IngestSettings()
    assert [one["msg"] for one in refused.value.errors()] == [
        'This is no list; write words with commas between (a,b) or ["a", "b"]'
    ]


def test_a_misspelt_variable_is_told_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PRECORDIA_INGEST_DATABASEURL", "PRECORDIA_INGEST_LISTEN", "precordia_ingest_drain_s"):
        monkeypatch.setenv(name, "s3cret")
    monkeypatch.setenv("PRECORDIA_TRAINER_LISTN", "another service's")
    monkeypatch.setenv("PRECORDIA_INGEST", "127.0.0.1:1")
    assert misspelt_settings(IngestSettings) == [
        "PRECORDIA_INGEST_DATABASEURL is no setting of this service and has no effect; "
        "the nearest is PRECORDIA_INGEST_DATABASE_URL."
    ]


def test_every_setting_is_described() -> None:
    assert [name for name, field in IngestSettings.model_fields.items() if not field.description] == []
