"""The policy pack: `pulumi preview --policy-pack policies`.

Owns: serving the pack. The constructor starts a server and never returns, so nothing else is in this file.
Leaves to others: the policies (`pack`).
"""

from __future__ import annotations

import sys
from pathlib import Path

from pulumi_policy import PolicyPack

# Pulumi runs this folder as a program: the packages beside it are not on the path.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from policies.pack import POLICIES

if __name__ == "__main__":
    PolicyPack(name="raibid-ci", policies=list(POLICIES))
