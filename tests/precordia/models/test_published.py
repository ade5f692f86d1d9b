from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from precordia.errors import InvalidModel
from precordia.models.networks import DSAIL_SNU, INCEPTION_TIME, NET1D, OWN, XRESNET1D101, Network
from precordia.models.published import holds_head, load_published, read_tensors
from tests.precordia.models import published_layouts as layouts

TENSORS = {"a.weight": torch.arange(3.0), "a.bias": torch.ones(1)}


class Anything:
    """No tensor and no plain value."""


@pytest.mark.parametrize(
    "saved", [TENSORS, {"state_dict": TENSORS, "step": 3}, {"model": {f"module.{k}": v for k, v in TENSORS.items()}}]
)
def test_tensors_are_read_wherever_they_lie(saved: dict[str, object], tmp_path: Path) -> None:
    torch.save(saved, tmp_path / "weights.pth")
    found = read_tensors(tmp_path / "weights.pth")
    assert {name: value.tolist() for name, value in found.items()} == {"a.weight": [0, 1, 2], "a.bias": [1]}


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "weights.safetensors")
    assert read_tensors(tmp_path / "weights.safetensors").keys() == TENSORS.keys()


def test_python_objects_are_never_loaded(tmp_path: Path) -> None:
    torch.save({"state_dict": TENSORS, "args": Anything()}, tmp_path / "weights.pth")
    with pytest.raises(InvalidModel, match="never loaded"):
        read_tensors(tmp_path / "weights.pth")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no checkpoint at all"])
def test_what_is_no_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    for name in ("weights.pth", "weights.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidModel):
            read_tensors(tmp_path / name)


def test_a_file_without_tensors_is_refused(tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "weights.pth")
    with pytest.raises(InvalidModel, match="no tensors"):
        read_tensors(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("kind", "layout", "outputs"),
    [
        (DSAIL_SNU, layouts.dsail_snu(), 26),
        (XRESNET1D101, layouts.xresnet1d101(), 5),
        (INCEPTION_TIME, layouts.inception_time(), 5),
    ],
    ids=["DSAIL-SNU", "xresnet1d101", "InceptionTime"],
)
def test_every_tensor_of_the_authors_has_its_place(kind: Network, layout: layouts.Layout, outputs: int) -> None:
    built, state = kind.build(12, outputs, 0.0), layouts.tensors(layout)
    load_published(kind, built, state)
    twice = sum(value.numel() for name, value in state.items() if ".convpath." in name)
    given = sum(value.numel() for value in state.values()) - twice
    assert sum(value.numel() for value in built.state_dict().values()) == given
    loaded = torch.cat([value.flatten().double() for value in built.state_dict().values()]).sum()
    authors = torch.cat([v.flatten().double() for k, v in state.items() if ".convpath." not in k]).sum()
    torch.testing.assert_close(loaded, authors)


def test_weights_of_another_network_are_refused_by_count_and_name() -> None:
    built = XRESNET1D101.build(12, 5, 0.0)
    state = layouts.tensors(layouts.xresnet1d101())
    del state["8.8.bias"]
    state["8.8.weight"] = torch.zeros(7, 128)
    with pytest.raises(
        InvalidModel, match=r"1 tensors are missing, 0 are not known, 1 have another shape .*head\.bias"
    ):
        load_published(XRESNET1D101, built, state)


def test_another_head_keeps_its_own_weights() -> None:
    torch.manual_seed(0)
    built = XRESNET1D101.build(12, 2, 0.0)
    own = built.get_parameter("head.weight").detach().clone()
    load_published(XRESNET1D101, built, layouts.tensors(layouts.xresnet1d101()), head=False)
    assert torch.equal(built.get_parameter("head.weight"), own)


@pytest.mark.parametrize(
    ("kind", "layout", "last"),
    [
        (DSAIL_SNU, layouts.dsail_snu(), "linear."),
        (XRESNET1D101, layouts.xresnet1d101(), "8.8."),
        (INCEPTION_TIME, layouts.inception_time(), "fc."),
        (NET1D, layouts.ecgfounder(12), "dense."),
    ],
    ids=["DSAIL-SNU", "xresnet1d101", "InceptionTime", "Net1D"],
)
def test_an_encoder_alone_is_told_from_a_whole_network_and_loads(
    kind: Network, layout: layouts.Layout, last: str
) -> None:
    whole = layouts.tensors(layout)
    encoder = {key: value for key, value in whole.items() if not key.startswith(last)}
    assert len(encoder) == len(whole) - 2
    assert (holds_head(kind, whole), holds_head(kind, encoder)) == (True, False)
    built = kind.build(12, 1, 0.0)
    load_published(kind, built, encoder, head=False)
    own = {key: value for key, value in built.state_dict().items() if not key.startswith("head.")}
    again = kind.build(12, 3, 0.0)
    load_published(kind, again, own, head=False)  # the same under this network's own names
    loaded = again.state_dict()
    assert all(loaded[key].equal(value) for key, value in own.items())
    assert (holds_head(kind, built.state_dict()), holds_head(kind, own)) == (True, False)


def test_a_network_without_an_adapter_says_so() -> None:
    theirs = replace(INCEPTION_TIME, from_published=None)
    with pytest.raises(InvalidModel, match="InceptionTime has no adapter"):
        load_published(theirs, theirs.build(12, 5, 0.0), TENSORS)


def test_every_network_here_has_an_adapter() -> None:
    assert [own.info.name for own in OWN if own.from_published is None] == []
