"""Where the twin keeps what it made, and which twin it is: the state directory, its settings and its lock.

Layout of ``<state>`` (docs/seams.md, section 3): ``twin.json`` (the settings below), ``world/``, ``pki/``, ``ssh/``,
``secrets.json``, ``vault_password``, ``run/`` (records of background processes), ``log/``, ``tmp/`` (gone after
``down``). What costs time to make and belongs to no site (node image, RPMs) is in the cache instead.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from lab.hardware import Plan
from lab.world import World, write_atomic

CHECKOUT = Path(__file__).resolve().parent.parent
DEFAULT_SITE = "twin"
DEFAULT_SUBNET = 77
VENDOR_PORT = 8070
SITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


class LabError(Exception):
    """The twin cannot do it; the text says why and what to do. ``code`` is the exit code of ``python -m lab``."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class BusyError(LabError):
    """Another process is changing this twin."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code=4)


@dataclass(frozen=True)
class Settings:
    """What kind of twin this is. ``subnet`` is the one number in all its addresses: nodes ``10.<subnet>.0``, BMCs
    ``127.<subnet>.1``, switch ``127.<subnet>.2.1``, the vendor's site ``127.<subnet>.3.1``; two twins with different
    names and subnets live side by side. ``bare``: nodes come without the vendor's software. ``persona``: nodes that are
    something else than openEuler, as ``node2=kylin,node3=kylin``."""

    site: str = DEFAULT_SITE
    subnet: int = DEFAULT_SUBNET
    nodes: int = 3
    dialect: str = "openubmc"
    bare: bool = False
    persona: str = ""

    @classmethod
    def for_site(cls, site: str) -> Settings:
        """The defaults of a site: number 77 for ``twin``, for another name a number from 78 to 227 derived from it."""
        if not SITE_NAME.fullmatch(site):
            raise LabError(f"site name {site!r}: expected a-z, 0-9 and '-', starting with a letter, at most 20", code=2)
        derived = DEFAULT_SUBNET if site == DEFAULT_SITE else 78 + zlib.crc32(site.encode()) % 150
        return cls(site=site, subnet=derived)

    def personas(self) -> dict[str, str]:
        """``persona`` by node. LabError: it is none."""
        pairs = [part.strip() for part in self.persona.split(",") if part.strip() not in ("", "none")]
        for pair in pairs:
            if not re.fullmatch(r"node[1-9][0-9]*=kylin", pair) or int(pair[4:-6]) > self.nodes:
                raise LabError(f"persona {pair!r}: expected node<1 to {self.nodes}>=kylin, or none", code=2)
        return {pair.partition("=")[0]: pair.partition("=")[2] for pair in pairs}

    def plan(self) -> Plan:
        return Plan(
            name=self.site,
            nodes=self.nodes,
            dialect=self.dialect,
            bmc_network=f"127.{self.subnet}.1",
            node_network=f"10.{self.subnet}.0",
            switch_address=f"127.{self.subnet}.2.1",
        )

    def time_address(self) -> str:
        """Where the hospital's time server answers the nodes: this machine, on their bridge."""
        return f"10.{self.subnet}.0.1"

    def vendor_address(self) -> tuple[str, int]:
        """Where the vendor's download site answers."""
        return f"127.{self.subnet}.3.1", VENDOR_PORT


class State:
    """The state directory of one twin."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root).absolute()
        self.world = World(self.root / "world")
        self.pki = self.root / "pki"
        self.ssh = self.root / "ssh"
        self.run = self.root / "run"
        self.log = self.root / "log"
        self.tmp = self.root / "tmp"
        self.secrets = self.root / "secrets.json"
        self.vault_password = self.root / "vault_password"
        self._settings = self.root / "twin.json"

    def settings(self) -> Settings | None:
        """The settings that ``up`` wrote, or None when this state directory never saw one."""
        try:
            document = json.loads(self._settings.read_text(encoding="utf-8"))
            known = {field.name for field in fields(Settings)}
            return Settings(**{key: value for key, value in document.items() if key in known})
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, AttributeError) as error:
            raise LabError(f"{self._settings} is damaged ({error}); 'down --purge' starts over") from error

    def save_settings(self, settings: Settings) -> None:
        write_atomic(self._settings, json.dumps(asdict(settings), indent=1) + "\n", 0o644)

    def inventory(self, settings: Settings) -> Path:
        """The folder that gets the vault: the checkout's for the site ``twin``, else our own."""
        return CHECKOUT / "inventory" / "twin" if settings.site == DEFAULT_SITE else self.root / "inventory"

    def make_folders(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for folder in (self.run, self.log, self.tmp, self.ssh):
            folder.mkdir(mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """One ``up`` or ``down`` at a time; a second one is told who holds it. The kernel drops it with the holder."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a+", encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                stream.seek(0)
                holder = stream.read().strip() or "unknown"
                raise BusyError(
                    f"another 'up' or 'down' (process {holder}) is working on {self.root}; wait for it, or stop it "
                    "with 'python -m lab down'"
                ) from None
            stream.seek(0)
            stream.truncate()
            stream.write(str(os.getpid()))
            stream.flush()
            yield

    def hand_over(self, *more: Path) -> None:
        """Under sudo: what we wrote belongs to the caller, who runs the playbooks without root."""
        user, group = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
        if os.geteuid() != 0 or user is None or group is None:
            return
        for top in (self.root, *more):
            for path in (top, *top.rglob("*")) if top.is_dir() else (top,):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(path, int(user), int(group), follow_symlinks=False)


def state_directory(option: str | None) -> Path:
    """``--state``, else ``NPUFORGE_LAB_STATE``, else ``.lab`` in the checkout."""
    return Path(option or os.environ.get("NPUFORGE_LAB_STATE") or CHECKOUT / ".lab")


def cache_directory() -> Path:
    """``NPUFORGE_CACHE``, else ``~/.cache/npuforge``. Losing it costs only time."""
    return Path(os.environ.get("NPUFORGE_CACHE") or Path.home() / ".cache" / "npuforge")


@contextlib.contextmanager
def cache_lock() -> Iterator[Path]:
    """The cache, while nobody else builds into it (two twins may come up at once; the second waits)."""
    cache = cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lab.lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield cache


def move(source: Path, target: Path) -> None:
    """Put a finished file or folder in its place in one step, also across file systems."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.partial")
    if beside.is_dir():
        shutil.rmtree(beside)
    shutil.move(source, beside)
    beside.replace(target)
