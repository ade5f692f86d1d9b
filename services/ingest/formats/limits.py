"""How much a reader takes on, and the secret that it needs to make a patient pseudonymous."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from precordia.errors import TooLarge

MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Bounds on one source. Beyond them a reader stops before it allocates.

    Attributes:
        max_bytes: of the source with its companions, as it came.
        max_unpacked_bytes: of everything that is unpacked or decoded from it.
        max_unpacked_ratio: of unpacked to packed bytes, for a member above 1 MiB.
        max_samples: over all channels of all recordings in the source.
        max_channels: of one recording.
        max_recordings: in one source.
    """

    max_bytes: int = 512 * MIB
    max_unpacked_bytes: int = 1024 * MIB
    max_unpacked_ratio: float = 200.0
    max_samples: int = 256 * MIB
    max_channels: int = 512
    max_recordings: int = 100_000

    def check_bytes(self, size: int) -> None:
        """Refuse a source above `max_bytes`."""
        if size > self.max_bytes:
            raise TooLarge(
                f"The file and its companions have {size} bytes; at most {self.max_bytes} are read.",
                limit=self.max_bytes,
            )

    def check_unpacked(self, packed: int, unpacked: int) -> None:
        """Refuse what would unpack to more than the limits; a bomb is told by its ratio."""
        if unpacked > self.max_unpacked_bytes:
            raise TooLarge(
                f"The file unpacks to {unpacked} bytes; at most {self.max_unpacked_bytes} are read.",
                limit=self.max_unpacked_bytes,
            )
        if unpacked > MIB and unpacked > packed * self.max_unpacked_ratio:
            raise TooLarge(
                f"The file unpacks to more than {self.max_unpacked_ratio:g} times its size, which no ECG does.",
                limit=self.max_unpacked_ratio,
            )

    def check_samples(self, channels: int, samples: int) -> None:
        """Refuse a block of `channels` x `samples` above the limits."""
        if channels > self.max_channels:
            raise TooLarge(
                f"The file declares {channels} channels; at most {self.max_channels} are read.",
                limit=self.max_channels,
            )
        if channels * samples > self.max_samples:
            raise TooLarge(
                f"The file declares {channels * samples} samples; at most {self.max_samples} are read.",
                limit=self.max_samples,
            )

    def check_recordings(self, recordings: int) -> None:
        """Refuse a source with more recordings than `max_recordings`."""
        if recordings > self.max_recordings:
            raise TooLarge(
                f"The file holds {recordings} recordings; at most {self.max_recordings} are read at once.",
                limit=self.max_recordings,
            )


@dataclass(frozen=True)
class ReaderContext:
    """What a reader is given besides the file: limits, and the key for pseudonyms.

    Without a secret no patient key is made at all: an unkeyed hash of a short identifier can be
    undone by trying all of them.
    """

    limits: Limits = field(default_factory=Limits)
    patient_secret: bytes = field(default=b"", repr=False)

    def patient_key(self, *identifiers: str) -> str:
        """Keyed hash of what identifies a patient, hex; empty without a secret or an identifier."""
        joined = "\0".join(part.strip() for part in identifiers)
        if not self.patient_secret or not joined.strip("\0"):
            return ""
        return hmac.new(self.patient_secret, joined.encode(), hashlib.sha256).hexdigest()
