"""The API's settings: from the environment (`raibid.contract.Env`), secrets from files only.

Owns: names, bounds, reading the secret files, refusing to start without a secret or a token.
Leaves to others: Redis' address (`raibid.ledger`), the enrolment file's content (`raibid.forge`).
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Final, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from raibid.contract import Env

_SHORTEST: Final = 16
"""Characters of a token or a webhook secret; shorter ones are guessable."""
_TOKEN: Final = re.compile(rb"[!-~]+")
"""Visible ASCII: clients and servers disagree on how a header carries anything else, so it would never match."""
_MIB: Final = 1024 * 1024
_ADDRESS: Final = r"^(https?://[^/@\s?#]+(/[^@\s?#]*)?)?$"
"""Of a server: no credentials, which would be in every log line that names it."""


class SettingsError(Exception):
    """The API cannot start like this; one `name: message` per line."""


class Settings(BaseSettings):
    """What one API process needs to know. Construct with field names, or `load()` from the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    webhook_secrets_file: Path = Field(validation_alias=Env.WEBHOOK_SECRETS_FILE)
    """One secret per line; all are valid, so that one can be rotated."""
    read_tokens_file: Path | None = Field(default=None, validation_alias=Env.READ_TOKENS_FILE)
    """One token per line: may read jobs and logs."""
    write_tokens_file: Path = Field(validation_alias=Env.WRITE_TOKENS_FILE)
    """One token per line: may also change state."""
    store: str = Field(validation_alias=Env.STORE)
    """The archive's place: `file:///dir` or `s3://bucket/prefix`."""
    enrolment_file: Path | None = Field(default=None, validation_alias=Env.ENROLMENT_FILE)
    public_url: str = Field(default="", pattern=_ADDRESS, validation_alias=Env.PUBLIC_URL)
    """Where people reach this API; named in the OpenAPI document."""

    public_read: bool = Field(default=False, validation_alias=Env.PUBLIC_READ)
    """Job lists and records without a token; logs always need one."""
    public_metrics: bool = Field(default=True, validation_alias=Env.PUBLIC_METRICS)
    gitea_body_bytes: int = Field(default=4 * _MIB, ge=1024, validation_alias=Env.GITEA_BODY_BYTES)
    github_body_bytes: int = Field(default=25 * _MIB, ge=1024, validation_alias=Env.GITHUB_BODY_BYTES)
    """GitHub's own cap on payloads."""
    body_seconds: float = Field(default=10.0, gt=0, validation_alias=Env.BODY_SECONDS)
    """A body must have arrived by then."""
    answer_seconds: float = Field(default=4.0, gt=0, validation_alias=Env.ANSWER_SECONDS)
    """Gitea gives up on a delivery after 5 s; a 503 before that is an answer it can show."""
    tick_seconds: float = Field(default=5.0, gt=0, validation_alias=Env.TICK_SECONDS)
    """Between two looks of the ledger's repair and of the archiver."""
    ping_seconds: float = Field(default=15.0, gt=0, validation_alias=Env.PING_SECONDS)
    """A quiet log stream sends a comment this often, so that proxies keep it open."""
    badge_seconds: float = Field(default=5.0, ge=0, validation_alias=Env.BADGE_SECONDS)
    """A badge is not looked up again for so long: it is public, and a page may show it to many."""
    most_streams: int = Field(default=200, ge=1, validation_alias=Env.MOST_STREAMS)
    """Log streams at once; each holds a connection to Redis."""

    window: int | None = Field(default=None, ge=1, validation_alias=Env.WINDOW)
    """Jobs that may be in the stream, told to the ledger at start; None: what it was told last."""
    gitea_url: str = Field(default="", pattern=_ADDRESS, validation_alias=Env.GITEA_URL)
    """The Gitea that is told commit statuses; empty: none is."""
    github_url: str = Field(default="", pattern=_ADDRESS, validation_alias=Env.GITHUB_URL)
    """GitHub's API, likewise: `https://api.github.com`, or `https://HOST/api/v3` of an enterprise's own."""
    github_app_file: Path | None = Field(default=None, validation_alias=Env.GITHUB_APP_FILE)
    """Speaks for the pool at GitHub, in place of a line of the credentials file (`raibid.forge.github.app`)."""
    forge_credentials_file: Path | None = Field(default=None, validation_alias=Env.FORGE_CREDENTIALS_FILE)
    """`https://user:token@host` per line. Read when there is something to tell, so that a token can be rotated."""
    notify_file: Path | None = Field(default=None, validation_alias=Env.NOTIFY_FILE)
    """Targets of notifications: a name and its URL per line. Read anew when there is something to send."""
    status_seconds: float = Field(default=1.0, gt=0, validation_alias=Env.STATUS_SECONDS)
    """Between two looks for jobs whose forge does not know where they stand; one costs a read of an empty set."""
    mirrors_file: Path | None = Field(default=None, validation_alias=Env.MIRRORS_FILE)
    """How mirrors are kept. Read anew at each survey."""
    mirror_tokens_dir: Path | None = Field(default=None, validation_alias=Env.MIRROR_TOKENS_DIR)
    mirror_survey_seconds: float = Field(default=300.0, gt=0, validation_alias=Env.MIRROR_SURVEY_SECONDS)
    """Between two looks which mirrors there are."""
    mirror_scratch_bytes: int = Field(default=150_000_000, ge=1_000_000, validation_alias=Env.MIRROR_SCRATCH_BYTES)
    """Below TMPDIR, for the commits that a forced push is told by and for the bundle that is kept of them. Four small
    rooms beside it have a tenth each: the volume has to be half as large again."""
    reconcile_seconds: float = Field(default=180.0, gt=0, validation_alias=Env.RECONCILE_SECONDS)
    """Between two comparisons of the forges' heads with what is remembered of them."""
    reconcile_questions: int = Field(default=500, ge=10, validation_alias=Env.RECONCILE_QUESTIONS)
    """What one forge is asked in one of them at most; the next one goes on. Two per repository."""

    @classmethod
    def load(cls) -> Self:
        """From the environment.

        Raises:
            SettingsError: something is missing or wrong; all of it.
        """
        try:
            return cls()  # type: ignore[call-arg]  # the environment gives them
        except ValidationError as error:
            problems = error.errors(include_url=False, include_input=False, include_context=False)
            lines = [f"{'.'.join(map(str, p['loc'])) or 'settings'}: {p['msg']}" for p in problems]
            raise SettingsError("\n".join(line.replace("Value error, ", "") for line in lines)) from None

    @model_validator(mode="after")
    def _files_are_usable(self) -> Self:
        """Read every secret file once now: a missing one must stop the start, not a request."""
        _ = self.webhook_secrets, self.read_tokens, self.write_tokens
        with_token = "" if self.github_app_file else self.github_url
        named = [name for name, url in ((Env.GITEA_URL, self.gitea_url), (Env.GITHUB_URL, with_token)) if url]
        if named and not self.forge_credentials_file:
            raise ValueError(f"{Env.FORGE_CREDENTIALS_FILE}: needed with {named[0]}: no forge takes a status unasked")
        if self.mirrors_file and not self.gitea_url:
            raise ValueError(f"{Env.MIRRORS_FILE}: needs {Env.GITEA_URL}: mirrors are kept in Gitea")
        self._nothing_is_set_in_vain()
        return self

    def _nothing_is_set_in_vain(self) -> None:
        """Whoever sets one of these wants something to happen."""
        forges = f"{Env.GITEA_URL} or {Env.GITHUB_URL}"
        for name, file, needs, other in (
            (Env.GITHUB_APP_FILE, self.github_app_file, Env.GITHUB_URL, self.github_url),
            (Env.MIRROR_TOKENS_DIR, self.mirror_tokens_dir, Env.MIRRORS_FILE, self.mirrors_file),
            (Env.FORGE_CREDENTIALS_FILE, self.forge_credentials_file, forges, self.gitea_url or self.github_url),
        ):
            if file and not other:
                raise ValueError(f"{name}: does nothing without {needs}")

    @cached_property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """Secrets a webhook may be signed with."""
        return _lines(self.webhook_secrets_file, Env.WEBHOOK_SECRETS_FILE)

    @cached_property
    def read_tokens(self) -> tuple[bytes, ...]:
        """Tokens with the read scope only."""
        return _tokens(self.read_tokens_file, Env.READ_TOKENS_FILE) if self.read_tokens_file else ()

    @cached_property
    def write_tokens(self) -> tuple[bytes, ...]:
        """Tokens with both scopes."""
        return _tokens(self.write_tokens_file, Env.WRITE_TOKENS_FILE)


def _tokens(path: Path, name: str) -> tuple[bytes, ...]:
    """The file's lines, each of which a header can carry."""
    tokens = _lines(path, name)
    if not all(_TOKEN.fullmatch(token) for token in tokens):
        raise ValueError(f"{name}: {path}: a token has blanks or is not ASCII; use `openssl rand -hex 32`")
    return tokens


def _lines(path: Path, name: str) -> tuple[bytes, ...]:
    """The file's lines that are neither empty nor comments; at least one, none of them short."""
    try:
        lines = [line.strip() for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise ValueError(f"{name}: {path}: {error.strerror}") from None
    values = tuple(line for line in lines if line and not line.startswith(b"#"))
    if not values:
        raise ValueError(f"{name}: {path} is empty; write one per line: `openssl rand -hex 32`")
    if any(len(value) < _SHORTEST for value in values):
        raise ValueError(f"{name}: {path}: a line is shorter than {_SHORTEST} characters; use `openssl rand -hex 32`")
    return values
