"""Training runs, networks, and what a trainer can do."""

from __future__ import annotations

from precordia.dataset import SplitRef
from precordia.errors import InvalidArgument
from precordia.leads import parse_leads
from precordia.manifest import Task
from precordia.rpc.convert.dataset import split_ref_from_proto, split_ref_to_proto
from precordia.rpc.convert.json_objects import object_from_text, object_to_text
from precordia.rpc.convert.steps import steps_from_proto, steps_to_proto
from precordia.training import Method, NetworkInfo, TrainerStatus, TrainingSpec, WeightsContract
from precordia.v1 import trainer_pb2, types_pb2

_METHODS: dict[Method, trainer_pb2.TrainingMethod] = {
    Method.SCRATCH: trainer_pb2.TRAINING_METHOD_SCRATCH,
    Method.HEAD: trainer_pb2.TRAINING_METHOD_HEAD,
    Method.ALL: trainer_pb2.TRAINING_METHOD_ALL,
}
_METHODS_BACK = {number: method for method, number in _METHODS.items()}

_TASKS: dict[Task | None, trainer_pb2.TrainingTask] = {
    None: trainer_pb2.TRAINING_TASK_UNSPECIFIED,
    Task.MULTICLASS: trainer_pb2.TRAINING_TASK_MULTICLASS,
    Task.MULTILABEL: trainer_pb2.TRAINING_TASK_MULTILABEL,
    Task.REGRESSION: trainer_pb2.TRAINING_TASK_REGRESSION,
}
_TASKS_BACK = {number: task for task, number in _TASKS.items()}


def training_spec_to_proto(spec: TrainingSpec) -> trainer_pb2.TrainingSpec:
    """A run; what is None stays unset."""
    return trainer_pb2.TrainingSpec(
        train=split_ref_to_proto(spec.train),
        validation=split_ref_to_proto(spec.validation) if spec.validation else None,
        test=split_ref_to_proto(spec.test) if spec.test else None,
        label_group=spec.label_group,
        labels=spec.labels,
        base=spec.base,
        method=_METHODS[spec.method],
        task=_TASKS[spec.task],
        sample_rate_hz=spec.sample_rate_hz or 0.0,
        duration_s=spec.duration_s or 0.0,
        lead_names=spec.leads,
        conditioning=steps_to_proto(spec.conditioning),
        recipe=spec.recipe,
        seed=spec.seed,
        max_epochs=spec.max_epochs or 0,
        batch_size=spec.batch_size or 0,
        max_learning_rate=spec.max_learning_rate or 0.0,
        validation_fraction=spec.validation_fraction or 0.0,
        threads=spec.threads or 0,
        overrides_json=object_to_text(spec.overrides),
        optional_lead_names=spec.optional_leads,
    )


def training_spec_from_proto(message: trainer_pb2.TrainingSpec) -> TrainingSpec:
    """A run; a number of 0 is None. UNSPECIFIED method is SCRATCH.

    Raises:
        InvalidArgument: no dataset or base, an unknown method or task, overrides that are no object.
        UnknownLead, UnknownStep, InvalidManifest: a lead or step that is not in the vocabulary.
    """
    if not message.base:
        raise InvalidArgument("Training needs a base: a network's name or a model.", field="spec.base")
    return TrainingSpec(
        train=split_ref_from_proto(message.train, field="spec.train.dataset"),
        base=message.base,
        method=_method(message.method),
        validation=_optional_split(message.validation),
        test=_optional_split(message.test),
        label_group=message.label_group,
        labels=tuple(message.labels),
        task=_task(message.task),
        sample_rate_hz=message.sample_rate_hz or None,
        duration_s=message.duration_s or None,
        leads=parse_leads(tuple(message.lead_names)),
        conditioning=steps_from_proto(message.conditioning),
        recipe=message.recipe,
        seed=message.seed,
        max_epochs=message.max_epochs or None,
        batch_size=message.batch_size or None,
        max_learning_rate=message.max_learning_rate or None,
        validation_fraction=message.validation_fraction or None,
        threads=message.threads or None,
        overrides=object_from_text(message.overrides_json, field="spec.overrides_json"),
        optional_leads=parse_leads(tuple(message.optional_lead_names)),
    )


def _optional_split(message: types_pb2.SplitRef) -> SplitRef | None:
    return SplitRef(message.dataset, message.split, message.snapshot_id) if message.dataset else None


def _method(number: trainer_pb2.TrainingMethod) -> Method:
    if number == trainer_pb2.TRAINING_METHOD_UNSPECIFIED:
        return Method.SCRATCH
    if number not in _METHODS_BACK:
        raise InvalidArgument("This training method is not known here.", field="spec.method")
    return _METHODS_BACK[number]


def _task(number: trainer_pb2.TrainingTask) -> Task | None:
    if number not in _TASKS_BACK:
        raise InvalidArgument("This task is not known here.", field="spec.task")
    return _TASKS_BACK[number]


def weights_contract_to_proto(contract: WeightsContract) -> trainer_pb2.ImportWeightsHeader:
    """What weights mean; the header's other fields stay empty."""
    return trainer_pb2.ImportWeightsHeader(
        network=contract.network,
        labels=contract.labels,
        task=_TASKS[contract.task],
        lead_names=contract.leads,
        sample_rate_hz=contract.sample_rate_hz or 0.0,
        duration_s=contract.duration_s or 0.0,
        conditioning=steps_to_proto(contract.conditioning),
    )


def weights_contract_from_proto(message: trainer_pb2.ImportWeightsHeader) -> WeightsContract:
    """What weights mean; a number of 0 is None.

    Raises:
        InvalidArgument: no network, or an unknown task.
        UnknownLead, UnknownStep, InvalidManifest: a lead or step that is not in the vocabulary.
    """
    if not message.network:
        raise InvalidArgument("Weights belong to a network; name it.", field="network")
    return WeightsContract(
        network=message.network,
        labels=tuple(message.labels),
        task=_task(message.task),
        leads=parse_leads(tuple(message.lead_names)),
        sample_rate_hz=message.sample_rate_hz or None,
        duration_s=message.duration_s or None,
        conditioning=steps_from_proto(message.conditioning),
    )


def network_to_proto(network: NetworkInfo) -> trainer_pb2.Network:
    """A network that can be trained from scratch."""
    return trainer_pb2.Network(**vars(network))


def network_from_proto(message: trainer_pb2.Network) -> NetworkInfo:
    """A network that can be trained from scratch."""
    return NetworkInfo(
        message.name,
        message.summary,
        message.parameters,
        message.reference,
        message.flops,
        message.sample_rate_hz,
        message.duration_s,
    )


def trainer_status_to_proto(status: TrainerStatus) -> trainer_pb2.GetTrainerStatusResponse:
    """What a trainer can do now."""
    return trainer_pb2.GetTrainerStatusResponse(**vars(status))


def trainer_status_from_proto(message: trainer_pb2.GetTrainerStatusResponse) -> TrainerStatus:
    """What a trainer can do now."""
    return TrainerStatus(
        can_train=message.can_train,
        message=message.message,
        engine=message.engine,
        devices=tuple(message.devices),
        running=message.running,
        waiting=message.waiting,
        queue=tuple(message.queue),
    )
