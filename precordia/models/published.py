"""Weights that a network's authors published, loaded into the network here, by key and without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from precordia.errors import InvalidModel
from precordia.models.networks import Network

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_PREFIXES = ("module.", "_orig_mod.")
_UNUSED = ("num_batches_tracked",)
_HEAD, _LAST = "head.", "head.weight"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint (`.safetensors`, or torch's `.pt` and `.pth`), on the CPU.

    Takes the tensors alone, or a dictionary that holds them as `state_dict` or `model`. Names that
    data parallel or compiled training put in front are taken off.

    Raises:
        InvalidModel: it cannot be read, holds anything but tensors and plain values, or no tensors.
    """
    try:
        found: Any = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except UnpicklingError:  # torch's reader of plain tensors met something else
        raise InvalidModel(
            "The checkpoint holds Python objects, which are never loaded. Where you trust its source, save the "
            "dictionary of its tensors alone, and load that."
        ) from None
    except (OSError, RuntimeError, ValueError, EOFError, KeyError, SafetensorError):
        raise InvalidModel("The checkpoint cannot be read; download it again.") from None
    for wrapper in _WRAPPERS:
        if isinstance(found, Mapping) and isinstance(found.get(wrapper), Mapping):
            found = found[wrapper]
    tensors = {str(key): value for key, value in found.items() if isinstance(value, Tensor)} if found else {}
    if not tensors:
        raise InvalidModel("The checkpoint holds no tensors by name.")
    for prefix in _PREFIXES:
        if all(key.startswith(prefix) for key in tensors):
            tensors = {key.removeprefix(prefix): value for key, value in tensors.items()}
    return tensors


def holds_head(kind: Network, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint has the last layer, under the authors' name or this network's own; else it is an encoder."""
    return _LAST in tensors or (kind.from_published is not None and _LAST in kind.from_published(tensors))


def load_published(kind: Network, built: nn.Module, tensors: Mapping[str, Tensor], *, head: bool = True) -> None:
    """Give a built network the authors' weights, under their names or this network's own.

    Every tensor of the one has its place in the other.

    `head` = False leaves the network's own last layer, for other labels than the authors'.

    Raises:
        InvalidModel: the tensors are not those of this network; the message says how many do not fit.
    """
    wanted = built.state_dict()
    needed = [key for key in wanted if head or not key.startswith(_HEAD)]
    is_own = not any(key not in tensors and not key.endswith(_UNUSED) for key in needed)
    if not is_own and kind.from_published is None:
        raise InvalidModel(
            f"{kind.info.name} has no adapter for published weights, and these do not bear its own names as built here."
        )
    given = dict(tensors) if is_own or kind.from_published is None else kind.from_published(tensors)
    if not head:
        given = {key: value for key, value in given.items() if not key.startswith(_HEAD)}
        given |= {key: value for key, value in wanted.items() if key.startswith(_HEAD)}
    # older files lack BatchNorm's counter, which no computation uses
    given |= {key: value for key, value in wanted.items() if key.endswith(_UNUSED) and key not in given}
    _check(kind.info.name, wanted, given)
    built.load_state_dict(given)


def _check(name: str, wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    missing = sorted(wanted.keys() - given.keys())
    unknown = sorted(given.keys() - wanted.keys())
    other = sorted(key for key in wanted.keys() & given.keys() if wanted[key].shape != given[key].shape)
    if other and not missing and not unknown and all(key.startswith(_HEAD) for key in other):
        raise InvalidModel(
            f"The weights have {len(given[other[0]])} outputs, and {len(wanted[other[0]])} labels were given; give "
            "one for each output.",
            field="labels",
        )
    if missing or unknown or other:
        first = (missing or unknown or other)[0][:64]
        raise InvalidModel(
            f"These are not the weights of {name} as built here: {len(missing)} tensors are missing, "
            f"{len(unknown)} are not known, {len(other)} have another shape (first: {first}).",
            field=first,
        )
