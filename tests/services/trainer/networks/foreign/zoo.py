"""Networks of other make, tiny, each exported as their authors would: (B, 12, 160) to three outputs."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

LEADS, SAMPLES, OUTPUTS = 12, 160, 3


def _conv(channels_in: int, channels_out: int, kernel: int = 3, **options: int) -> nn.Sequential:
    padding = (kernel - 1) // 2 * options.get("dilation", 1)
    convolution = nn.Conv1d(channels_in, channels_out, kernel, padding=padding, bias=False, **options)
    return nn.Sequential(convolution, nn.BatchNorm1d(channels_out), nn.ReLU())


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=-1)


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Swap(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Encoder(nn.Module):
    """Patches, positions, a class token, MultiheadAttention."""

    def __init__(self, *, class_token: bool, norm_first: bool, batch_first: bool = True) -> None:
        super().__init__()
        self.patches = nn.Conv1d(LEADS, 16, 16, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 16)) if class_token else None
        self.positions = nn.Parameter(torch.randn(1, 10 + class_token, 16))
        self.batch_first = batch_first
        layer = nn.TransformerEncoderLayer(
            16, 2, 32, activation="gelu", norm_first=norm_first, batch_first=batch_first, dropout=0.1
        )
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x).transpose(1, 2)
        if self.token is not None:
            y = torch.cat([self.token.expand(x.shape[0], -1, -1), y], dim=1)
        y = y + self.positions
        y = self.encoder(y) if self.batch_first else self.encoder(y.transpose(0, 1)).transpose(0, 1)
        y = self.norm(y)
        return self.head(y[:, 0] if self.token is not None else y.mean(dim=1))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase], *, last: bool, **options: object) -> None:
        super().__init__()
        self.narrow = nn.Conv1d(LEADS, 8, 8, 8)
        self.layers = kind(8, 6, batch_first=True, **options)
        self.last = last
        self.head = nn.Linear(12 if options.get("bidirectional") else 6, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.layers(self.narrow(x).transpose(1, 2))
        return self.head(y[:, -1] if self.last else y.mean(dim=1))


class LastState(nn.Module):
    """The GRU's second output, both ways side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.GRU(LEADS, 5, bidirectional=True)
        self.head = nn.Linear(10, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        _, state = self.layers(x[:, :, ::4].permute(2, 0, 1))
        return self.head(torch.cat([state[0], state[1]], dim=1))


class SqueezeExcite(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, 4), nn.Linear(4, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(torch.relu(self.down(x.mean(dim=2))))).unsqueeze(2)


class ConvNext(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = nn.Linear(channels, 2 * channels), nn.Linear(2 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.depthwise(x).transpose(1, 2))
        y = self.scale * self.narrow(functional.gelu(self.wide(y)))
        return x + y.transpose(1, 2)


class AttentionPooling(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = _conv(LEADS, 8, 9, stride=4)
        self.score = nn.Sequential(nn.Conv1d(8, 4, 1), nn.Tanh(), nn.Conv1d(4, 1, 1))
        self.head = nn.Linear(8, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return self.head((y * torch.softmax(self.score(y), dim=2)).sum(dim=2))


class UNet(nn.Module):
    """Down and up again, by transposed convolution or interpolation; an answer for each sample, averaged."""

    def __init__(self, *, upsample: str) -> None:
        super().__init__()
        self.first, self.second = _conv(LEADS, 8), _conv(8, 16)
        self.up: nn.Module
        if upsample == "transposed":
            self.up = nn.ConvTranspose1d(16, 8, 2, 2)
        else:
            options = {} if upsample == "nearest" else {"align_corners": False}
            self.up = nn.Sequential(nn.Upsample(scale_factor=2, mode=upsample, **options), nn.Conv1d(16, 8, 1))
        self.joined = _conv(16, 8)
        self.head = nn.Conv1d(8, OUTPUTS, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.first(x)
        up = self.up(self.second(functional.max_pool1d(one, 2)))
        return self.head(self.joined(torch.cat([one, up], dim=1))).mean(dim=2)


class Image(nn.Module):
    """The leads as rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, (1, 7), (1, 4)), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 8, (12, 1)), nn.ELU()
        )
        self.head = nn.Linear(8, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(x.unsqueeze(1)).mean(dim=(2, 3)))


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([_conv(LEADS, 6), _conv(LEADS + 6, 6), _conv(LEADS + 12, 6)])
        self.head = nn.Linear(LEADS + 18, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)
        return self.head(functional.adaptive_avg_pool1d(x, 1).flatten(1))


class Mixer(nn.Module):
    """Layers over time and over channels in turn, with a learned scalar in front of each (ReZero)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv1d(LEADS, 8, 16, 16)
        self.over_time = nn.Sequential(nn.Linear(10, 12), nn.SiLU(), nn.Linear(12, 10))
        self.over_channels = nn.Sequential(nn.Linear(8, 12), nn.SiLU(), nn.Linear(12, 8))
        self.alpha, self.beta = nn.Parameter(torch.tensor(0.3)), nn.Parameter(torch.tensor(0.7))
        self.head = nn.Linear(8, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        y = self.patches(x)
        y = y + self.alpha * self.over_time(y)
        y = y.transpose(1, 2)
        return self.head((y + self.beta * self.over_channels(y)).mean(dim=1))


class Inception(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bottleneck = nn.Conv1d(LEADS, 6, 1, bias=False)
        self.branches = nn.ModuleList(nn.Conv1d(6, 4, width, padding="same", bias=False) for width in (4, 10, 20))
        self.pooled = nn.Conv1d(LEADS, 4, 1, bias=False)
        self.norm = nn.BatchNorm1d(16)
        self.head = nn.Linear(16, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        narrow = self.bottleneck(x)
        parts = [branch(narrow) for branch in self.branches]
        y = torch.cat([*parts, self.pooled(functional.max_pool1d(x, 3, 1, 1))], dim=1)
        return self.head(torch.relu(self.norm(y)).mean(dim=2))


class WithAge(nn.Module):
    """Two numbers beside the signal."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = _conv(LEADS, 8, 7, stride=4)
        self.beside = nn.Linear(2, 4)
        self.head = nn.Linear(12, OUTPUTS)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        return self.head(torch.cat([self.layers(x).mean(dim=2), torch.relu(self.beside(beside))], dim=1))


class Gated(nn.Module):
    """A WaveNet-like gate, a split in two, bounds, and a softmax inside the graph."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(LEADS, 16, 5, padding=8, dilation=4)
        self.skip = nn.utils.parametrizations.weight_norm(nn.Conv1d(8, 8, 1))
        self.head = nn.Linear(8, OUTPUTS)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.layer(functional.pad(x, (2, 2), mode="reflect")).chunk(2, dim=1)
        y = self.skip(torch.tanh(one) * torch.sigmoid(other)).clamp(-2.0, 2.0)
        return torch.softmax(self.head(y.amax(dim=2)), dim=1)


def _plain(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers)


def _norms(norm: Callable[[int], nn.Module]) -> nn.Module:
    return _plain(
        nn.Conv1d(LEADS, 8, 7, 4), norm(8), nn.ReLU(), nn.Conv1d(8, 8, 3), norm(8), nn.ReLU(), Mean(), nn.Linear(8, 3)
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: _plain(_conv(LEADS, 8, 7), Residual(_conv(8, 8)), Residual(_conv(8, 8)), Mean(), nn.Linear(8, 3)),
    "encoder": lambda: Encoder(class_token=False, norm_first=False),
    "vit": lambda: Encoder(class_token=True, norm_first=True),
    "encoder_time_first": lambda: Encoder(class_token=False, norm_first=True, batch_first=False),
    "gru": lambda: Recurrent(nn.GRU, last=True),
    "gru_two_layers": lambda: Recurrent(nn.GRU, last=False, num_layers=2),
    "lstm": lambda: Recurrent(nn.LSTM, last=True),
    "lstm_both_ways": lambda: Recurrent(nn.LSTM, last=False, bidirectional=True),
    "rnn": lambda: Recurrent(nn.RNN, last=True),
    "last_state": LastState,
    "depthwise": lambda: _plain(
        _conv(LEADS, 12, 5, groups=12),
        _conv(12, 16, 1),
        _conv(16, 16, 5, groups=16),
        nn.Hardswish(),
        Mean(),
        nn.Linear(16, 3),
    ),
    "squeeze_excite": lambda: _plain(
        _conv(LEADS, 8), SqueezeExcite(8), _conv(8, 8), SqueezeExcite(8), Mean(), nn.Linear(8, 3)
    ),
    "tcn": lambda: _plain(
        *[_conv(LEADS if not power else 8, 8, 3, dilation=2**power) for power in range(4)], Mean(), nn.Linear(8, 3)
    ),
    "convnext": lambda: _plain(
        nn.Conv1d(LEADS, 8, 4, 4), ConvNext(8), ConvNext(8), Mean(), nn.LayerNorm(8), nn.Linear(8, 3)
    ),
    "instance_norm": lambda: _norms(lambda channels: nn.InstanceNorm1d(channels, affine=True)),
    "group_norm": lambda: _norms(lambda channels: nn.GroupNorm(4, channels)),
    "attention_pooling": AttentionPooling,
    "unet": lambda: UNet(upsample="transposed"),
    "unet_nearest": lambda: UNet(upsample="nearest"),
    "unet_linear": lambda: UNet(upsample="linear"),
    "max_pooling": lambda: _plain(
        _conv(LEADS, 8),
        nn.MaxPool1d(4),
        _conv(8, 8),
        nn.MaxPool1d(3, 2, 1),
        nn.AvgPool1d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(80, 16),
        nn.PReLU(16),
        nn.Linear(16, 3),
    ),
    "image": Image,
    "dense": Dense,
    "mixer": Mixer,
    "inception": Inception,
    "gated": Gated,
    "published_head": lambda: _plain(
        _conv(LEADS, 8, 9, stride=2), _conv(8, 3, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten()
    ),
    "with_age": WithAge,
}


@dataclass(frozen=True)
class Way:
    """How a file was written; exporters fold BatchNorm into convolutions unless told to keep it."""

    dynamo: bool
    opset: int
    keeps_norms: bool = False

    def __str__(self) -> str:
        return f"{'dynamo' if self.dynamo else 'torchscript'}{self.opset}"


WAYS = (Way(False, 17, keeps_norms=True), Way(True, 18), Way(False, 18), Way(True, 20), Way(False, 20))


def built(name: str) -> nn.Module:
    """A network with weights and statistics away from their first values, in eval mode."""
    torch.manual_seed(len(name))
    network = NETWORKS[name]()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch remarks on even kernels, which some networks have
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        network.train()
        for _ in range(2):
            network(*signals(name, 8))
    return network.eval()


def signals(name: str, count: int) -> tuple[Tensor, ...]:
    generator = np.random.default_rng(3)
    x = torch.from_numpy(generator.standard_normal((count, LEADS, SAMPLES), dtype=np.float32))
    beside = torch.from_numpy(generator.random((count, 2), dtype=np.float32))
    return (x, beside) if name == "with_age" else (x,)


def exported(network: nn.Module, inputs: tuple[Tensor, ...], way: Way, *, free_batch: bool = True) -> bytes:
    """The network as an ONNX file."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    written = io.BytesIO()
    names = ["ecg", "beside"][: len(inputs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if way.dynamo:
            batch = torch.export.Dim("batch", min=1, max=1 << 20)
            shapes = tuple({0: batch} for _ in inputs) if free_batch else None
            program = torch.onnx.export(
                network,
                inputs,
                dynamo=True,
                opset_version=way.opset,
                input_names=names,
                output_names=["scores"],
                dynamic_shapes=shapes,
                external_data=False,
                verbose=False,
            )
            assert program is not None
            return bytes(program.model_proto.SerializeToString())
        torch.onnx.export(
            network,
            inputs,
            written,
            dynamo=False,
            opset_version=way.opset,
            input_names=names,
            output_names=["scores"],
            dynamic_axes={name: {0: "batch"} for name in names} if free_batch else None,
            training=torch.onnx.TrainingMode.PRESERVE if way.keeps_norms else torch.onnx.TrainingMode.EVAL,
            do_constant_folding=not way.keeps_norms,
        )
    return written.getvalue()
