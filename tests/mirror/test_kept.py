"""Which entry of `mirrors.yaml` a repository in Gitea belongs to, and what follows for one that belongs to none."""

from __future__ import annotations

import pytest
from raibid.forge.gitea.mirrors import Held
from raibid.mirror.config import ARCHIVED_MARK, MARK
from raibid.mirror.desired import Listing, desire
from raibid.mirror.force_push import ForcePushPolicy
from raibid.mirror.kept import Kept, kept

from tests.mirror.stage import info, of

FILE = of(b"""
hosts: [github.com, gitlab.com, github.acme.com]
defaults: {token: github-reader, interval: 2h}
single:
  - {github: acme/anvil, target: smithy/anvil, force_push: block}
  - {source: "https://gitlab.com/acme/hammer.git", target: smithy/hammer, token: gitlab-reader}
  - {source: "https://gitlab.com/acme/tongs.git", target: smithy/tongs, token: none}
org:
  - {github: Acme, target: acme, force_push: always}
""")


def held(name: str, source: str, **facts: object) -> Held:
    known = {"id": 1, "mirror": True, "mirror_interval": "0s", "topics": (MARK,), **facts}
    return Held(full_name=name, original_url=source, **known)  # type: ignore[arg-type]


def one(name: str, source: str, site: str = "https://github.com") -> Kept:
    [found] = kept(FILE, [held(name, source)], site)
    return found


def test_a_mirror_is_kept_as_its_entry_says() -> None:
    single = one("smithy/anvil", "https://github.com/acme/anvil.git")
    assert (single.synced, single.policy, single.interval) == (True, ForcePushPolicy.BLOCK, 7200)
    assert one("acme/tool", "https://github.com/ACME/tool.git").policy is ForcePushPolicy.ALWAYS


def test_an_enterprises_organisation_has_its_mirrors_too() -> None:
    source, site = "https://github.acme.com/Acme/tool.git", "https://github.acme.com"
    assert one("acme/tool", source, site).policy is ForcePushPolicy.ALWAYS
    assert not one("acme/tool", source).synced  # another site's organisation of that name


def test_a_mirror_that_was_renamed_in_gitea_keeps_its_manner() -> None:
    renamed = one("smithy/old-anvil", "https://github.com/acme/anvil.git")
    assert (renamed.synced, renamed.policy, renamed.token) == (True, ForcePushPolicy.BLOCK, "github-reader")


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("mallory/anvil", "https://github.com/acme/anvil.git"),
        ("smithy/anvil", "https://github.com/mallory/anvil.git"),
        ("acme/tool", "https://gitlab.com/acme/tool.git"),
        ("acme/tool", "https://github.com/acme2/tool.git"),
        ("mallory/tool", "https://github.com/acme/tool.git"),
    ],
)
def test_a_mirror_that_no_entry_asks_for_is_shown_no_token_and_not_synced(name: str, source: str) -> None:
    assert one(name, source) == Kept(name=name, source=source, synced=False, interval=7200)


def test_the_default_token_is_shown_to_github_alone() -> None:
    sources = {
        "smithy/anvil": "https://github.com/acme/anvil.git",
        "smithy/hammer": "https://gitlab.com/acme/hammer.git",
        "smithy/tongs": "https://gitlab.com/acme/tongs.git",
    }
    tokens = {"smithy/anvil": "github-reader", "smithy/hammer": "gitlab-reader", "smithy/tongs": ""}
    assert {name: one(name, source).token for name, source in sources.items()} == tokens
    asked = desire(FILE, {"Acme": Listing(repositories=(info("acme/tool"),))})
    assert {wanted.target: wanted.token for wanted in asked.mirrors} == {**tokens, "acme/tool": "github-reader"}
    # The token is the enterprise's then, and github.com another host.
    elsewhere = desire(FILE, {}, "https://github.acme.com")
    assert {wanted.target: wanted.token for wanted in elsewhere.mirrors} == {**tokens, "smithy/anvil": ""}


def test_what_is_no_mirror_or_none_any_more_is_left_out() -> None:
    source = "https://github.com/acme/anvil.git"
    rest = [
        held("smithy/anvil", source, mirror=False),
        held("smithy/anvil", source, mirror_interval=""),
        held("smithy/anvil", "", id=2),
        held("smithy/archived-anvil", source, topics=(MARK, ARCHIVED_MARK)),
    ]
    assert kept(FILE, rest) == []
