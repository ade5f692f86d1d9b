import torch
from torch import nn

from precordia.models.ecg_fm import EcgFm, EcgFmConfig, TransformerLayer, from_published
from precordia.models.networks import ECG_FM
from precordia.models.published import load_published
from tests.precordia.models import published_layouts as layouts

SMALL = EcgFmConfig(outputs=3, channels=32, width=64, layers=2, heads=4, hidden=128, position_groups=16)
SMALL_LAYOUT = layouts.ecg_fm_encoder(width=64, hidden=128, layers=2, channels=32)


def numbers(layout: layouts.Layout) -> int:
    return sum(torch.Size(shape).numel() for shape in layout.values())


def test_the_published_layout_has_the_published_number_of_parameters() -> None:
    assert numbers(layouts.ecg_fm_pretrained()) == 90_883_072  # as its authors state it


def test_the_encoder_takes_every_tensor_of_the_published_encoder() -> None:
    with torch.device("meta"):
        built = EcgFm(EcgFmConfig())
        state = {name: torch.empty(shape) for name, shape in layouts.ecg_fm_pretrained().items()}
    given = from_published(state)
    wanted = {name: value.shape for name, value in built.state_dict().items() if not name.startswith("head.")}
    assert {name: value.shape for name, value in given.items()} == wanted
    assert sum(value.numel() for value in given.values()) == numbers(layouts.ecg_fm_encoder()) > 90_000_000


def test_the_pretrained_and_the_fine_tuned_file_load_by_key() -> None:
    state = layouts.tensors(SMALL_LAYOUT)
    pretrained, tuned = EcgFm(SMALL), EcgFm(SMALL)
    load_published(ECG_FM, pretrained, state | {"mask_emb": torch.zeros(64)}, head=False)
    head = {"proj.weight": torch.ones(3, 64), "proj.bias": torch.zeros(3)}
    load_published(ECG_FM, tuned, {f"encoder.{name}": value for name, value in state.items()} | head)
    assert torch.equal(tuned.layers[1].attention.query.weight, state["encoder.layers.1.self_attn.q_proj.weight"])  # type: ignore[union-attr, arg-type]  # modules by name
    assert torch.equal(pretrained.position.direction, tuned.position.direction)
    assert torch.equal(tuned.head.weight, torch.ones(3, 64))


def test_a_layer_computes_what_torch_computes() -> None:
    torch.manual_seed(0)
    ours = TransformerLayer(SMALL)
    torchs = nn.TransformerEncoderLayer(64, 4, 128, dropout=0.0, activation="gelu", batch_first=True)
    attention = ours.attention
    parts = (attention.query, attention.key, attention.value)
    with torch.no_grad():
        torchs.self_attn.in_proj_weight.copy_(torch.cat([part.weight for part in parts]))
        torchs.self_attn.in_proj_bias.copy_(torch.cat([part.bias for part in parts]))
    torchs.self_attn.out_proj.load_state_dict(attention.out.state_dict())
    torchs.linear1.load_state_dict(ours.widen.state_dict())
    torchs.linear2.load_state_dict(ours.narrow.state_dict())
    x_bnd = torch.randn(2, 9, 64)
    torch.testing.assert_close(ours(x_bnd), torchs(x_bnd))


def test_positions_are_a_weight_normed_convolution() -> None:
    torch.manual_seed(0)
    built = EcgFm(SMALL)
    twin = nn.utils.parametrizations.weight_norm(nn.Conv1d(64, 64, 128, padding=64, groups=16), dim=2)
    twin.parametrizations.weight.original0 = nn.Parameter(built.position.length.detach() * 2)  # type: ignore[union-attr, index]  # a parametrisation
    twin.parametrizations.weight.original1 = nn.Parameter(built.position.direction.detach())  # type: ignore[union-attr, index]  # a parametrisation
    with torch.no_grad():
        built.position.length *= 2
        built.position.bias.copy_(twin.bias)
        x_bnd = torch.randn(2, 11, 64)
        wanted = nn.functional.gelu(twin(x_bnd.transpose(1, 2))[:, :, :-1]).transpose(1, 2)
        torch.testing.assert_close(built.position(x_bnd), wanted)
