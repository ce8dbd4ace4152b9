"""The nodes' containers and their network: made, repaired, found again by label, and removed without a trace."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import credentials
from lab.nodes import delivered, image, persona, persona_kylin, repo
from lab.nodes.kernel import install as kernel
from lab.nodes.podman import Podman, need_root, runtime, ulimits
from lab.npu import software
from lab.npu.sockets import folder as npu_folder
from lab.state import LabError, Settings, State, cache_directory
from lab.supervise import Supervisor

SITE_LABEL = "npuforge.site"
STATE_LABEL = "npuforge.state"
# A privileged container could set this machine's clock (systemd does, when it takes over a time zone), and podman
# ignores --cap-drop for one: the first process gives the right away for good.
CLOCKLESS = ("/usr/bin/setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time")
RECIPE_LABEL = "npuforge.recipe"  # what the container was made from; another value means: make it anew

Document = dict[str, Any]


@dataclass(frozen=True)
class Container:
    """One container as podman lists it. ``state``: created, running, exited, ... as podman says it."""

    name: str
    state: str
    labels: Mapping[str, str]

    @property
    def running(self) -> bool:
        return self.state == "running"


def _kept(root: Path) -> bool:
    """Whether some background service of the twin in this state directory lives."""
    supervisor = Supervisor(State(root))
    return any(supervisor.running(name) for name in supervisor.names())


class Nodes:
    """All containers of one site."""

    def __init__(self, state: State, settings: Settings, podman: Podman) -> None:
        self.state = state
        self.settings = settings
        self.podman = podman
        self.network = f"npuforge-{settings.site}"

    def container(self, node: str) -> str:
        return f"npuforge-{self.settings.site}-{node}"

    def found(self) -> dict[str, Container]:
        """The site's containers by name."""
        need_root()
        records = self.podman.list("ps", "--all", "--filter", f"label={SITE_LABEL}={self.settings.site}")
        return {
            record["Names"][0]: Container(record["Names"][0], record["State"], record.get("Labels") or {})
            for record in records
        }

    def check_owner(self, found: Iterable[Container]) -> None:
        """A site of this name that belongs to another state directory is not touched, unless nobody keeps it now.

        A twin whose services are all gone was cut off with its machine or its checkout; what is left is made anew.
        """
        for container in found:
            owner = container.labels.get(STATE_LABEL) or ""
            if owner != str(self.state.root) and _kept(Path(owner)):
                raise LabError(
                    f"container {container.name} belongs to the twin in {owner}; end that one with "
                    f"'python -m lab down --state {owner}', or give this one another name with --site"
                )

    def ensure_network(self) -> str:
        """A bridge with the nodes, and this machine as .1; no name service.

        Not podman's ``--internal``: netavark 1.4 gives this machine no address on such a bridge, so nobody could reach
        the nodes. Nodes are kept to themselves by having no resolver instead.
        """
        if self.podman.ok("network", "exists", self.network):
            return "present"
        backend = self.podman.run("info", "--format", "{{.Host.NetworkBackend}}").strip()
        if backend != "netavark":
            raise LabError(
                f"podman's network backend is {backend!r}, the twin needs netavark: put network_backend = 'netavark' "
                "into the [network] part of /etc/containers/containers.conf, then run podman system reset (it removes "
                "all containers)"
            )
        subnet = f"10.{self.settings.subnet}.0.0/24"
        labels = ["--label", f"{SITE_LABEL}={self.settings.site}", "--label", f"{STATE_LABEL}={self.state.root}"]
        self.podman.run("network", "create", "--disable-dns", "--subnet", subnet, *labels, self.network)
        return f"created, {subnet}"

    def outdated(self) -> list[str]:
        """The containers that ``ensure`` will make anew because what they are made from has changed."""
        prefix = self.container("")
        return sorted(
            name
            for name, found in self.found().items()
            if found.labels.get(RECIPE_LABEL) != self.recipe(name.removeprefix(prefix))
        )

    def ensure(self, nodes: list[Document], become_password: str) -> dict[str, str]:
        """Every node has its container, running as the world's power says. Returns what was done, by node."""
        found = self.found()
        self.check_owner(found.values())
        wanted = {self.container(node["name"]) for node in nodes}
        for name in sorted(set(found) - wanted):
            self._remove(name)

        def one(node: Document) -> tuple[str, str]:
            name = self.container(node["name"])
            recipe = self.recipe(node["name"])
            existing = found.get(name)
            done = []
            if existing and existing.labels.get(RECIPE_LABEL) != recipe:
                self._remove(name)
                done.append("outdated, made anew")
                existing = None
            elif existing is None:
                done.append("made")
            if existing is None:
                self._create(node, recipe, become_password)
            should, does = node["power"] == "on", bool(existing and existing.running)
            if should and not does:
                self.podman.run("start", name)
                done.append("started")
            elif does and not should:
                self.podman.run("kill", name)
                done.append("stopped (the world says off)")
            return node["name"], ", ".join(done) or ("running" if should else "off")

        with ThreadPoolExecutor(max_workers=4) as pool:
            return dict(pool.map(one, nodes))

    def base(self) -> str:
        """What the nodes are made from: with the vendor's software on it, or without."""
        return image.name() if self.settings.bare else delivered.name()

    def image(self, node: str) -> str:
        """What one node is made from: the base, or a persona over it."""
        return persona_kylin.name(self.base()) if node in self.settings.personas() else self.base()

    def recipe(self, node: str) -> str:
        """A fingerprint of all that goes into a node's container, secrets included (as a digest)."""
        secret = self.state.secrets.read_bytes() + (self.state.ssh / "id_ed25519.pub").read_bytes()
        parts = [
            self.image(node),
            repo.recipe(),
            runtime(cache_directory()),
            self.settings.subnet,
            kernel.GUARD.read_text(),
        ]
        keys = sorted(path.read_bytes() for path in self.state.ssh.glob("*_host_ed25519.pub"))
        keys.append((repo.path() / repo.KEY_FILE).read_bytes())  # a repository that was built anew has a new key
        digest = hashlib.sha256(json.dumps(parts).encode() + secret + b"".join(keys))
        return digest.hexdigest()[:16]

    def make_anew(self, node: Document, recipe: str) -> str:
        """A container in place of the one that is there, not started: a server's disks after an installation.

        ``recipe``: what ``ensure`` shall take it for. Returns its name.
        """
        name = self.container(node["name"])
        self._remove(name)
        self._create(node, recipe, become_password=secrets.token_urlsafe(24))  # whoever installs replaces it
        return name

    def _create(self, node: Document, recipe: str, become_password: str) -> None:
        """Made under another name and renamed when complete, so that a container that is there is a whole one."""
        name = self.container(node["name"])
        npu_folder(self.state.root, node["name"]).mkdir(parents=True, exist_ok=True, mode=0o700)
        unfinished = f"{name}-unfinished"
        self.podman.run("rm", "--force", "--time", "0", "--ignore", unfinished)
        path = runtime(cache_directory())
        labels = {SITE_LABEL: self.settings.site, STATE_LABEL: str(self.state.root), RECIPE_LABEL: recipe}
        self.podman.run(
            *(["--runtime", path] if path else []),
            *("create", "--name", unfinished, "--hostname", node["name"]),
            *("--privileged", "--security-opt", f"seccomp={kernel.GUARD}", "--systemd=always", *ulimits()),
            *("--network", self.network, "--ip", node["address"], "--dns", "none", "--no-hosts"),
            # What the BMC shows as the first port; it also outlives a power cycle, as neighbours' ARP tables expect.
            *("--mac-address", node["nics"][0]["ports"][0]["mac"]),
            *(part for key, value in labels.items() for part in ("--label", f"{key}={value}")),
            *("--volume", f"{repo.path()}:/srv/repo:ro"),
            # The truth that the simulated tools read; it is a folder because its files are replaced, not written.
            *("--volume", f"{self.state.world.root / 'nodes'}:/opt/npuforge-twin/nodes:ro"),
            # The socket of the NPU tools' service; the folder outlives a restart of that service.
            *("--volume", f"{npu_folder(self.state.root, node['name'])}:/opt/npuforge-twin/run:ro"),
            # The first process boots the simulated kernel and becomes systemd.
            *(self.image(node["name"]), *CLOCKLESS, f"/{kernel.START}", "/sbin/init"),
        )
        key = credentials.host_key(self.state, node["name"])
        files = persona.NodeFiles(
            site=self.settings.site,
            node=node["name"],
            host_key=key.read_bytes(),
            host_key_public=Path(f"{key}.pub").read_bytes(),
            authorized_key=(self.state.ssh / "id_ed25519.pub").read_bytes(),
            shadow=self._shadow(unfinished),
            password_hash=credentials.password_hash(become_password),
        )
        self.podman.run("cp", "--archive=false", "-", f"{unfinished}:/", stdin=files.tar())
        self.podman.run("rename", unfinished, name)
        with self.state.world.update(node["name"]) as document:
            if not document["faults"]:  # which would be half gone
                software.deliver(document, self.settings.bare)

    def _shadow(self, container: str) -> str:
        """The image's /etc/shadow, without unpacking anything on this machine."""
        return persona.first_file(self.podman.run_bytes("cp", f"{container}:/etc/shadow", "-"))

    def _remove(self, name: str) -> None:
        self.podman.run("rm", "--force", "--time", "0", "--volumes", "--ignore", name)

    def remove_all(self) -> list[str]:
        """Remove containers and network, also halves of them that an interrupted podman left. Returns the names."""
        found = self.found()
        self.check_owner(found.values())
        removed = sorted(found)
        if removed:
            self.podman.run("rm", "--force", "--time", "0", "--volumes", "--ignore", *removed)
        prefix = f"npuforge-{self.settings.site}-node"
        for record in self.podman.list("ps", "--all", "--external"):
            # A creation that was cut off has storage and a name, but no labels yet.
            for name in record.get("Names") or []:
                if name.startswith(prefix) and name not in removed and not record.get("Labels"):
                    self.podman.run("rm", "--force", record["Id"])
                    removed.append(name)
        if self.podman.ok("network", "exists", self.network):
            self.podman.run("network", "rm", "--force", self.network)
            removed.append(f"network {self.network}")
        return removed
