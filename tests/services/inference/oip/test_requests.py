from __future__ import annotations

import numpy as np
import pytest

from precordia.catalog import ModelRef
from precordia.errors import InvalidArgument, ModelNotFound
from precordia.oip import inference_pb2 as pb
from precordia.prediction import Priority
from services.inference.oip.requests import call_of, model_ref


def test_a_version_is_a_number_or_an_alias() -> None:
    assert model_ref("m", "") == ModelRef("m")
    assert model_ref("m", "12") == ModelRef("m", 12)
    assert model_ref("m", "champion") == ModelRef("m", alias="champion")


@pytest.mark.parametrize(("name", "version"), [("a/b", ""), ("m", "0"), ("m", "9" * 400), ("m", "x y"), ("m", "-1")])
def test_what_cannot_be_a_model_is_not_found(name: str, version: str) -> None:
    with pytest.raises(ModelNotFound):
        model_ref(name, version)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (0, Priority.ROUTINE),
        (1, Priority.STAT),
        (2, Priority.ROUTINE),
        (3, Priority.BACKGROUND),
        (4, Priority.ROUTINE),
        (2**64 - 1, Priority.ROUTINE),
    ],
)
def test_priorities_are_levels_and_unknown_ones_the_default(asked: int, meant: Priority) -> None:
    request = pb.ModelInferRequest(model_name="m")
    request.parameters["priority"].uint64_param = asked
    assert call_of(request).priority is meant


def test_a_timeout_is_in_microseconds_and_none_by_default() -> None:
    request = pb.ModelInferRequest(model_name="m")
    assert call_of(request).wait_s is None
    request.parameters["timeout"].int64_param = 1_500_000
    assert call_of(request).wait_s == 1.5
    request.parameters["timeout"].int64_param = -1
    with pytest.raises(InvalidArgument, match="timeout"):
        call_of(request)


def test_raw_contents_come_one_for_each_input() -> None:
    request = pb.ModelInferRequest(model_name="m", raw_input_contents=[b"1234", b"5678"])
    request.inputs.add(name="signal", datatype="FP32", shape=[1])
    with pytest.raises(InvalidArgument, match="1 inputs and 2 raw_input_contents"):
        call_of(request)
    request.inputs.add(name="beside", datatype="FP32", shape=[1])
    assert [(one.name, one.content) for one in call_of(request).inputs] == [("signal", b"1234"), ("beside", b"5678")]


@pytest.mark.parametrize("count", [0, 1, 31, 32, 4095, 4096, 12_000, 600_000])
@pytest.mark.parametrize("beside", [False, True])
def test_typed_contents_are_the_numbers_that_were_sent(count: int, beside: bool) -> None:
    values = np.random.default_rng(count).normal(size=count).astype(np.float32)
    values[:1] = np.nan
    request = pb.ModelInferRequest(model_name="m")
    sent = request.inputs.add(name="signal", datatype="FP32", shape=[1, count])
    sent.contents.fp32_contents.extend(values.tolist())
    if beside:  # of no use, and no reason to misread the others
        sent.contents.int_contents.extend([1, 2, 3])
        sent.contents.bytes_contents.append(b"abcd")
    (tensor,) = call_of(request).inputs
    assert isinstance(tensor.content, np.ndarray)
    assert tensor.content.tobytes() == values.tobytes()
