"""Power of the simulated servers: one function changes it, whoever asks (Redfish, IPMI, the command line).

What is really switched is a ``Backend``: ``PodmanBackend`` kills and starts the node's container, ``WorldBackend`` has
nothing to switch (unit tests, load tests). What devices show follows from the world, which ``apply`` keeps in step.
A machine that was switched on is in its power-on self-test for ``post_seconds`` (``node["post_seconds"]``, else
``POST_SECONDS``); ``settle`` ends the test when its time is over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from lab import physics
from lab.state import CHECKOUT, State
from lab.supervise import marked_environment
from lab.world import World

ACTIONS = ("on", "force_off", "graceful_off", "cycle", "reset", "graceful_restart", "nmi")
POST_SECONDS = 4.0
GRACE_SECONDS = 30  # how long a graceful stop waits before the plug is pulled
PODMAN_TIMEOUT = GRACE_SECONDS + 60
REBOOTED = 128 + signal.SIGHUP


class PowerError(Exception):
    """The action cannot be done now; the message says why, for whoever asked."""


class Backend(Protocol):
    """What stands behind the power button. Every call may take seconds; each raises PowerError when it fails."""

    def start(self, node: str) -> None: ...

    def kill(self, node: str) -> None: ...

    def stop(self, node: str, seconds: int) -> None: ...

    def running(self, node: str) -> bool | None:
        """Whether the machine runs; None: this backend has no opinion, the world is right."""
        ...

    def install(self, world: World, node: str, install: str) -> None:
        """Let the installer in the virtual CD begin; it goes on by itself (``lab.install``)."""
        ...

    def rebooting(self, node: str) -> bool:
        """Whether a machine that does not run ended in order to start again."""
        ...


class WorldBackend:
    """Nothing to switch: the world alone says what is on."""

    def start(self, node: str) -> None:
        pass

    def kill(self, node: str) -> None:
        pass

    def stop(self, node: str, seconds: int) -> None:
        pass

    def running(self, node: str) -> bool | None:
        return None

    def install(self, world: World, node: str, install: str) -> None:
        pass

    def rebooting(self, node: str) -> bool:
        return False


class PodmanBackend:
    """Containers named ``npuforge-<site>-<node>``, driven through the podman command."""

    def __init__(self, site: str, command: Sequence[str] = ("podman",)) -> None:
        self.site = site
        self.command = list(command)
        self._processes: dict[str, tuple[int, str]] = {}  # node -> pid and start time of the container's init
        self._endings: dict[str, int] = {}  # node -> exit code of a container that does not run

    def container(self, node: str) -> str:
        return f"npuforge-{self.site}-{node}"

    def start(self, node: str) -> None:
        self._podman("start", self.container(node))

    def kill(self, node: str) -> None:
        if self._inspect(node):
            self._podman("kill", self.container(node))
        self._processes.pop(node, None)

    def stop(self, node: str, seconds: int) -> None:
        self._podman("stop", "-t", str(seconds), self.container(node))
        self._processes.pop(node, None)

    def running(self, node: str) -> bool | None:
        """Asks podman only when the process seen last is gone: it costs 0.1 s of a core, and this is asked often."""
        known = self._processes.get(node)
        if known and _start_time(known[0]) == known[1]:
            return True
        return self._inspect(node)

    def rebooting(self, node: str) -> bool:
        """reboot(2) in a container ends its init: by SIGHUP to restart, by SIGINT to power off or halt (man 2 reboot).

        ``podman kill`` ends it by SIGKILL. podman shows 128 and the signal's number.
        """
        return self._inspect(node) is False and self._endings.get(node) == REBOOTED

    def install(self, world: World, node: str, install: str) -> None:
        """A process of its own: whoever pressed the button may end before it does."""
        state = Path(world.root).parent
        words = ["run", "--state", str(state), "--node", node, "--install", install]
        try:
            with (state / "log" / f"install-{node}.log").open("ab") as log:
                subprocess.Popen(
                    [sys.executable, "-m", "lab.install", *words],
                    cwd=CHECKOUT,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=marked_environment(State(state)),
                    start_new_session=True,
                )
        except OSError as error:
            raise PowerError(f"the installer cannot be started: {error}") from error

    def _inspect(self, node: str) -> bool | None:
        self._processes.pop(node, None)
        try:
            text = self._podman("container", "inspect", "--format", "{{json .State}}", self.container(node))
        except PowerError:
            return None  # no such container: the twin is being built or taken down, so nothing can be said
        state = json.loads(text)
        running, pid = bool(state.get("Running")), int(state.get("Pid") or 0)
        self._endings[node] = 0 if running else int(state.get("ExitCode") or 0)
        started = _start_time(pid)
        if running and started:
            self._processes[node] = (pid, started)
        return running

    def _podman(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [*self.command, *arguments], capture_output=True, text=True, timeout=PODMAN_TIMEOUT, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PowerError(f"podman {arguments[0]}: {error}") from error
        if done.returncode:
            raise PowerError(f"podman {' '.join(arguments)}: {done.stderr.strip()[-300:]}")
        return done.stdout


def apply(world: World, node_name: str, action: str, backend: Backend) -> None:
    """Do one of ``ACTIONS`` and keep the world in step. Blocks for as long as the backend does.

    Switching on what is on, or off what is off, does nothing. Restarting or interrupting a machine that is off is a
    PowerError, as is switching on one without any power supply in order. ValueError: no such action.
    """
    if action not in ACTIONS:
        raise ValueError(f"no power action {action!r}; there are {', '.join(ACTIONS)}")
    with _button(world, node_name):
        node = world.read(node_name)
        is_on = node["power"] == "on"
        if action in ("cycle", "reset", "graceful_restart", "nmi") and not is_on:
            raise PowerError(f"{node_name} is powered off: nothing to {action.replace('_', ' ')}")
        if action == "nmi":
            with world.update(node_name) as document:
                physics.add_entry(document, _now(), "Warning", "NMI", "A diagnostic interrupt was raised.")
            return
        if action in ("force_off", "cycle", "reset") and is_on:
            backend.kill(node_name)
            _set_off(world, node_name)
        elif action in ("graceful_off", "graceful_restart") and is_on:
            backend.stop(node_name, GRACE_SECONDS)
            _set_off(world, node_name)
        if action == "on" and is_on:
            return
        if action in ("on", "cycle", "reset", "graceful_restart"):
            if not any(psu["present"] and psu["input_connected"] for psu in node["psus"]):
                raise PowerError(f"{node_name} has no power supply with input")
            _start(world, node_name, backend)


def boot_from_disk(world: World, node_name: str, backend: Backend) -> None:
    """What a firmware does when its disc cannot be started, and an installer when it is done: the machine begins anew
    from its disk. PowerError as ``apply``; nothing happens when somebody switched it off meanwhile."""
    with _button(world, node_name):
        if world.read(node_name)["power"] == "on":
            backend.start(node_name)
            with world.update(node_name) as node:
                install = node.get("install")
                _begin(node)
                node["booted_from"] = "None"
                if install:
                    node["install"] = {**install, "state": "done" if install["state"] == "running" else "failed"}


def settle(world: World, node_name: str) -> None:
    """End the power-on self-test of a node whose time is over. Cheap when there is nothing to do."""
    if _post_is_over(world.read(node_name)):
        with world.update(node_name) as node:
            if _post_is_over(node):
                node["post"] = node.get("post_after") or "ok"


def reconcile(world: World, node_name: str, backend: Backend) -> None:
    """Bring the world in step with a machine that changed its power by itself (a shutdown or a reboot from inside).

    A machine that rebooted is started again, as its firmware does, and begins with the self-test. Does nothing while
    somebody holds the power button of that node, or when the backend cannot tell.
    """
    with _button(world, node_name, wait=False) as held:
        running = backend.running(node_name) if held else None
        if running is None:
            return
        node = world.read(node_name)
        is_on = node["power"] == "on"
        if is_on and (node.get("install") or {}).get("state") in ("running", "stopped"):
            return  # it runs an installer, or stands still in one
        if is_on and not running:
            if backend.rebooting(node_name):
                _start(world, node_name, backend)
            else:
                _set_off(world, node_name)
        elif running and not is_on:
            _set_on(world, node_name)


def _post_is_over(node: dict[str, Any]) -> bool:
    if node["power"] != "on" or node["post"] != "in_progress":
        return False
    elapsed = _now().timestamp() - float(node.get("post_since") or 0)
    return elapsed >= float(node.get("post_seconds", POST_SECONDS))


def _set_off(world: World, node_name: str) -> None:
    with world.update(node_name) as node:
        node["power"] = "off"


def _start(world: World, node_name: str, backend: Backend) -> None:
    """The machine begins: with its system, or with the installer in its virtual CD."""
    disc = _starts_disc(world.read(node_name))
    if not disc:
        backend.start(node_name)
    install = _set_on(world, node_name, disc)
    if install:
        backend.install(world, node_name, install)


def _starts_disc(node: dict[str, Any]) -> bool:
    """Whether the next boot is from the virtual CD."""
    boot = node["boot"]
    return boot["target"] == "Cd" and boot["enabled"] != "Disabled" and bool(node["virtual_media"]["inserted"])


def _set_on(world: World, node_name: str, disc: bool = False) -> str | None:
    """Power comes. Returns the id of the installation that begins, when the machine starts from its virtual CD."""
    with world.update(node_name) as node:
        _begin(node)
        node.pop("install", None)
        if not disc:
            return None
        node["install"] = {"id": secrets.token_hex(8), "state": "running"}
        return str(node["install"]["id"])


def _begin(node: dict[str, Any]) -> None:
    """The self-test begins, what waited for a boot takes effect, a one-time boot source is used up."""
    node["power"] = "on"
    # A self-test that failed for a cause that is still there fails again; one that was cut short says nothing.
    node["post_after"] = node["post"] if node["post"] in ("ok", "failed") else node.get("post_after") or "ok"
    node["post"] = "in_progress"
    node["post_since"] = _now().timestamp()
    boot = node["boot"]
    node["booted_from"] = boot["target"] if boot["enabled"] != "Disabled" else "None"
    if boot["enabled"] == "Once":
        boot["enabled"], boot["target"] = "Disabled", "None"
    bios = node["bios"]
    if bios.get("pending_attributes"):
        bios["attributes"] = {**bios.get("attributes", {}), **bios.pop("pending_attributes")}
    if bios.get("pending_version"):
        bios["version"] = bios.pop("pending_version")


@contextlib.contextmanager
def _button(world: World, node_name: str, wait: bool = True) -> Iterator[bool]:
    """Holds the power button of one node, over all processes. Without ``wait`` it says whether it got it."""
    path = Path(world.root) / "locks" / f"power-{node_name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def _start_time(pid: int) -> str:
    """When a process began, in clock ticks since boot; '' when there is none. A pid alone may be used again."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]


def _now() -> datetime:
    return datetime.now(UTC)
