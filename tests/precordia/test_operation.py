"""What a finished operation gives: its result, or the error that ended it."""

import pytest

from precordia.errors import Cancelled, MissingLead, PrecordiaError
from precordia.operation import Operation, OperationState, result_of


def test_a_success_gives_its_result() -> None:
    assert result_of(Operation("1", "evaluate", OperationState.SUCCEEDED, result={"n": 3})) == {"n": 3}


def test_a_failure_is_the_error_that_the_service_named() -> None:
    failed = Operation(
        "1", "evaluate", OperationState.FAILED, error_reason="MISSING_LEAD", error_message="V1 is missing."
    )
    with pytest.raises(MissingLead, match="V1 is missing"):
        result_of(failed)


@pytest.mark.parametrize("state", [OperationState.CANCELLED, OperationState.FAILED])
def test_work_without_result_never_passes_for_an_empty_one(state: OperationState) -> None:
    with pytest.raises(PrecordiaError, match=state.value):
        result_of(Operation("1", "evaluate", state))


def test_work_that_was_called_off_is_cancelled() -> None:
    with pytest.raises(Cancelled, match="The work was cancelled"):
        result_of(Operation("1", "evaluate", OperationState.CANCELLED))
