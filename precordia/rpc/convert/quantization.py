"""What is asked of an int8 version of a model."""

from __future__ import annotations

from precordia.errors import InvalidArgument
from precordia.quantization import ALIAS, MAX_LOSS, QuantizationWish
from precordia.rpc.convert.dataset import split_ref_from_proto, split_ref_to_proto
from precordia.rpc.convert.model import model_ref_from_proto, model_ref_to_proto
from precordia.v1 import inference_pb2 as pb


def quantization_to_proto(wish: QuantizationWish, request_id: str = "") -> pb.QuantizeModelRequest:
    """The wish, under the id of its request."""
    return pb.QuantizeModelRequest(
        request_id=request_id,
        model=model_ref_to_proto(wish.model),
        calibration=split_ref_to_proto(wish.calibration),
        check=None if wish.check is None else split_ref_to_proto(wish.check),
        max_loss=wish.max_loss,
        alias=wish.alias,
        label_group=wish.label_group,
    )


def quantization_from_proto(message: pb.QuantizeModelRequest) -> QuantizationWish:
    """The wish.

    Raises:
        InvalidArgument: it cannot be met; the message says why.
    """
    if not message.HasField("calibration"):
        raise InvalidArgument("Name the ECGs that calibrate.", field="calibration")
    return QuantizationWish(
        model=model_ref_from_proto(message.model),
        calibration=split_ref_from_proto(message.calibration),
        check=split_ref_from_proto(message.check) if message.HasField("check") else None,
        max_loss=message.max_loss if message.HasField("max_loss") else MAX_LOSS,
        alias=message.alias or ALIAS,
        label_group=message.label_group,
    )
