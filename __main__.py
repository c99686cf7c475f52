"""The Pulumi program: settings, the components they ask for, what the stack exports."""

from __future__ import annotations

import pulumi

from components.redis import Redis, RedisArgs
from components.settings import Settings

settings = Settings(environment="local", cluster={"kind": "embedded"}, nodes=[{"name":"a","cpu":4,"memory":"8Gi","disk":"100Gi"}], images={"agent":{"repository":"x"},"api":{"repository":"y"}})
r = Redis("redis", RedisArgs(settings=settings))
import pulumi_command as c
k = c.local.Command("x", create="echo", stdin=pulumi.Output.secret("abc"), opts=pulumi.ResourceOptions(parent=r))
pulumi.export("address", k.stdout)
pulumi.export("secret", k.stdin)
