"""What is asked of an int8 version of a model: ECGs that calibrate it, ECGs that judge it, and how much it may lose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from precordia.catalog import ModelRef, checked_name
from precordia.dataset import SplitRef
from precordia.errors import InvalidArgument

MAX_LOSS = 0.005
ALIAS = "int8"


@dataclass(frozen=True)
class QuantizationWish:
    """One int8 version of one model.

    Attributes:
        model: to be made smaller.
        calibration: ECGs whose values set the ranges of the integers.
        check: labelled ECGs that both versions are measured on; None = patients of `calibration` that
            do not calibrate.
        max_loss: of macro AUROC (of R2, for values), at most.
        alias: points at the new version.
        label_group: of `check`; empty = the one that the outputs name.

    Raises:
        InvalidArgument: the loss is no share, the alias no name, or both splits are the same.
    """

    model: ModelRef
    calibration: SplitRef
    check: SplitRef | None = None
    max_loss: float = MAX_LOSS
    alias: str = ALIAS
    label_group: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss < 1:  # NaN neither
            raise InvalidArgument("The loss that is allowed is 0 or more and below 1.", field="max_loss")
        if self.check == self.calibration:
            raise InvalidArgument(
                "A model that is checked on the ECGs that calibrated it looks better than it is; check it on others.",
                field="check",
            )
        checked_name(self.alias, field="alias")

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "model": str(self.model),
            "calibration": vars(self.calibration),
            "check": None if self.check is None else vars(self.check),
            "max_loss": self.max_loss,
            "alias": self.alias,
            "label_group": self.label_group,
        }

    @staticmethod
    def from_json(said: Mapping[str, Any]) -> QuantizationWish:
        """The inverse of `to_json`."""
        return QuantizationWish(
            model=ModelRef.parse(said["model"]),
            calibration=SplitRef(**said["calibration"]),
            check=None if said["check"] is None else SplitRef(**said["check"]),
            max_loss=said["max_loss"],
            alias=said["alias"],
            label_group=said["label_group"],
        )
