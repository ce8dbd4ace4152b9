"""One node from reading to report: what ``library/hccn.py`` does.

Reads every port, compares device, file and plan, and, outside check mode, writes what differs and reads it again. A
node whose tool cannot be run is an observation, too, not a failure.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ..common import Document, note
from . import environment, hccn_apply, hccn_conf, hccn_facts, hccn_plan
from .files import LOCK_PATH, Files
from .hccn_plan import Port, Step
from .hccn_read import QUESTIONS, Reader, Seen

HEALTH_LOOKS, HEALTH_PAUSE_SECONDS = 6, 1.0
_PLAN_KEYS = ("qos", "pfc", "link", "roce_port", "tls_enable", "ports", "hccl_environment")
_ROW_KEYS = ("id", "node", "device_id", "address", "netmask")


class Request(NamedTuple):
    """``plan``: the fabric plan, or this node's part of it. ``check``: nothing may be written."""

    subject: str
    plan: Mapping[str, Any]
    check: bool = False
    conf_path: str = hccn_conf.PATH
    environment_path: str = environment.PATH
    lock_path: str = LOCK_PATH
    limits: hccn_facts.Limits = hccn_facts.Limits()


class Result(NamedTuple):
    """``steps``: sentences on what was, or in check mode would be, written. ``failed``: it could not be reached."""

    changed: bool
    failed: bool
    message: str
    steps: list[str]
    diff: list[Document]
    observations: list[Document]


def wrong_plan(plan: Mapping[str, Any], subject: str) -> str | None:
    """Why this is no plan for the node; None: it is one."""
    missing = [key for key in _PLAN_KEYS if key not in plan]
    if missing:
        return f"the plan lacks {', '.join(missing)}"
    rows = rows_of(plan, subject)
    if not rows:
        return f"the plan has no NPU port of {subject}"
    for row in rows:
        lacking = [key for key in _ROW_KEYS if row.get(key) is None]
        if lacking:
            return f"{row.get('id', 'a port')}: the plan lacks {', '.join(lacking)}"
    try:
        environment.render(plan["hccl_environment"])
    except ValueError as error:
        return str(error)
    return None


def rows_of(plan: Mapping[str, Any], subject: str) -> list[Mapping[str, Any]]:
    return sorted((row for row in plan["ports"] if row.get("node") == subject), key=lambda row: int(row["device_id"]))


def run(
    request: Request, runner: Any, files: Files, simulated: bool, sleep: Callable[[float], None] = time.sleep
) -> Result:
    """Do it. :raises Locked: another run works on this node; nothing was touched."""
    if request.check:
        return _Work(request, runner, files, simulated, sleep).do()
    with files.lock(request.lock_path):
        files.tidy(request.conf_path)
        files.tidy(request.environment_path)
        return _Work(request, runner, files, simulated, sleep).do()


class _Work:
    def __init__(
        self, request: Request, runner: Any, files: Files, simulated: bool, sleep: Callable[[float], None]
    ) -> None:
        self.request = request
        self.runner = runner
        self.files = files
        self.simulated = simulated
        self.sleep = sleep
        self.reader = Reader(runner)
        self.rows = rows_of(request.plan, request.subject)
        self.notes: list[dict[str, str]] = []

    def do(self) -> Result:
        seen = self.reader.ports([int(row["device_id"]) for row in self.rows])
        self.reader.ask_version(int(self.rows[0]["device_id"]))
        text = self.files.read(self.request.conf_path)
        ports = self.ports(seen, text)
        steps, drops = hccn_plan.steps(ports), self.drops(ports)
        env_text = self.files.read(self.request.environment_path)
        env_wanted = environment.render(self.request.plan["hccl_environment"])
        told = [step.words for step in steps] + [
            f"take {key}_{device} out of {hccn_conf.PATH}" for key, device in drops
        ]
        if env_text != env_wanted:
            told.append(f"write {self.request.environment_path}")
        diff = self.diff(steps, drops, text, ports) + self.environment_diff(env_text, env_wanted)
        made = hccn_apply.Made(False, {}, [], [], None)
        if told and not self.request.check:
            bench = hccn_apply.Bench(self.reader, self.files, self.request.conf_path, ports, seen, sleep=self.sleep)
            if steps or drops:
                made = hccn_apply.apply(bench, steps, drops)
            if env_text != env_wanted:
                self.files.write(self.request.environment_path, env_wanted, 0o644)
            ports = bench.ports
            self.await_health(steps, seen)
        message = self.message(told, made, ports)
        entries = self.observations(ports, seen, made)
        return Result(bool(told), bool(made.failed), message, told, diff, entries)

    def ports(self, seen: Mapping[int, Seen], text: str | None) -> list[Port]:
        conf = hccn_conf.parse(text)
        made = []
        for row in self.rows:
            device = int(row["device_id"])
            found, unread = seen[device].settings()
            planned = hccn_plan.planned_of(row, self.request.plan)
            made.append(Port(row["id"], device, planned, found, conf.values(device), unread))
        return made

    def drops(self, ports: Sequence[Port]) -> list[tuple[str, int]]:
        """Only where the tool can be run at all: a file without its tool is nobody's to edit."""
        return [] if self.reader.useless else hccn_plan.drops(ports)

    def await_health(self, steps: Sequence[Step], seen: Mapping[int, Seen]) -> None:
        """Ask for the health of ports whose address or detection was set, until it is told or the time is used up."""
        waiting = {step.device for step in steps if step.setting in ("address", "gateway", "netdetect")}
        for look in range(HEALTH_LOOKS):
            for device in sorted(waiting):
                self.reader.port(device, ("net_health",), seen[device])
            waiting = {device for device in waiting if seen[device].value("net_health") not in ("Success", None)}
            if not waiting:
                return
            if look + 1 < HEALTH_LOOKS:
                self.sleep(HEALTH_PAUSE_SECONDS)

    def message(self, told: Sequence[str], made: hccn_apply.Made, ports: Sequence[Port]) -> str:
        if made.failed:
            parts = [f"{name}: {why}" for name, why in made.failed.items()]
            if made.restored:
                parts.append(f"old settings are back on {', '.join(made.restored)}")
            return "; ".join(parts + [f"not undone: {text}" for text in made.left])
        if self.reader.useless:
            return self.reader.useless
        unread = [port.label for port in ports if port.unread]
        rest = f"; not all could be read of {', '.join(unread)}, and nothing unread was set" if unread else ""
        if not told:
            return f"as planned{rest}" if len(unread) < len(ports) else f"nothing to do{rest}"
        verb = "planned" if self.request.check else "made"
        return f"{len(told)} {'change' if len(told) == 1 else 'changes'} {verb}{rest}"

    def diff(
        self, steps: Sequence[Step], drops: Sequence[tuple[str, int]], text: str | None, ports: Sequence[Port]
    ) -> list[Document]:
        """What devices hold and shall hold, setting by setting, and the file's lines that go."""
        by_name = {port.name: port for port in ports}
        before, after = [], []
        for name, setting in dict.fromkeys((step.port, step.setting) for step in steps):
            port = by_name[name]
            for key in ("address", "netmask") if setting == "address" else (setting,):
                held = port.found.get(key)
                if key == "dscp_tc":
                    held = {dscp: (held or {}).get(dscp) for dscp in port.planned[key]}
                before.append(f"{port.label} {key}: {hccn_plan.show(held)}")
                after.append(f"{port.label} {key}: {hccn_plan.show(port.planned[key])}")
            kept = [f"{key}_{port.device}={port.kept.get(key, '')}" for key in hccn_plan.KEYS[setting]]
            before += [f"{hccn_conf.PATH} {line}" for line in kept]
            for key in hccn_plan.KEYS[setting]:
                wanted = hccn_plan.file_value(setting, key, port.planned) or "0.0.0.0"  # noqa: S104 - detection off
                after.append(f"{hccn_conf.PATH} {key}_{port.device}={wanted}")
        conf = hccn_conf.parse(text)
        before += [f"{hccn_conf.PATH} {key}_{device}={conf.value(key, device)}" for key, device in drops]
        return _diff(f"{self.request.subject} NPU ports", before, after)

    def environment_diff(self, text: str | None, wanted: str) -> list[Document]:
        return _diff(self.request.environment_path, (text or "").splitlines(), wanted.splitlines())

    def observations(self, ports: Sequence[Port], seen: Mapping[int, Seen], made: hccn_apply.Made) -> list[Document]:
        request = self.request
        switches = request.plan.get("switches") or {row["switch"]: None for row in self.rows if row.get("switch")}
        facts = {port.name: hccn_facts.npu_facts(port, seen[port.device], switches, request.limits) for port in ports}
        raw = {port.name: [seen[port.device].transcript()] for port in ports}
        env_text = self.files.read(request.environment_path)
        env = environment.parse(env_text)
        if env.problem is not None:
            self.notes.append(note("hccn.environment", env.problem))
        if self.reader.useless is not None:
            self.notes.append(note("hccn.tool", self.reader.useless))
        elif self.reader.version is None:
            self.notes.append(note("hccn.tool", "the tool does not tell the driver's version in words that are known"))
        hccn = {
            "tool": {"present": not self.reader.missing, "version": self.reader.version},
            "environment": env.value,
            "environment_differences": environment.differences(
                request.subject, request.environment_path, env_text, request.plan["hccl_environment"]
            ),
            "busy_retries": self.runner.busy_retries,
            "calls": self.runner.calls,
            "calls_per_port": len(QUESTIONS),
            "applied": made.applied,
            "restored": bool(made.restored),
            "failed": [f"{name}: {why}" for name, why in made.failed.items()],
            "not_undone": made.left,
            "checkpoint": made.checkpoint,
        }
        text = self.files.read(request.conf_path)
        node_raw = [] if text is None else [_file_raw(request.conf_path, text)]
        node = hccn_facts.node_facts(hccn, self.notes)
        return hccn_facts.observations(request.subject, facts, raw, node, node_raw, simulated=self.simulated)


def _file_raw(path: str, text: str) -> Document:
    return {
        "name": "hccn.conf",
        "argv": ["cat", path],
        "rc": 0,
        "seconds": 0.0,
        "text": text.encode("utf-8", "replace").decode(),
    }


def _diff(header: str, before: Sequence[str], after: Sequence[str]) -> list[Document]:
    if list(before) == list(after):
        return []
    texts = {"before": "".join(f"{line}\n" for line in before), "after": "".join(f"{line}\n" for line in after)}
    return [{"before_header": header, "after_header": f"{header} planned", **texts}]
