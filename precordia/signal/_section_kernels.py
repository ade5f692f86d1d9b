"""Second-order sections run over eight rows at once, in vectors that stay in registers. Twin: `tests/naive.py`.

A recursive filter waits for its own last result. Rows side by side, and sections one behind the
other in the same pass, fill that wait; states that went through memory would double it. Loops over
arrays do not keep them in registers, so the pass is written as vector instructions.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # published without types
from numpy.typing import NDArray

from precordia.signal._bits import compiling
from precordia.signal._light_imports import numba

COMPILED_WITH = "63a23805282eb693"
"""Of the file whose functions become part of what is compiled here; tests/contract/test_compiled_sources.py."""

Rows32 = NDArray[np.float32]
Rows64 = NDArray[np.float64]

LANES = 8
_SECTIONS = 4
"""At most so many sections in one pass: their states fill half of a processor's registers."""

_INT = ir.IntType(64)
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def _compiled(function: Any) -> Any:
    return cast(Any, numba.njit(nogil=True, cache=True, error_model="numpy"))(function)


def run_sections(buffer: Rows64, sections: Rows64, state: NDArray[np.float64], backward: bool) -> None:
    """One pass over (time, LANES), in place: transposed direct form II.

    Args:
        buffer: C-contiguous.
        sections: (n, 6).
        state: (n, 2, LANES), of each section before the first sample; left as it is.
        backward: from the last sample to the first.
    """
    for (b0, b1, b2, _, a1, a2), (first, second) in zip(sections, state.copy(), strict=True):
        for row in buffer[::-1] if backward else buffer:
            result = b0 * row + first
            first[:] = b1 * row - a1 * result + second
            second[:] = b2 * row - a2 * result
            row[:] = result


class _Pass:
    """Builds the pass of some sections over a buffer."""

    def __init__(self, builder: Any, buffer: Any, sections: Any, state: Any) -> None:
        self.builder, self.buffer, self.sections, self.state = builder, buffer, sections, state

    def row(self, index: Any) -> Any:
        """Where a row of the buffer lies."""
        start = self.builder.gep(self.buffer, [self.builder.mul(index, _INT(LANES))])
        return self.builder.bitcast(start, _VECTOR.as_pointer())

    def spread(self, index: Any) -> Any:
        """A coefficient in all lanes."""
        value = self.builder.load(self.builder.gep(self.sections, [index]))
        empty = ir.Constant(_VECTOR, ir.Undefined)
        one = self.builder.insert_element(empty, value, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, empty, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))

    def coefficients(self, first: Any, count: int) -> list[list[Any]]:
        """b0, b1, b2, a1 and a2 of each section."""
        add, mul = self.builder.add, self.builder.mul
        begins = [mul(add(first, _INT(index)), _INT(6)) for index in range(count)]
        return [[self.spread(add(begin, _INT(place))) for place in (0, 1, 2, 4, 5)] for begin in begins]

    def states(self, first: Any, count: int) -> list[Any]:
        """Both states of each section."""
        begin = self.builder.mul(first, _INT(2 * LANES))
        places = [self.builder.add(begin, _INT(index * LANES)) for index in range(2 * count)]
        starts = [self.builder.bitcast(self.builder.gep(self.state, [at]), _VECTOR.as_pointer()) for at in places]
        return [self.builder.load(start, align=8) for start in starts]

    def section(self, value: Any, own: list[Any], first: Any, second: Any) -> tuple[Any, Any, Any]:
        """A section's result for a value, and its states from then on."""
        b0, b1, b2, a1, a2 = own
        fadd, fsub, fmul = self.builder.fadd, self.builder.fsub, self.builder.fmul
        result = fadd(fmul(b0, value), first)
        return result, fadd(fsub(fmul(b1, value), fmul(a1, result)), second), fsub(fmul(b2, value), fmul(a2, result))

    def loop(self, first: Any, count: int, start: Any, step: Any, rows: Any) -> None:
        """All rows, from `start` on by `step`, through `count` sections from `first` on."""
        builder = self.builder
        coefficients, begun = self.coefficients(first, count), self.states(first, count)
        before, body, after = builder.block, builder.append_basic_block(), builder.append_basic_block()
        builder.branch(body)
        builder.position_at_end(body)
        done, at = builder.phi(_INT), builder.phi(_INT)
        states = [builder.phi(_VECTOR) for _ in begun]
        value = builder.load(self.row(at), align=8)
        following = []
        for own, one, two in zip(coefficients, states[::2], states[1::2], strict=True):
            value, *changed = self.section(value, own, one, two)
            following += changed
        builder.store(value, self.row(at), align=8)
        ahead = [builder.add(done, _INT(1)), builder.add(at, step), *following]
        for phi, initial, new in zip([done, at, *states], [_INT(0), start, *begun], ahead, strict=True):
            phi.add_incoming(initial, before)
            phi.add_incoming(new, body)
        builder.cbranch(builder.icmp_signed("<", ahead[0], rows), body, after)
        builder.position_at_end(after)


def _pass_of(count: int) -> Any:
    """The pass of a number of sections, for compiled code."""

    def typed(typing_context: Any, buffer: Any, sections: Any, state: Any, first: Any, start: Any, step: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            arrays = [
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
            ]
            rows = builder.extract_value(arrays[0].shape, 0)
            _Pass(builder, *(array.data for array in arrays)).loop(
                arguments[3], count, arguments[4], arguments[5], rows
            )
            return context.get_dummy_value()

        return numba.types.void(buffer, sections, state, first, start, step), generate

    return compiling("intrinsic")(typed)


_one, _two, _three, _four = (_pass_of(count) for count in range(1, _SECTIONS + 1))


@compiling("overload", run_sections, strict=False)
def _compiled_run_sections(buffer: Any, sections: Any, state: Any, backward: Any) -> Any:
    if {buffer.layout, sections.layout, state.layout} != {"C"}:
        return None  # the vectors are read and written where a C-contiguous array has them

    def run(buffer: Rows64, sections: Rows64, state: Rows64, backward: bool) -> None:
        start, step = (buffer.shape[0] - 1, -1) if backward else (0, 1)
        count = sections.shape[0]
        for first in range(0, count, _SECTIONS):
            left = count - first
            if left == 1:
                _one(buffer, sections, state, first, start, step)
            elif left == 2:
                _two(buffer, sections, state, first, start, step)
            elif left == 3:
                _three(buffer, sections, state, first, start, step)
            else:
                _four(buffer, sections, state, first, start, step)

    return run


@_compiled
def _odd_extended(rows: Rows32, padding: int, buffer: Rows64) -> None:
    """Rows side by side into (padding + samples + padding, LANES), turned over about both end samples."""
    count, samples = rows.shape
    for at in range(samples):
        for lane in range(count):
            buffer[padding + at, lane] = rows[lane, at]
    for at in range(padding):
        for lane in range(count):
            buffer[at, lane] = 2.0 * rows[lane, 0] - rows[lane, padding - at]
            buffer[padding + samples + at, lane] = 2.0 * rows[lane, samples - 1] - rows[lane, samples - 2 - at]


@_compiled
def _settled(initial: Rows64, level: Rows64, state: Rows64) -> None:
    """States (n, 2, LANES) in which sections have settled at each lane's level."""
    for section in range(initial.shape[0]):
        for lane in range(level.size):
            state[section, 0, lane] = initial[section, 0] * level[lane]
            state[section, 1, lane] = initial[section, 1] * level[lane]


@_compiled
def filter_zero_phase(rows: Rows32, sections: Rows64, initial: Rows64, padding: int) -> None:
    """Second-order sections forward and backward over odd-extended rows, in place; float64 inside."""
    count, samples = rows.shape
    buffer = np.zeros((samples + 2 * padding, LANES))
    state = np.empty((sections.shape[0], 2, LANES))
    for top in range(0, count, LANES):
        some = rows[top : top + LANES]
        buffer[:, some.shape[0] :] = 0.0
        _odd_extended(some, padding, buffer)
        for backward in (False, True):
            _settled(initial, buffer[buffer.shape[0] - 1 if backward else 0], state)
            run_sections(buffer, sections, state, backward)
        for at in range(samples):
            for lane in range(some.shape[0]):
                some[lane, at] = buffer[padding + at, lane]
