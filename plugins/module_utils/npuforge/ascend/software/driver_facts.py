"""Facts ``npu_software`` of kind ``node``, the evidence beside them, and the module's answer."""

from __future__ import annotations

from typing import Any, NamedTuple

from ...common import Document, note, observation
from . import compatibility, driver_read, versions
from .driver_read import COMPONENTS, Seen
from .driver_run import Request, Work

COLLECTOR = "npu_driver"
RAW_LIMIT = 512 << 10


class Result(NamedTuple):
    """``failed``: the module shall say so. ``steps``: what was, or in check mode would be, done, in order."""

    changed: bool
    failed: bool
    message: str
    steps: list[str]
    problems: list[str]
    diff: list[Document]
    reboot_required: bool
    observations: list[Document]


def result(request: Request, work: Work, simulated: bool) -> Result:
    planned = [step.words for step in work.plan.steps]
    steps = planned if request.check or work.refused else work.done
    facts = node_facts(request, work)
    failed = bool(work.refused) or work.failed is not None
    changed = bool(planned) and not work.refused if request.check else bool(work.done or work.outcomes)
    node = {"observation": observation("node", request.subject, COLLECTOR, facts, simulated), "raw": raw(work)}
    software = facts["npu_software"]
    return Result(
        changed,
        failed,
        message(request, work, software),
        steps,
        work.refused,
        _diff(request, work),
        software["reboot_required"],
        [node],
    )


def message(request: Request, work: Work, software: Document) -> str:
    if work.refused:
        return f"{request.subject}: nothing was touched: " + "; ".join(work.refused)
    if work.failed is not None:
        parts = [f"{request.subject}: {work.failed}"]
        if work.error is not None:
            parts.append(work.error.en)
        if work.restored:
            parts.append(f"put back: {', '.join(work.restored)}")
        else:
            parts += [f"{name} {_left(work.seen, name)}" for name in COMPONENTS if _tried(work, name)]
        return "; ".join(parts)
    reboot = f"; a restart is needed ({'; '.join(software['reboot_reasons'])})" if software["reboot_required"] else ""
    count = len(work.plan.steps)
    if not count:
        return f"as wanted{reboot}"
    return f"{count} {'step' if count == 1 else 'steps'} {'planned' if request.check else 'done'}{reboot}"


def _tried(work: Work, component: str) -> bool:
    return any(step.kind == component for step, _ in work.outcomes)


def _left(seen: Seen, component: str) -> str:
    why = driver_read.broken(seen, component)
    if why is not None:
        return f"is not whole: {why}"
    return f"{seen.packages[component].version} is there" if seen.packages[component].version else "is not there"


def node_facts(request: Request, work: Work) -> Document:
    """The facts of docs/node-software.md 6. ``differs``: sentences; empty: as wanted; null: nobody said, or unseen."""
    seen, wanted = work.seen, work.plan.wanted
    reasons = reboot_reasons(work)
    joined = _compatibility(seen)
    notes = list(seen.notes)
    if joined.verdict is None:
        notes += [note("npu_software.compatibility", sentence) for sentence in joined.sentences]
    if work.refused:
        notes += [note("npu_software", problem) for problem in work.refused]
    if work.failed is not None:
        notes.append(note("npu_software", work.failed))
    running = sorted({str(each) for each in seen.boards.firmware if each})
    differs = {name: _differs(request, work, name) for name in COMPONENTS}
    for name in COMPONENTS:
        if wanted.get(name) is None:
            notes.append(note(f"npu_software.{name}.differs", f"nobody said which {name} version is wanted"))
    driver, firmware = seen.packages["driver"], seen.packages["firmware"]
    facts: Document = {
        "npu_software": {
            "driver": {
                "installed": driver.version,
                "loaded": seen.boards.driver,
                "inner": driver.inner,
                "wanted": wanted.get("driver"),
                "differs": differs["driver"],
            },
            "firmware": {
                "installed": firmware.version,
                "running": seen.boards.firmware,
                "running_versions": running,
                "wanted": wanted.get("firmware"),
                "differs": differs["firmware"],
            },
            "compatibility": joined.verdict,
            "compatibility_relied_on": joined.relied_on,
            "compatible_sentences": joined.sentences,
            "install_status": driver_read.install_status(seen),
            "run_user": seen.info.user,
            "pci_count": None if seen.pci is None else len(seen.pci),
            "reboot_required": bool(reasons),
            "reboot_reasons": reasons,
            "last_error": _last_error(work),
            "steps": [step.words for step in work.plan.steps] if request.check else work.done,
            "restored": work.restored,
            "kernel": seen.kernel,
        },
        "notes": notes,
    }
    remedy = _remedy(work)
    if remedy is not None:
        checks = ["npu.driver_version", "npu.firmware_version", "npu.install_complete"]
        facts["remedies"] = dict.fromkeys(checks, remedy)
    return facts


def _differs(request: Request, work: Work, component: str) -> list[str] | None:
    seen, wanted = work.seen, work.plan.wanted.get(component)
    if wanted is None:
        return None
    installed = seen.packages[component].version
    why = driver_read.broken(seen, component)
    told = [f"{component}: {why}"] if why is not None else []
    if not versions.same(installed, wanted):
        told.append(f"{component} {installed or 'none'} is installed, {wanted} is wanted")
    if component == "driver":
        loaded = seen.boards.driver
        if loaded is not None and not versions.same(loaded, wanted):
            told.append(f"driver {loaded} is loaded, {wanted} is wanted")
        elif loaded is None and not told:
            # An installed driver that nobody sees running proves nothing.
            return [f"driver {wanted} is installed and not loaded"] if seen.boards.told else None
        return told
    running = seen.boards.firmware
    for version in sorted({str(each) for each in running if each and not versions.same(each, wanted)}):
        number = sum(1 for each in running if each == version)
        told.append(f"firmware {version} runs on {number} of {len(running)} chips, {wanted} is wanted")
    expected = request.chip_count
    if expected is not None and running and len(running) != expected:
        told.append(f"firmware {wanted}: {len(running)} chips answer, {expected} are expected")
    if told:
        return told
    return [] if running and None not in running else None


def reboot_reasons(work: Work) -> list[str]:
    """Why the node must be restarted: by what runs against what is installed, and what the installers asked for."""
    seen = work.seen
    driver, firmware = seen.packages["driver"], seen.packages["firmware"]
    told = list(work.reasons) if work.failed is None else []
    if driver_read.broken(seen, "driver") is None and driver.version is not None and seen.boards.told:
        if seen.boards.driver is None and not any(seen.boards.firmware):
            told.append(f"driver {driver.version} is installed and not loaded")
        elif seen.boards.driver is not None and not versions.same(seen.boards.driver, driver.version):
            told.append(f"driver {driver.version} is installed and {seen.boards.driver} is loaded")
    old = sorted({str(each) for each in seen.boards.firmware if each and not versions.same(each, firmware.version)})
    if firmware.version is not None and old:
        told = [each for each in told if not each.startswith(f"firmware {firmware.version} takes effect")]
        told.append(f"firmware {firmware.version} is installed and {', '.join(old)} runs")
    return list(dict.fromkeys(told))


def _compatibility(seen: Seen) -> compatibility.Judgement:
    by_files = compatibility.driver_and_firmware(seen.packages["driver"], seen.packages["firmware"])
    running = seen.boards.firmware
    firmware_runs = bool(running) and all(versions.same(each, seen.packages["firmware"].version) for each in running)
    return compatibility.with_boards(
        by_files, seen.boards.compatibility, seen.packages["driver"], seen.boards.driver, firmware_runs=firmware_runs
    )


def _last_error(work: Work) -> Document | None:
    if work.error is None:
        return None
    remedy = {"zh": work.error.zh, "en": work.error.en}
    return {"code": work.error.code, "meaning": work.error.meaning, "text": work.error.text, "remedy": remedy}


def _remedy(work: Work) -> Document | None:
    if work.error is not None:
        return {"zh": work.error.zh, "en": work.error.en}
    if work.refused:
        listed = "; ".join(work.refused)
        return {
            "zh": f"安装前检查未通过，请逐项处理后重新运行：{listed}",
            "en": f"Put this right and run again: {listed}",
        }
    return None


def raw(work: Work) -> list[Document]:
    """Evidence: version files, npu-smi's answers, and each installer's output with what it added to its own logs."""
    made = [
        _text(path.strip("/").replace("/", "-").replace("_", "-") + ".txt", ["cat", path], 0, 0.0, text)
        for path, text in sorted(work.seen.texts.items())
    ]
    for number, answer in enumerate(work.seen.answers):
        rc = 124 if answer.rc is None else answer.rc
        made.append(_text(f"npu-smi-{number}.txt", answer.argv, rc, answer.seconds, answer.text))
    for number, (step, outcome) in enumerate(work.outcomes, 1):
        rc = 124 if outcome.rc is None else outcome.rc
        base = f"install-{number}-{step.kind}"
        made.append(_text(f"{base}.txt", outcome.argv, rc, outcome.seconds, outcome.output))
        for name, text in (("ascend-install-log", outcome.log), ("operation-log", outcome.operation)):
            if text:
                made.append(_text(f"{base}-{name}.txt", ["tail", name], 0, 0.0, text))
    return made


def _text(name: str, argv: Any, rc: int, seconds: float, text: str) -> Document:
    words = text[-RAW_LIMIT:].encode("utf-8", "replace").decode()
    return {"name": name, "argv": list(argv), "rc": rc, "seconds": round(seconds, 3), "text": words}


def _diff(request: Request, work: Work) -> list[Document]:
    """Before and after, as planned: the same in check mode and in a real run."""
    before, after = [], []
    for step in work.plan.steps:
        if step.kind in COMPONENTS:
            before.append(f"{step.kind}: {work.plan.before[step.kind]}\n")
            after.append(f"{step.kind}: {step.version}{' (reinstalled)' if 'reinstall' in step.words else ''}\n")
        else:
            after.append(f"{step.words}\n")
    if not after:
        return []
    header = f"{request.subject} NPU software"
    texts = {"before": "".join(before), "after": "".join(after)}
    return [{"before_header": header, "after_header": f"{header} wanted", **texts}]
