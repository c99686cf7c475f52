"""What Gitea answers to those who keep mirrors in it. Like `gitea_contract.py`, on the real one and on recordings."""

from __future__ import annotations

import pytest
from raibid.forge.errors import ForgeConflictError, ForgeInvalidError, ForgeNotFoundError
from raibid.forge.gitea.mirrors import GiteaMirrors, Migration

from tests.forge.gitea_contract import Scene

TOPIC = "raibid-mirror"


def mirrors_of(scene: Scene) -> GiteaMirrors:
    session = scene.client("admin").session
    return GiteaMirrors(session, session)


def migration(source: str, target: str) -> Migration:
    owner, _, name = target.partition("/")
    return Migration(
        clone_addr=source, repo_owner=owner, repo_name=name, private=True, mirror_interval="8h", description="A source"
    )


class Mirrors:
    """What only Gitea is asked, by whoever keeps mirrors."""

    def test_a_mirror_is_made_with_what_was_asked_for_and_only_once(self, scene: Scene) -> None:
        made, mirrors = scene.given(lambda real: real.source("made")), mirrors_of(scene)
        mirrors.make_owner("made")
        mirrors.migrate(migration(made["url"], "made/it"))
        held = mirrors.get("made/it")
        assert (held.original_url, held.mirror, held.mirror_interval) == (made["url"], True, "8h0m0s")
        assert (held.private, held.description, held.shell, mirrors.has_git("made/it")) == (
            True, "A source", False, True,
        )  # fmt: skip
        with pytest.raises(ForgeConflictError):
            mirrors.migrate(migration(made["url"], "made/it"))

    def test_a_source_that_cannot_be_cloned_leaves_a_shell(self, scene: Scene) -> None:
        made, mirrors = scene.given(lambda real: real.source("absent")), mirrors_of(scene)
        mirrors.make_owner("absent")
        with pytest.raises(ForgeInvalidError):
            mirrors.migrate(migration(f"{made['url']}.not", "absent/it"))
        held = mirrors.get("absent/it")
        assert (held.shell, mirrors.has_git("absent/it")) == (True, False)
        mirrors.remove("absent/it")
        mirrors.remove("absent/it")
        assert mirrors.repositories("absent") == []

    def test_a_mirror_is_synced_marked_changed_and_moved_aside(self, scene: Scene) -> None:
        made, mirrors = scene.given(lambda real: real.source("kept")), mirrors_of(scene)
        mirrors.make_owner("kept")
        mirrors.migrate(migration(made["url"], "kept/it"))
        mirrors.sync("kept/it")
        mirrors.mark("kept/it", TOPIC)
        mirrors.mark("kept/it", TOPIC)
        assert "kept/it" in [held.full_name for held in mirrors.with_topic(TOPIC)]
        mirrors.change("kept/it", {"name": "aside", "mirror_interval": "0s", "description": "Gone", "private": False})
        held = mirrors.get("kept/aside")
        assert (held.mirror_interval, held.description, held.private) == ("0s", "Gone", False)
        assert held.topics == (TOPIC,)
        with pytest.raises(ForgeNotFoundError):
            mirrors.get("kept/it")
        for _ in range(2):
            mirrors.unmark("kept/aside", TOPIC)
        assert mirrors.get("kept/aside").topics == ()

    def test_nobodys_repositories_are_none_and_not_an_empty_list(self, scene: Scene) -> None:
        assert mirrors_of(scene).repositories("nobody-at-all") is None
