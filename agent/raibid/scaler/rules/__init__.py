"""What the doctor knows: one function per rule, grouped by the part of the manifest it looks at.

A rule takes a `Subject` and yields findings; its name is the fixture's in tests/scaler/fixtures/scaledjobs.
Evidence for every rule: spec/queue.md sections 1 and 3 (KEDA read in source at v2.20.2, measured with v2.21.0).
"""

from raibid.scaler.rules import identity, job, scaling, trigger
from raibid.scaler.rules.finding import Finding, Rule, Severity, Subject

RULES: tuple[Rule, ...] = (*identity.RULES, *trigger.RULES, *scaling.RULES, *job.RULES)

__all__ = ["RULES", "Finding", "Rule", "Severity", "Subject"]
