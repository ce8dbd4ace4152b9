"""CANN of one node, from reading to the files of its environment: what ``library/cann.py`` does.

A package counts as installed when its own file says so afterwards. A toolkit that turns out not to go with the driver
stays beside the others and is not made the active one; when anything fails, the version before is active again.
"""

from __future__ import annotations

import re
import time
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ...bundle.manifest import BundleError
from ...common import Document
from . import (
    cann_environment,
    cann_plan,
    cann_read,
    compatibility,
    driver_preflight,
    errors,
    install_log,
    installer,
    versions,
)
from .cann_plan import Plan, Step
from .cann_read import BASE, STATE, Seen
from .errors import Error
from .host import Host
from .installer import Outcome


class Request(NamedTuple):
    """``wanted``: versions of toolkit, kernels, nnal (one or a list); ``active``: None means the newest wanted."""

    subject: str
    wanted: Mapping[str, Any]
    bundle: Mapping[str, Any]
    active: str | None = None
    base: str = BASE
    environment: str = cann_environment.ENVIRONMENT
    profile: str = cann_environment.PROFILE
    abi: int = 1
    allow_incompatible: bool = False
    require_driver: bool = True
    packages: str = "/var/lib/npuforge/packages"
    check: bool = False
    timeout_seconds: float = 3600.0


class Work(NamedTuple):
    """``seen``: afterwards; ``before``: what was there. ``outcomes``: every installer's run."""

    seen: Seen
    before: Seen
    plan: Plan
    refused: list[str]
    done: list[str]
    outcomes: list[tuple[Step, Outcome]]
    error: Error | None
    failed: str | None
    restored: list[str]


class Bench(NamedTuple):
    host: Host
    fetch: Callable[..., Any]
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
        self.progress = installer.Progress(bench.host, "cann")
        self.done: list[str] = []
        self.outcomes: list[tuple[Step, Outcome]] = []

    def read(self) -> Seen:
        return cann_read.read(self.host, self.request.base, self.request.environment, self.request.profile)

    def do(self) -> Work:
        request = self.request
        before = self.read()
        artifacts: Sequence[Mapping[str, Any]] = request.bundle.get("artifacts") or []
        target = cann_plan.target_of(request.wanted, request.active, artifacts, self.host.machine())
        plan = cann_plan.make(
            self.host,
            before,
            target,
            artifacts,
            base=request.base,
            abi=request.abi,
            paths=(request.environment, request.profile),
            incompatible=request.allow_incompatible,
        )
        refused = self.problems(before, plan)
        if refused or not plan.steps or request.check:
            return Work(before, before, plan, refused, [], [], None, None, [])
        self.progress.steps_count = len(plan.steps)
        failed, error = self.steps(plan)
        restored = self.back(before) if failed is not None else []
        after = self.read()
        self.progress.tell(len(plan.steps), failed or "done", None if failed else 100)
        return Work(after, before, plan, [], self.done, self.outcomes, error, failed, restored)

    def problems(self, seen: Seen, plan: Plan) -> list[str]:
        """Why it cannot begin, all at once; nothing is asked where nothing is planned."""
        told = list(plan.problems)
        if not plan.steps:
            return told
        installs = [step for step in plan.steps if step.kind == "install"]
        if self.host.uid() != 0:
            told.append("root is needed: give the deploying user sudo (become)")
        if not cann_environment.safe(self.request.base):
            told.append(f"{self.request.base!r} is no folder that can stand in an environment file")
        if installs and self.request.require_driver and seen.driver.version is None:
            told.append(f"no driver is installed, and it comes before CANN ({seen.driver.problem})")
        for path, wanted in self.space(installs).items():
            free = self.host.free_mib(path)
            if free is not None and free < wanted:
                told.append(f"{path}: {free} MiB are free and {wanted} MiB are needed")
        if installs:
            told += [f"another installer runs ({each}): wait for it" for each in installer.others(self.host)]
        for step in plan.steps:
            path = cann_read.root(self.request.base, step.version) if step.package == "toolkit" else ""
            taken = self.host.exists(path) and not self.host.is_link(path) if path else False
            if step.kind == "activate" and cann_read.new_layout(step.version) and taken:
                told.append(f"{path} is a folder and not a link: move it away, nothing is removed here")
        return list(dict.fromkeys(told))

    def space(self, installs: Sequence[Step]) -> dict[str, int]:
        sizes = [int((step.artifact or {}).get("size_bytes") or 0) >> 20 for step in installs]
        if not installs:
            return {}
        installed = driver_preflight.UNPACKED_FACTOR * sum(sizes) + 1
        unpacked = driver_preflight.UNPACKED_FACTOR * max(sizes)
        return {
            self.request.base: installed,
            driver_preflight.TEMPORARY: unpacked,
            self.request.packages: sum(sizes) + 1,
        }

    def steps(self, plan: Plan) -> tuple[str | None, Error | None]:
        paths: dict[int, str] = {}
        try:
            for number, step in enumerate(plan.steps):
                if step.artifact is not None:
                    paths[number] = str(self.fetch(step))
        except (BundleError, OSError) as refusal:
            return f"the package cannot be had: {refusal}", None
        for number, step in enumerate(plan.steps):
            self.progress.tell(number + 1, step.words, 0)
            problem, error = self.step(plan, number, step, paths)
            if problem is not None:
                return f"{step.words}: {problem}", error
            self.done.append(step.words)
        return None, None

    def step(self, plan: Plan, number: int, step: Step, paths: Mapping[int, str]) -> tuple[str | None, Error | None]:
        active = str(plan.target.active)
        if step.kind == "install":
            return self.install(number, step, paths[number])
        if step.kind == "activate":
            return (
                self.activate(step.version) if step.package == "toolkit" else self.activate_nnal(step.version)
            ), None
        if step.kind == "environment":
            self.host.write(self.request.environment, cann_environment.render(plan.variables, active))
        else:
            self.host.write(self.request.profile, cann_environment.render_profile(plan.variables, active))
        return None, None

    def fetch(self, step: Step) -> Any:
        def say(line: str) -> None:
            self.progress.tell(0, f"fetch {step.package} {step.version}", None, line, force=False)

        folder = self.host.locate(self.request.packages)
        return self.bench.fetch(str(self.request.bundle.get("url") or ""), dict(step.artifact or {}), folder, say)

    def install(self, number: int, step: Step, path: str) -> tuple[str | None, Error | None]:
        """Run one package and look whether its own file is there. ``--quiet`` accepts the vendor's licence."""
        self.host.write_json(STATE, {"running": {"package": step.package, "version": step.version}})
        argv = [path, "--install", "--quiet", "--install-for-all"]
        if self.request.base != BASE:
            argv.append(f"--install-path={self.request.base}")

        def told(percent: int | None, line: str) -> None:
            self.progress.tell(number + 1, step.words, percent, line, force=False)

        # nnal and ops look for the toolkit of their version in the environment.
        home = cann_read.home(self.request.base, step.version)
        variables = {"ASCEND_TOOLKIT_HOME": home, "ASCEND_HOME_PATH": home}
        label = f"cann {step.package} {step.version}"
        outcome = installer.run(self.host, argv, self.request.timeout_seconds, told, label, variables=variables)
        self.outcomes.append((step, outcome))
        log = install_log.parse(outcome.output)
        error = errors.explain(outcome.text, outcome.rc)
        versions_there = [
            i.version for i in cann_read.items(self.host, self.request.base, {}) if i.package == step.package
        ]
        found = any(versions.same(each, step.version) for each in versions_there)
        if outcome.rc is None:
            error = errors.own("timeout", f"it did not end within {self.request.timeout_seconds:.0f} s")
        elif outcome.rc < 0:
            error = errors.own("killed", f"ended by signal {-outcome.rc}")
        elif found and (outcome.rc == 0 or log["success"]):
            self.host.write_json(STATE, {"running": None})
            return None, None
        elif not outcome.started:
            error = errors.own("not_run", outcome.output.strip())
        elif error is None:
            claims = "says success" if log["success"] else f"ended with exit code {outcome.rc}"
            listed = ", ".join(versions_there) or "none"
            error = errors.own("no_effect", f"the installer {claims}, and {step.package} {listed} is there")
        error = error or errors.own("unknown", f"exit code {outcome.rc}")
        return f"{error.meaning} ({error.text})", error

    def activate(self, version: str) -> str | None:
        """Make a toolkit the active one. :returns: why not."""
        seen = self.read()
        item = seen.item("toolkit", version)
        if item is None:
            return f"toolkit {version} is not there"
        if item.info is not None and not self.request.allow_incompatible:
            judged = compatibility.driver_and_cann(seen.driver, item.info)
            if judged.verdict == "nok":
                return f"it does not go with the driver and was not activated: {judged.sentences[0]}"
        return self.lead(item)

    def lead(self, item: cann_read.Item) -> str | None:
        """Point what stands for the active version at this one."""
        path, name = cann_read.root(self.request.base, item.version), item.path.rpartition("/")[2]
        if cann_read.new_layout(item.version):
            self.host.relink(path, name)
            return None
        if self.host.is_link(path) or not self.host.exists(path):
            self.host.relink(path, name)
            return None
        # A folder of links, as the vendor's installers leave it: each to the same name in this version. A link to what
        # this version does not have would mix two versions, and goes.
        own = self.host.listing(item.path)
        for link, target in cann_read.links(self.host, path).items():
            rest = re.sub(r"^\.\./[^/]+/", "", target)
            if not self.host.exists(f"{item.path}/{rest}"):
                self.host.remove(f"{path}/{link}")
            elif target != f"../{name}/{rest}":
                self.host.relink(f"{path}/{link}", f"../{name}/{rest}")
        there = self.host.listing(path)
        for entry in own:
            if entry not in there:
                self.host.relink(f"{path}/{entry}", f"../{name}/{entry}")
        return None

    def activate_nnal(self, version: str) -> str | None:
        item = self.read().item("nnal", version)
        if item is None:
            return f"nnal {version} is not there"
        latest = f"{self.request.base}/nnal/atb/latest"
        if self.host.exists(latest) and not self.host.is_link(latest):
            return f"{latest} is a folder and not a link"
        self.host.relink(latest, item.path.rpartition("/")[2])
        return None

    def back(self, before: Seen) -> list[str]:
        """Make active again what was, since installers make themselves the active version."""
        now, told = self.read(), []
        item = now.item("toolkit", before.active)
        if item is not None and not versions.same(now.active, before.active) and self.lead(item) is None:
            told.append(f"toolkit {before.active} is active again")
        nnal = before.active_nnal
        if nnal and not versions.same(now.active_nnal, nnal) and self.activate_nnal(nnal) is None:
            told.append(f"nnal {nnal} is active again")
        return told


def raw(work: Work) -> list[Document]:
    """Evidence: the packages' files, the environment, and each installer's output with what it added to its log."""
    made: list[Document] = []

    def add(name: str, argv: Sequence[str], rc: int, seconds: float, text: str) -> None:
        words = text[-(512 << 10) :].encode("utf-8", "replace").decode()
        made.append({"name": name, "argv": list(argv), "rc": rc, "seconds": round(seconds, 3), "text": words})

    for path, text in sorted(work.seen.texts.items()):
        add(re.sub(r"[^A-Za-z0-9.]+", "-", path.strip("/")) + ".txt", ["cat", path], 0, 0.0, text)
    for number, (step, outcome) in enumerate(work.outcomes, 1):
        rc = 124 if outcome.rc is None else outcome.rc
        add(f"install-{number}-{step.package}.txt", outcome.argv, rc, outcome.seconds, outcome.output)
        for name, text in (("ascend-install-log", outcome.log), ("operation-log", outcome.operation)):
            if text:
                add(f"install-{number}-{step.package}-{name}.txt", ["tail", name], 0, 0.0, text)
    return made
