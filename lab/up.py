"""Raises the twin and takes it down again. Both may be interrupted at any moment and simply be called again."""

from __future__ import annotations

import hashlib
import itertools
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from lab import credentials, pki, readiness
from lab.hardware import SHAPE, build_site
from lab.nodes import delivered, image, persona_kylin, repo
from lab.nodes.containers import Nodes
from lab.nodes.podman import Podman, check_machine, need_root
from lab.npu import sockets, software
from lab.ntp import server as ntp
from lab.state import LabError, Settings, State
from lab.supervise import Supervisor, end, marked
from lab.vendor import build

Document = dict[str, Any]
LOGIN_SECONDS = 30.0
SERVICE_SECONDS = 30.0


@dataclass(frozen=True)
class Service:
    """A background process of the twin. ``missing(state, nodes, switches)`` says what does not answer yet, or None."""

    name: str
    module: str
    options: tuple[str, ...]
    missing: Callable[[State, list[Document], list[Document]], str | None]

    def argv(self, state: State) -> list[str]:
        return [sys.executable, "-m", self.module, "--state", str(state.root), *self.options]


def _first(devices: list[Document], probe: Callable[[Document], str | None]) -> str | None:
    """The first device that does not answer, and how; all are asked at once."""
    if not devices:
        return None
    with ThreadPoolExecutor(max_workers=min(16, len(devices))) as pool:
        answers = zip(devices, pool.map(probe, devices), strict=True)
        return next((f"{device['name']}: {problem}" for device, problem in answers if problem), None)


def probe_redfish(node: Document) -> str | None:
    return readiness.tls(node["bmc"]["address"], node["bmc"]["port"])


def probe_ipmi(node: Document) -> str | None:
    return readiness.ipmi(node["bmc"]["address"], node["bmc"]["ipmi_port"])


def probe_switch(switch: Document) -> str | None:
    return readiness.ssh(switch["address"], switch["port"])


def probe_vendor(state: State) -> str | None:
    settings = state.settings()
    return readiness.http(*settings.vendor_address()) if settings else "no settings"


def probe_time(state: State) -> str | None:
    settings = state.settings()
    return ntp.probe(settings.time_address()) if settings else "no settings"


def _alive(nodes: list[Document]) -> list[Document]:
    """A BMC that is dead on purpose is not waited for."""
    return [node for node in nodes if not node["bmc"]["dead"]]


SERVICES = (
    Service("bmc", "lab.bmc", ("--backend", "podman"), lambda _, nodes, __: _first(_alive(nodes), probe_redfish)),
    Service("ipmi", "lab.ipmi", (), lambda _, nodes, __: _first(_alive(nodes), probe_ipmi)),
    Service(
        "switch",
        "lab.switch",
        (),
        lambda _, __, switches: _first([s for s in switches if s["power"] == "on" and not s["dead"]], probe_switch),
    ),
    Service(
        "npu",
        "lab.npu",
        (),
        lambda state, nodes, _: _first(nodes, lambda node: sockets.probe(sockets.folder(state.root, node["name"]))),
    ),
    Service("vendor", "lab.vendor", (), lambda state, _, __: probe_vendor(state)),
    Service("ntp", "lab.ntp", (), lambda state, _, __: probe_time(state)),
)


class Progress:
    """One line for each step, with the time since the start."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout
        self.start = time.monotonic()

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self.start:6.1f} s] {text}", file=self.stream, flush=True)


def up(state: State, settings: Settings, progress: Progress, fresh: bool = False) -> None:
    """Raise the twin, or repair what is missing of it. LabError says what did not work and what to do.

    A world that is there stays as it is, planted faults included, unless ``fresh``: then containers and world are made
    anew (secrets and certificates stay).
    """
    check_machine()
    settings.personas()
    with state.exclusive():
        state.make_folders()
        supervisor = Supervisor(state)
        supervisor.record_self("up")
        try:
            known = state.settings()
            if fresh:
                _take_down(state, known or settings, progress)
                shutil.rmtree(state.world.root, ignore_errors=True)
                state.make_folders()
                supervisor.record_self("up")
            elif (
                known
                and state.world.exists
                and replace(known, bare=settings.bare, persona=settings.persona) != settings
            ):
                raise LabError(f"there is another twin in {state.root}: {known}; --fresh replaces it", code=2)
            _raise(state, settings, progress, supervisor)
        finally:
            supervisor.forget("up")
            shutil.rmtree(state.tmp, ignore_errors=True)
            state.hand_over(state.inventory(settings))


def _raise(state: State, settings: Settings, progress: Progress, supervisor: Supervisor) -> None:
    # First whose site this is: nothing below may be laid over another twin's containers.
    containers = Nodes(state, settings, Podman())
    containers.check_owner(containers.found().values())
    state.save_settings(settings)
    progress.say(f"world: {_ensure_world(state, settings)}")
    nodes = [state.world.read(name) for name in state.world.names()]
    switches = [state.world.read(name, "switches") for name in state.world.names("switches")]
    hosts = {node["name"]: f"{node['address']},{node['name']}" for node in nodes}
    hosts |= {s["name"]: f"[{s['address']}]:{s['port']},[{s['name']}]:{s['port']}" for s in switches}
    inventory = state.inventory(settings)
    secrets = credentials.ensure_secrets(state)
    credentials.ensure_keys(state, hosts)
    written = credentials.ensure_vault(state, secrets, inventory)
    pki.ensure(state.root, nodes)
    progress.say(f"secrets, SSH keys, certificates: ready; vault: {'written' if written else 'current'}")
    progress.say(f"RPM repository: {repo.ensure(state, progress.say)}")
    progress.say(f"vendor's packages: {build.ensure(state, progress.say)}")
    progress.say(f"node image: {image.ensure(state, containers.podman, progress.say)}")
    if not settings.bare:
        done = delivered.ensure(state, containers.podman, progress.say)
        progress.say(f"node image with the vendor's software: {done}")
    if settings.personas():
        done = persona_kylin.ensure(containers.base(), containers.podman, progress.say)
        progress.say(f"node image with the persona of Kylin V10: {done}")
    progress.say(f"network {containers.network}: {containers.ensure_network()}")
    if containers.outdated():
        supervisor.stop("bmc")  # it would take the replacement of a container for a power failure
    for name, done in containers.ensure(nodes, secrets["become_password"]).items():
        progress.say(f"{name}: {done}")
    _ensure_services(state, supervisor, nodes, switches, progress)
    waited = _await_logins(state, [node for node in nodes if node["power"] == "on"])
    progress.say(f"ready: {waited} of {len(nodes)} nodes let {credentials.USER} in")


def _ensure_world(state: State, settings: Settings) -> str:
    stale = state.world.exists and state.world.site().get("shape") != SHAPE
    if stale or not state.world.exists:
        site, nodes, switches = build_site(settings.plan())
        for node in nodes:
            software.deliver(node, settings.bare)
        state.world.create(site, nodes, switches)
        why = " (it was of an older version of the lab)" if stale else ""
        return f"created, {len(nodes)} nodes and {len(switches)} switch{why}"
    planted = sum(len(state.world.read(name)["faults"]) for name in state.world.names())
    return f"kept, {planted} faults planted" if planted else "kept"


def _ensure_services(
    state: State, supervisor: Supervisor, nodes: list[Document], switches: list[Document], progress: Progress
) -> None:
    code = code_fingerprint()
    started = []
    for service in SERVICES:
        if supervisor.running(service.name) and supervisor.code(service.name) == code:
            started.append((service, "running"))
            continue
        replaced = supervisor.stop(service.name)
        supervisor.start(service.name, service.argv(state), code)
        started.append((service, "restarted (its program changed)" if replaced else "started"))
    for service, done in started:

        def missing(service: Service = service) -> str | None:
            return service.missing(state, nodes, switches)

        supervisor.wait_until(service.name, missing, SERVICE_SECONDS)
        progress.say(f"{service.name} simulator: {done}, answers")


def code_fingerprint() -> str:
    """Changes with any program text of the twin."""
    digest = hashlib.sha256()
    for pattern in ("*.py", "*.sh", "*.spec", "npu_client"):
        for path in sorted(Path(__file__).parent.rglob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def ssh_command(state: State, node: Document) -> list[str]:
    """The way into a node, with its host key checked and nothing of the user's own configuration."""
    options = {
        "UserKnownHostsFile": str(state.ssh / "known_hosts"),
        "StrictHostKeyChecking": "yes",
        "GlobalKnownHostsFile": "/dev/null",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "3",
    }
    given = [part for key, value in options.items() for part in ("-o", f"{key}={value}")]
    return [
        *("ssh", "-F", "/dev/null", *given, "-i", str(state.ssh / "id_ed25519")),
        f"{credentials.USER}@{node['address']}",
    ]


def _await_logins(state: State, nodes: list[Document]) -> int:
    """Wait until every node lets us in; the number of nodes. LabError with ssh's reason for the first that does not."""

    def one(node: Document) -> str | None:
        deadline = time.monotonic() + LOGIN_SECONDS
        for tries in itertools.count(1):
            done = subprocess.run(
                [*ssh_command(state, node), "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
            )
            if done.returncode == 0:
                return None
            if time.monotonic() > deadline:
                return done.stderr.decode(errors="replace").strip()[-300:] or f"ssh ended with {done.returncode}"
            time.sleep(min(0.1 * tries, 1.0))
        return None

    refused = _first(nodes, one)
    if refused:
        raise LabError(f"no login after {LOGIN_SECONDS:.0f} s: {refused}")
    return len(nodes)


def down(state: State, settings: Settings, progress: Progress, purge: bool = False) -> None:
    """Take the twin down, whatever state it is in; also an ``up`` that is at work. Caches stay; ``purge`` also removes
    the state directory (world, secrets, keys) and what ``up`` wrote into the inventory."""
    need_root()
    was_there = state.root.exists()
    at_work = Supervisor(state).running("up")
    if at_work:
        progress.say(f"stopping 'up' (process {at_work.pid})")
        end([at_work])
    with state.exclusive():
        _take_down(state, settings, progress)
        if purge:
            credentials.forget_inventory(state.inventory(settings))
            shutil.rmtree(state.root)
            progress.say(f"state: {state.root} removed")
        elif not was_there:
            shutil.rmtree(state.root)


def _take_down(state: State, settings: Settings, progress: Progress) -> None:
    supervisor = Supervisor(state)
    containers = Nodes(state, settings, Podman())
    has_podman = shutil.which("podman") is not None
    if has_podman:
        containers.check_owner(containers.found().values())
    stopped = [service.name for service in SERVICES if supervisor.stop(service.name)]
    survivors = end(marked(state))  # what lost its record, and whatever an interrupted 'up' had under way
    if survivors:
        raise LabError(f"processes that do not end: {', '.join(str(process.pid) for process in survivors)}")
    progress.say(f"services: {', '.join(stopped) + ' stopped' if stopped else 'none ran'}")
    removed = containers.remove_all() if has_podman else []
    progress.say(f"containers: {', '.join(removed) + ' removed' if removed else 'none there'}")
    for folder in (state.tmp, state.run):
        shutil.rmtree(folder, ignore_errors=True)


def wanted_settings(state: State, site: str | None, **options: Any) -> Settings:
    """What the twin of this state is, or becomes: the options given now, else what ``up`` wrote, else the defaults."""
    known = state.settings()
    base = known if known and site in (None, known.site) else Settings.for_site(site or "twin")
    return replace(base, **{key: value for key, value in options.items() if value is not None})
