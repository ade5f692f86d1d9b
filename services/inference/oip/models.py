"""What a model is and how it is served, in the messages of the Open Inference Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from precordia.catalog import MODEL_ONNX, ModelRef, ModelVersion
from precordia.oip import inference_pb2 as pb
from precordia.oip import management_pb2, model_config_pb2
from services.inference.engine.sessions import TensorSpec
from services.inference.models.holding import ResolvedModel
from services.inference.oip.requests import DEFAULT_PRIORITY, PRIORITY_LEVELS
from services.inference.predicting.tensor_predictor import MAX_ROWS
from services.inference.statistics import ComputeTally, ServingStatistics, Tally

PLATFORM, BACKEND = "onnxruntime_onnx", "onnxruntime"

_GPUS = ("CUDAExecutionProvider", "TensorrtExecutionProvider")


def metadata_of(model: ResolvedModel, versions: Sequence[int]) -> pb.ModelMetadataResponse:
    """Names, types and shapes of a model's tensors, and the versions that can be asked for."""
    tensor = pb.ModelMetadataResponse.TensorMetadata
    return pb.ModelMetadataResponse(
        name=model.version.name,
        versions=map(str, sorted(versions)),
        platform=PLATFORM,
        inputs=[
            tensor(name=name, datatype="FP32", shape=(-1, *shape)) for name, shape in model.serving.input_shapes.items()
        ],
        outputs=[
            tensor(name=spec.name, datatype=spec.datatype, shape=(-1, *_dimensions(spec)))
            for spec in model.serving.outputs.values()
        ],
    )


def config_of(model: ResolvedModel) -> model_config_pb2.ModelConfig:
    """How a model is served: what was measured when it was loaded decides."""
    version, serving = model.version, model.serving
    policy = serving.batcher.policy
    return model_config_pb2.ModelConfig(
        name=version.name,
        platform=PLATFORM,
        backend=BACKEND,
        version_policy=model_config_pb2.ModelVersionPolicy(all=model_config_pb2.ModelVersionPolicy.All()),
        max_batch_size=MAX_ROWS,
        input=[
            model_config_pb2.ModelInput(name=name, data_type=model_config_pb2.TYPE_FP32, dims=shape)
            for name, shape in serving.input_shapes.items()
        ],
        output=[
            model_config_pb2.ModelOutput(
                name=spec.name,
                data_type=f"TYPE_{spec.datatype}",
                dims=_dimensions(spec),
            )
            for spec in serving.outputs.values()
        ],
        instance_group=[_instances(version, serving.session.providers, policy.workers)],
        default_model_filename=MODEL_ONNX,
        dynamic_batching=model_config_pb2.ModelDynamicBatching(
            preferred_batch_size=[policy.max_batch],
            max_queue_delay_microseconds=round(1e6 * policy.max_delay_s),
            priority_levels=PRIORITY_LEVELS,
            default_priority_level=DEFAULT_PRIORITY,
            default_queue_policy=model_config_pb2.ModelQueuePolicy(
                allow_timeout_override=True, max_queue_size=policy.capacity
            ),
        ),
        parameters={name: model_config_pb2.ModelParameter(string_value=text) for name, text in _meaning(model).items()},
    )


def index_of(ref: ModelRef, *, loaded: bool, unloaded: bool) -> management_pb2.RepositoryIndexResponse.ModelIndex:
    """A version in the index. One that nobody unloaded is ready: its first request loads it."""
    return management_pb2.RepositoryIndexResponse.ModelIndex(
        name=ref.name,
        version=str(ref.version),
        state="UNAVAILABLE" if unloaded else "READY",
        reason="unloaded" if unloaded else "" if loaded else "loaded by its first request",
    )


def statistics_of(version: ModelVersion, counted: ServingStatistics) -> management_pb2.ModelStatistics:
    """What became of a model's requests since it was loaded."""
    runs = counted.runs
    return management_pb2.ModelStatistics(
        name=version.name,
        version=str(version.version),
        last_inference=counted.last_run_ms,
        inference_count=counted.items,
        execution_count=sum(tally.infer.count for tally in runs.values()),
        inference_stats=management_pb2.InferStatistics(
            success=_duration(counted.success),
            fail=_duration(counted.fail),
            queue=_duration(counted.queue),
            **_compute(counted.compute),
        ),
        batch_stats=[
            management_pb2.InferBatchStatistics(batch_size=size, **_compute(tally)) for size, tally in runs.items()
        ],
    )


def _compute(tally: ComputeTally) -> dict[str, management_pb2.StatisticDuration]:
    return {
        "compute_input": _duration(tally.input),
        "compute_infer": _duration(tally.infer),
        "compute_output": _duration(tally.output),
    }


def _duration(tally: Tally) -> management_pb2.StatisticDuration:
    return management_pb2.StatisticDuration(count=tally.count, ns=tally.ns)


def _dimensions(spec: TensorSpec) -> list[int]:
    return [-1 if size is None else size for size in spec.shape[1:]]


def _instances(version: ModelVersion, providers: Sequence[str], count: int) -> model_config_pb2.ModelInstanceGroup:
    on_gpu = providers[0] in _GPUS
    group = model_config_pb2.ModelInstanceGroup
    return group(
        name=f"{version.name}_0",
        kind=group.KIND_GPU if on_gpu else group.KIND_CPU,
        count=count,
        gpus=[0] if on_gpu else [],
    )


def _meaning(model: ResolvedModel) -> Mapping[str, str]:
    """What a caller has to know of tensors that nothing conditions for it."""
    version, manifest = model.version, model.version.manifest
    profile = model.serving.profile
    measured = ", ".join(f"{size}: {ms:.3g}" for size, ms in sorted(profile.milliseconds.items()))
    rates = ", ".join(
        f"{count}: {rate:.4g}" for count, rate in sorted((profile.rates or {1: profile.best_rate}).items())
    )
    optional = ",".join(manifest.input.optional_leads)
    return {
        "digest": version.digest,
        "version": str(version.version),
        "task": manifest.task.value,
        "leads": ",".join(manifest.input.leads),
        "rate_hz": f"{manifest.input.rate_hz:g}",
        "unit": manifest.input.unit.value,
        "conditioning": ",".join(step.name for step in manifest.steps),
        "activation": manifest.activation.value,
        "labels": ",".join(manifest.output_names),
        "providers": ",".join(model.serving.session.providers),
        "measured_ms_by_batch": measured,
        "measured_rate_by_instances": rates,
        "threads_of_an_instance": str(profile.threads),
        "memory_mib": f"{model.serving.memory_bytes / 2**20:.0f}",
        **({"optional_leads": optional} if optional else {}),
    }
