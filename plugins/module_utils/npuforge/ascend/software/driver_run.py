"""Driver and firmware of one node, from reading to report: what ``library/npu_driver.py`` does.

Reads, plans, checks beforehand, fetches, installs, and looks again: a version file that does not say the new version is
a failure whatever the installer said. What fails is put back to the version before where its package is kept.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ...bundle.manifest import BundleError
from . import driver_plan, driver_preflight, driver_read, errors, install_log, installer, version_files, versions
from .driver_plan import FULL, Plan, Step, User
from .driver_read import STATE, Seen
from .errors import Error
from .host import Host
from .installer import Outcome

LOOKS, PAUSE_SECONDS = 10, 3.0  # chips take up to half a minute until the new driver shows them
Fetch = Callable[..., Any]


class Request(NamedTuple):
    """``wanted``: as the module gives it; a missing key means the bundle's version, null leaves a component alone.

    ``chip_count``: chips that the node should have, None where nobody said. ``check``: nothing may be changed.
    """

    subject: str
    wanted: Mapping[str, Any]
    bundle: Mapping[str, Any]
    chip_count: int | None = None
    user: User = User()
    rules: driver_preflight.Rules = driver_preflight.Rules()
    check: bool = False
    timeout_seconds: float = 1800.0


class Work(NamedTuple):
    """What was done. ``outcomes``: every installer's run. ``reasons``: why a reboot is needed, beside what is seen."""

    seen: Seen
    plan: Plan
    refused: list[str]
    done: list[str]
    outcomes: list[tuple[Step, Outcome]]
    error: Error | None
    failed: str | None
    restored: list[str]
    reasons: list[str]


class Bench(NamedTuple):
    """What a run works with. ``fetch``: ``npuforge.bundle.fetch.fetch`` or anything with its signature."""

    host: Host
    tool: Any
    fetch: Fetch
    sleep: Callable[[float], None] = time.sleep


def run(request: Request, bench: Bench) -> Work:
    """Do it. :raises files.Locked: another run works on this node. :raises installer.Cancelled: told to stop."""
    if request.check:
        return _Run(request, bench).do()
    with bench.host.lock():
        installer.settle(bench.host, request.timeout_seconds, bench.sleep)
        return _Run(request, bench).do()


def look(request: Request, bench: Bench, failed: str) -> Work:
    """What is there, when a run could not begin or was broken off for the reason ``failed``."""
    return _Run(request._replace(check=True), bench).do()._replace(failed=failed, refused=[])


class _Run:
    def __init__(self, request: Request, bench: Bench) -> None:
        self.request = request
        self.bench = bench
        self.host = bench.host
        self.progress = installer.Progress(bench.host, "npu_driver")
        self.done: list[str] = []
        self.outcomes: list[tuple[Step, Outcome]] = []
        self.reasons: list[str] = []
        self.restored: list[str] = []

    def do(self) -> Work:
        seen = driver_read.read(self.host, self.bench.tool)
        artifacts: Sequence[Mapping[str, Any]] = self.request.bundle.get("artifacts") or []
        wanted = driver_plan.wanted_of(self.request.wanted, artifacts, self.host.machine())
        user = self.user_of(seen)
        plan = driver_plan.make(self.host, seen, wanted, artifacts, user)
        refused = driver_preflight.problems(self.host, seen, plan, user, self.request.rules, tool=self.bench.tool)
        if refused or not plan.steps or self.request.check:
            return self.work(seen, plan, refused, None, None)
        self.progress.steps_count = len(plan.steps)
        failed, error, broke = self.steps(plan, seen, user)
        if failed is not None and broke is not None:
            self.restore(seen, user)
        after = driver_read.read(self.host, self.bench.tool)
        self.progress.tell(len(plan.steps), failed or "done", None if failed else 100)
        return self.work(after, plan, [], error, failed)

    def work(self, seen: Seen, plan: Plan, refused: list[str], error: Error | None, failed: str | None) -> Work:
        return Work(seen, plan, refused, self.done, self.outcomes, error, failed, self.restored, self.reasons)

    def user_of(self, seen: Seen) -> User:
        """The recorded user of the last installation counts: another one is refused (0x0095)."""
        user = self.request.user
        if seen.info.user and seen.info.group and seen.info.user != "root":
            same = (seen.info.user, seen.info.group) == (user.name, user.group)
            return user if same else User(seen.info.user, seen.info.group)
        return user

    def steps(self, plan: Plan, seen: Seen, user: User) -> tuple[str | None, Error | None, Step | None]:
        """(what failed, why, the installer's step that failed), all None when all was done."""
        packages = {}
        try:
            for step in plan.steps:
                if step.artifact is not None:
                    packages[step.kind] = str(self.fetch(step))
        except (BundleError, OSError) as refusal:
            return f"the package cannot be had: {refusal}", None, None
        for number, step in enumerate(plan.steps, 1):
            self.progress.tell(number, step.words, 0)
            if step.kind in packages:
                problem, error = self.install(number, step, packages[step.kind], seen, user)
            else:
                problem, error = self.command(step), None
            if problem is not None:
                return f"{step.words}: {problem}", error, step if step.kind in packages else None
            self.done.append(step.words)
        return None, None, None

    def fetch(self, step: Step) -> Any:
        def say(line: str) -> None:
            self.progress.tell(0, f"fetch {step.kind} {step.version}", None, line, force=False)

        folder = self.host.locate(self.request.rules.packages)
        return self.bench.fetch(str(self.request.bundle.get("url") or ""), dict(step.artifact or {}), folder, say)

    def command(self, step: Step) -> str | None:
        answer = self.host.run(step.argv, 60.0)
        if answer.rc == 0:
            return None
        return f"{' '.join(step.argv)}: exit code {answer.rc}: {answer.text.strip()[:200]}"

    def install(self, number: int, step: Step, path: str, seen: Seen, user: User) -> tuple[str | None, Error | None]:
        """Run one package and look at what it left. :returns: (problem, its error), both None: it is there."""
        self.note(step.kind, running=step.version)
        self.forget_status(step)
        argv = [path, *driver_plan.flags(step, seen, user)]

        def told(percent: int | None, line: str) -> None:
            self.progress.tell(number, step.words, percent, line, force=False)

        outcome = installer.run(self.host, argv, self.request.timeout_seconds, told, f"{step.kind} {step.version}")
        self.outcomes.append((step, outcome))
        problem, error = self.verify(step, outcome)
        if problem is None:
            self.note(step.kind, installed=step)
            return None, None
        if self.as_before(step.kind, seen):
            self.note(step.kind)
        return problem, error

    def forget_status(self, step: Step) -> None:
        """Take the old ``complete`` out: the installer appends its own at the end, and one of before proves nothing."""
        text = self.host.read(driver_read.INSTALL_INFO)
        if step.kind == "driver" and text is not None and "Driver_Install_Status" in text:
            rows = [row for row in text.splitlines(True) if not row.strip().startswith("Driver_Install_Status")]
            self.host.write(driver_read.INSTALL_INFO, "".join(rows))

    def verify(self, step: Step, outcome: Outcome) -> tuple[str | None, Error | None]:
        """Judge by what is there, not by exit code or words."""
        log = install_log.parse(outcome.output)
        info = version_files.parse_install_info(self.host.read(driver_read.INSTALL_INFO))
        package = version_files.parse_package(self.host.read(driver_read.version_path(step.kind, info)))
        error = errors.explain(outcome.text, outcome.rc)
        if outcome.rc is None:
            error = errors.own("timeout", f"it did not end within {self.request.timeout_seconds:.0f} s")
        elif not outcome.started:
            error = errors.own("not_run", outcome.output.strip())
        there = versions.same(package.version, step.version)
        # The driver's installer writes "complete" last; others only say that they are done, or end well.
        ended = outcome.rc in (0, 2) or log["success"]
        whole = (
            info.status == version_files.COMPLETE or (info.status is None and ended) if step.kind == "driver" else ended
        )
        if not there or not whole or outcome.rc is None:
            if outcome.rc is not None and outcome.rc < 0:
                error = errors.own("killed", f"ended by signal {-outcome.rc}")
            elif error is None:
                claims = "says success" if log["success"] else f"ended with exit code {outcome.rc}"
                left = package.version or "no version" if not there else f"Driver_Install_Status {info.status!r}"
                error = errors.own("no_effect", f"the installer {claims}, and {left} is there")
            return f"{error.meaning} ({error.text})", error
        if step.kind == "firmware":
            self.reasons.append(f"firmware {step.version} takes effect at the next start")
            wanted = self.request.chip_count
            chips = log["firmware_chips"]
            if wanted is not None and chips is not None and chips != wanted:
                error = errors.own("chip_count", f"the firmware of {chips} chips was upgraded, {wanted} are expected")
                return error.text, error
            return None, None
        if outcome.rc not in (0, 2):
            # It is all there although the exit code says otherwise: what npu-smi shows decides after the restart.
            self.reasons.append(f"the driver's installer ended with exit code {outcome.rc} although all is there")
        if log["reboot_required"] or outcome.rc == 2:
            self.reasons.append(f"the installer of driver {step.version} asks for a restart")
        elif not self.shown(step):
            self.reasons.append(f"npu-smi does not show driver {step.version} yet")
        return None, None

    def shown(self, step: Step) -> bool:
        """Whether npu-smi shows the new driver; chips need a moment to start."""
        for look in range(LOOKS):
            boards = driver_read.read_boards(self.bench.tool, [])
            if versions.same(boards.driver, step.version):
                return True
            if not boards.told or look + 1 == LOOKS:
                return False  # a tool that hangs costs its time limit each time
            self.bench.sleep(PAUSE_SECONDS)
        return False

    def as_before(self, component: str, seen: Seen) -> bool:
        """Whether a component that failed is as whole as it was: most refusals come before anything is touched.

        An upgrade removes the old version file first (vendor's uninstall), so one that is there was not touched.
        """
        now = driver_read.read_files(self.host)
        before, after = seen.packages[component], now.packages[component]
        if driver_read.broken(seen, component) is not None or before.version != after.version:
            return False
        if component == "driver" and before.version is not None and seen.info.status != now.info.status:
            # Only we took the old status out.
            self.host.write(driver_read.INSTALL_INFO, seen.texts[driver_read.INSTALL_INFO])
        return before.problem == after.problem

    def restore(self, seen: Seen, user: User) -> None:
        """Put back what is not as before, newest first, where the package of the version before is kept."""
        for component in ("driver", "firmware"):
            before = seen.packages[component].version
            tried = [step for step, _ in self.outcomes if step.kind == component]
            if before is None or not tried or self.as_before(component, seen):
                continue
            kept = self.kept(component, before)
            if kept is None:
                continue
            step = Step(component, f"put back {component} {before}", before, FULL)
            self.progress.tell(len(self.outcomes), step.words, 0)
            problem, _ = self.install(len(self.outcomes), step, kept, seen, user)
            if problem is None:
                self.restored.append(f"{component} {before}")

    def kept(self, component: str, version: str) -> str | None:
        """The package of a version, unchanged since it was fetched."""
        for row in self.host.read_json(STATE).get("packages") or []:
            if (
                isinstance(row, dict)
                and row.get("component") == component
                and versions.same(row.get("version"), version)
            ):
                path = f"{self.request.rules.packages}/{row.get('file')}"
                if row.get("sha256") and self.host.sha256(path) == row["sha256"]:
                    return self.host.locate(path)
        return None

    def note(self, component: str, running: str | None = None, installed: Step | None = None) -> None:
        """Our own memory: what is being installed, what was, for which kernel, and where its package is.

        One entry for each component: putting one back must not hide that another is half done.
        """
        state = self.host.read_json(STATE)
        known = state.get("running")
        state["running"] = {**(known if isinstance(known, dict) else {}), component: running}
        if installed is not None:
            state[installed.kind] = {
                "version": installed.version,
                "kernel": self.host.kernel(),
                "boot_id": self.host.boot_id(),
            }
            artifact = installed.artifact
            if artifact is not None:
                row = {"component": installed.kind, "version": installed.version}
                row.update({key: artifact.get(key) for key in ("file", "sha256")})
                rows = [each for each in state.get("packages") or [] if isinstance(each, dict) and each != row]
                state["packages"] = [*rows, row]
        self.host.write_json(STATE, state)
