"""`raibid gitops set|image|scale`: change a field of a live object where it is described.

Owns: the commands' options, whether the change goes into Git or not.
Leaves to others: new manifests (`gitops_apply.py`), showing, asking and telling (`gitops_commit.py`,
`gitops_direct.py`), the change itself (`raibid.gitops.change`).
"""

from __future__ import annotations

import getpass
import re
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import Parameter

from raibid.cli.errors import CliError
from raibid.cli.gitops_show import must_be_able_to_ask
from raibid.cli.output import PLAIN, Output
from raibid.contract import ExitCode

if TYPE_CHECKING:
    from raibid.gitops.change.target import Target
    from raibid.gitops.change.wish import Wish
    from raibid.gitops.cluster import Cluster
    from raibid.gitops.objects import Manifest, Ref

Flag = Annotated[bool, Parameter(negative=())]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class How:
    """Options that all commands have which change something."""

    context: str = ""
    """A context of KUBECONFIG, other than its current one."""
    reason: str = ""
    """Why; it goes into the commit, or the pull request."""
    policy: Literal["push", "pr", "auto"] | None = None
    """push, pr or auto: pushed, unless the branch takes no push from us. Else as the settings say."""
    dry_run: Flag = False
    """Show the diff and end before the question: nothing is changed."""
    yes: Flag = False
    """Do not ask."""
    watch: bool = True
    """Follow the commit until it is healthy in the cluster. --no-watch: end when it is pushed."""


HOW: Final = How()
_FROM_FILE: Final = re.compile(r"(?P<field>(?:\[[^\]]*\]|[^=\[])+)=@(?P<file>.+)")
Namespace = Annotated[str, Parameter(name=["--namespace", "-n"])]


def set_(
    about: str, /, *assignments: str, namespace: Namespace = "default", how: How = HOW, output: Output = PLAIN
) -> int:
    """Set fields of an object: in the file that sets them, or directly if nobody applies the object from Git.

    The diff is shown and tried on the API server before anything is committed. Exit code 0 also if there is nothing to
    change.

    For example:
      raibid gitops set deployment/raibid-api -n ci spec.replicas=3
      raibid gitops set cm/raibid -n ci data.LOG_LEVEL=debug --reason "hunting a leak" --policy pr
      raibid gitops set deploy/web 'spec.template.spec.containers[name=web].image=web:2' --dry-run

    Parameters
    ----------
    about
        KIND/NAME, as kubectl takes it: deploy/web, deployments.apps/web.
    assignments
        FIELD=VALUE, the value in YAML. VALUE @FILE is the file's text, @- is what comes on stdin.
    namespace
        The object's namespace.
    """
    from raibid.gitops.change.wish import set_fields

    if not assignments:
        raise CliError("nothing to set", "raibid gitops set KIND/NAME FIELD=VALUE", ExitCode.USAGE)
    words = {_read(word): word for word in assignments}
    from_files = {read for read, word in words.items() if read != word}
    return _run(about, namespace, how, output, lambda ref, live: set_fields(ref, live, list(words), unsaid=from_files))


def image(
    about: str, wanted: str, /, *, namespace: Namespace = "default", how: How = HOW, output: Output = PLAIN
) -> int:
    """Give a container another image.

    For example:
      raibid gitops image deployment/raibid-api registry.example.org/raibid/api:1.4.2 -n ci
      raibid gitops image deploy/web sidecar=envoy:1.34 --yes --no-watch

    Parameters
    ----------
    about
        KIND/NAME, as kubectl takes it.
    wanted
        [CONTAINER=]IMAGE; the container may be left out where there is only one.
    namespace
        The object's namespace.
    """
    from raibid.gitops.change.wish import set_image_of

    return _run(about, namespace, how, output, lambda ref, live: set_image_of(ref, live, wanted))


def scale(
    about: str, replicas: int, /, *, namespace: Namespace = "default", how: How = HOW, output: Output = PLAIN
) -> int:
    """Give a workload, or its autoscaler, another number of replicas.

    For example:
      raibid gitops scale deployment/raibid-api 3 -n ci
      raibid gitops scale scaledjob/ci-agent 5 -n ci --policy pr

    Parameters
    ----------
    about
        KIND/NAME, as kubectl takes it.
    replicas
        How many; of an autoscaler, at most so many.
    namespace
        The object's namespace.
    """
    from raibid.gitops.change.wish import set_replicas_of

    return _run(about, namespace, how, output, lambda ref, live: set_replicas_of(ref, live, replicas))


def _run(about: str, namespace: str, how: How, output: Output, wish_of: Callable[[Ref, Manifest | None], Wish]) -> int:
    from raibid.cli.gitops_access import cluster, credentials, settings, told
    from raibid.git.cli import Git
    from raibid.gitops.change.target import target_of
    from raibid.gitops.document import narrowed
    from raibid.gitops.kinds import referred
    from raibid.gitops.owner.find import find

    must_be_able_to_ask(output, yes=how.yes, dry_run=how.dry_run)
    with told(), cluster(how.context) as connected:
        ref = referred(about, namespace, connected.kinds())
        ownership = narrowed(connected, find(connected, ref), settings(), Git(credentials=credentials()))
        target = target_of(ownership)
        live = live_of(connected, ref)
        wish = wish_of(ref, live)
        if target is not None:
            return _in_git(connected, target, live, wish, how, output)
        if live is None:
            raise CliError(f"{ref} is not there", code=ExitCode.NOT_FOUND)
        return _directly(connected, live, wish, how, output)


def _in_git(connected: Cluster, target: Target, live: Manifest | None, wish: Wish, how: How, output: Output) -> int:
    from raibid.cli.gitops_commit import InGit, committed
    from raibid.gitops.change.manifests import described, with_values
    from raibid.gitops.change.operation import Asked
    from raibid.gitops.change.site import site_of
    from raibid.gitops.change.trial import Trial, tried

    site = site_of(connected, target.claim, target.place)

    def trial() -> Trial:
        if live is None or not wish.values:
            return Trial(False)
        return tried(connected, with_values(described(live), wish.values), manager=target.manager)

    asked = Asked(
        about=(wish.about,),
        subject=wish.subject,
        discreet=wish.discreet,
        fields=wish.fields,
        by=by(),
        reason=how.reason,
        warnings=target.warnings,
    )
    change = InGit(
        place=target.place,
        edits=lambda root: (edit(root, site) for edit in wish.edits),
        asked=asked,
        claims=(target.claim,),
        trial=trial,
        values=wish.values,
    )
    return committed(connected, change, how, output)


def _directly(connected: Cluster, live: Manifest, wish: Wish, how: How, output: Output) -> int:
    from raibid.cli.gitops_direct import directly
    from raibid.gitops.change.direct import direct_values
    from raibid.gitops.change.target import refuse_controlled

    refuse_controlled(live)
    change = direct_values(connected, live, wish.values)
    return directly([change], how, output, f"nobody applies {wish.about} from Git: it is changed directly")


def live_of(connected: Cluster, ref: Ref) -> Manifest | None:
    """The object as it is now; None: only inventories know it, or we may not see it."""
    from raibid.kube.errors import KubeNotFoundError, KubeRefusedError

    try:
        return connected.get(ref)
    except (KubeNotFoundError, KubeRefusedError):
        return None


def by() -> str:
    """Who asks, for the commit's trailer."""
    try:
        who = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        who = "somebody"
    return f"{who}@{socket.gethostname()}"


def _read(word: str) -> str:
    """FIELD=@FILE with the file's text in its place: a secret is no argument."""
    match = _FROM_FILE.fullmatch(word)
    if match is None:
        return word
    file = match["file"]
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise CliError(f"{file}: {why}", code=ExitCode.NOT_FOUND) from error
    return f"{match['field']}={text.removesuffix(chr(10))}"
