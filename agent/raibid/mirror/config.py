"""`mirrors.yaml` as people write it: frozen, checked, and the source of the JSON Schema and the reference.

Owns: the keys, their defaults, and what one value may be.
Leaves to others: reading and reporting (`lint.py`), how values must agree (`agreement.py`), which mirrors this asks for
(`desired.py`), what the words of force-push policies and hooks do (`force_push.py`, `hooks.py`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from raibid.forge import names
from raibid.forge.errors import PayloadError
from raibid.mirror import patterns
from raibid.mirror.errors import RefusedSourceError
from raibid.mirror.guard import AllowedHost, Guard, Resolve
from raibid.model.pipeline_types import Flag, NotEmpty, one_or_more, refusal

MARK: Final = "raibid-mirror"
"""The topic of a repository in Gitea that says: this mirror is kept by `mirrors.yaml`."""
ARCHIVED_MARK: Final = "raibid-archived"
"""The topic beside it of a mirror that nobody looks at any more."""
SHORTEST_INTERVAL: Final = 10 * 60
"""Gitea's own least, `[mirror] MIN_INTERVAL`: below it `POST /repos/migrate` ends in HTTP 500."""
LONGEST_INTERVAL: Final = 30 * 24 * 3600
_MOST_ENTRIES: Final = 1_000
_OWNER: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,38}[A-Za-z0-9])?"
_NAME: Final = r"[A-Za-z0-9_.-]{1,100}"
_PREFIX: Final = r"[A-Za-z0-9_.-]{0,40}"
_TOKEN: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"  # noqa: S105


def _interval(value: object) -> object:
    """Seconds of `8h`, `90m`; 0 for `never`: then Gitea looks only when it is told to."""
    if not isinstance(value, str):
        return value
    if value == "never":
        return 0
    found = re.fullmatch(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?", value, re.ASCII)
    seconds = int(found[1] or 0) * 3600 + int(found[2] or 0) * 60 if found else 0
    if not SHORTEST_INTERVAL <= seconds <= LONGEST_INTERVAL:
        raise refusal("bad-interval", "an interval is from 10m to 720h, or `never`", "write `30m`, `8h` or `1h30m`")
    return seconds


def _owner(value: str) -> str:
    if not re.fullmatch(_OWNER, value, re.ASCII):
        suggestion = "write the owner alone, such as `acme`" if "/" in value else "such as `acme`"
        raise refusal("bad-owner", "this is not the name of an organisation or a user", suggestion)
    return value


def _repository(value: str) -> str:
    try:
        return names.repository(value)
    except PayloadError:
        raise refusal("bad-repository", "this is not owner/name", "such as `acme/anvil`") from None


def _name(value: str) -> str:
    if not re.fullmatch(_NAME, value, re.ASCII) or value in (".", ".."):
        raise refusal("bad-name", "this is not a repository's name", "letters, digits, `-`, `_` and `.`")
    return value


def _source(value: str) -> str:
    try:
        return names.clone_url(value)
    except PayloadError as error:
        words = str(error).removeprefix("clone URL: ")
        raise refusal("bad-source", words, "write `https://host/owner/name.git`; a token goes by `token:`") from None


def _pattern(value: str) -> str:
    if why := patterns.complaint(value):
        raise refusal("bad-pattern", f"this pattern is not accepted: {why}", "write several simple ones")
    return value


def _token(value: str) -> str:
    if value == "none":
        return ""
    if not re.fullmatch(_TOKEN, value, re.ASCII):
        raise refusal("bad-token-name", "this is not a token's name", "the name of a file, never the token itself")
    if re.match(r"gh[oprsu]_|github_pat_|glpat-", value):
        raise refusal("bad-token-name", "this looks like a token itself", "revoke it, and name a file that holds one")
    return value


def _privacy(value: object) -> object:
    if isinstance(value, str):
        if value not in ("true", "false", "as-source"):
            raise refusal("unknown-value", "this is not known", "write `true`, `false` or `as-source`")
        return value if value == "as-source" else value == "true"
    return value


def _port(value: object) -> object:
    if isinstance(value, str):
        if not value.isdecimal() or not 1 <= int(value[:6]) <= 65535:
            raise refusal("bad-port", "this is not a port", "a number from 1 to 65535")
        return int(value)
    return value


def _prefix(value: str) -> str:
    if not re.fullmatch(_PREFIX, value, re.ASCII):
        raise refusal(
            "bad-name", "this cannot begin a repository's name", "letters, digits, `-`, `_` and `.`, at most 40"
        )
    return value


def _host(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Owner = Annotated[str, AfterValidator(_owner), Field(json_schema_extra={"pattern": f"^{_OWNER}$"})]
Repository = Annotated[str, AfterValidator(_repository), Field(json_schema_extra={"pattern": f"^{_NAME}/{_NAME}$"})]
RepositoryName = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
SourceUrl = Annotated[str, AfterValidator(_source)]
TokenName = Annotated[str, AfterValidator(_token), Field(json_schema_extra={"pattern": f"^{_TOKEN}$"})]
Interval = Annotated[
    int,
    BeforeValidator(
        _interval, json_schema_input_type=Annotated[str, Field(pattern=r"^(never|(?=.)(\d{1,4}h)?(\d{1,5}m)?)$")]
    ),
]
Pattern = Annotated[str, Field(max_length=patterns.LONGEST), AfterValidator(_pattern)]
Patterns = Annotated[
    tuple[Pattern, ...], *NotEmpty, BeforeValidator(one_or_more, json_schema_input_type=Pattern | list[Pattern])
]
Port = Annotated[int, BeforeValidator(_port)]
Prefix = Annotated[str, AfterValidator(_prefix), Field(json_schema_extra={"pattern": f"^{_PREFIX}$"})]
Privacy = Annotated[
    bool | Literal["as-source"], BeforeValidator(_privacy, json_schema_input_type=bool | Literal["as-source"])
]
Description = Annotated[str, Field(max_length=1000)]
Looks = Literal["raibid", "gitea"]
ForcePush = Literal["always", "on-force-push", "block"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class HostEntry(_Model):
    """A host that sources may be on."""

    name: str = Field(description="DNS name, or address, as URLs spell it.")
    port: Port | None = Field(default=None, description="Another port than the scheme's own.")
    http: Flag = Field(default=False, description="Whether it may be asked without TLS.")
    private: Flag = Field(default=False, description="Whether it may have private addresses: a forge of one's own.")

    @property
    def allowed(self) -> AllowedHost:
        """The same for the guard."""
        schemes = frozenset({"https", "http"} if self.http else {"https"})
        return AllowedHost(name=self.name, port=self.port, schemes=schemes, private=self.private)


Hosts = Annotated[
    tuple[Annotated[HostEntry, BeforeValidator(_host, json_schema_input_type=str | HostEntry)], ...],
    *NotEmpty,
]


class Manner(_Model):
    """How a mirror is kept; each key may stand in `defaults` and in every entry."""

    interval: Interval | None = Field(
        default=None, description="How often somebody looks at the source: 10m to 720h, or `never` (8h)."
    )
    looks: Looks | None = Field(
        default=None,
        description="Who looks: `raibid` (the default), which keeps to `force_push`, or `gitea` by itself, which takes "
        "over whatever is there.",
    )
    lfs: Flag | None = Field(default=None, description="Whether LFS objects come along; only when it is made (false).")
    wiki: Flag | None = Field(default=None, description="Whether the wiki does; only when it is made (false).")
    token: TokenName | None = Field(
        default=None,
        description="Name of a file in `RAIBID_MIRROR_TOKENS_DIR`, for sources that ask who is there; `none`: nobody. "
        "That of `defaults` is for GitHub alone.",
    )
    force_push: ForcePush | None = Field(
        default=None,
        description="A bundle of the mirror is kept before every sync (`always`), before one that loses commits "
        "(`on-force-push`, the default), or such a sync waits for a person (`block`).",
    )
    hook: Flag | None = Field(default=None, description="Whether GitHub tells each push at once (false).")


class Defaults(Manner):
    """What holds where an entry says nothing."""

    private: Flag | None = Field(default=None, description="Whether mirrors are private (true).")


class SingleEntry(Manner):
    """One repository."""

    source: SourceUrl | None = Field(default=None, description="Clone URL without credentials.")
    github: Repository | None = Field(default=None, description="Instead: owner/name at github.com.")
    target: Repository = Field(description="owner/name in Gitea.")
    description: Description | None = Field(default=None, description="Without it, the description is left alone.")
    private: Flag | None = Field(default=None, description="Whether the mirror is private.")

    @property
    def url(self) -> str:
        """The clone URL."""
        return self.source or f"https://github.com/{self.github}.git"


class OrgEntry(Manner):
    """The repositories of an organisation (or user) of GitHub's: also those that come later."""

    github: Owner = Field(description="The organisation or user at github.com.")
    target: Owner = Field(description="The organisation in Gitea; made if it is not there.")
    include: Patterns = Field(default=(".*",), description="Patterns, one of which is the whole name.")
    exclude: Patterns = Field(default=(), description="Patterns, none of which is the whole name.")
    forks: Flag = Field(default=False, description="Whether forks are mirrored.")
    archived: Flag = Field(default=False, description="Whether archived ones are.")
    empty: Flag = Field(default=False, description="Whether empty ones are.")
    visibility: Literal["all", "public", "private"] = Field(default="all", description="Which are.")
    names: Annotated[dict[RepositoryName, RepositoryName], Field(max_length=_MOST_ENTRIES)] = Field(
        default={}, description="Other names for some: name at GitHub to name in Gitea."
    )
    prefix: Prefix = Field(default="", description="Before the names of all others.")
    private: Privacy | None = Field(
        default=None, description="Whether the mirrors are private; `as-source`: as each is at GitHub."
    )


class MirrorsFile(_Model):
    """The file."""

    hosts: Hosts = Field(
        default=(HostEntry(name="github.com"),),
        description="The only hosts that sources may be on (github.com).",
    )
    defaults: Defaults = Field(default=Defaults(), description="For all entries.")
    single: Annotated[tuple[SingleEntry, ...], Field(max_length=_MOST_ENTRIES)] = Field(
        default=(), description="Repositories, one by one."
    )
    org: Annotated[tuple[OrgEntry, ...], Field(max_length=100)] = Field(
        default=(), description="Organisations with all of their repositories."
    )

    def guard(self, resolve: Resolve | None = None) -> Guard:
        """The fence around the sources."""
        return Guard([host.allowed for host in self.hosts], resolve)


def refused(guard: Guard, url: str) -> str:
    """Why a source is on no host of the list; empty: it is."""
    try:
        guard.url(url)
    except RefusedSourceError as error:
        return str(error)
    return ""


def manner(entry: Manner, defaults: Manner, key: str, otherwise: Any) -> Any:
    """A key's value: the entry's, else the defaults', else ours."""
    own = getattr(entry, key)
    if own is not None:
        return own
    given = getattr(defaults, key)
    return otherwise if given is None else given
