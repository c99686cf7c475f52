"""The Flux repository in the stack's graph: each of its files is an input, one command pushes them.

Owns: what a preview shows of the tree (`files`), the push as a resource, the commit it made.
Leaves to others: the tree (`systems.emission`), the push itself (`fleet.push`, by `python -m components push`).

Tree and secrets go to that command on stdin, which is a secret of the state; its command line, environment and output
hold none. There is no `delete`: `destroy` leaves the history alone. There are no `triggers`: they would replace the
resource, where its inputs already make it run again.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from pulumi import ComponentResource, Input, Output, ResourceOptions, log
from pulumi_command import local

from components.fleet.request import PushResult, push_request
from components.manifest_tree import Emission
from components.settings import Settings


@dataclass(frozen=True, kw_only=True)
class FluxRepoArgs:
    """What the component needs."""

    settings: Settings
    emission: Emission
    stack: str
    version: str
    """The program's; a trailer of each commit."""
    program: str
    """The Python that runs `-m components` (`sys.executable`)."""
    directory: str | None = None
    """Where `components` lies; None: the directory of the Pulumi project."""
    url: Input[str] = ""
    """Empty: `fleet.url`."""
    username: Input[str] = ""
    seed: Output[str] | None = None
    age_key: Output[str] | None = None
    git_password: Output[str] | None = None


class FluxRepo(ComponentResource):
    """The emitted tree in Git."""

    revision: Output[str]
    """The commit that holds the tree."""
    missing: Output[list[str]]
    """Secrets that are not in the repository, because the stack has no seed or no recipients."""

    def __init__(self, name: str, args: FluxRepoArgs, opts: ResourceOptions | None = None) -> None:
        digest, files = args.emission.digest(), args.emission.digests()
        super().__init__("raibid:components:FluxRepo", name, {"digest": digest, "files": files}, opts)

        def request(values: list[str]) -> str:
            url, username, seed, age_key, git_password = values
            return push_request(
                args.settings,
                args.emission,
                stack=args.stack,
                version=args.version,
                url=url or args.settings.fleet.url,
                username=username,
                password=git_password,
                seed=seed,
                identity=age_key,
            ).model_dump_json()

        plain: Output[str] = Output.all(
            args.url, args.username, args.seed or "", args.age_key or "", args.git_password or ""
        ).apply(request)
        stdin: Output[str] = Output.secret(plain)
        push = f"{shlex.quote(args.program)} -m components push --json"
        command = local.Command(
            f"{name}-push",
            create=push,
            update=push,
            dir=args.directory,
            environment={"RAIBID_TREE_DIGEST": digest},  # in clear, so that a diff shows why it runs
            stdin=stdin,
            logging=local.Logging.NONE,
            add_previous_output_in_env=False,
            opts=ResourceOptions(parent=self),
        )
        # Its output is derived from a secret stdin and so marked secret; what it says is a commit and paths.
        result = Output.unsecret(command.stdout).apply(PushResult.model_validate_json)
        result.apply(self._tell)
        self.revision = result.apply(lambda pushed: pushed.revision)
        self.missing = result.apply(lambda pushed: list(pushed.missing))
        self.register_outputs({"revision": self.revision, "missing": self.missing})

    def _tell(self, pushed: PushResult) -> None:
        for notice in pushed.notices:
            log.warn(notice, self)
