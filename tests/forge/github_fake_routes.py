"""GitHub's endpoints, as far as the pool asks them: people, repositories, git, pull requests.

Owns: what each endpoint answers to whom.
Leaves to others: headers, limits and pages (`github_fake_http.py`), hooks and Apps (`github_fake_hooks.py`).
"""

from __future__ import annotations

from typing import Any

from tests.forge.github_fake_routing import Answer, Call, Page, Refused, at, invalid

_STATES = ("error", "failure", "pending", "success")


# --- people and repositories -----------------------------------------------------------------------------------


@at("GET", "/user")
def me(call: Call) -> Answer:
    if not call.who:
        raise Refused(401, "Requires authentication")
    if call.who.startswith("app:"):
        raise Refused(403, "Resource not accessible by integration")
    return 200, {"login": call.who, "type": "User"}


@at("GET", "/users/{name}")
def account(call: Call) -> Answer:
    name = call.names["name"]
    if name in call.github.organisations:
        return 200, {"login": name, "type": "Organization"}
    if name in call.github.users:
        return 200, {"login": name, "type": "User"}
    raise Refused(404, "Not Found")


@at("GET", "/orgs/{name}/repos")
def of_organisation(call: Call) -> Answer:
    if call.names["name"] not in call.github.organisations:
        raise Refused(404, "Not Found")
    return 200, call.visible(lambda r: r.full_name.startswith(f"{call.names['name']}/"))


@at("GET", "/users/{name}/repos")
def of_user(call: Call) -> Answer:
    account(call)
    return 200, call.visible(lambda r: r.full_name.startswith(f"{call.names['name']}/") and not r.private)


@at("GET", "/user/repos")
def mine(call: Call) -> Answer:
    me(call)
    owned = call.query.get("affiliation") == "owner"
    return 200, call.visible(
        lambda r: r.full_name.startswith(f"{call.who}/") if owned else call.level(r, call.who) != "read" or r.private
    )


@at("GET", "/repos/{repo}")
def repository(call: Call) -> Answer:
    return 200, call.repository.shown()


@at("GET", "/repos/{repo}/collaborators/{user}/permission")
def permission(call: Call) -> Answer:
    repository, user = call.repository, call.names["user"]
    if not call.may(repository, "write"):
        raise Refused(403, "Must have push access to view collaborator permission.")
    if user not in call.github.users:
        raise Refused(404, f"{user} is not a user")
    level = call.level(repository, user)
    return 200, {"permission": level, "role_name": level, "user": {"login": user}}


# --- git -------------------------------------------------------------------------------------------------------


@at("GET", "/repos/{repo}/branches")
def branches(call: Call) -> Answer:
    there = sorted(call.repository.branches.items())
    return 200, Page([{"name": name, "commit": {"sha": sha}, "protected": False} for name, sha in there])


@at("GET", "/repos/{repo}/git/commits/{sha}")
def commit(call: Call) -> Answer:
    repository = call.repository
    if not repository.branches:
        raise Refused(409, "Git Repository is empty.")
    found = repository.commits.get(call.names["sha"])
    if found is None:
        raise Refused(404, "Not Found")
    return 200, {"sha": found.sha, "message": found.message, "parents": [{"sha": p} for p in found.parents]}


@at("GET", "/repos/{repo}/compare/{sides}")
def compare(call: Call) -> Answer:
    repository, sides = call.repository, call.names["sides"].split("...")
    one, other = (repository.branches.get(side, side) for side in sides)
    if {one, other} - set(repository.commits) or not repository.merge_base(one, other):
        raise Refused(404, "Not Found")
    ahead, behind = repository.between(one, other), repository.between(other, one)
    files = repository.files(one, other)[:300]
    status = {(0, 0): "identical", (1, 0): "ahead", (0, 1): "behind"}.get((bool(ahead), bool(behind)), "diverged")
    facts = {"status": status, "ahead_by": len(ahead), "behind_by": len(behind), "total_commits": len(ahead)}

    def shown(items: list[Any], page: int) -> dict[str, Any]:
        return {**facts, "commits": items, **({"files": files} if page == 1 else {})}

    return 200, Page([commit.shown() for commit in reversed(ahead)], 250, shown)


@at("POST", "/repos/{repo}/statuses/{sha}")
def status(call: Call) -> Answer:
    repository, sha, body = call.repository, call.names["sha"], call.body
    if not call.may(repository, "write"):
        raise Refused(403, "Must have push access to repository")
    if repository.archived:
        raise Refused(403, "Repository was archived so is read-only.")
    if body.get("state") not in _STATES:
        raise invalid("Status", "state", "State is not included in the list")
    if len(body.get("description") or "") > 140:
        raise invalid("Status", "description", "description is too long (maximum is 140 characters)")
    if sha not in repository.commits and sha not in repository.branches.values():
        raise Refused(422, f"No commit found for SHA: {sha}")
    repository.statuses.append({"sha": sha, **body})
    return 201, {"id": len(repository.statuses), "context": "default", **body, "creator": {"login": call.who}}


# --- pull requests ---------------------------------------------------------------------------------------------


@at("GET", "/repos/{repo}/pulls")
def pulls(call: Call) -> Answer:
    repository, state = call.repository, call.query.get("state", "open")
    found = [p for p in repository.pulls.values() if state in (p.state, "all")]
    return 200, Page([repository.shown_pull(p) for p in reversed(found)])


@at("GET", "/repos/{repo}/pulls/{number}/files")
def pull_files(call: Call) -> Answer:
    repository = call.repository
    pull = repository.pulls.get(int(call.names["number"]))
    if pull is None:
        raise Refused(404, "Not Found")
    return 200, Page(repository.files(repository.branches[pull.base], repository.branches[pull.head])[:3_000])


@at("GET", "/repos/{repo}/pulls/{number}/reviews")
def reviews(call: Call) -> Answer:
    return 200, Page(call.repository.reviews.get(int(call.names["number"]), []))


def _comments(call: Call) -> list[dict[str, Any]]:
    repository, number = call.repository, int(call.names["number"])
    if number not in repository.pulls:
        raise Refused(404, "Not Found")
    return repository.comments.setdefault(number, [])


@at("GET", "/repos/{repo}/issues/{number}/comments")
def comments(call: Call) -> Answer:
    return 200, Page(list(_comments(call)))


@at("POST", "/repos/{repo}/issues/{number}/comments")
def comment(call: Call) -> Answer:
    there = _comments(call)
    if not str(call.body.get("body") or "").strip():
        raise invalid("IssueComment", "body", "body can't be blank")
    login = f"{call.who.removeprefix('app:')}[bot]" if call.who.startswith("app:") else call.who
    there.append({"id": next(call.github.ids), "body": call.body["body"], "user": {"login": login}})
    return 201, there[-1]


@at("PATCH", "/repos/{repo}/issues/comments/{id}")
def edit_comment(call: Call) -> Answer:
    every = [c for of_one in call.repository.comments.values() for c in of_one]
    found = next((c for c in every if c["id"] == int(call.names["id"])), None)
    if found is None:
        raise Refused(404, "Not Found")
    found["body"] = call.body["body"]
    return 200, found


@at("DELETE", "/repos/{repo}/issues/comments/{id}")
def drop_comment(call: Call) -> Answer:
    for of_one in call.repository.comments.values():
        of_one[:] = [c for c in of_one if c["id"] != int(call.names["id"])]
    return 204, None
