"""The users that the stack makes in Gitea."""

from __future__ import annotations

from components import agents, api, cluster, commit_status, gitea_bootstrap, mirrors, rollback
from components.settings.rules import OWN_USERS


def test_the_settings_keep_people_from_the_names_of_the_stacks_own_users() -> None:
    assert {
        cluster.GIT_USER,
        gitea_bootstrap.FLUX_USER,
        commit_status.USER,
        agents.GIT_USER,
        api.STATUS_USER,
        mirrors.USER_NAME,
        rollback.USER_NAME,
    } == OWN_USERS
