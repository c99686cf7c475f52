"""What the machine has, who takes how much of it, and what is left for agents: proved before anything is deployed.

Owns: the footprint of a system, the ledger of CPU, memory and disk per node, how many agents fit, quotas, limit
ranges and the kubelet's reservations that follow.
Leaves to others: each system's own numbers (its `footprint`), drawing (`components.budget.view`).
"""

from components.budget.agents import SHAPES, Agents, Shape
from components.budget.footprint import Footprint, Workload
from components.budget.ledger import Amount, Ledger, Line
from components.budget.proof import Budget, BudgetError, budget
from components.budget.shares import KubeletReservation, Limits, Quota

__all__ = [
    "SHAPES",
    "Agents",
    "Amount",
    "Budget",
    "BudgetError",
    "Footprint",
    "KubeletReservation",
    "Ledger",
    "Limits",
    "Line",
    "Quota",
    "Shape",
    "Workload",
    "budget",
]
