"""What is to be done so that a node has the wanted CANN packages, the wanted one active and its environment written.

Toolkit, then kernels (``ops`` since 8.5), then nnal of each version. Versions stay side by side: nothing is removed.
An installer makes its own version the active one, so after any installation the active one is set again.
"""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

from . import cann_environment, cann_read, compatibility, versions
from .cann_read import PACKAGES, Seen
from .driver_plan import artifact_of
from .host import Host

ARTIFACTS = {"toolkit": "cann_toolkit", "kernels": "cann_kernels", "nnal": "cann_nnal"}


class Target(NamedTuple):
    """``wanted``: versions of each package. ``active``: toolkit that is used; ``active_nnal``: nnal that is."""

    wanted: Mapping[str, Sequence[str]]
    active: str | None
    active_nnal: str | None


class Step(NamedTuple):
    """``kind``: install, activate, environment or profile."""

    kind: str
    words: str
    package: str = ""
    version: str = ""
    artifact: Mapping[str, Any] | None = None


class Plan(NamedTuple):
    steps: list[Step]
    problems: list[str]
    target: Target
    variables: Mapping[str, str]


def target_of(
    wanted: Mapping[str, Any], active: str | None, artifacts: Sequence[Mapping[str, Any]], machine: str
) -> Target:
    """A missing key of ``wanted`` means the bundle's versions for this machine, null or an empty list none."""
    found: dict[str, list[str]] = {}
    for package in PACKAGES:
        if package in wanted:
            given = wanted[package]
            rows = given if isinstance(given, (list, tuple)) else [given]
            found[package] = list(dict.fromkeys(str(each) for each in rows if each not in (None, "")))
        else:
            listed = [str(each.get("version")) for each in artifacts if each.get("id") == ARTIFACTS[package]]
            fitting = [
                each
                for each in listed
                if not isinstance(artifact_of(artifacts, ARTIFACTS[package], machine, each), str)
            ]
            found[package] = list(dict.fromkeys(fitting))
    chosen = active or newest(found["toolkit"])
    nnal = next((each for each in found["nnal"] if versions.same(each, chosen)), None) or newest(found["nnal"])
    return Target(found, chosen, nnal)


def newest(listed: Sequence[str]) -> str | None:
    """The greatest; where that cannot be told, the one named last."""
    best = None
    for each in listed:
        order = None if best is None else versions.compare(each, best)
        best = each if best is None or order is None or order >= 0 else best
    return best


def make(
    host: Host,
    seen: Seen,
    target: Target,
    artifacts: Sequence[Mapping[str, Any]],
    *,
    base: str,
    abi: int,
    paths: tuple[str, str],
    incompatible: bool,
) -> Plan:
    """The steps. ``paths``: environment file and profile file. ``incompatible``: activate in spite of the driver."""
    steps: list[Step] = []
    problems: list[str] = []
    for version in dict.fromkeys(version for package in PACKAGES for version in target.wanted[package]):
        for package in PACKAGES:
            if version in target.wanted[package] and not seen.has(package, version):
                steps.append(_install(host, seen, package, version, artifacts, problems=problems))
    order = {package: number for number, package in enumerate(PACKAGES)}
    steps.sort(key=lambda step: order[step.package])
    toolkits = [*target.wanted["toolkit"], *(item.version for item in seen.items if item.package == "toolkit")]
    for version in target.wanted["kernels"]:
        if not any(versions.same(version, each) for each in toolkits):
            problems.append(f"kernels {version} need toolkit {version}, which is neither there nor wanted")
    variables: dict[str, str] = {}
    if target.active is not None:
        if not any(versions.same(target.active, each) for each in toolkits):
            problems.append(f"toolkit {target.active} shall be active, and is neither there nor wanted")
        problems += _refused(seen, target, incompatible)
        steps += _activate(seen, target, bool(steps))
        atb = f"{base}/nnal/atb/latest/atb/cxx_abi_{abi}" if target.active_nnal else None
        variables = cann_environment.variables(cann_read.root(base, target.active), base, atb)
        if seen.environment != cann_environment.render(variables, target.active):
            steps.append(Step("environment", f"write {paths[0]}"))
        if seen.profile != cann_environment.render_profile(variables, target.active):
            steps.append(Step("profile", f"write {paths[1]}"))
    return Plan(steps, problems, target, variables)


def _install(
    host: Host, seen: Seen, package: str, version: str, artifacts: Sequence[Mapping[str, Any]], *, problems: list[str]
) -> Step:
    artifact = artifact_of(artifacts, ARTIFACTS[package], host.machine(), version)
    if isinstance(artifact, str):
        problems.append(artifact)
        artifact = None
    again = seen.running.get("package") == package and versions.same(seen.running.get("version"), version)
    words = f"install {package} {version}" + (": an installation was interrupted" if again else "")
    return Step("install", words, package, version, artifact)


def _activate(seen: Seen, target: Target, installs: bool) -> list[Step]:
    steps = []
    if installs or not versions.same(seen.active, target.active):
        steps.append(Step("activate", f"make toolkit {target.active} the active one", "toolkit", str(target.active)))
    if target.active_nnal is not None and (installs or not versions.same(seen.active_nnal, target.active_nnal)):
        words = f"make nnal {target.active_nnal} the active one"
        steps.append(Step("activate", words, "nnal", target.active_nnal))
    return steps


def _refused(seen: Seen, target: Target, incompatible: bool) -> list[str]:
    """A toolkit that is there and does not go with the driver is not made the active one."""
    item = seen.item("toolkit", target.active)
    if incompatible or item is None or item.info is None or versions.same(seen.active, target.active):
        return []
    judged = compatibility.driver_and_cann(seen.driver, item.info)
    return judged.sentences if judged.verdict == "nok" else []
