"""One machine from reading to report: what ``library/os_packages.py`` does.

Packages come as files whose SHA-256 the bundle's signed manifest gives, all in one transaction of the node's package
manager; no repository of the node is asked, so what is missing of dependencies is told and not fetched from elsewhere.
What the node has in the bundle's version or a newer one is left alone.
"""

from __future__ import annotations

import platform
import re
from typing import Any, Callable, Mapping, NamedTuple, Sequence

from ..bundle.fetch import fetch
from ..bundle.manifest import BundleError, select
from ..common import Document, note, observation
from ..kernel.host import Host
from . import versions

COLLECTOR = "os_packages"
PREFIX = "rpm:"
LOCK = "/run/npuforge/os_packages.lock"
SECONDS = 900.0
# Of these several versions live side by side, and a node needs the one of its kernel (dnf: installonlypkgs).
SIDE_BY_SIDE = re.compile(r"^kernel(-devel|-headers)?$")
_ROW = re.compile(r"^(\S{1,200}) (\S{1,200})$", re.MULTILINE)

Fetch = Callable[..., Any]


class Request(NamedTuple):
    """``names``: of the bundle's packages; None: all. ``folder``: where files are kept."""

    subject: str
    bundle: Mapping[str, Any]
    names: Sequence[str] | None
    folder: str
    check: bool


class Result(NamedTuple):
    """``steps``: sentences on what was, or in check mode would be, installed."""

    changed: bool
    failed: bool
    message: str
    steps: list[str]
    observations: list[Document]


class Package(NamedTuple):
    """One package of the bundle, and which versions of it the node has; None: could not be seen."""

    name: str
    wanted: str
    artifact: Mapping[str, Any]
    installed: list[str] | None

    @property
    def right(self) -> bool | None:
        if self.installed is None:
            return None
        if SIDE_BY_SIDE.match(self.name):
            return any(versions.evr(each, self.wanted) == 0 for each in self.installed)
        return any(versions.evr(each, self.wanted) >= 0 for each in self.installed)

    def words(self) -> str:
        have = "none is installed" if not self.installed else "installed is " + ", ".join(self.installed)
        return f"{self.name}: {have}, the bundle has {self.wanted}"


def run(request: Request, host: Host, simulated: bool, get: Fetch = fetch, machine: str | None = None) -> Result:
    """Do it. :raises kernel.host.Locked: another run works on this machine; nothing was touched."""
    wanted, problem = _wanted(request, machine or platform.machine())
    if problem:
        return _end(request, [], simulated, problem=f"nothing was touched: {problem}")
    packages = look(host, wanted)
    unseen = [each.name for each in packages if each.right is None]
    if unseen:
        text = "nothing was touched: rpm does not tell which packages are installed"
        return _end(request, packages, simulated, problem=text)
    missing = [each for each in packages if not each.right]
    steps = [f"install {each.name} {each.wanted}" for each in missing]
    if not missing or request.check:
        message = "; ".join(steps) if steps else "every package is there"
        return _end(request, packages, simulated, steps=steps, message=message, changed=bool(missing))
    with host.lock(LOCK):
        # What another run has installed while this one waited needs no second time.
        missing = [each for each in look(host, wanted) if not each.right]
        problem, said = _install(request, host, missing, get)
    after = look(host, wanted)
    left = [each.words() for each in after if not each.right]
    done = len(packages) - len(left) > sum(1 for each in packages if each.right)
    if problem or left:
        text = problem or "the package manager reports success, but " + "; ".join(left)
        return _end(request, after, simulated, steps=steps, problem=text, changed=done, raw=said)
    return _end(request, after, simulated, steps=steps, message="; ".join(steps), changed=True, raw=said)


def look(host: Host, artifacts: Sequence[Mapping[str, Any]]) -> list[Package]:
    """Which of these packages are installed, and in which versions."""
    names = [_name(artifact) for artifact in artifacts]
    if not names:
        return []
    query = ["rpm", "-q", "--qf", "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\n", *names]
    answer = host.run(query)
    seen = answer.rc is not None and answer.rc != 127
    found: dict[str, list[str]] = {}
    for name, version in _ROW.findall(answer.text):
        if name in names:
            found.setdefault(name, []).append(version)
    # Every name is answered: by rows, or by the sentence that it is not there.
    told = {name for name in names if name in found or f"package {name} is not installed" in answer.text}
    return [
        Package(name, str(artifact["version"]), artifact, found.get(name, []) if seen and name in told else None)
        for name, artifact in zip(names, artifacts)
    ]


def _wanted(request: Request, machine: str) -> tuple[list[Mapping[str, Any]], str | None]:
    """The bundle's packages for this machine; and why that cannot be what was asked for."""
    artifacts = [each for each in request.bundle.get("artifacts") or [] if str(each.get("id")).startswith(PREFIX)]
    mine = select(artifacts, machine)
    if request.names is None:
        return list(mine), None
    by_name = {_name(each): each for each in mine}
    absent = [name for name in request.names if name not in by_name]
    if absent:
        return [], f"the bundle has no {', '.join(absent)} for {machine}"
    return [by_name[name] for name in request.names], None


def _name(artifact: Mapping[str, Any]) -> str:
    return str(artifact["id"])[len(PREFIX) :]


def _install(request: Request, host: Host, missing: Sequence[Package], get: Fetch) -> tuple[str | None, list[Document]]:
    """Fetch and install in one transaction: why it did not work, and what the package manager said."""
    if not missing:
        return None, []
    files = []
    try:
        for each in missing:
            path = get(request.bundle.get("url"), each.artifact, host.locate(request.folder), lambda _: None)
            files.append(str(path))
    except (BundleError, OSError) as error:
        return f"nothing was installed: {error}", []
    # Their hashes are in the manifest that the integrator signed; a lab's or vendor's key need not be on the node.
    manager = ["dnf", "-y", "--disablerepo=*", "--setopt=localpkg_gpgcheck=0", "install", *files]
    if host.program("dnf") is None:
        manager = ["rpm", "-U", "--oldpackage", "--nosignature", *files]
    answer = host.run(manager, seconds=SECONDS)
    said: list[Document] = [
        {
            "name": f"{manager[0]}-install.txt",
            "argv": manager,
            "rc": 124 if answer.rc is None else answer.rc,
            "seconds": round(answer.seconds, 3),
            "text": answer.text,
        }
    ]
    if answer.rc == 0:
        return None, said
    rows = [row.strip() for row in answer.text.splitlines() if row.strip()]
    why = " / ".join(rows[-4:])[:500] if answer.rc is not None else f"no end within {SECONDS:.0f} s"
    return f"{manager[0]} did not install {', '.join(each.name for each in missing)}: {why}", said


def _end(
    request: Request,
    packages: Sequence[Package],
    simulated: bool,
    *,
    steps: Sequence[str] = (),
    message: str = "",
    problem: str | None = None,
    changed: bool = False,
    raw: Sequence[Document] = (),
) -> Result:
    unseen = any(each.right is None for each in packages) or (problem is not None and not packages)
    differ = None if unseen else [each.words() for each in packages if not each.right]
    facts: Document = {
        "packages": {
            "installed": {each.name: each.installed for each in packages},
            "wanted": {each.name: each.wanted for each in packages},
            "differences": differ,
        },
        "notes": [note("packages.differences", problem)] if problem else [],
    }
    made = observation("node", request.subject, COLLECTOR, facts, simulated)
    entries: list[Document] = [{"observation": made, "raw": list(raw)}]
    text = f"{request.subject}: {problem or message}"
    return Result(changed, problem is not None, text, list(steps), entries)
