"""Makes the image of nodes that are delivered with the vendor's software: the bare image, with the packages run in it.

The ``.run`` files of the first release really install themselves there, so a delivered node is exactly what a bare one
becomes by them; what they need of the system (kernel headers, gcc, make, dkms, ...) and the user HwHiAiUser come first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from lab.nodes import image
from lab.nodes.podman import Podman, runtime, ulimits
from lab.state import State, cache_directory, cache_lock
from lab.vendor import build

REPOSITORY = "localhost/npuforge-node-delivered"
CONTAINER = "npuforge-delivery"
INSTALL_SECONDS = 180
SCRIPT = """\
set -eu
export LC_ALL=C NPUFORGE_TWIN_FACTORY=1
cd /mnt
rpm -i --force-debian --nosignature $RPMS
groupadd HwHiAiUser
useradd -g HwHiAiUser -d /home/HwHiAiUser -m -s /bin/bash HwHiAiUser
for package in $PACKAGES; do sh "./$package" --full --quiet --install-for-all; done
rm -rf /tmp/selfgz*
"""


def recipe() -> str:
    """16 hex digits that change with anything that goes into the image."""
    parts = [image.recipe(), build.recipe(), SCRIPT]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def name() -> str:
    return f"{REPOSITORY}:{recipe()}"


def ensure(state: State, podman: Podman, say: Callable[[str], None]) -> str:
    """Make the image unless it is there; needs the bare image and the vendor's packages."""
    if podman.ok("image", "exists", name()):
        return "cached"
    with cache_lock():
        if podman.ok("image", "exists", name()):
            return "cached"
        say("node image: installing the vendor's software in it")
        packages = " ".join(path.name for path in build.installers())
        rpms = " ".join(path.name for path in build.rpms())
        path = runtime(cache_directory())
        podman.run("rm", "--force", "--time", "0", "--ignore", CONTAINER)  # of a build that was cut off
        try:
            said = podman.run(
                *(["--runtime", path] if path else []),
                *(
                    "run",
                    "--name",
                    CONTAINER,
                    *ulimits(),
                    "--network",
                    "none",
                    "--volume",
                    f"{build.path() / 'files'}:/mnt:ro",
                ),
                *("--env", f"PACKAGES={packages}", "--env", f"RPMS={rpms}"),
                *(image.name(), "/bin/sh", "-c", SCRIPT),
                timeout=INSTALL_SECONDS,
            )
            (state.log / "node-delivery.log").write_text(said, encoding="utf-8")
            podman.run(
                "commit", "--quiet", "--change", 'CMD ["/sbin/init"]', CONTAINER, name(), timeout=INSTALL_SECONDS
            )
        finally:
            podman.run("rm", "--force", "--time", "0", "--ignore", CONTAINER)
        _prune(podman)
    return "made"


def _prune(podman: Podman) -> None:
    """Images of earlier recipes go; podman refuses to remove one that a node uses."""
    for record in podman.list("images", "--filter", f"reference={REPOSITORY}"):
        for tag in record.get("Names") or []:
            if tag != name():
                podman.ok("image", "rm", tag)
