"""Writes the steps of ``hccn_plan``, looks at device and file again, and puts a port back that is not as planned.

A port is the unit: one that could not be set gets its old settings again, the others keep their new ones. A run that is
killed anywhere leaves some settings written; the next run finds the rest by comparing, and needs nothing of this one.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from . import hccn_conf, hccn_plan
from .files import Files
from .hccn_plan import Port, Step
from .hccn_read import ASKED_BY, Reader, Seen
from .texts import sample

LOOKS, PAUSE_SECONDS = 3, 1.0  # a device may need a moment until it shows what it was told


class Made(NamedTuple):
    """``failed``: port -> why. ``restored``: ports that have their old settings again. ``left``: what is not undone."""

    applied: bool
    failed: dict[str, str]
    restored: list[str]
    left: list[str]
    checkpoint: str | None


class Bench:
    """What a run works with. ``node_ports``: ``hccn_plan.Port`` rows as read before; ``seen``: by device."""

    def __init__(
        self,
        reader: Reader,
        files: Files,
        conf_path: str,
        ports: Sequence[Port],
        seen: dict[int, Seen],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.reader = reader
        self.files = files
        self.conf_path = conf_path
        self.ports = list(ports)
        self.seen = seen
        self.sleep = sleep

    def conf(self) -> hccn_conf.Conf:
        return hccn_conf.parse(self.files.read(self.conf_path))

    def again(self, ports: Sequence[Port], settings: Mapping[str, Sequence[str]]) -> list[Port]:
        """Read the named settings of these ports once more. ``settings``: port -> names of ``hccn_plan.ORDER``."""
        conf = self.conf()
        fresh = []
        for port in ports:
            names = list(settings.get(port.name, ()))
            # To set an address takes the gateway away.
            questions = list(dict.fromkeys(ASKED_BY[name] for name in [*names, *_taken_along(names)]))
            seen = self.reader.port(port.device, questions, self.seen[port.device])
            found, unread = seen.settings()
            fresh.append(port._replace(found=found, unread=unread, kept=conf.values(port.device)))
        return fresh


def prepare(bench: Bench, steps: Sequence[Step], drops: Sequence[tuple[str, int]]) -> str | None:
    """Checkpoint, and make the file one that the tool can write into. :returns: the checkpoint's path."""
    text = bench.files.read(bench.conf_path)
    checkpoint = bench.files.checkpoint(bench.conf_path)
    if text is None and steps:
        bench.files.write(bench.conf_path, "")  # the tool writes only into a file that exists
    conf = hccn_conf.parse(text)
    changed = conf.end_last_line()
    # The tool reads this line before it adds a pair, and refuses when it cannot.
    mapped = {step.device for step in steps if step.setting == "dscp_tc"}
    unreadable = [("dscp_tc", device) for device in mapped if hccn_conf.pairs(conf.value("dscp_tc", device)) is None]
    for key, device in [*drops, *unreadable]:
        changed = changed or conf.value(key, device) is not None
        conf.set(key, device, None)
    if changed:
        bench.files.write(bench.conf_path, conf.render())
    return checkpoint


def apply(bench: Bench, steps: Sequence[Step], drops: Sequence[tuple[str, int]]) -> Made:
    """Do it. ``bench.ports`` and ``bench.seen`` show what is there afterwards."""
    before = hccn_conf.parse(bench.files.read(bench.conf_path))
    checkpoint = prepare(bench, steps, drops)
    written: dict[str, list[str]] = {}
    failed: dict[str, str] = {}
    for step in steps:
        if step.port in failed:
            continue
        written.setdefault(step.port, []).append(step.setting)
        problem = run_step(bench.reader, step)
        if problem is not None:
            failed[step.port] = f"{step.words}: {problem}"
    touched = [port for port in bench.ports if port.name in written]
    fresh = _settled(bench, touched, written, failed)
    for port in fresh:
        wrong = mismatches(port, written[port.name])
        if wrong and port.name not in failed:
            failed[port.name] = f"reads back differently: {'; '.join(wrong)}"
    restored: list[str] = []
    left: list[str] = []
    if failed:
        restored, left, fresh = _restore(bench, before, fresh, failed, written)
    by_name = {port.name: port for port in fresh}
    conf = bench.conf()
    bench.ports = [by_name.get(port.name, port)._replace(kept=conf.values(port.device)) for port in bench.ports]
    return Made(bool(written) or bool(drops), failed, restored, left, checkpoint)


def run_step(reader: Reader, step: Step) -> str | None:
    """Why it was refused; None: it was taken."""
    if reader.useless:
        return reader.useless
    answer = reader.runner.short(step.argv)
    if answer.rc == 0:
        return None
    if answer.rc is None:
        return f"hccn_tool gave no answer within {answer.seconds:.0f} s"
    return sample(answer.text)


def mismatches(port: Port, settings: Sequence[str]) -> list[str]:
    """What device and file say otherwise than planned, of these settings; one that cannot be read is one, too."""
    told = []
    for setting in dict.fromkeys(settings):
        device = hccn_plan.device_sentences(port, setting)
        if device is None:
            told.append(f"{port.label}: {setting} could not be read back: {port.unread.get(setting)}")
        else:
            told += device
        told += hccn_plan.file_sentences(port, setting)
    return told


def _settled(
    bench: Bench, ports: Sequence[Port], written: Mapping[str, Sequence[str]], failed: Mapping[str, str]
) -> list[Port]:
    """Read the ports again; one that is not yet as told gets ``LOOKS`` looks."""
    fresh = {port.name: port for port in bench.again(ports, written)}
    for _ in range(LOOKS - 1):
        late = [port for port in fresh.values() if port.name not in failed and mismatches(port, written[port.name])]
        if not late:
            break
        bench.sleep(PAUSE_SECONDS)
        fresh.update({port.name: port for port in bench.again(late, written)})
    return list(fresh.values())


def _restore(
    bench: Bench,
    before: hccn_conf.Conf,
    now: Sequence[Port],
    failed: Mapping[str, str],
    written: Mapping[str, Sequence[str]],
) -> tuple[list[str], list[str], list[Port]]:
    """Old settings and old lines of the file for the ports that failed. :returns: (restored, left, all fresh ports)."""
    old = {port.name: port for port in bench.ports}
    others = [port for port in now if port.name not in failed]
    back = []
    for port in now:
        if port.name in failed:
            # The way back is a plan like any other, towards what was there; only what was written is undone.
            names = [*written[port.name], *_taken_along(written[port.name])]
            names += ["netmask"] if "address" in names else []
            found = {name: value for name, value in port.found.items() if name in names}
            back.append(port._replace(planned=_target(old[port.name]), found=found))
    touched = {port.name for port in now}
    problems: dict[str, str] = {}
    for step in hccn_plan.steps(back, [*others, *(port for port in bench.ports if port.name not in touched)]):
        problem = run_step(bench.reader, step)
        if problem is not None:
            problems[step.port] = f"{step.words}: {problem}"
    text = bench.files.read(bench.conf_path)
    conf = hccn_conf.parse(text)
    for port in back:
        conf.take_over(before, port.device)
    if conf.render() != text:
        bench.files.write(bench.conf_path, conf.render())
    fresh = bench.again(back, written)
    restored: list[str] = []
    left: list[str] = []
    for port in fresh:
        names = dict.fromkeys([*written[port.name], *_taken_along(written[port.name])])
        wrong = [text for setting in names for text in _not_back(port, setting)]
        if wrong:
            left += wrong + ([problems[port.name]] if port.name in problems else [])
        else:
            restored.append(port.name)
    planned = [port._replace(planned=old[port.name].planned) for port in fresh]
    return restored, left, others + planned


def _not_back(port: Port, setting: str) -> list[str]:
    sentences = hccn_plan.device_sentences(port, setting, "before")
    return [f"{port.label}: {setting} cannot be read"] if sentences is None else sentences


def _taken_along(settings: Sequence[str]) -> list[str]:
    return ["gateway"] if "address" in settings else []


def _target(old: Port) -> dict[str, Any]:
    """The old settings as if they had been planned."""
    target = {**old.planned, **old.found}
    shown = old.found.get("dscp_tc") or {}
    target["dscp_tc"] = {dscp: shown.get(dscp, 0) for dscp in old.planned["dscp_tc"]}
    return target
