"""What makes a Debian root file system look like openEuler 24.03 to Ansible, dnf and people. Data, and one tar.

``FILES`` is laid over the image when it is built; it is the same for all nodes and holds no secret. What is a node's
own (host key, authorized key, password, name) comes in a small tar when its container is made (``NodeFiles``).
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.nodes import clock
from lab.nodes.kernel import install as kernel

TOOLS = Path(__file__).parent / "tools"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "sudo"),
    *("python3", "python3-dnf", "dnf", "rpm"),
    *("iproute2", "iputils-ping", "procps", "kmod", "less"),
    *clock.PACKAGES,
    *kernel.PACKAGES,
)

_REPO = """\
[npuforge-twin]
name=npuforge twin (offline, built by the lab)
baseurl=file:///srv/repo/main
enabled=1
gpgcheck=1
gpgkey=file:///srv/repo/RPM-GPG-KEY-npuforge-twin

[npuforge-twin-unsigned]
name=npuforge twin, packages that nobody signed (to see them refused)
baseurl=file:///srv/repo/unsigned
enabled=0
gpgcheck=1
gpgkey=file:///srv/repo/RPM-GPG-KEY-npuforge-twin
"""

FILES: Mapping[str, str] = {
    # VARIANT is free text by os-release(5): a reader of the node itself is told, what parses ID and VERSION_ID is not.
    "usr/lib/os-release": (
        'NAME="openEuler"\nVERSION="24.03 (LTS)"\nID="openEuler"\nVERSION_ID="24.03"\n'
        'PRETTY_NAME="openEuler 24.03 (LTS)"\nANSI_COLOR="0;31"\nVARIANT="npuforge twin (simulated)"\n'
    ),
    "etc/openEuler-release": "openEuler release 24.03 (LTS)\n",
    "etc/issue": "\\S (simulated)\nKernel \\r on \\m\n\n",
    "etc/motd": "npuforge twin: a simulated server\n",
    "etc/yum.repos.d/npuforge-twin.repo": _REPO,
    # Debian keeps each user's own rpm database; on openEuler there is one, which everyone may read.
    "etc/rpm/macros": "%_dbpath /var/lib/rpm\n",
    "etc/dnf/dnf.conf": (
        "[main]\ngpgcheck=1\ninstallonly_limit=3\nclean_requirements_on_remove=True\nbest=True\n"
        "skip_if_unavailable=False\n"
    ),
    "etc/locale.conf": "LANG=C.UTF-8\n",
    # openEuler's administrators are in wheel, and sudo asks them for their password.
    "etc/sudoers.d/wheel": "%wheel ALL=(ALL) ALL\n",
    "etc/ssh/sshd_config.d/10-npuforge-twin.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPasswordAuthentication no\nPermitRootLogin no\nUseDNS no\n"
        "MaxStartups 100:30:200\n"
    ),
    # Programs that look into hardware which the twin only simulates; the real ones would see the machine below it.
    "usr/sbin/dmidecode": (TOOLS / "dmidecode").read_text(encoding="utf-8"),
    **clock.files(),
    **kernel.files(),
}

# Runs in the new root (sh, $1 = its path) after the packages are in and before it is packed.
SETUP = """\
set -eu
cd "$1"
chroot . groupadd -f -r wheel
chroot . useradd -m -s /bin/bash -G wheel deploy
install -d -m 0700 -o 1000 -g 1000 home/deploy/.ssh
ln -sfn openEuler-release etc/system-release
mkdir -p var/lib/rpm
chroot . rpm -i --force-debian --nosignature /root/npuforge-twin-release.rpm
rm root/npuforge-twin-release.rpm
chmod 0440 etc/sudoers.d/wheel
chmod 0755 usr/sbin/dmidecode
chroot . systemctl enable ssh.service >/dev/null 2>&1
chroot . systemctl mask dpkg-db-backup.timer >/dev/null 2>&1
mkdir -p srv/repo
@CLOCK@
@KERNEL@
# Host keys, name and machine-id belong to a machine, not to an image.
# mmdebstrap copied the resolver of the machine that builds: a node of an offline site has none.
: > etc/resolv.conf
rm -rf etc/hostname etc/debian_version etc/apt/sources.list etc/ssh/ssh_host_* var/lib/dbus/machine-id \\
  usr/lib/sysctl.d/99-protect-links.conf var/log/*.log
: > etc/machine-id
""".replace("@CLOCK@", clock.SETUP).replace("@KERNEL@", kernel.SETUP)


@dataclass(frozen=True)
class NodeFiles:
    """What is one node's own. ``shadow`` is the image's /etc/shadow, into which the password's hash goes."""

    site: str
    node: str
    host_key: bytes
    host_key_public: bytes
    authorized_key: bytes
    shadow: str
    password_hash: str

    def tar(self) -> bytes:
        """A tar to unpack at ``/`` of the node."""
        marker = json.dumps({"provenance": "simulated", "site": self.site, "node": self.node})
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            _add(tar, "etc/ssh/ssh_host_ed25519_key", self.host_key, 0o600)
            _add(tar, "etc/ssh/ssh_host_ed25519_key.pub", self.host_key_public, 0o644)
            _add(tar, "home/deploy/.ssh/authorized_keys", self.authorized_key, 0o600, owner=1000, group=1000)
            _add(tar, "etc/shadow", with_password(self.shadow, "deploy", self.password_hash).encode(), 0o640, group=42)
            # /run is made anew at each boot; site and node names hold nothing that tmpfiles would expand
            line = f"f+ /run/npuforge-twin 0444 root root - {marker}\n"
            _add(tar, "etc/tmpfiles.d/npuforge-twin.conf", line.encode(), 0o644)
        return buffer.getvalue()


def first_file(tar: bytes) -> str:
    """The text of the first regular file in a tar; ValueError when there is none."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for entry in archive:
            stream = archive.extractfile(entry)
            if stream is not None:
                return stream.read().decode()
    raise ValueError("no file in this tar")


def with_password(shadow: str, user: str, hashed: str) -> str:
    """``/etc/shadow`` with the user's password replaced; ValueError when the user is not in it."""
    lines = shadow.splitlines()
    for number, line in enumerate(lines):
        fields = line.split(":")
        if fields[0] == user and len(fields) == 9:
            fields[1] = hashed
            lines[number] = ":".join(fields)
            return "\n".join(lines) + "\n"
    raise ValueError(f"no user {user!r} in this shadow file")


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int, *, owner: int = 0, group: int = 0) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, group
    tar.addfile(entry, io.BytesIO(content))
