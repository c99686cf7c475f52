"""GitHub's endpoints of webhooks and Apps.

Owns: what each answers to whom, and that a secret is never answered.
Leaves to others: sending deliveries (`github_fake.py`).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import jwt

from tests.forge.github_fake_routing import Answer, Call, Page, Refused, at
from tests.forge.github_fake_state import Hook


def _place(call: Call) -> tuple[list[Hook], str]:
    """The hooks of the place in the path, for its administrators; GitHub hides them from others."""
    if "repo" in call.names:
        repository = call.repository
        allowed, hooks, kind = call.may(repository, "admin"), repository.hooks, "repository"
    else:
        name = call.names["org"]
        allowed = call.github.organisations.get(name, {}).get(call.who) == "admin"
        hooks, kind = call.github.hooks.setdefault(name, []), "organization"
    if not allowed:
        raise Refused(404, "Not Found")
    return hooks, kind


def _one(call: Call) -> Hook:
    found = next((hook for hook in _place(call)[0] if hook.id == int(call.names["id"])), None)
    if found is None:
        raise Refused(404, "Not Found")
    return found


def _checked(config: dict[str, Any]) -> dict[str, Any]:
    if not str(config.get("url", "")).startswith(("http://", "https://")):
        raise Refused(422, "Validation Failed", [{"resource": "Hook", "code": "custom", "message": "url is missing"}])
    return config


def list_hooks(call: Call) -> Answer:
    return 200, Page([hook.shown() for hook in _place(call)[0]])


def create_hook(call: Call) -> Answer:
    hooks, kind = _place(call)
    config = _checked(dict(call.body.get("config") or {}))
    body = call.body
    events = body.get("events") or ["push"]
    # "Multiple webhooks can share the same config as long as those webhooks do not have any events that overlap."
    if any(hook.config == config and set(hook.events) & set(events) for hook in hooks):
        said = {"resource": "Hook", "code": "custom", "message": f"Hook already exists on this {kind}"}
        raise Refused(422, "Validation Failed", [said])
    hook = Hook(next(call.github.ids), config, events, body.get("active", True))
    hooks.append(hook)
    return 201, hook.shown()


def edit_hook(call: Call) -> Answer:
    hook, body = _one(call), call.body
    if "config" in body:
        # The whole configuration is replaced: without the secret the hook has none afterwards.
        hook.config = _checked(dict(body["config"]))
    hook.events = body.get("events") or hook.events
    hook.events = sorted({*hook.events, *body.get("add_events", ())} - set(body.get("remove_events", ())))
    hook.active = body.get("active", hook.active)
    return 200, hook.shown()


def delete_hook(call: Call) -> Answer:
    hooks, _ = _place(call)
    hooks.remove(_one(call))
    return 204, None


for home in ("/repos/{repo}", "/orgs/{org}"):
    at("GET", f"{home}/hooks")(list_hooks)
    at("POST", f"{home}/hooks")(create_hook)
    at("PATCH", f"{home}/hooks/{{id}}")(edit_hook)
    at("DELETE", f"{home}/hooks/{{id}}")(delete_hook)


# --- Apps ------------------------------------------------------------------------------------------------------


_OPTIONS: Any = {"require": ["iat", "exp"], "verify_exp": False, "verify_iat": False}
"""The times are compared below, with the fake's clock."""


def _app(call: Call) -> Any:
    app = call.github.app
    try:
        if app is None or not call.who.startswith("jwt:"):
            raise jwt.InvalidTokenError
        # GitHub asks for `iat`, `exp` at most ten minutes ahead, and the App's id as `iss`.
        claims = jwt.decode(call.who[4:], app.public_key, algorithms=["RS256"], options=_OPTIONS)
        now = call.github.clock()
        if claims["iss"] != app.id or not claims["iat"] <= now < claims["exp"] <= now + 600:
            raise jwt.InvalidTokenError
    except jwt.PyJWTError:
        raise Refused(401, "A JSON web token could not be decoded") from None
    return app


@at("GET", "/app")
def app(call: Call) -> Answer:
    return 200, {"id": int(_app(call).id), "slug": _app(call).slug}


@at("POST", "/app/installations/{id}/access_tokens")
def installation_token(call: Call) -> Answer:
    app = _app(call)
    if int(call.names["id"]) != app.installation:
        raise Refused(404, "Not Found")
    token, expires = f"ghs_{secrets.token_hex(18)}", call.github.clock() + app.lifetime
    call.github.tokens[token] = f"app:{app.slug}"
    return 201, {"token": token, "expires_at": datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}


@at("GET", "/installation/repositories")
def of_installation(call: Call) -> Answer:
    if not call.who.startswith("app:"):
        raise Refused(403, "You must authenticate with an installation access token in order to list repositories "
                      "for an installation.")  # fmt: skip
    page = call.visible(lambda _: True)
    total = len(page.items)
    return 200, Page(page.items, 100, lambda items, _: {"total_count": total, "repositories": items})
