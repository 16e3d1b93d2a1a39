"""Amounts of memory, processors and disk, as Kubernetes writes them."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(r"(\d+(?:\.\d+)?|\.\d+)([numkMGTPE]|[KMGTPE]i)?\Z", re.ASCII)
_FACTORS = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "k": Decimal(1000),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("MGTPE", start=2)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def quantity(value: object, unit: str = "") -> str:
    """*value* as a quantity; a bare number is of *unit*. `ValueError` if it is none, or not above 0.

    >>> quantity(4096, "M"), quantity("2.0"), quantity("1.5Gi", "M"), quantity(".5")
    ('4096M', '2', '1.5Gi', '0.5')
    """
    match = _QUANTITY.match(str(value))
    if match is None or amount(str(value)) <= 0 or isinstance(value, bool):
        raise ValueError(f"{value!r} is no amount such as 2, '500m' or '4Gi'")
    number = format(Decimal(match[1]), "f")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return number + (match[2] or unit)


def amount(value: str) -> Decimal:
    """What a quantity comes to, so that two can be compared.

    >>> amount("1Gi") > amount("1000M") > amount("500k") > amount("250m")
    True
    """
    match = _QUANTITY.match(value)
    if match is None:
        raise ValueError(f"{value!r} is no amount such as 2, '500m' or '4Gi'")
    return Decimal(match[1]) * _FACTORS[match[2] or ""]
