"""One YAML value: what a plain word means to Kubernetes, how a value is written so that it means the same.

Owns: resolving and quoting.
Leaves to others: where it stands (`nodes.py`), replacing it (`splices.py`).

Kubernetes reads YAML 1.1 in part (sigs.k8s.io/yaml: `yes` is true), Flux' and kustomize's kyaml 1.2 in part: what
either of them would take for something else than a text is written in quotes.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final

from raibid.gitops.errors import NotEditableError

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE: Final = frozenset({"true", "True", "TRUE"})
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_INT: Final = re.compile(r"([-+]?)(0b[01]+|0o?[0-7]+|0x[0-9a-fA-F]+|0|[1-9]\d{0,400})")
"""`0644` is octal: so says YAML 1.1, and Go's YAML libraries keep to it."""
_FLOAT: Final = re.compile(r"[-+]?(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?")
_ODD_FLOAT: Final = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_OLD: Final = re.compile(r"(?i:y|n|yes|no|on|off)|[-+]?[\d_][\d_,:.]*(?:[eE][-+]?\d+)?|\d{4}-\d\d?-\d\d?.*|=|<<")
"""What YAML 1.1 took for something else: truth values, 1_000, 1:30, dates."""
_PLAIN: Final = re.compile(r"[^\s\-?:,\[\]{}#&*!|>'\"%@`]|-(?=[A-Za-z0-9-])")
"""What a plain value may begin with; YAML allows more, and not every reader does."""
_SAFE: Final = re.compile(r"[\x20-\x7e\xa1-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")
_BLOCK: Final = re.compile(r"[\x20-\x7e\t\n\xa1-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]*")


def plain_value(text: str, style: str = "", tag: str = "") -> Any:
    """What a scalar means."""
    if style or tag.endswith(":str") or tag == "!":
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if number := _INT.fullmatch(text):
        sign, digits = number.groups()
        octal = digits[0] == "0" and digits[1:].isdigit()
        return int(sign + digits, 8 if octal else 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(_ODD_FLOAT[text.lower()]) if text.lower() in _ODD_FLOAT else text


def written(value: Any, style: str = "", *, flow: bool = False) -> str:
    """A single value in one line; a text in the quotes of `style` where they can hold it.

    Raises:
        NotEditableError: an infinite number, or none.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise NotEditableError(f"{value} is no number of JSON, and Kubernetes takes no other")
    if not isinstance(value, str):
        return json.dumps(value)
    if style == "'" and _SAFE.fullmatch(value):
        return "'" + value.replace("'", "''") + "'"
    if style == '"' or not _SAFE.fullmatch(value):
        return double_quoted(value)
    if not style and reads_as_itself(value, flow=flow):
        return value
    return '"' + value + '"' if '"' not in value and "\\" not in value else "'" + value.replace("'", "''") + "'"


def double_quoted(text: str) -> str:
    """In double quotes, as JSON does; other scripts stay readable."""
    shown = json.dumps(text, ensure_ascii=False)
    return re.sub(r"[\x7f-\xa0\u2028\u2029\ufeff\ufffe\uffff]", lambda match: f"\\u{ord(match[0]):04x}", shown)


def reads_as_itself(text: str, *, flow: bool = False) -> bool:
    """Whether a text may stand without quotes."""
    if not isinstance(plain_value(text), str) or _OLD.fullmatch(text) or not _SAFE.fullmatch(text):
        return False
    if not _PLAIN.match(text) or text != text.strip() or text.startswith(("---", "...")):
        return False
    forbidden = (": ", " #", *(",", "[", "]", "{", "}") * flow)
    return not text.endswith(":") and not any(part in text for part in forbidden)


def block(text: str, indent: int) -> str | None:
    """Several lines as a literal block at an indentation; None: a block cannot hold them."""
    if "\n" not in text or not _BLOCK.fullmatch(text) or text[0] in " \n\t" or not text.strip():
        return None
    body = text.removesuffix("\n")
    chomp = "-" if not text.endswith("\n") else "+" if body.endswith("\n") else ""
    lines = [f"{' ' * indent}{line}" if line else "" for line in body.split("\n")]
    return f"|{chomp}\n" + "\n".join(lines)
