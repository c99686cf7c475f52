"""A ScaledJob manifest → frozen data, as KEDA would read it.

Owns: YAML in, the fields that decide how a ScaledJob scales out; `None` where the manifest says nothing.
Leaves to others: what the values mean (`rules/`), fields that do not touch scaling (ignored, whatever they are).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from raibid.scaler.arithmetic import Scaling, Strategy
from raibid.scaler.errors import ScaledJobError, UnreadableFileError

API_VERSION: Final = "keda.sh/v1alpha1"
KIND: Final = "ScaledJob"
KEDA_DEFAULT_POLL: Final = 30
_CANDIDATES: Final = (KIND, "ScaledObject")  # the neighbour that people reach for by mistake
_MAX_BYTES: Final = 1 << 20

Version = tuple[int, int, int]


class _Manifest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base: camelCase on the wire, unknown fields ignored."""


class AuthenticationRef(_Manifest, frozen=True):
    """Which TriggerAuthentication holds the trigger's credentials."""

    name: str = ""


class Trigger(_Manifest, frozen=True):
    """One trigger; KEDA's API wants every metadata value to be a string."""

    type: str = ""
    metadata: dict[str, Any] = {}
    authentication_ref: AuthenticationRef | None = None

    def number(self, name: str) -> int | None:
        """A metadata value as a whole number; None when absent or not one."""
        try:
            return int(str(self.metadata[name]))
        except (KeyError, ValueError):
            return None


class ScalingStrategy(_Manifest, frozen=True):
    """`spec.scalingStrategy`."""

    strategy: str | None = None
    custom_scaling_queue_length_deduction: int | None = None
    custom_scaling_running_job_percentage: str | None = None
    pending_pod_conditions: tuple[str, ...] = ()


class Rollout(_Manifest, frozen=True):
    """`spec.rollout`."""

    strategy: str | None = None


class PodSpec(_Manifest, frozen=True):
    """The agent's pod, as far as it decides who retries and how it ends."""

    restart_policy: str | None = None
    termination_grace_period_seconds: int | None = None
    active_deadline_seconds: int | None = None


class PodTemplate(_Manifest, frozen=True):
    """`spec.jobTargetRef.template`."""

    spec: PodSpec = PodSpec()


class JobTarget(_Manifest, frozen=True):
    """`spec.jobTargetRef`: a Kubernetes JobSpec."""

    parallelism: int | None = None
    completions: int | None = None
    backoff_limit: int | None = None
    active_deadline_seconds: int | None = None
    ttl_seconds_after_finished: int | None = None
    pod_failure_policy: dict[str, Any] | None = None
    template: PodTemplate = PodTemplate()


class Spec(_Manifest, frozen=True):
    """`spec`."""

    polling_interval: int | None = None
    min_replica_count: int | None = None
    max_replica_count: int | None = None
    cooldown_period: int | None = None  #: a ScaledObject's field; here it is nothing
    rollout: Rollout = Rollout()
    rollout_strategy: str | None = None  #: deprecated spelling of rollout.strategy
    scaling_strategy: ScalingStrategy = ScalingStrategy()
    job_target_ref: JobTarget = JobTarget()
    triggers: tuple[Trigger, ...] = ()


class Metadata(_Manifest, frozen=True):
    """`metadata`."""

    name: str = ""
    namespace: str = ""
    annotations: dict[str, Any] = {}

    @property
    def full_name(self) -> str:
        """`namespace/name`, or the name alone where the manifest leaves the namespace to whoever applies it."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


class ScaledJob(_Manifest, frozen=True):
    """One manifest. `kind` and `api_version` are what it says, which the doctor judges."""

    api_version: str = ""
    kind: str = ""
    metadata: Metadata = Metadata()
    spec: Spec = Spec()

    @property
    def trigger(self) -> Trigger:
        """The first trigger, or an empty one."""
        return self.spec.triggers[0] if self.spec.triggers else Trigger()

    @property
    def poll(self) -> int:
        """Seconds between two looks at the queue; KEDA's default is 30."""
        return KEDA_DEFAULT_POLL if self.spec.polling_interval is None else self.spec.polling_interval

    def scaling(self, keda_version: Version) -> Scaling:
        """The numbers for KEDA's arithmetic, read as that version reads them."""
        given = self.spec.scaling_strategy
        try:
            strategy = Strategy(given.strategy or "default")
        except ValueError:
            strategy = Strategy.DEFAULT
        return Scaling(
            max_replicas=self.spec.max_replica_count,
            min_replicas=self.spec.min_replica_count or 0,
            target=self.trigger.number("streamLength") or 5,
            activation=self.trigger.number("activationLagCount") or 0,
            strategy=strategy,
            deduction=given.custom_scaling_queue_length_deduction or 0,
            running_percentage=_percentage(given.custom_scaling_running_job_percentage),
            accurate_sees_pending=keda_version >= (2, 19, 0),
        )


def read_scaled_jobs(path: Path) -> tuple[ScaledJob, ...]:
    """The ScaledJobs of a file. Raises ScaledJobError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableFileError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ScaledJobError(f"{path}: {error}") from error
    return parse_scaled_jobs(text, source=str(path))


def parse_scaled_jobs(text: str, *, source: str = "<text>") -> tuple[ScaledJob, ...]:
    """The ScaledJobs among the documents of a YAML text, in order; other kinds are passed over.

    Raises:
        ScaledJobError: not YAML, a field of the wrong type, or no ScaledJob in it.
    """
    if len(text) > _MAX_BYTES:
        raise ScaledJobError(f"{source}: larger than {_MAX_BYTES} bytes; that is no manifest")
    try:
        documents = list(YAML(typ="safe", pure=True).load_all(text))
    except (YAMLError, ValueError, RecursionError) as error:
        raise ScaledJobError(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    found: list[ScaledJob] = []
    kinds: list[str] = []
    for number, document in enumerate(documents, start=1):
        if document is None:
            continue
        if not isinstance(document, dict):
            raise ScaledJobError(f"{source}, document {number}: a {type(document).__name__}, not a Kubernetes object")
        kind = str(document.get("kind", "(no kind)"))
        kinds.append(kind)
        if kind in _CANDIDATES:
            found.append(_converted(document, f"{source}, document {number}"))
    if not found:
        raise ScaledJobError(f"{source}: no ScaledJob in it (found: {', '.join(kinds) or 'nothing'})")
    return tuple(found)


def _converted(document: dict[str, Any], where: str) -> ScaledJob:
    try:
        return msgspec.convert(_without_empty(document), ScaledJob)
    except msgspec.ValidationError as error:
        raise ScaledJobError(f"{where}: {error}") from error


def _without_empty(value: Any, depth: int = 0) -> Any:
    """Without the fields that are null: for Kubernetes `triggers:` with nothing behind it is an absent field."""
    if depth > 50:
        raise msgspec.ValidationError("nested more than 50 levels deep")
    if isinstance(value, dict):
        return {str(k): _without_empty(v, depth + 1) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_empty(v, depth + 1) for v in value]
    return value


def _percentage(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
