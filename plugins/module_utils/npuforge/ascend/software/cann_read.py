"""Which CANN packages a node has, side by side, and which of them are active.

Before 8.5: ``ascend-toolkit/<version>`` with the active one behind ``ascend-toolkit/latest`` (a link, or a folder of
links); kernels lie inside the toolkit (``opp_kernel``). Since 8.5: ``cann-<version>`` with the link ``cann``. nnal:
``nnal/atb/<version>`` with the link ``latest``. A package whose own file is not there was not installed to its end.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, NamedTuple

from ...common import note
from . import cann_environment, driver_read, version_files, versions
from .host import Host
from .version_files import Cann, Package

BASE = "/usr/local/Ascend"
STATE = "/var/lib/npuforge/software/cann.json"
PACKAGES = ("toolkit", "kernels", "nnal")
_ATB = re.compile(r"^\s{0,8}Ascend-cann-atb\s{0,8}:\s{0,8}(\S{1,40})\s*$", re.MULTILINE)
_VERSION_DIR = re.compile(r"^version_dir\s{0,4}=\s{0,4}(\S{1,40})\s*$", re.MULTILINE)


class Item(NamedTuple):
    """``package``: toolkit, kernels or nnal. ``info``: the toolkit's own file."""

    package: str
    version: str
    path: str
    info: Cann | None = None


class Seen(NamedTuple):
    """``active``: version behind the active root (None: none, or a mixture); ``active_nnal`` likewise.

    ``running``: what a run of ours that was killed was installing. ``environment``, ``profile``: texts of the files.
    """

    items: list[Item]
    active: str | None
    active_nnal: str | None
    driver: Package
    running: Mapping[str, Any]
    environment: str | None
    profile: str | None
    texts: Mapping[str, str]
    notes: list[dict[str, str]]

    def has(self, package: str, version: str | None) -> bool:
        return any(item.package == package and versions.same(item.version, version) for item in self.items)

    def item(self, package: str, version: str | None) -> Item | None:
        return next((i for i in self.items if i.package == package and versions.same(i.version, version)), None)


def new_layout(version: str) -> bool:
    """Whether a version lies in ``cann-<version>`` (8.5 and later)."""
    match = re.match(r"^(\d{1,4})\.(\d{1,4})", version)
    return match is not None and (int(match.group(1)), int(match.group(2))) >= (8, 5)


def home(base: str, version: str) -> str:
    """The folder of one version's toolkit."""
    return f"{base}/cann-{version}" if new_layout(version) else f"{base}/ascend-toolkit/{version}"


def root(base: str, version: str) -> str:
    """The path under which a version is used when it is the active one."""
    return f"{base}/cann" if new_layout(version) else f"{base}/ascend-toolkit/latest"


def read(host: Host, base: str, environment: str, profile: str) -> Seen:
    """Look. Only files are read."""
    notes: list[dict[str, str]] = []
    texts: dict[str, str] = {}
    running = host.read_json(STATE).get("running")
    running = running if isinstance(running, dict) else {}
    there = [item for item in items(host, base, texts) if not _interrupted(item, running)]
    environment_text, profile_text = host.read(environment), host.read(profile)
    for path, text in ((environment, environment_text), (profile, profile_text)):
        if text is not None:
            texts[path] = text
    active = _active(host, base, there, environment_text, notes)
    nnal = host.link_target(f"{base}/nnal/atb/latest")
    written = driver_read.read_files(host)
    texts.update({path: text for path, text in written.texts.items() if "firmware" not in path})
    return Seen(
        there,
        active,
        nnal.rstrip("/").rpartition("/")[2] if nnal else None,
        written.packages["driver"],
        running,
        environment_text,
        profile_text,
        texts,
        notes,
    )


def _interrupted(item: Item, running: Mapping[str, Any]) -> bool:
    return item.package == running.get("package") and versions.same(item.version, running.get("version"))


def items(host: Host, base: str, texts: dict[str, str]) -> list[Item]:
    """All packages whose own file is there. ``texts``: takes the files' contents."""
    found: dict[tuple[str, str], Item] = {}
    # Pattern below the base, and how many folders of it name the version's own folder.
    patterns = (
        ("/ascend-toolkit/*/*-linux/ascend_*_install.info", 2),
        ("/cann-*/*-linux/ascend_*_install.info", 1),
        ("/nnal/atb/*/ascend_*_install.info", 3),
        ("/nnal/atb/*/*/ascend_*_install.info", 3),
    )
    for pattern, depth in patterns:
        for path in host.find(base + pattern):
            text = host.read(path)
            info = version_files.parse_cann(text)
            folder = base + "/" + "/".join(path[len(base) + 1 :].split("/")[:depth])
            if text is None or info is None or info.version is None or folder.endswith("/latest"):
                continue
            texts[path] = text
            package = _package(path, str(info.package))
            if package is not None:
                kept = info if package == "toolkit" else None
                found.setdefault((package, info.version.lower()), Item(package, info.version, folder, kept))
    # These packages of earlier releases leave no such file, only a version file of their own.
    for path in host.find(f"{base}/ascend-toolkit/*/opp_kernel/version.info"):
        match = _VERSION_DIR.search((host.read(path) or "")[:20000])
        folder = path.rpartition("/opp_kernel/")[0]
        if match and not folder.endswith("/latest"):
            texts[path] = host.read(path) or ""
            found.setdefault(("kernels", match.group(1).lower()), Item("kernels", match.group(1), folder))
    for path in host.find(f"{base}/nnal/atb/*/version.info"):
        match = _ATB.search((host.read(path) or "")[:20000])
        folder = path.rpartition("/")[0]
        if match and not folder.endswith("/latest"):
            texts[path] = host.read(path) or ""
            found.setdefault(("nnal", match.group(1).lower()), Item("nnal", match.group(1), folder))
    return sorted(found.values(), key=lambda item: (PACKAGES.index(item.package), item.version))


def _package(path: str, name: str) -> str | None:
    words = f"{path.rpartition('/')[2]} {name}".lower()
    if "toolkit" in words:
        return "toolkit"
    if "nnal" in words:
        return "nnal"
    return "kernels" if "kernels" in words or "ops" in words else None


def _active(
    host: Host, base: str, items: list[Item], environment: str | None, notes: list[dict[str, str]]
) -> str | None:
    """The version that a shell with the environment file gets; without that file the only root that has one."""
    behind: dict[str, str | None] = {
        f"{base}/ascend-toolkit/latest": _behind_latest(host, base, items),
        f"{base}/cann": _behind_link(host, f"{base}/cann", "cann-", items),
    }
    named = (cann_environment.parse(environment) or {}).get("ASCEND_TOOLKIT_HOME")
    if named in behind:
        if behind[named] is None:
            notes.append(note("cann.active", f"{named} leads to no whole version"))
        return behind[named]
    there = [version for version in behind.values() if version is not None]
    if len(there) > 1:
        notes.append(note("cann.active", f"versions {', '.join(there)} are set up, and no environment file says which"))
    return there[0] if len(there) == 1 else None


def _behind_link(host: Host, path: str, start: str, items: list[Item]) -> str | None:
    target = (host.link_target(path) or "").rstrip("/").rpartition("/")[2]
    version = target[len(start) :] if target.startswith(start) else ""
    return version if any(i.package == "toolkit" and i.version == version for i in items) else None


def _behind_latest(host: Host, base: str, items: list[Item]) -> str | None:
    """Behind a link, or where all links of a folder lead: to one version, else it is a mixture and none."""
    latest = f"{base}/ascend-toolkit/latest"
    if host.is_link(latest):
        return _behind_link(host, latest, "", items)
    led = {target.split("/")[1] for target in links(host, latest).values()}
    version = led.pop() if len(led) == 1 else None
    return version if any(i.package == "toolkit" and i.version == version for i in items) else None


def links(host: Host, latest: str) -> dict[str, str]:
    """Links in a folder ``latest`` that lead to a version beside it: name -> ``../8.2.RC1/opp``."""
    found = {}
    for name in host.listing(latest):
        target = host.link_target(f"{latest}/{name}")
        if target is not None and re.match(r"^\.\./[^/]{1,60}/", target):
            found[name] = target
    return found
