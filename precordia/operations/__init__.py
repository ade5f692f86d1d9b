"""Long work: a record, numbered durable events, cancel, lease, resume."""

from precordia.operations.context import Handler, Interrupted, OperationContext
from precordia.operations.operations import Operations

__all__ = ["Handler", "Interrupted", "OperationContext", "Operations"]
