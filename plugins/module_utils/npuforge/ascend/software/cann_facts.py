"""Facts ``cann`` of kind ``node``, and the module's answer."""

from __future__ import annotations

from typing import NamedTuple

from ...common import Document, note, observation
from . import cann_environment, cann_run, compatibility, versions
from .cann_read import PACKAGES
from .cann_run import Request, Work

COLLECTOR = "cann"


class Result(NamedTuple):
    """``steps``: what was, or in check mode would be, done, in order."""

    changed: bool
    failed: bool
    message: str
    steps: list[str]
    problems: list[str]
    diff: list[Document]
    observations: list[Document]


def result(request: Request, work: Work, simulated: bool) -> Result:
    planned = [step.words for step in work.plan.steps]
    steps = planned if request.check or work.refused else work.done
    changed = bool(planned) and not work.refused if request.check else bool(work.done or work.outcomes)
    node = observation("node", request.subject, COLLECTOR, node_facts(request, work), simulated)
    return Result(
        changed,
        bool(work.refused) or work.failed is not None,
        message(request, work),
        steps,
        work.refused,
        _diff(request, work),
        [{"observation": node, "raw": cann_run.raw(work)}],
    )


def message(request: Request, work: Work) -> str:
    if work.refused:
        return f"{request.subject}: nothing was touched: " + "; ".join(work.refused)
    if work.failed is not None:
        parts = [f"{request.subject}: {work.failed}"]
        parts += [work.error.en] if work.error is not None else []
        return "; ".join(parts + work.restored)
    count = len(work.plan.steps)
    if not count:
        return "as wanted"
    return f"{count} {'step' if count == 1 else 'steps'} {'planned' if request.check else 'done'}"


def node_facts(request: Request, work: Work) -> Document:
    """The facts of docs/node-software.md 6; ``differences``: sentences, null where nobody said what is wanted."""
    seen, target = work.seen, work.plan.target
    notes = list(seen.notes) + [note("cann", problem) for problem in work.refused]
    if work.failed is not None:
        notes.append(note("cann", work.failed))
    item = seen.item("toolkit", seen.active)
    judged = compatibility.Judgement(None, None, ["no toolkit is active"])
    if item is not None and item.info is not None:
        judged = compatibility.driver_and_cann(seen.driver, item.info)
    if judged.verdict is None:
        notes += [note("cann.driver_compatible", sentence) for sentence in judged.sentences]
    asked = any(target.wanted[package] for package in PACKAGES) or target.active is not None
    if not asked:
        notes.append(note("cann.differences", "nobody said which CANN is wanted"))
    active = {"toolkit": seen.active, "kernels": seen.active, "nnal": seen.active_nnal}
    facts: Document = {
        "cann": {
            "installed": [
                {
                    "package": each.package,
                    "version": each.version,
                    "path": each.path,
                    "active": versions.same(each.version, active[each.package]),
                }
                for each in seen.items
            ],
            "active": seen.active,
            "active_nnal": seen.active_nnal,
            "wanted": {**target.wanted, "active": target.active},
            "differences": differences(work) if asked else None,
            "driver_compatible": None if judged.verdict is None else judged.verdict == "ok",
            "driver_compatible_relied_on": judged.relied_on,
            "driver_compatible_sentences": judged.sentences,
            "environment_file": request.environment,
            "environment_differences": _environment(request, work),
            "last_error": None,
            "steps": [step.words for step in work.plan.steps] if request.check else work.done,
            "restored": work.restored,
        },
        "notes": notes,
    }
    if work.error is not None:
        remedy = {"zh": work.error.zh, "en": work.error.en}
        facts["cann"]["last_error"] = {
            "code": work.error.code,
            "meaning": work.error.meaning,
            "text": work.error.text,
            "remedy": remedy,
        }
        facts["remedies"] = {"npu.cann": remedy}
    elif work.refused:
        listed = "; ".join(work.refused)
        zh = f"安装前检查未通过，请逐项处理后重新运行：{listed}"
        facts["remedies"] = {"npu.cann": {"zh": zh, "en": f"Put this right and run again: {listed}"}}
    return facts


def differences(work: Work) -> list[str]:
    """What is not as wanted, now."""
    seen, target = work.seen, work.plan.target
    told = []
    for package in PACKAGES:
        for version in target.wanted[package]:
            if not seen.has(package, version):
                broken = seen.running.get("package") == package and versions.same(seen.running.get("version"), version)
                told.append(f"{package} {version} is {'installed half' if broken else 'not installed'}")
    if target.active is not None and not versions.same(seen.active, target.active):
        told.append(f"toolkit {seen.active or 'none'} is active, {target.active} is wanted")
    if target.active_nnal is not None and not versions.same(seen.active_nnal, target.active_nnal):
        told.append(f"nnal {seen.active_nnal or 'none'} is active, {target.active_nnal} is wanted")
    return told


def _environment(request: Request, work: Work) -> list[str] | None:
    if work.plan.target.active is None:
        return None
    variables, active = work.plan.variables, str(work.plan.target.active)
    told = cann_environment.differences(request.environment, work.seen.environment, variables)
    if work.seen.profile != cann_environment.render_profile(variables, active):
        is_ = "there is no such file" if work.seen.profile is None else "it is not as wanted"
        told.append(f"{request.profile}: {is_}")
    return told


def _diff(request: Request, work: Work) -> list[Document]:
    """Before and after, as planned: the same in check mode and in a real run."""
    steps = work.plan.steps
    if not steps:
        return []
    seen, target = work.before, work.plan.target
    before = [f"{each.package} {each.version}\n" for each in seen.items]
    after = before + [f"{step.package} {step.version}\n" for step in steps if step.kind == "install"]
    before.append(f"active: {seen.active}, nnal {seen.active_nnal}\n")
    after.append(f"active: {target.active or seen.active}, nnal {target.active_nnal or seen.active_nnal}\n")
    header = f"{request.subject} CANN"
    made = [
        {
            "before_header": header,
            "after_header": f"{header} wanted",
            "before": "".join(before),
            "after": "".join(after),
        }
    ]
    active = str(target.active)
    for kind, path, old, text in (
        ("environment", request.environment, seen.environment, cann_environment.render),
        ("profile", request.profile, seen.profile, cann_environment.render_profile),
    ):
        if any(step.kind == kind for step in steps):
            new = text(work.plan.variables, active)
            made.append({"before_header": path, "after_header": f"{path} wanted", "before": old or "", "after": new})
    return made
