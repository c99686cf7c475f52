"""Every name that two programs must spell alike.

Owns: environment variables, event names, defaults that both sides assume; Redis' keys and the consumer group are in
`keys.py`.
Leaves to others: what the keys hold (`raibid.ledger`), what the numbers cost (`components.budget`).
Imports nothing but its own files, so that both halves of the project may import it.
"""

from __future__ import annotations

from typing import Final

from raibid.contract.keys import GROUP as GROUP
from raibid.contract.keys import STREAM as STREAM
from raibid.contract.keys import Keys as Keys

# --- timing and bounds that agents, API and checker assume alike -------------------------------------------
LEASE_SECONDS: Final = 30.0
BEAT_SECONDS: Final = 10.0
MAX_ATTEMPTS: Final = 3
"""Starts per job; only infrastructure failures use them up."""
MAX_REFUNDS: Final = 5
"""How often a SIGTERM gives its attempt back."""
RETENTION_SECONDS: Final = 24 * 3600
"""How long a finished job stays in Redis; the archive keeps it for good."""
AGE_SECONDS: Final = 3600
"""Waiting this long lifts a job by one priority class."""
DEFAULT_WINDOW: Final = 4
EVENTS_KEPT: Final = 10_000
"""About how many transitions the event stream keeps."""
DEAD_LETTERS_KEPT: Final = 1_000
AGENT_KEPT_SECONDS: Final = 24 * 3600
"""How long the ledger knows which job an agent had; Kubernetes forgets its pod after the Job's TTL, a day too."""
PODS_KEPT: Final = MAX_ATTEMPTS + MAX_REFUNDS
"""Post-mortems kept per job: it cannot have more starts."""
PAST_KEPT: Final = 20 * 41
"""Characters of a superseding group's older commits: a delivery that comes late is seen to be late."""
STUCK_SECONDS: Final = 300
"""A note about agents that cannot start goes when nobody has repeated it for so long."""
ARCHIVED_LOG_SECONDS: Final = 600
"""A log stays in Redis this long after it was archived, for readers under way: 100 chatty builds are 3 GB."""
LOG_CAP_BYTES: Final = 32 * 1024 * 1024
LOG_CHUNK_BYTES: Final = 16 * 1024
LOG_FLUSH_SECONDS: Final = 0.1
POLL_SECONDS: Final = 2.0
"""KEDA's poll: at 10 s queue → claim was 16.6 s at p95, at 2 s 5.6 s (spec/queue.md 1.3)."""


TEXT_TWIN: Final = "_text"
"""Flux puts a variable's value in without quotes: `NAME_text` is the same number with quotes of its own, for places
that take only text. Whoever changes the one changes the other."""


class Env:
    """Environment variables, for pods and local processes alike. A `*_FILE` names a file with the value."""

    REDIS_URL: Final = "RAIBID_REDIS_URL"
    """`redis://host:port/0`; never with a password in it."""
    REDIS_USERNAME: Final = "RAIBID_REDIS_USERNAME"
    REDIS_PASSWORD: Final = "RAIBID_REDIS_PASSWORD"  # noqa: S105
    REDIS_PASSWORD_FILE: Final = "RAIBID_REDIS_PASSWORD_FILE"  # noqa: S105
    STREAM: Final = "RAIBID_STREAM"
    LEASE_SECONDS: Final = "RAIBID_LEASE_SECONDS"
    BEAT_SECONDS: Final = "RAIBID_BEAT_SECONDS"
    STORE: Final = "RAIBID_STORE"
    """Archive and artifacts: `file:///path` or `s3://bucket/prefix`."""
    API_URL: Final = "RAIBID_API_URL"
    TOKEN: Final = "RAIBID_TOKEN"  # noqa: S105
    TOKEN_FILE: Final = "RAIBID_TOKEN_FILE"  # noqa: S105
    WEBHOOK_SECRETS_FILE: Final = "RAIBID_WEBHOOK_SECRETS_FILE"
    """One secret per line; all are valid, so that one can be rotated."""
    READ_TOKENS_FILE: Final = "RAIBID_READ_TOKENS_FILE"
    WRITE_TOKENS_FILE: Final = "RAIBID_WRITE_TOKENS_FILE"
    ENROLMENT_FILE: Final = "RAIBID_ENROLMENT_FILE"
    """YAML: what is built of which repository (branches, paths, limit, priority, approval)."""
    PUBLIC_URL: Final = "RAIBID_PUBLIC_URL"
    PUBLIC_READ: Final = "RAIBID_PUBLIC_READ"
    PUBLIC_METRICS: Final = "RAIBID_PUBLIC_METRICS"
    GITEA_BODY_BYTES: Final = "RAIBID_GITEA_BODY_BYTES"
    GITHUB_BODY_BYTES: Final = "RAIBID_GITHUB_BODY_BYTES"
    BODY_SECONDS: Final = "RAIBID_BODY_SECONDS"
    ANSWER_SECONDS: Final = "RAIBID_ANSWER_SECONDS"
    TICK_SECONDS: Final = "RAIBID_TICK_SECONDS"
    PING_SECONDS: Final = "RAIBID_PING_SECONDS"
    BADGE_SECONDS: Final = "RAIBID_BADGE_SECONDS"
    MOST_STREAMS: Final = "RAIBID_MOST_STREAMS"
    STATUS_SECONDS: Final = "RAIBID_STATUS_SECONDS"
    WINDOW: Final = "RAIBID_WINDOW"
    """Jobs that may be in the stream: maxReplicaCount."""
    GITEA_URL: Final = "RAIBID_GITEA_URL"
    """Where the API reaches Gitea, to tell it commit statuses; never with credentials in it."""
    GITHUB_URL: Final = "RAIBID_GITHUB_URL"
    """`https://api.github.com`, or an enterprise's own; empty: GitHub is neither told nor asked anything."""
    GITHUB_APP_FILE: Final = "RAIBID_GITHUB_APP_FILE"
    """JSON: which installation of which GitHub App speaks for the pool, and where its key is (`forge/github/app.py`);
    without it the credentials file has a token for GitHub."""
    NOTIFY_FILE: Final = "RAIBID_NOTIFY_FILE"
    """YAML: name of a notification's target → its URL as apprise has them. They hold secrets."""
    RECONCILE_SECONDS: Final = "RAIBID_RECONCILE_SECONDS"
    RECONCILE_QUESTIONS: Final = "RAIBID_RECONCILE_QUESTIONS"
    FORGE_CREDENTIALS_FILE: Final = "RAIBID_FORGE_CREDENTIALS_FILE"
    """A line per forge: `https://user:token@host`, the format of git-credential-store."""
    MIRROR_TOKENS_DIR: Final = "RAIBID_MIRROR_TOKENS_DIR"
    """A file per token that `mirrors.yaml` may name."""
    MIRRORS_FILE: Final = "RAIBID_MIRRORS_FILE"
    """`mirrors.yaml`; with it the API keeps the mirrors that are marked as ours in Gitea."""
    MIRROR_SURVEY_SECONDS: Final = "RAIBID_MIRROR_SURVEY_SECONDS"
    MIRROR_SCRATCH_BYTES: Final = "RAIBID_MIRROR_SCRATCH_BYTES"
    """Room for the repository whose forced push is looked into, or bundled."""
    GITOPS_FILE: Final = "RAIBID_GITOPS_FILE"
    """YAML: hosts, policy and timeouts of `raibid gitops` (docs/gitops.md)."""
    ROLLBACK_TOKEN_FILE: Final = "RAIBID_ROLLBACK_TOKEN_FILE"  # noqa: S105
    """What Flux signs its alerts with."""
    WORKSPACE: Final = "RAIBID_WORKSPACE"
    SECRETS_DIR: Final = "RAIBID_SECRETS_DIR"
    """A file per secret that pipelines may ask for by name."""
    GIT_CREDENTIALS_FILE: Final = "RAIBID_GIT_CREDENTIALS_FILE"
    """A line per host: `https://user:token@host`, the format of git-credential-store; or a directory of such files."""
    ALLOW_FILE_REPOS: Final = "RAIBID_ALLOW_FILE_REPOS"
    MEMORY_LIMIT: Final = "RAIBID_MEMORY_LIMIT"
    AGENT_SECONDS: Final = "RAIBID_AGENT_SECONDS"
    """From an agent's start to the end of its build, at the latest: its pod lives a little longer."""
    AGENT_NAME: Final = "RAIBID_AGENT_NAME"
    NAMESPACE: Final = "RAIBID_NAMESPACE"
    """Where the agents' pods are; the controller's own namespace."""
    PASS_ENV: Final = "RAIBID_PASS_ENV"  # noqa: S105
    """Names of further variables of the agent that steps may see, comma-separated. Not those of a fork."""
    FORK_PASS_ENV: Final = "RAIBID_FORK_PASS_ENV"  # noqa: S105
    """The same for the steps of a fork: nothing that opens anything."""
    FORK_READ: Final = "RAIBID_FORK_READ"
    """Directories, as in PATH, that a fork's steps may read and run programs from besides system and toolchain."""
    FORK_REGISTRIES: Final = "RAIBID_FORK_REGISTRIES"
    """Hosts of cargo registries, comma-separated, whose crates in the shared CARGO_HOME anybody may see, forks too."""
    FORKS_WITHOUT_LANDLOCK: Final = "RAIBID_FORKS_WITHOUT_LANDLOCK"
    """`true`: forks are built also where nothing keeps their steps from what the agent's user can read."""


class Secrets:
    """Names of the Kubernetes Secrets that pods mount."""

    REDIS_ACL: Final = "redis-acl"
    REDIS_API: Final = "raibid-api-redis"
    REDIS_AGENT: Final = "ci-agent-redis"
    REDIS_KEDA: Final = "ci-redis"
    REDIS_CONTROLLER: Final = "raibid-controller-redis"
    AGENT_GITEA: Final = "ci-agent-gitea"
    """The stack's own Gitea. Key `credentials`: a line per host, the format of git-credential-store."""
    AGENT_GIT: Final = "ci-agent-git"
    """The operator's, optional: other forges, in the same format."""
    AGENT_PIPELINES: Final = "ci-agent-secrets"
    """The operator's, optional. A key per secret that pipelines may ask for by name."""
    API: Final = "raibid-api"
    """Keys: webhook-secrets, read-tokens, write-tokens (one per line each)."""
    API_FORGE: Final = "raibid-api-forge"
    """Whose commit statuses the API writes. Key `credentials`: a line per host, as in `AGENT_GITEA`."""
    FORGES: Final = "raibid-forges"
    """The operator's, optional. Key `credentials`: other forges for the API and the mirrors, in the same format; key
    `notify`: targets of notifications (`Env.NOTIFY_FILE`)."""
    MIRROR_GITEA: Final = "raibid-mirror-gitea"
    """Who makes mirrors. Key `credentials`."""
    ROLLBACK: Final = "raibid-rollback"
    """The rollback controller's. Key `credentials`: who pushes reverts; key `token`: what Flux signs alerts with, of
    which Flux has its own copy."""
    MIRROR_TOKENS: Final = "raibid-mirror-tokens"
    """The operator's, optional. A key per token that `mirrors.yaml` names."""


class AclUser:
    """Users of the ledger's Redis."""

    API: Final = "raibid-api"
    AGENT: Final = "raibid-agent"
    KEDA: Final = "raibid-keda"
    CONTROLLER: Final = "raibid-controller"


AGENT_APP: Final = "ci-agent"
"""What agents are called in Kubernetes: the value of their labels, the scaler's object, the start of their names."""


class Labels:
    """Labels of Kubernetes objects that two programs read."""

    APP: Final = "app.kubernetes.io/name"
    SCALED_JOB: Final = "scaledjob.keda.sh/name"
    """KEDA counts the Jobs that bear it, whoever made them (spec/queue.md 1.1)."""


class Annotations:
    """Annotations of Kubernetes objects that two programs read."""

    MAX_AGENTS: Final = "raibid.dev/max-agents"
    """Of the CronJob that holds the agents' Job, where the controller starts them: maxReplicaCount."""
    MIN_AGENTS: Final = "raibid.dev/min-agents"
    """As above: minReplicaCount."""


PIPELINE_FILE: Final = ".raibid.yaml"


class ExitCode:
    """Exit codes of `raibid`, documented in docs/cli.md."""

    OK: Final = 0
    FAILED: Final = 1
    """The build (or the lint, or the check) failed."""
    USAGE: Final = 2
    CANCELLED: Final = 3
    DEAD: Final = 4
    """Infrastructure failed as often as it may."""
    UNAVAILABLE: Final = 5
    """The API or Redis cannot be reached."""
    REFUSED: Final = 6
    """Token missing, wrong or without the scope."""
    NOT_FOUND: Final = 7
    UNMANAGED: Final = 8
    """Nobody applies the object from Git."""
    CONTESTED: Final = 9
    """Several do."""
    UNFINISHED: Final = 10
    """The time was over before it was clear how it ends."""
    INTERRUPTED: Final = 130
    STOPPED: Final = 143
    """An agent got SIGTERM and handed its job back."""
