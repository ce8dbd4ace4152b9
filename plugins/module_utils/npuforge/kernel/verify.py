"""Looks again after the steps: what is still to be done of a unit shows that it did not take."""

from __future__ import annotations

from .plan import Plan


def remaining(plan: Plan) -> dict[str, str]:
    """Unit -> what is not as wanted although it was set; soft steps are none of it."""
    found: dict[str, list[str]] = {}
    for step in plan.steps:
        if not step.soft:
            found.setdefault(step.unit, []).append(step.words)
    made = {unit: f"it did not take: {'; '.join(words)}" for unit, words in found.items()}
    for problem in plan.problems:
        made.setdefault(
            "boot_loader" if problem.startswith("boot loader") else "baseline", f"it did not take: {problem}"
        )
    return made
