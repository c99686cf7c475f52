"""`raibid mirror status | sync | verify | hooks | rotate-token`: the mirrors that are there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.output import PLAIN, Output, ago, duration, line, table
from raibid.contract import Env, ExitCode

if TYPE_CHECKING:
    from raibid.mirror.kept import Kept
    from raibid.model.mirror import MirrorRecord

_FILE: Final = Path(os.environ.get(Env.MIRRORS_FILE) or "mirrors.yaml")


class _Mirror(msgspec.Struct, frozen=True):
    name: str
    state: str
    verified: float = 0.0
    behind: float = 0.0
    seconds: float = 0.0
    reason: str = ""
    ci: bool = False


class _Mirrors(msgspec.Struct, frozen=True):
    mirrors: tuple[_Mirror, ...]


def status(*, output: Output = PLAIN) -> None:
    """Every mirror as the API last saw it: when both sides were equal, since when they are not, and why.

    For example:
      raibid mirror status
      raibid mirror status --json | jq '.mirrors[] | select(.state != "verified")'
    """
    from raibid.cli.client import Client

    client = Client.from_env()
    if output.json:
        output.emit(client.get("/mirrors", dict[str, Any]))
        return
    found = client.get("/mirrors", _Mirrors).mirrors
    if not found:
        line("no mirrors: `raibid mirror apply` makes them, and the API keeps those of its RAIBID_MIRRORS_FILE")
        return
    rows = [
        (one.name, one.state, ago(one.verified) or "never", duration(one.seconds), "yes" if one.ci else "", one.reason)
        for one in found
    ]
    table(("mirror", "status", "verified", "last sync", "built", "why not"), rows, status_column=1)


def sync(name: str, /, *, output: Output = PLAIN) -> None:
    """Have the API compare a mirror with its source now, and bring what is new.

    For example:
      raibid mirror sync acme/anvil

    Parameters
    ----------
    name
        owner/name in Gitea.
    """
    from raibid.cli.client import Client

    told = Client.from_env().post(f"/mirrors/{name}/sync", dict[str, Any])
    if output.json:
        output.emit(told)
    else:
        line(f"{name} is looked at; `raibid mirror status` shows how it went")


def verify(name: str = "", /, *, file: Path = _FILE, output: Output = PLAIN) -> int:
    """Compare all branches and tags of a mirror, or of all mirrors, with the source, here and now; change nothing.

    Exit code 1 if one is not equal.

    For example:
      raibid mirror verify
      raibid mirror verify acme/anvil --json

    Parameters
    ----------
    name
        owner/name in Gitea; without it all mirrors of the file.
    file
        The file.
    """
    from raibid.cli.mirror_access import Access, read, told
    from raibid.model.mirror import MirrorState

    access, mirrors = Access.from_env(), read(file)
    records: dict[str, MirrorRecord] = {}
    with told(), access.gitea() as gitea:
        sides = access.sides(mirrors)
        for mirror in _named([mirror for mirror, _ in access.held(mirrors, gitea)], name):
            records[mirror.name] = sides.compare(mirror, None)
            if not output.json:
                _tell(mirror.name, records[mirror.name])
    if output.json:
        output.emit({"mirrors": [{"name": name, **msgspec.to_builtins(one)} for name, one in records.items()]})
    equal = all(record.state is MirrorState.VERIFIED for record in records.values())
    return ExitCode.OK if equal else ExitCode.FAILED


def hooks(
    *, url: str, file: Path = _FILE, renew: Annotated[bool, Parameter(negative=())] = False, output: Output = PLAIN
) -> int:
    """Have GitHub tell the API of pushes to the sources whose mirrors say `hook: true`.

    The secret is the first line of the file that RAIBID_WEBHOOK_SECRETS_FILE names. Where our token may not make a
    hook, that is said, and the mirror is found by looking. Exit code 1 if there was such a source.

    For example:
      raibid mirror hooks --url https://ci.example.org

    Parameters
    ----------
    url
        Where GitHub reaches the API.
    file
        The file.
    renew
        Set the secret again also where a hook is in order: after it was rotated.
    """
    from raibid.cli.mirror_access import Access, read, told
    from raibid.forge.github.hooks import GithubHooks
    from raibid.forge.hooks import WantedHook
    from raibid.mirror.desired import desire
    from raibid.mirror.source_hooks import EVENTS, PATH, SourceHook, ensure_source_hooks
    from raibid.mirror.survey import listings

    access, mirrors = Access.from_env(), read(file)
    wanted = WantedHook(url=f"{url.rstrip('/')}{PATH}", events=EVENTS, secret=_secret())
    done: list[SourceHook] = []
    with told(), access.github() as github:
        desired = desire(mirrors, listings(mirrors, access.github), access.github_site)
        site = access.github_site
        for one in ensure_source_hooks(desired.mirrors, GithubHooks(github.session), wanted, site=site, renew=renew):
            done.append(one)
            if not output.json:
                line(f"{one.place}: {one.trouble or one.ensured}", "yellow" if one.trouble else "")
    if output.json:
        output.emit({"hooks": done})
    return ExitCode.FAILED if any(one.trouble for one in done) else ExitCode.OK


def rotate_token(token: str, /, *, file: Path = _FILE, wait: float = 60.0, output: Output = PLAIN) -> int:
    """Give every mirror that uses a token its present value, and see Gitea fetch with it.

    Put the new value into its file first. A mirror whose source does not take it keeps the old one. Gitea 1.26 has no
    API for this: the user of the credentials file needs its password there, not a token. Exit code 1 if one mirror
    could not be changed, or Gitea did not fetch it afterwards.

    For example:
      raibid mirror rotate-token github

    Parameters
    ----------
    token
        The token's name in the file.
    file
        The file.
    wait
        Seconds to wait for Gitea to fetch one mirror.
    """
    from raibid.cli.mirror_access import Access, read, told
    from raibid.mirror.rotation import Rotated, rotate

    access, mirrors = Access.from_env(), read(file)
    done: list[Rotated] = []
    with told(), access.gitea() as gitea:
        using = [(one, held) for one, held in access.held(mirrors, gitea) if one.token == token]
        if not using:
            raise CliError(f"no mirror uses a token called {token}", f"see `token:` in {file}", ExitCode.NOT_FOUND)
        with access.form() as form:
            for one in rotate(using, access.tokens.value(token), form, access.upkeep(mirrors, gitea, wait)):
                done.append(one)
                if not output.json:
                    how = ["changed"] * one.changed + ([one.trouble] if one.trouble else ["Gitea fetched with it"])
                    line(f"{one.mirror}: {'; '.join(how)}", "red" if one.trouble else "")
    if output.json:
        output.emit({"mirrors": [{"name": one.mirror, "changed": one.changed, "trouble": one.trouble} for one in done]})
    return ExitCode.FAILED if any(one.trouble for one in done) else ExitCode.OK


def _named(found: list[Kept], name: str) -> list[Kept]:
    if name and not (found := [one for one in found if one.name.lower() == name.lower()]):
        raise CliError(f"no mirror {name}", "`raibid mirror plan` lists what should be there", ExitCode.NOT_FOUND)
    return found


def _tell(name: str, record: MirrorRecord) -> None:
    if record.reason:
        line(f"{name}: {record.state}: {record.reason}", "red")
    else:
        line(f"{name}: verified, {record.branches} branches")


def _secret() -> str:
    name = os.environ.get(Env.WEBHOOK_SECRETS_FILE, "")
    try:
        lines = [text.strip() for text in Path(name).read_text(encoding="utf-8").splitlines()] if name else []
    except OSError as error:
        raise CliError(f"{name}: {error.strerror}", f"correct {Env.WEBHOOK_SECRETS_FILE}", ExitCode.USAGE) from error
    secret = next((text for text in lines if text and not text.startswith("#")), "")
    if not secret:
        raise CliError(f"{Env.WEBHOOK_SECRETS_FILE} names no secret", "the API's own file has one", ExitCode.USAGE)
    return secret
