"""What a judged quantity looks like, and the limits it is judged by (``contract/survey.yml`` and the site's own)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from controller.survey.reading import ROOT, InputError, Problem, parse_yaml, read_text

LIMITS_FILE = ROOT / "contract" / "survey.yml"
Text = dict[str, str]  # {"zh", "en"}


@dataclass(frozen=True)
class Limit:
    name: str
    unit: str
    source: str | Text  # a site writes its own in the words it likes
    min: float | None = None
    max: float | None = None
    value: float | None = None  # a parameter of a formula rather than a bound
    verified: bool = False
    overridden: bool = False

    def allows(self, number: float) -> bool:
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)

    def bounds(self) -> dict[str, float]:
        """``{min, max}``, without the one that is not set."""
        return {name: bound for name, bound in (("min", self.min), ("max", self.max)) if bound is not None}

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
        # A bound that the contract's check does not know would be judged here and not there.
        unknown += [
            Problem(f"limits.{name}.{bound}", f"{name} has no {bound} in contract/survey.yml")
            for name, override in overrides.items()
            if name in self.named
            for bound in ("min", "max", "value")
            if bound in override and getattr(self.named[name], bound) is None
        ]
        if unknown:
            raise InputError("survey file", unknown)
        named = dict(self.named)
        for name, override in overrides.items():
            named[name] = replace(named[name], **override, overridden=True)
        absurd = [
            Problem(f"limits.{name}", why) for name in overrides if (why := _absurd(self.named[name], named[name]))
        ]
        if absurd:
            raise InputError("survey file", absurd)
        return replace(self, named=named)


def _absurd(general: Limit, own: Limit) -> str | None:
    """Why a site's limit cannot be meant; no formula could use it."""
    for bound, figure in own.bounds().items():
        if general.bounds()[bound] > 0 >= figure:
            return f"{bound} {figure:g} {own.unit}: must be above 0"
    if own.min is not None and own.max is not None and own.min > own.max:
        return f"min {own.min:g} is above max {own.max:g}"
    if own.value is not None and (own.value < 0 or (own.unit == "1" and not 0 < own.value <= 1)):
        return f"value {own.value:g} {own.unit}: must not be negative" + (", nor 0 or above 1" * (own.unit == "1"))
    return None


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

    ``check`` is the contract's check that this item decides: its own, or ``survey.other_<kind>`` of those without.
    ``value`` may be a bound when ``missing`` is not empty: then ``ok`` is False, as more data can only make it worse.
    """

    id: str
    check: str
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
    part: str = ""  # of the subject: a PDU, a UPS, a device

    @property
    def has_own_check(self) -> bool:
        """Whether a check of the contract judges this quantity by itself."""
        return self.check != _shared_check(self.kind)

    def document(self, titles: dict[str, Text]) -> dict[str, Any]:
        """The item as JSON; the limit and its source spelled out, with its title from ``Limits.titles``."""
        return {
            "id": self.id,
            "title": titles[self.quantity],
            "check": self.check,
            "subject": {"kind": self.kind, "id": self.subject},
            "part": self.part or None,
            "quantity": self.quantity,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit.bounds(),
            "source": self.limit.source,
            "source_verified": self.limit.verified,
            "source_is_site": self.limit.overridden,
            "formula": self.formula,
            "ok": self.ok,
            "missing": list(self.missing),
            "detail": list(self.detail),
            "remedy": self.remedy,
        }


def _shared_check(kind: str) -> str:
    """The check of all items of a kind of subject that have no check of their own."""
    return f"survey.other_{kind}"


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
        check=check or _shared_check(subject[0]),
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
        part=part,
    )
