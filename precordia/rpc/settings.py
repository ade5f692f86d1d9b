"""Settings that every service has, read once: environment first, then one TOML file, then defaults."""

from __future__ import annotations

import json
import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from precordia.errors import InvalidArgument
from precordia.home import home_folder

_PREFIX = "PRECORDIA_"


def service_settings(name: str) -> SettingsConfigDict:
    """The `model_config` of one service's settings: PRECORDIA_<NAME>_<SETTING>, section [name]."""
    return SettingsConfigDict(
        env_prefix=f"{_PREFIX}{name.upper()}_",
        frozen=True,
        extra="forbid",
        enable_decoding=False,  # `ServerSettings` reads lists, and says what a list looks like
        hide_input_in_errors=True,  # a token must not end in a log
        use_attribute_docstrings=True,
    )


class ServerSettings(BaseSettings):
    """What a server needs to know before it can listen."""

    model_config = service_settings("server")

    home: Path = Field(default_factory=home_folder)
    """Folder for everything that has no place of its own; PRECORDIA_HOME sets it for all services."""

    listen: str = "127.0.0.1:0"
    """host:port to listen on; port 0 takes a free one. Other than loopback needs TLS and a token."""

    token: str = Field(default="", repr=False)
    """Bearer token that every caller must show; empty = none is asked for (loopback only)."""

    tls_certificate: Path | None = None
    """PEM file with the server's certificate chain."""

    tls_key: Path | None = None
    """PEM file with the certificate's private key."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged, on stderr."""

    log_format: Literal["text", "json"] = "text"
    """text for people, json for collectors."""

    drain_s: float = Field(default=10.0, ge=0)
    """After a signal to stop, how long calls and work in progress may take to end, in seconds."""

    address_file: Path | None = None
    """File that holds address and process id as JSON while the service serves."""

    @field_validator("*", mode="before")
    @classmethod
    def _list(cls, value: Any, info: ValidationInfo) -> Any:
        """Words between commas, or a JSON list, where several are asked for."""
        field = cls.model_fields[info.field_name or ""]
        return _words(value) if isinstance(value, str) and get_origin(field.annotation) in (tuple, list) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, environment, file: the first that says something counts."""
        return init_settings, env_settings, _FileSection(settings_cls)


def misspelt_settings(settings: type[ServerSettings]) -> list[str]:
    """A sentence for each variable of the environment that looks like a setting of this service and is none."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    known = [f"{prefix}{name}".upper() for name in settings.model_fields]
    unknown = sorted(name for name in os.environ if name.upper().startswith(prefix) and name.upper() not in known)
    return [f"{name} is no setting of this service and has no effect{_meant(name, known)}." for name in unknown]


def _meant(name: str, known: list[str]) -> str:
    nearest = get_close_matches(name.upper(), known, n=1, cutoff=0.0)
    return f"; the nearest is {nearest[0]}" if nearest else ""


def _words(value: str) -> list[Any]:
    if not value.lstrip().startswith(("[", "{", '"')):
        return [word.strip() for word in value.split(",") if word.strip()]
    try:
        words = json.loads(value)
    except ValueError:
        words = None
    if not isinstance(words, list):
        raise PydanticCustomError("no_list", 'This is no list; write words with commas between (a,b) or ["a", "b"]')
    return words


class _FileSection(PydanticBaseSettingsSource):
    """One section of the TOML file named by PRECORDIA_CONFIG."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Not asked for: __call__ gives all at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        name = os.environ.get(f"{_PREFIX}CONFIG")
        if not name:
            return {}
        section = str(self.config.get("env_prefix", "")).removeprefix(_PREFIX).strip("_").lower()
        content = _read(Path(name)).get(section, {})
        if not isinstance(content, dict):
            raise InvalidArgument(f"In the settings file, [{section}] must be a section.", field="PRECORDIA_CONFIG")
        return content


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidArgument(
            "The file named by PRECORDIA_CONFIG is no readable TOML.", field="PRECORDIA_CONFIG"
        ) from (error)
