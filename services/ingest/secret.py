"""The secret that makes patient keys: made once, kept in a file that only the service's user can read."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from precordia.errors import FailedPrecondition

_BYTES = 32


def patient_secret(path: Path) -> bytes:
    """The secret in the file; it is made where there is none.

    Without it nobody can tell which identifier a patient key came from; with another one, the same
    patient gets another key. So it is never made anew in place of one that cannot be read.

    Raises:
        FailedPrecondition: the file is there and holds no secret.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        _create(path)
    secret = path.read_bytes()
    if len(secret) != _BYTES:
        raise FailedPrecondition("The file of the secret for patient keys is damaged; restore it from a backup.")
    return secret


def _create(path: Path) -> None:
    """Whole or not at all, also when two services start at once."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(unfinished, path)
    finally:
        unfinished.unlink()
