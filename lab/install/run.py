"""One installation of a simulated server, from power on to the system that comes up. Runs in a process of its own.

The truth (``node["install"]``): ``{id, state: running|stopped|failed|done, ...}``, made by ``lab.power`` when a machine
starts from its virtual CD; ``stopped``: it stands still with an error on its screen, ``failed``: it went on to its
disk. Whoever switches the machine off, or starts it again, ends the installation where it is: each step
asks first. What the BMC's event log shows is what a person in front of the screen would see.
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lab import credentials, physics, power
from lab.bmc.fetch import usable
from lab.install import firmware, kickstart
from lab.nodes import persona
from lab.nodes.containers import Nodes
from lab.nodes.podman import Podman
from lab.state import LabError, State
from lab.world import World

SENSOR = "OS Install"
SECONDS = 3.0  # that packages take, unless the node's document says otherwise (install_seconds)
FETCH_SECONDS = 60.0
EXEC_SECONDS = 30.0

Document = dict[str, Any]


class Ended(Exception):
    """The machine was switched off or started again meanwhile."""


class Machine:
    """The simulated server that is being installed, and its log."""

    def __init__(self, world: World, name: str, install: str) -> None:
        self.world = world
        self.name = name
        self.install = install

    def read(self) -> Document:
        """Its truth. Ended: it is no longer ours."""
        node = self.world.read(self.name)
        self.check(node)
        return node

    def check(self, node: Document) -> None:
        if node["power"] != "on" or (node.get("install") or {}).get("id") != self.install:
            raise Ended(f"{self.name} was switched off or started again")

    def say(self, text: str, severity: str = "OK", **changes: Any) -> None:
        """An entry in the event log; ``changes`` go into ``node["install"]``."""
        print(f"{self.name}: {text}", flush=True)
        with self.world.update(self.name) as node:
            self.check(node)
            physics.add_entry(node, datetime.now(UTC), severity, SENSOR, text[:250])
            node["install"].update(changes)


def fetch(media: Document) -> bytes:
    """The image in the virtual CD, which is still the one that was inserted. NotBootable: it cannot be read."""
    if not usable(media["image"]):
        raise firmware.NotBootable("the image is not reached by http")
    try:
        # ruff's S310 is about other schemes than http, which usable() refuses.
        with urllib.request.urlopen(media["image"], timeout=FETCH_SECONDS) as answer:  # noqa: S310
            image: bytes = answer.read(firmware.MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise firmware.NotBootable(f"the image cannot be read any more: {error}") from error
    if hashlib.sha256(image).hexdigest() != media["sha256"]:
        raise firmware.NotBootable("the image is no longer the one that was inserted")
    return image


def run(machine: Machine, system: Callable[[Machine, kickstart.Order], None], fall_back: Callable[[], None]) -> int:
    """The whole installation; 0 when the new system runs.

    :param system: makes the new system from an order and starts it
    :param fall_back: starts what is on the disk, as firmware does when a disc cannot be booted
    """
    try:
        return _run(machine, system, fall_back)
    except Ended as problem:
        print(problem, file=sys.stderr)
        return 1


def _run(machine: Machine, system: Callable[[Machine, kickstart.Order], None], fall_back: Callable[[], None]) -> int:
    node = machine.read()
    try:
        started = firmware.start(fetch(node["virtual_media"]))
        machine.say(f"Installer started from virtual CD {started.label}.")
        order = kickstart.read(started.kickstart, node)
        for use in order.uses:
            drive = next(drive for drive in node["drives"] if drive["slot"] == use.slot)
            kind = "mirror" if use.raid else "encrypted" if use.encrypted else "plain"
            machine.say(f"Disk {use.slot} ({drive['serial']}) is erased: {kind}, {' '.join(use.mounts) or 'no mount'}.")
        machine.say(f"Packages are being installed ({len(order.packages)} named).")
        time.sleep(float(node.get("install_seconds", SECONDS)))
        machine.read()
        system(machine, order)
    except firmware.NotBootable as problem:
        machine.say(f"Virtual CD: {problem}. Starting from the next device.", "Warning", state="failed")
        fall_back()
        return 1
    except (firmware.BootFailed, kickstart.Stopped, LabError, power.PowerError) as problem:
        machine.say(f"Installer stopped: {problem}", "Critical", state="stopped")
        return 1
    return 0


class Containers:
    """Makes the new system of a twin's node: a container anew, with what the order says, and its %post scripts run."""

    def __init__(self, state: State) -> None:
        settings = state.settings()
        if settings is None:
            raise LabError(f"no twin in {state.root}")
        self.state = state
        self.podman = Podman()
        self.nodes = Nodes(state, settings, self.podman)
        self.bare = Nodes(state, replace(settings, bare=True, persona=""), self.podman)  # a new disk has no more
        self.backend = power.PodmanBackend(settings.site)

    def make(self, machine: Machine, order: kickstart.Order) -> None:
        """See the class. LabError, PowerError or Stopped: it did not work."""
        node = machine.read()
        if order.address != node["address"]:
            raise kickstart.Stopped(f"the twin's network gives this node {node['address']}, not {order.address}")
        if order.user != credentials.USER:
            raise kickstart.Stopped(f"the twin's image has the user {credentials.USER}, not {order.user}")
        name = self.bare.make_anew(node, self.nodes.recipe(node["name"]))
        shadow = persona.first_file(self.podman.run_bytes("cp", f"{name}:/etc/shadow", "-"))
        self.podman.run("cp", "--archive=false", "-", f"{name}:/", stdin=files(order, shadow))
        with machine.world.update(machine.name) as document:
            machine.check(document)
            for drive in document["drives"]:
                use = next((use for use in order.uses if use.slot == drive["slot"]), None)
                if use is not None:
                    drive["installed"] = {
                        "install": machine.install,
                        "mounts": list(use.mounts),
                        "raid": use.raid,
                        "encrypted": use.encrypted,
                    }
        machine.say("System installed; the machine restarts from its disk.")
        power.boot_from_disk(machine.world, machine.name, self.backend)
        for script in order.posts:
            self._post(machine.name, script)
        machine.say(f"System {order.hostname} is up.", state="done", hostname=order.hostname)

    def _post(self, node: str, script: kickstart.Script) -> None:
        """Run a script in the new system. Stopped: it failed, and says that this matters; the machine stands still."""
        name, text = self.nodes.container(node), script.text.encode()
        try:
            self.podman.run("exec", "--interactive", name, script.interpreter, stdin=text, timeout=EXEC_SECONDS)
        except LabError as error:
            if script.fatal:
                self.backend.kill(node)
                raise kickstart.Stopped(f"a %post script failed: {error}") from error


def files(order: kickstart.Order, shadow: str) -> bytes:
    """A tar for ``/`` of the new system: its name, who may log in, and with which password (``!``: none)."""
    buffer = io.BytesIO()
    contents = {
        "etc/hostname": (f"{order.hostname}\n", 0o644, 0, 0),
        f"home/{order.user}/.ssh/authorized_keys": ("".join(f"{key}\n" for key in order.keys), 0o600, 1000, 1000),
        "etc/shadow": (persona.with_password(shadow, order.user, order.password_hash or "!"), 0o640, 0, 42),
    }
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (text, mode, owner, group) in contents.items():
            entry = tarfile.TarInfo(path)
            data = text.encode()
            entry.size, entry.mode, entry.uid, entry.gid = len(data), mode, owner, group
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()
