"""The trigger: which of Redis' numbers KEDA will look at. Source: KEDA v2.20.2 pkg/scalers/redis_streams_scaler.go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from raibid.contract import STREAM
from raibid.scaler.rules.finding import Finding, Rule, Subject, error, info, warning
from raibid.scaler.scaled_job import Trigger

METADATA: Final = "spec.triggers[0].metadata"
_TYPE: Final = "redis-streams"
_SECRETS: Final = ("password", "sentinelPassword")
_REMEDY: Final = 'streamLength: "1" and neither consumerGroup, lagCount nor pendingEntriesCount'


def _streams(subject: Subject) -> Trigger | None:
    trigger = subject.scaled_job.trigger
    return trigger if trigger.type == _TYPE else None


def triggers(subject: Subject) -> Iterator[Finding]:
    """no-trigger, multiple-triggers: exactly one decides."""
    count = len(subject.scaled_job.spec.triggers)
    if count == 0:
        yield error("no-trigger", "spec.triggers", "KEDA never creates a Job", f"one {_TYPE} trigger")
    if count > 1:
        yield warning(
            "multiple-triggers", "spec.triggers",
            f"KEDA takes the largest of {count} triggers' values (multipleScalersCalculation: max); one of them that "
            "counts something else starts agents that find no job",
            "one trigger: the stream's length is the number of agents wanted",
        )  # fmt: skip


def trigger_type(subject: Subject) -> Iterator[Finding]:
    """push-trigger, other-trigger: only the stream's length is exact."""
    kind = subject.scaled_job.trigger.type
    if kind == "external-push":
        yield error(
            "push-trigger", "spec.triggers[0].type",
            'KEDA only logs "External Push Scaler does not support ScaledJob": nothing starts by a push',
            f"type: {_TYPE} with pollingInterval: 2",
        )  # fmt: skip
    elif kind and kind != _TYPE:
        yield warning(
            "other-trigger", "spec.triggers[0].type",
            f"a {kind} trigger does not see the ledger's stream; this doctor cannot say what it will count",
            f"type: {_TYPE}",
        )  # fmt: skip


def metadata_types(subject: Subject) -> Iterator[Finding]:
    """metadata-not-string: the API wants strings."""
    for name, value in subject.scaled_job.trigger.metadata.items():
        if not isinstance(value, str):
            yield error(
                "metadata-not-string", f"{METADATA}.{name}",
                f"{value!r} is not a string: the API server refuses the object",
                f'{name}: "{str(value).lower() if isinstance(value, bool) else value}"',
            )  # fmt: skip


def consumer_group(subject: Subject) -> Iterator[Finding]:
    """consumer-group-beside-stream-length, pending-entries-count, lag-count: the three ways to name a group."""
    trigger = _streams(subject)
    if trigger is None or not trigger.metadata.get("consumerGroup"):
        return
    if trigger.number("lagCount"):
        yield error(
            "lag-count", f"{METADATA}.lagCount",
            "strands work: the lag ignores entries an agent died with, and Redis reports it as unknown (nil) after a "
            "cancel by XDEL, after acknowledging and deleting out of order, and up to 7.2.6 after a restart from AOF; "
            "KEDA then starts nothing and says nothing. It also needs Redis 7 and the ACL rules +info +xinfo",
            _REMEDY,
        )  # fmt: skip
    elif "streamLength" in trigger.metadata:
        yield error(
            "consumer-group-beside-stream-length", f"{METADATA}.consumerGroup",
            "streamLength is silently dropped: KEDA counts pending entries against a target of 5. Pending means "
            "delivered, so with no agent alive it is 0 and none ever starts",
            "remove consumerGroup",
        )  # fmt: skip
    else:
        yield error(
            "pending-entries-count", f"{METADATA}.consumerGroup",
            "KEDA counts entries already delivered to an agent (XPENDING), target "
            f"{trigger.metadata.get('pendingEntriesCount', 5)}: from zero agents it never starts one, and without the "
            "group it fails with NOGROUP",
            _REMEDY,
        )  # fmt: skip


def stream_length(subject: Subject) -> Iterator[Finding]:
    """stream-length-missing, stream-length-invalid, stream-length-not-one: one agent per job."""
    trigger = _streams(subject)
    if trigger is None or trigger.metadata.get("consumerGroup"):
        return
    path = f"{METADATA}.streamLength"
    remedy = 'streamLength: "1"'
    if "streamLength" not in trigger.metadata:
        yield warning("stream-length-missing", path, "the default target is 5: one agent for five jobs", remedy)
        return
    length = trigger.number("streamLength")
    if length is None or length < 1:
        yield error(
            "stream-length-invalid", path,
            f"{trigger.metadata['streamLength']!r} is no number of jobs per agent: no Job is ever created", remedy,
        )  # fmt: skip
    elif length > 1:
        yield warning(
            "stream-length-not-one", path,
            f"one agent for {length} jobs; an agent takes one job and ends, so {length} jobs run one after another",
            remedy,
        )  # fmt: skip


def activation(subject: Subject) -> Iterator[Finding]:
    """activation-above-zero: jobs below the threshold wait for ever."""
    trigger = _streams(subject)
    if trigger is None or "activationLagCount" not in trigger.metadata:
        return
    threshold = trigger.number("activationLagCount")
    if threshold is None or threshold > 0:
        shown = threshold if threshold is not None else trigger.metadata["activationLagCount"]
        yield error(
            "activation-above-zero", f"{METADATA}.activationLagCount",
            f"active means more than {shown} (in every mode, despite the name): the last {shown} jobs wait for ever",
            "remove activationLagCount (0 since KEDA 2.17)",
        )  # fmt: skip


def connection(subject: Subject) -> Iterator[Finding]:
    """address-missing, stream-missing, other-stream: where KEDA looks."""
    trigger = _streams(subject)
    if trigger is None:
        return
    if not {"address", "addressFromEnv", "host", "hostFromEnv"} & trigger.metadata.keys():
        yield warning(
            "address-missing", f"{METADATA}.address",
            "unless the TriggerAuthentication gives it, the scaler cannot be built and the ScaledJob is never Ready",
            'address: "<service>.<namespace>.svc.cluster.local:6379"',
        )  # fmt: skip
    stream = trigger.metadata.get("stream")
    if not stream:
        yield error(
            "stream-missing", f"{METADATA}.stream", "the scaler cannot be built; the ScaledJob is never Ready",
            f"stream: {STREAM}",
        )  # fmt: skip
    elif stream != STREAM:
        yield info(
            "other-stream", f"{METADATA}.stream",
            f"KEDA looks at {stream}; agents and API use {STREAM} unless RAIBID_STREAM says otherwise",
            f"stream: {STREAM}, or the same RAIBID_STREAM for API and agents",
        )  # fmt: skip


def credentials(subject: Subject) -> Iterator[Finding]:
    """plaintext-password, authentication-missing: KEDA reads Redis as its own least-privilege user."""
    trigger = _streams(subject)
    if trigger is None:
        return
    for name in _SECRETS:
        if name in trigger.metadata:
            yield error(
                "plaintext-password", f"{METADATA}.{name}",
                "the password is readable by everybody who may read ScaledJobs, and lies in the Git repository",
                "a TriggerAuthentication with secretTargetRef, named in authenticationRef",
            )  # fmt: skip
    from_env = any(name.startswith("password") and name.endswith("FromEnv") for name in trigger.metadata)
    if not (trigger.authentication_ref and trigger.authentication_ref.name) and not from_env:
        yield warning(
            "authentication-missing", "spec.triggers[0].authenticationRef",
            "KEDA connects without a user: it works only on a Redis that anybody may write to",
            "authenticationRef to a user with the rules ~<stream> +ping +xlen, which is all KEDA needs",
        )  # fmt: skip


RULES: tuple[Rule, ...] = (
    triggers, trigger_type, metadata_types, consumer_group, stream_length, activation, connection, credentials,
)  # fmt: skip
