"""What a push is asked and what it answers, as JSON on stdin and stdout.

Owns: the two shapes, which paths and files may be asked for at all, building a request from an emission.
Leaves to others: what changes in the repository (`fleet.plan`), doing it (`fleet.push`).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError

from components.fleet.errors import PlaintextSecretError, RequestError, UnsafePathError
from components.manifest_tree import Emission
from components.secret_values import deriver
from components.settings import DnsLabel, Settings

_PART: Final = re.compile(r"[A-Za-z0-9._@+-]+")
_DOCUMENTS: Final = re.compile(rb"^---(?=\s|$)", re.MULTILINE)
"""Where YAML ends a document, whatever is wrong inside of it."""
_READ_BY_FLUX: Final = (".yaml", ".yml", ".json")


def _bytes(value: object) -> object:
    match value:
        case str():
            return value.encode()
        case {"base64": str(text)}:
            return base64.b64decode(text, validate=True)
    return value


def _json(value: bytes) -> str | dict[str, str]:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


Content = Annotated[bytes, BeforeValidator(_bytes), PlainSerializer(_json)]
"""A file's bytes; in JSON as text, or as {"base64": …} where they are none."""


class PushRequest(BaseModel):
    """One emission on its way to the repository."""

    # Errors of this shape must not quote their input: it is full of secrets.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    url: str
    branch: str = "main"
    username: str = ""
    """Empty: the one of the address, else `git`, which forges take beside a token."""
    password: str = Field(default="", repr=False)
    environment: DnsLabel
    stack: str
    digest: str
    """The emission's; a trailer of the commit."""
    version: str
    """The program's; a trailer of the commit."""
    message: str = ""
    """The commit's first line; empty: what was done."""
    files: dict[str, Content]
    secrets: dict[str, dict[str, Any]] = Field(default_factory=dict, repr=False)
    """Path → the Secret in clear; it is written encrypted only."""
    unavailable: tuple[str, ...] = ()
    """Secrets that this stack emits but cannot encrypt now (no seed, no recipients): left as they are."""
    seeds: dict[str, Content] = Field(default_factory=dict)
    recipients: tuple[str, ...] = ()
    identity: str = Field(default="", repr=False)
    """An age key file's text, to see which ciphertext still says the same."""
    overwrite: bool = False
    """Take back paths that somebody else changed, and a branch whose history was rewritten."""


class PushResult(BaseModel):
    """What a push did; no secret is in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    revision: str
    """The commit that holds the emission now."""
    branch: str
    pushed: bool
    """False: everything was there already."""
    written: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    """Secrets that are not in the repository, because nobody could encrypt them."""
    notices: tuple[str, ...] = ()


def read_request(text: str | bytes) -> PushRequest:
    """The request of a JSON text.

    Raises:
        RequestError: it is none; the message names fields, never their values.
    """
    try:
        return PushRequest.model_validate_json(text)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'stdin'}: {e['msg']}" for e in error.errors())
        raise RequestError(f"not a push request: {told}", "python -m components push --help describes it") from None


def push_request(
    settings: Settings,
    emission: Emission,
    *,
    stack: str,
    version: str,
    url: str,
    username: str = "",
    password: str = "",
    seed: str = "",
    identity: str = "",
) -> PushRequest:
    """A stack's emission as a request; without seed or recipients its Secrets stay as they are in the repository.

    Raises:
        SeedError: the seed is too short to carry secrets.
    """
    keys = settings.recipients
    sealable = bool(seed and keys)
    derive = deriver(seed, settings.rotation) if sealable else None
    return PushRequest(
        url=url,
        branch=settings.fleet.branch,
        username=username,
        password=password,
        environment=settings.environment,
        stack=stack,
        digest=emission.digest(),
        version=version,
        files=dict(emission.files),
        secrets={path: dict(item.manifest(derive)) for path, item in emission.secrets.items()} if derive else {},
        unavailable=() if derive else tuple(sorted(emission.secrets)),
        seeds=dict(emission.seeds),
        recipients=(keys.cluster, keys.recovery) if keys else (),
        identity=identity,
        overwrite=settings.fleet.overwrite,
    )


def check(request: PushRequest) -> None:
    """Refuse what must never reach a repository, before anything is touched.

    Raises:
        UnsafePathError: a path that is not plainly inside the repository.
        PlaintextSecretError: a Secret in clear, or something that cannot be read and might be one.
        RequestError: the repository's address is missing, or holds a password.
    """
    if not request.url or request.url.startswith("-"):
        raise RequestError("fleet.url: no address to push to", "set it: pulumi config set --path fleet.url URL")
    if re.match(r"https?://[^/@]*:[^/]*@", request.url):
        raise RequestError(
            "fleet.url holds a password, which every log and process list would show",
            "leave only the user in the address (https://user@host/…); the password is the stack secret gitPassword",
        )
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/-]*", request.branch) or ".." in request.branch:
        raise RequestError(f"fleet.branch: {request.branch!r} is no branch name", "use letters, digits, dashes")
    for path in (*request.files, *request.secrets, *request.unavailable, *request.seeds):
        check_path(path)
    for path, data in (*request.files.items(), *request.seeds.items()):
        if b"Secret" in data and _in_clear(path, data):
            raise PlaintextSecretError(
                f"{path}: a Secret in clear",
                "emit it as SecretManifest: the push encrypts those, and only those; a manifest about Secrets "
                "that is no YAML counts as one",
            )


def check_path(path: str) -> str:
    """The path, if it stays inside the repository.

    Raises:
        UnsafePathError: absolute, `..`, Git's own directory, or characters that need quoting.
    """
    parts = path.split("/")
    if not all(_PART.fullmatch(part) and part not in (".", "..") and part.lower() != ".git" for part in parts):
        raise UnsafePathError(
            f"{path!r}: not a plain path inside the repository",
            "relative, of letters, digits and . _ @ + -, without `..` and .git",
        )
    return path


def _in_clear(path: str, data: bytes) -> bool:
    """Whether a document of this file is a Secret; a mention of the kind (`valuesFrom`) is none."""
    return any(_is_secret_text(path, text) for text in _DOCUMENTS.split(data) if b"Secret" in text)


def _is_secret_text(path: str, text: bytes) -> bool:
    try:
        return _is_secret(yaml.load(text, Loader=yaml.CSafeLoader))
    except yaml.YAMLError:
        # A text that talks about Secrets, a README for example; of a manifest nobody could say that it is none.
        return path.endswith(_READ_BY_FLUX)


def _is_secret(document: object) -> bool:
    if not isinstance(document, Mapping):
        return False
    items = document.get("items")
    if isinstance(items, list) and any(_is_secret(item) for item in items):
        return True
    return document.get("kind") in ("Secret", "SecretList") and document.get("apiVersion") == "v1"
