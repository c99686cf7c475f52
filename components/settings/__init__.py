"""Stack config → one frozen, typed answer, and every mistake in it at once.

Owns: the shape of the stack's config and its meaning (`Settings`), the secret keys (`StackSecrets`), reading both in
one place (`load_stack` from files, `from_pulumi` from the engine).
Leaves to others: types, defaults and secret flags as Pulumi sees them (Pulumi.yaml), what fits the machine (`budget`).
"""

from components.settings.check import parse, with_profile
from components.settings.load import PROJECT, from_pulumi, load_stack
from components.settings.model import (
    Cluster,
    Cores,
    Fleet,
    Gitea,
    Gpu,
    Image,
    Images,
    Model,
    Node,
    Profile,
    Recipients,
    Reserved,
    Scaler,
    Settings,
    Systems,
)
from components.settings.notices import notices
from components.settings.problems import Problem, SettingsError
from components.settings.secrets import SECRET_KEYS, StackSecrets
from components.settings.types import DnsLabel

__all__ = [
    "PROJECT",
    "SECRET_KEYS",
    "Cluster",
    "Cores",
    "DnsLabel",
    "Fleet",
    "Gitea",
    "Gpu",
    "Image",
    "Images",
    "Model",
    "Node",
    "Problem",
    "Profile",
    "Recipients",
    "Reserved",
    "Scaler",
    "Settings",
    "SettingsError",
    "StackSecrets",
    "Systems",
    "from_pulumi",
    "load_stack",
    "notices",
    "parse",
    "with_profile",
]
