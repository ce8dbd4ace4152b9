"""One machine from reading to report: what ``library/kernel_tuning.py`` does."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from ..common import Document, note, observation
from . import boot_loader, grub_default, plan, read, sysctl, verify, wanted
from .apply import Bench
from .facts import facts
from .host import LOCK_PATH, Host
from .model import Step

# Folders in which a killed run may have left temporary files.
_FOLDERS = (
    "/etc",
    "/etc/default",
    "/etc/grub.d",
    "/etc/sysctl.d",
    "/etc/modules-load.d",
    "/etc/security/limits.d",
    "/etc/systemd/system",
    "/etc/systemd/system/multi-user.target.wants",
    "/etc/systemd/system/timers.target.wants",
    "/etc/systemd/journald.conf.d",
    "/etc/tmpfiles.d",
    "/etc/udev/rules.d",
    "/etc/selinux",
    "/etc/audit",
    "/run/npuforge",
    "/run/npuforge/pending",
    boot_loader.BLS_FOLDER,
)


class Result(NamedTuple):
    """``steps``: sentences on what was, or in check mode would be, changed. ``failed``: a unit could not be set."""

    changed: bool
    failed: bool
    message: str
    steps: list[str]
    diff: list[Document]
    observations: list[Document]
    reboot_reasons: list[str]


def run(host: Host, subject: str, baseline: Mapping[str, Any], *, check: bool, simulated: bool) -> Result:
    """Do it. :raises Locked: another run works on this machine; nothing was touched."""
    baseline = wanted.normal(baseline)
    mistakes = wanted.problems(baseline)
    if mistakes:
        return Result(False, True, "; ".join(mistakes), [], [], [], [])
    read.settle(host)
    if check:
        return _work(host, subject, baseline, True, simulated)
    with host.lock(LOCK_PATH):
        host.tidy(_FOLDERS)
        return _work(host, subject, baseline, False, simulated)


def _work(host: Host, subject: str, baseline: Mapping[str, Any], check: bool, simulated: bool) -> Result:
    seen = plan.look(host, baseline)
    told = [step.words for step in seen.steps]
    diff = _diff(host, seen.steps)
    bench = Bench(host)
    after = seen
    if seen.problems:
        message = "; ".join(seen.problems)
        notes = [note("os", problem) for problem in seen.problems]
        made = _observed(subject, after, bench, check=True, simulated=simulated, notes=notes)
        return Result(False, True, f"nothing was touched: {message}", [], [], made, [])
    if told and not check:
        bench.apply(seen.steps)
        after = plan.look(host, baseline)
        wrong = verify.remaining(after)
        for unit, problem in wrong.items():
            if unit not in bench.failed:
                bench.undo(unit, problem)
        if wrong:
            after = plan.look(host, baseline)
    notes = [note("os", text) for text in bench.noted]
    observed = _observed(subject, after, bench, check=check, simulated=simulated, notes=notes)
    reasons: list[str] = observed[0]["observation"]["facts"]["os"]["reboot_reasons"]
    message = _message(bench, told, check, bool(reasons))
    changed = bool(told) if check else any(unit not in bench.failed for unit in bench.done)
    return Result(changed, bool(bench.failed), message, told, diff, observed, reasons)


def _message(bench: Bench, told: Sequence[str], check: bool, reboot: bool) -> str:
    if bench.failed:
        parts = [f"{unit}: {why}" for unit, why in bench.failed.items()]
        if bench.restored:
            parts.append(f"the old state is back of {', '.join(bench.restored)}")
        return "; ".join(parts + [f"not undone: {text}" for text in bench.left])
    rest = "; a restart is needed" if reboot else ""
    if not told:
        return f"as wanted{rest}"
    return f"{len(told)} {'change' if len(told) == 1 else 'changes'} {'planned' if check else 'made'}{rest}"


def _diff(host: Host, steps: Sequence[Step]) -> list[Document]:
    """File by file, and the kernel's values in one table."""
    found: list[Document] = []
    before, after = [], []
    for step in steps:
        if step.action in ("write", "remove"):
            old = (host.read(step.path) or "") if host.exists(step.path) else ""
            found.append(_texts(step.path, old, step.value if step.action == "write" else ""))
        elif step.action == "link":
            found.append(_texts(step.path, f"{host.link(step.path) or ''}\n", f"{step.value}\n"))
        elif step.action == "kernel":
            before += [f"{path}: {host.value(path)}" for path in step.paths]
            after += [f"{path}: {step.value}" for path in step.paths]
        else:
            after.append(f"run: {' '.join(step.argv)}")
    if after:
        found.append(_texts("kernel", "".join(f"{row}\n" for row in before), "".join(f"{row}\n" for row in after)))
    return found


def _texts(header: str, before: str, after: str) -> Document:
    pair = {"before": before.encode("utf-8", "replace").decode(), "after": after.encode("utf-8", "replace").decode()}
    return {"before_header": header, "after_header": header, **pair}


def _observed(
    subject: str,
    after: plan.Plan,
    bench: Bench,
    *,
    check: bool,
    simulated: bool,
    notes: Sequence[dict[str, str]],
) -> list[Document]:
    applied = any(unit not in bench.failed for unit in bench.done)
    failures = [note(f"os.{unit}", why) for unit, why in bench.failed.items()]
    left = [note("os", f"not undone: {text}") for text in bench.left]
    found = facts(after, check=check, applied=applied, restored=bool(bench.restored), notes=[*notes, *failures, *left])
    document = observation("node", subject, "kernel_tuning", found, simulated)
    raw = []
    for path in ("/proc/cmdline", grub_default.PATH, sysctl.PATH):
        text = after.context.host.read(path)
        if text is not None:
            shown = text.encode("utf-8", "replace").decode()
            name = path.strip("/").replace("/", "-")
            raw.append({"name": f"{name}.txt", "argv": ["cat", path], "rc": 0, "seconds": 0.0, "text": shown})
    return [{"observation": document, "raw": raw}]
