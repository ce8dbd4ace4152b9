"""What a judged quantity looks like, and the limits it is judged by (``contract/survey.yml`` and the site's own)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from controller.survey.reading import ROOT, InputError, Problem, parse_yaml, read_text

LIMITS_FILE = ROOT / "contract" / "survey.yml"
Text = dict[str, str]  # {"zh", "en"}


@dataclass(frozen=True)
class Limit:
    name: str
    unit: str
    source: str
    min: float | None = None
    max: float | None = None
    value: float | None = None  # a parameter of a formula rather than a bound
    verified: bool = False
    overridden: bool = False

    def allows(self, number: float) -> bool:
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)

    def text(self) -> str:
        if self.min is not None and self.max is not None:
            return f"{self.min:g} .. {self.max:g}"
        return f">= {self.min:g}" if self.min is not None else f"<= {self.max:g}"


@dataclass(frozen=True)
class Limits:
    named: dict[str, Limit]
    sizes: dict[str, list[float]]
    titles: dict[str, Text]  # by quantity

    def __getitem__(self, name: str) -> Limit:
        return self.named[name]

    def parameter(self, name: str) -> float:
        value = self.named[name].value
        if value is None:
            raise InputError(LIMITS_FILE, [Problem(f"limits.{name}", "has no value")])
        return value

    def size(self, name: str, at_least: float) -> float | None:
        """The smallest size sold that is enough; None when none is."""
        return next((size for size in sorted(self.sizes[name]) if size >= at_least - 1e-9), None)

    def for_site(self, overrides: dict[str, dict[str, Any]]) -> Limits:
        """These limits with a site's own figures. :raises InputError: an override of a limit that does not exist."""
        unknown = [
            Problem(f"limits.{name}", f"no such limit; known: {', '.join(self.named)}")
            for name in overrides
            if name not in self.named
        ]
        if unknown:
            raise InputError("survey file", unknown)
        named = dict(self.named)
        for name, override in overrides.items():
            named[name] = replace(named[name], **override, overridden=True)
        return replace(self, named=named)


def load_limits(path: Path | str = LIMITS_FILE) -> Limits:
    """:raises InputError: when the file is not what ``contract/survey.yml`` is."""
    document = parse_yaml(read_text(path), path)
    try:
        named = {name: Limit(name=name, **row) for name, row in document["limits"].items()}
        sizes = {name: [float(size) for size in row] for name, row in document["sizes"].items()}
        titles = {name: {"zh": row["zh"], "en": row["en"]} for name, row in document["titles"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(path, [Problem("limits", f"not a table of limits: {error}")]) from error
    return Limits(named, sizes, titles)


@dataclass(frozen=True)
class Item:
    """One judged quantity of one subject. ``ok`` is None when the site file lacks what the formula needs.

    ``check`` is the contract's check that this item decides (None: reported, and listed in ``items_failed``).
    ``value`` may be a bound when ``missing`` is not empty: then ``ok`` is False, as more data can only make it worse.
    """

    id: str
    check: str | None
    kind: str
    subject: str
    quantity: str
    value: float | None
    unit: str
    limit: Limit
    formula: str
    ok: bool | None
    missing: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    remedy: Text | None = None

    def document(self, titles: dict[str, Text]) -> dict[str, Any]:
        """The item as JSON; the limit and its source spelled out, with its title from ``Limits.titles``."""
        limit = {key: value for key, value in asdict(self.limit).items() if value is not None}
        return {
            "id": self.id,
            "title": titles[self.quantity],
            "check": self.check,
            "subject": {"kind": self.kind, "id": self.subject},
            "quantity": self.quantity,
            "value": self.value,
            "unit": self.unit,
            "limit": {key: limit[key] for key in ("min", "max") if key in limit},
            "source": self.limit.source,
            "source_verified": self.limit.verified,
            "source_is_site": self.limit.overridden,
            "formula": self.formula,
            "ok": self.ok,
            "missing": list(self.missing),
            "detail": list(self.detail),
            "remedy": self.remedy,
        }


def item(
    quantity: str,
    subject: tuple[str, str],
    value: float | None,
    limit: Limit,
    formula: str,
    *,
    check: str | None = None,
    missing: Iterable[str] = (),
    detail: Iterable[str] = (),
    part: str = "",
) -> Item:
    """Judge ``value``. With something ``missing`` it is a bound: it may condemn, but never acquit."""
    lacking = tuple(missing)
    ok: bool | None = None
    if value is not None:
        # Judged as it is shown, so that a reader with the shown figure comes to the same verdict.
        value = round(value, 3) + 0.0
        ok = limit.allows(value)
        if lacking and ok:
            ok, value = None, None
    if value is None and not lacking:
        lacking = ("the figure",)
    return Item(
        id=":".join(filter(None, (quantity, subject[1], part))),
        check=check,
        kind=subject[0],
        subject=subject[1],
        quantity=quantity,
        value=value,
        unit=limit.unit,
        limit=limit,
        formula=formula,
        ok=ok,
        missing=lacking,
        detail=tuple(detail),
    )
