"""Which execution providers a device takes, and why one that was asked for does not work here."""

from __future__ import annotations

import ctypes
import logging
import re
from enum import Enum
from pathlib import Path
from typing import Any

import onnxruntime as ort

from precordia.errors import FailedPrecondition, MissingDependency

log = logging.getLogger(__name__)

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
TENSORRT = "TensorrtExecutionProvider"

Choice = tuple[str, dict[str, Any]]
"""A provider and its options."""

_NOT_BUILT = "this build of ONNX Runtime has none; install the extra 'gpu' instead of 'cpu'"
_ABSENT = re.compile(r"(\S+): cannot open shared object file")
_HOW = {
    "libcuda.so": "the NVIDIA driver; install the driver of the GPU, and give it to the container (--gpus all)",
    "libcudnn": "cuDNN; install it by `pip install nvidia-cudnn-cu12`, or from NVIDIA's packages",
    "libcublas": "cuBLAS; install it by `pip install nvidia-cublas-cu12`, or the CUDA toolkit",
    "libcufft": "cuFFT; install it by `pip install nvidia-cufft-cu12`, or the CUDA toolkit",
    "libcurand": "cuRAND; install it by `pip install nvidia-curand-cu12`, or the CUDA toolkit",
    "libcudart": "the CUDA runtime; install it by `pip install nvidia-cuda-runtime-cu12`, or the CUDA toolkit",
    "libnvrtc": "NVRTC; install it by `pip install nvidia-cuda-nvrtc-cu12`, or the CUDA toolkit",
    "libnvinfer": "TensorRT; install it by `pip install tensorrt`, or from NVIDIA's packages",
    "libnvonnxparser": "TensorRT's ONNX parser; install it by `pip install tensorrt`, or from NVIDIA's packages",
}


class Device(Enum):
    """Where models run."""

    CPU = "cpu"
    CUDA = "cuda"
    TENSORRT = "tensorrt"
    """NVIDIA's compiler for its GPUs; a model's first load takes minutes, and is kept."""
    AUTO = "auto"
    """CUDA where it works, else the CPU; which of them is reported."""


_PROVIDERS = {
    Device.CPU: (CPU,),
    Device.CUDA: (CUDA, CPU),
    Device.TENSORRT: (TENSORRT, CUDA, CPU),
    Device.AUTO: (CUDA, CPU),
}
"""What a device means, and what may stand in for it, best first."""


def wanted(device: Device, *, fallback: bool, cache: Path | None = None) -> list[Choice]:
    """Providers for a device, first choice first.

    Args:
        device: what the operator asked for.
        fallback: whether another provider may stand in; `check_in_use` says so once a session runs.
        cache: folder for engines that TensorRT builds.

    Raises:
        MissingDependency: this build of ONNX Runtime has no such provider.
    """
    available = {*ort.get_available_providers(), CPU}
    first, *_ = providers = _PROVIDERS[device]
    if first not in available and not fallback:
        raise MissingDependency(
            f"{_spoken(first)} was asked for and {_NOT_BUILT}, or set PRECORDIA_INFERENCE_DEVICE=cpu.",
            package="onnxruntime-gpu",
            extra="gpu",
        )
    return [(provider, _options(provider, cache)) for provider in providers if provider in available]


def load_libraries(choices: list[Choice]) -> None:
    """Makes CUDA libraries that were installed as Python packages known; without them the system's are used."""
    if choices[0][0] != CPU and hasattr(ort, "preload_dlls"):
        ort.preload_dlls()


def check_in_use(device: Device, in_use: str, *, fallback: bool) -> None:
    """Makes sure that a session runs where the operator wanted it.

    Args:
        device: what the operator asked for.
        in_use: the session's first provider.
        fallback: whether another will do.

    Raises:
        FailedPrecondition: it will not; the message says what is missing and what to do.
    """
    better = [provider for provider in _PROVIDERS[device] if provider != CPU]
    if in_use in better:
        better = better[: better.index(in_use)]
    missing = {provider: _why_missing(provider) for provider in better}
    if device is Device.AUTO:  # a build for the CPU alone is as good an answer to "auto" as another
        missing = {provider: why for provider, why in missing.items() if why != _NOT_BUILT}
    if not missing:
        return
    if fallback:
        for provider, why in missing.items():
            log.warning("%s does not work here (%s); models run on %s", _spoken(provider), why, _spoken(in_use))
        return
    provider, why = next(iter(missing.items()))
    raise FailedPrecondition(
        f"{_spoken(provider)} was asked for and does not work here: {why}. Mend that, "
        "or set PRECORDIA_INFERENCE_DEVICE=cpu or PRECORDIA_INFERENCE_ALLOW_FALLBACK=true."
    )


def _why_missing(provider: str) -> str:
    return why_not(provider) if provider in ort.get_available_providers() else _NOT_BUILT


def why_not(provider: str) -> str:
    """What stands in a provider's way, as far as the system's loader says it."""
    folder = Path(ort.__file__).parent / "capi"
    name = "tensorrt" if provider == TENSORRT else "cuda"
    for library in ("libcuda.so.1", str(folder / f"libonnxruntime_providers_{name}.so")):
        try:
            ctypes.CDLL(library)
        except OSError as error:
            if said := explained(str(error)):
                return said
    return "its libraries load, but no device answers; `nvidia-smi` should name one"


def explained(loader_error: str) -> str:
    """The system loader's message about a missing library, as advice; empty where it is about something else."""
    found = _ABSENT.search(loader_error)
    if found is None:
        return ""
    library = Path(found[1]).name
    advice = next((how for begin, how in _HOW.items() if library.startswith(begin)), "")
    return f"{library} is missing, a part of {advice}" if advice else f"the library {library} is missing"


def _options(provider: str, cache: Path | None) -> dict[str, Any]:
    if provider == CUDA:
        # TF32 would round inputs to 10 bits: an answer would then depend on the device by more than 1e-5.
        return {"use_tf32": "0"}
    return _tensorrt(cache) if provider == TENSORRT else {}


def _tensorrt(cache: Path | None) -> dict[str, Any]:
    if cache is None:
        return {}
    cache.mkdir(parents=True, exist_ok=True)
    kept = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(cache)}
    return kept | {"trt_timing_cache_enable": "1", "trt_timing_cache_path": str(cache)}


def _spoken(provider: str) -> str:
    return {CPU: "the CPU", CUDA: "CUDA", TENSORRT: "TensorRT"}.get(provider, provider)
