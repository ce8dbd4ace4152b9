"""What is to be done so that a node has the wanted driver and firmware: steps as data, in the vendor's order.

First installation: driver, then firmware. Upgrade: firmware, then driver. A driver that is broken comes first, since
the firmware's installer works through it. Nothing is planned where the version files agree.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple, Sequence

from ...bundle.manifest import select
from ...common import as_integer
from . import driver_read, versions
from .driver_read import COMPONENTS, Seen
from .host import Host

ARTIFACTS = {"driver": "npu_driver", "firmware": "npu_firmware"}
FULL = ("--full", "--quiet", "--install-for-all")
_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")
UPGRADE = ("--upgrade", "--quiet", "--install-for-all")


class User(NamedTuple):
    """The vendor's run user. ``uid``, ``gid`` None: what the system gives."""

    name: str = "HwHiAiUser"
    group: str = "HwHiAiUser"
    uid: int | None = None
    gid: int | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> tuple[User, str | None]:
        """From ``{name, group, uid, gid}``, each optional. :returns: (user, what is wrong with it)."""
        unknown = sorted(set(given) - set(cls._fields))
        if unknown:
            return cls(), f"install_user: unknown keys {', '.join(unknown)}"
        name = str(given.get("name") or "HwHiAiUser")
        group = str(given.get("group") or name)
        numbers = {}
        for key in ("uid", "gid"):
            number = as_integer(given.get(key))
            if given.get(key) not in (None, "") and (number is None or not 0 < number < 1 << 31):
                return cls(), f"install_user: {key} {given[key]!r} is no number of a user"
            numbers[key] = number
        if not all(_NAME.match(each) for each in (name, group)):
            return cls(), f"install_user: {name}:{group} are no names of a user and a group"
        return cls(name, group, numbers["uid"], numbers["gid"]), None


class Step(NamedTuple):
    """``kind``: group, user, membership, driver or firmware. ``flags``: of the installer. ``why``: for a repair."""

    kind: str
    words: str
    version: str | None = None
    flags: tuple[str, ...] = ()
    artifact: Mapping[str, Any] | None = None
    argv: tuple[str, ...] = ()


class Plan(NamedTuple):
    """``steps`` in order; ``problems``: why it cannot be done (a wanted version without a package, ...).

    ``before``: installed versions when it was made.
    """

    steps: list[Step]
    problems: list[str]
    wanted: Mapping[str, str | None]
    before: Mapping[str, str | None]


def artifact_of(artifacts: Sequence[Mapping[str, Any]], kind: str, machine: str, version: str | None) -> Any:
    """The package of a kind for this machine, or a sentence why there is none. ``version`` None: the only one."""
    mine = [dict(each) for each in artifacts if each.get("id") == kind]
    if version is not None:
        mine = [each for each in mine if versions.same(str(each.get("version")), version)]
    fitting = select(mine, machine)
    if not mine:
        return f"the bundle has no {kind} {version or ''}".rstrip()
    if not fitting:
        arches = sorted({str(arch) for each in mine for arch in each.get("arch") or []})
        return f"the bundle has {kind} {mine[0].get('version')} for {', '.join(arches)}, and this machine is {machine}"
    if len({str(each.get("version")) for each in fitting}) > 1:
        return f"the bundle has several versions of {kind}: say which one is wanted"
    return fitting[0]


def wanted_of(
    wanted: Mapping[str, Any], artifacts: Sequence[Mapping[str, Any]], machine: str
) -> Mapping[str, str | None]:
    """Version of each component; a key that is missing means the bundle's, null means that it is left alone."""
    found: dict[str, str | None] = {}
    for component in COMPONENTS:
        if component in wanted:
            given = wanted[component]
            found[component] = str(given) if given not in (None, "") else None
        else:
            artifact = artifact_of(artifacts, ARTIFACTS[component], machine, None)
            found[component] = None if isinstance(artifact, str) else str(artifact.get("version"))
    return found


def make(
    host: Host, seen: Seen, wanted: Mapping[str, str | None], artifacts: Sequence[Mapping[str, Any]], user: User
) -> Plan:
    """The steps from ``seen`` to ``wanted``. ``wanted``: as ``wanted_of`` gives it."""
    needs: dict[str, str] = {}
    before = {component: seen.packages[component].version for component in COMPONENTS}
    for component in COMPONENTS:
        version = wanted.get(component)
        if version is None:
            continue
        why = driver_read.broken(seen, component)
        if why is None and component == "driver":
            why = driver_read.stale_kernel(seen)
        if why is not None:
            needs[component] = why
        elif not versions.same(seen.packages[component].version, version):
            needs[component] = ""
    if not needs:
        return Plan([], [], wanted, before)
    driver_whole = seen.packages["driver"].version is not None and not needs.get("driver")
    order = ("firmware", "driver") if driver_whole else ("driver", "firmware")
    steps: list[Step] = []
    problems: list[str] = []
    for component in order:
        if component not in needs:
            continue
        version = str(wanted[component])
        artifact = artifact_of(artifacts, ARTIFACTS[component], host.machine(), version)
        if isinstance(artifact, str):
            problems.append(artifact)
            artifact = None
        steps.append(_step(seen, component, version, needs[component], artifact))
    return Plan(user_steps(host, seen, user) + steps, problems, wanted, before)


def _step(seen: Seen, component: str, version: str, why: str, artifact: Any) -> Step:
    installed = seen.packages[component].version
    if why:
        return Step(component, f"reinstall {component} {version} (--full): {why}", version, FULL, artifact)
    if installed is None:
        return Step(component, f"install {component} {version} (--full)", version, FULL, artifact)
    words = f"upgrade {component} {installed} to {version} (--upgrade)"
    order = versions.compare(version, installed)
    if order is not None and order < 0:
        words = f"take {component} {installed} back to {version} (--upgrade)"
    return Step(component, words, version, UPGRADE, artifact)


def user_steps(host: Host, seen: Seen, user: User) -> list[Step]:
    """Group and user that the installer asks for (ERR_NO:0x0091) and their belonging together (0x0096)."""
    steps = []
    group_id = host.group(user.group)
    if group_id is None:
        number = () if user.gid is None else ("-g", str(user.gid))
        words = f"create group {user.group}" + (f" (gid {user.gid})" if user.gid is not None else "")
        steps.append(Step("group", words, argv=("groupadd", *number, user.group)))
    person = host.person(user.name)
    if person is None:
        number = () if user.uid is None else ("-u", str(user.uid))
        words = f"create user {user.name}" + (f" (uid {user.uid})" if user.uid is not None else "")
        argv = ("useradd", *number, "-g", user.group, "-d", f"/home/{user.name}", "-m", "-s", "/bin/bash", user.name)
        steps.append(Step("user", words, argv=argv))
    elif group_id is None or (person.gid != group_id and user.name not in host.members(user.group)):
        argv = ("usermod", "-a", "-G", user.group, user.name)
        steps.append(Step("membership", f"add user {user.name} to group {user.group}", argv=argv))
    return steps


def flags(step: Step, seen: Seen, user: User) -> list[str]:
    """Flags of the installer. The user is named only where it is not the vendor's, and never on an upgrade (0x0004)."""
    given = list(step.flags)
    first = "--full" in given and seen.info.user is None
    if step.kind == "driver" and first and (user.name, user.group) != ("HwHiAiUser", "HwHiAiUser"):
        given += [f"--install-username={user.name}", f"--install-usergroup={user.group}"]
    if step.kind == "firmware":
        given.remove("--install-for-all")  # the firmware's package does not know it
    return given
