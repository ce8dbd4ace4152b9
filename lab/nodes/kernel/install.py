"""What of the simulated kernel goes into the image of a node: files, packages and the shell lines that set them up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HOME = "usr/lib/npuforge-twin"
PACKAGE = "twin_kernel"
START = f"{HOME}/boot"  # the container's first process
# System calls that would reach the kernel of the machine below are refused with EPERM (a seccomp profile). Above all
# those that set its clock: the first settimeofday(2) with a time zone since that machine booted, which timedatectl
# makes, moves the clock by the zone's offset.
GUARD = Path(__file__).with_name("guard.json")
PACKAGES = ("python3-fusepy", "libfuse2", "grub-common", "grub2-common", "libnss-myhostname", "tzdata")

# As on the real system: where a program is, the tool is installed in its place.
PROGRAMS = (
    *("usr/sbin/swapon", "usr/sbin/swapoff", "usr/sbin/modprobe", "usr/sbin/rmmod", "usr/sbin/modinfo"),
    *("usr/bin/lsmod", "usr/sbin/lsmod"),
    *("usr/bin/udevadm", "usr/sbin/getenforce", "usr/sbin/setenforce"),
    *("usr/sbin/grub2-probe", "usr/bin/grub2-mkrelpath", "usr/bin/grub2-editenv", f"{HOME}/modules-load"),
)

_START = f"""\
#!/usr/bin/python3 -SE
\"\"\"The first process of a simulated server (see twin_kernel/boot.py).\"\"\"
import sys

sys.path.insert(0, "/{HOME}")
from {PACKAGE}.boot import main

main(sys.argv[1:])
"""

_TOOL = f"""\
#!/usr/bin/python3 -SE
\"\"\"A program that talks to the simulated kernel, under the name by which it was called (twin_kernel/tools.py).\"\"\"
import os
import sys

sys.path.insert(0, "/{HOME}")
from {PACKAGE}.tools import main

sys.exit(main(os.path.basename(sys.argv[0]), sys.argv[1:]))
"""

_TRIGGER = """\
[Unit]
Description=Coldplug All udev Devices (simulated)
DefaultDependencies=no
After=systemd-modules-load.service systemd-sysctl.service local-fs.target
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/bin/udevadm trigger --type=devices --action=add
ExecStart=-/usr/sbin/swapon -a

[Install]
WantedBy=sysinit.target
"""

_MODULES_LOAD = f"""\
[Unit]
ConditionCapability=

[Service]
ExecStart=
ExecStart=/{HOME}/modules-load
"""

_FSTAB = """\
#
# /etc/fstab (of the simulated installation)
#
/dev/mapper/openeuler-root                /          ext4    defaults                    1 1
UUID=5ad1d1a7-4a3c-4f7e-8f0e-6f1b6a0c2f11 /boot      ext4    defaults                    1 2
UUID=7A1B-93C4                            /boot/efi  vfat    umask=0077,shortname=winnt  0 2
/dev/mapper/openeuler-swap                none       swap    defaults                    0 0
"""

# openEuler 24.03 on arm64, as its installer writes it.
_GRUB = """\
GRUB_TIMEOUT=5
GRUB_DISTRIBUTOR="$(sed 's, release .*$,,g' /etc/system-release)"
GRUB_DEFAULT=saved
GRUB_DISABLE_SUBMENU=true
GRUB_TERMINAL_OUTPUT="console"
GRUB_CMDLINE_LINUX="rd.lvm.lv=openeuler/root rd.lvm.lv=openeuler/swap video=VGA-640x480-32@60me console=tty0 \
cgroup_disable=files apparmor=0 crashkernel=1024M,high smmu.bypassdev=0x1000:0x17 smmu.bypassdev=0x1000:0x15 \
arm64.nopauth"
GRUB_DISABLE_RECOVERY="true"
""".replace("\\\n", "")

_SELINUX = """\
# This file controls the state of SELinux on the system.
# SELINUX= can take one of these three values: enforcing, permissive, disabled.
SELINUX=enforcing
# SELINUXTYPE= can take one of these values: targeted, minimum, mls.
SELINUXTYPE=targeted
"""

_SYSCTL = """\
# sysctl settings are defined through files in
# /usr/lib/sysctl.d/, /run/sysctl.d/, and /etc/sysctl.d/.
#
# For more information, see sysctl.conf(5) and sysctl.d(5).
kernel.sysrq=0
net.ipv4.ip_forward=0
net.ipv4.conf.all.send_redirects=0
net.ipv4.conf.default.send_redirects=0
net.ipv4.conf.all.accept_source_route=0
net.ipv4.conf.default.accept_source_route=0
net.ipv4.conf.all.accept_redirects=0
net.ipv4.conf.default.accept_redirects=0
net.ipv4.icmp_echo_ignore_broadcasts=1
net.ipv4.tcp_syncookies=1
kernel.dmesg_restrict=1
"""

# auditd itself cannot run in a container; its settings are those of its package.
_AUDITD = """\
local_events = yes
write_logs = yes
log_file = /var/log/audit/audit.log
log_group = root
log_format = ENRICHED
flush = INCREMENTAL_ASYNC
freq = 50
max_log_file = 8
num_logs = 5
max_log_file_action = ROTATE
space_left = 75
space_left_action = SYSLOG
admin_space_left = 50
admin_space_left_action = SUSPEND
disk_full_action = SUSPEND
disk_error_action = SUSPEND
"""

_HOSTS = """\
127.0.0.1   localhost localhost.localdomain localhost4 localhost4.localdomain4
::1         localhost localhost.localdomain localhost6 localhost6.localdomain6
"""


def files() -> Mapping[str, str]:
    """Content by path in the image."""
    here = Path(__file__).parent
    own = {f"{HOME}/{PACKAGE}/{path.name}": path for path in sorted(here.iterdir()) if path.suffix in (".py", ".txt")}
    own.pop(f"{HOME}/{PACKAGE}/{Path(__file__).name}")
    return {
        **{name: path.read_text(encoding="utf-8") for name, path in own.items()},
        START: _START,
        **dict.fromkeys(PROGRAMS, _TOOL),
        "etc/systemd/system/systemd-udev-trigger.service": _TRIGGER,
        "etc/systemd/system/systemd-modules-load.service.d/npuforge-twin.conf": _MODULES_LOAD,
        "etc/fstab": _FSTAB,
        "etc/default/grub": _GRUB,
        "etc/selinux/config": _SELINUX,
        "etc/sysctl.conf": _SYSCTL,
        "etc/audit/auditd.conf": _AUDITD,
        "etc/hosts": _HOSTS,
    }


# Debian's GRUB under the names and in the folder that openEuler has; its programs stay as they are.
SETUP = rf"""
mkdir -p boot/grub2 boot/efi etc/udev/rules.d
rm -f etc/grub.d/05_debian_theme etc/grub.d/20_linux_xen etc/grub.d/30_* etc/default/grub.d/*
mv usr/bin/grub-editenv {HOME}/grub-editenv
mv usr/bin/grub-script-check usr/bin/grub2-script-check
mv usr/bin/grub-file usr/bin/grub2-file
mv usr/sbin/grub-mkconfig usr/sbin/grub2-mkconfig
mv usr/sbin/grub-reboot usr/sbin/grub2-reboot
mv usr/sbin/grub-set-default usr/sbin/grub2-set-default
rm -f usr/bin/grub-* usr/sbin/grub-* usr/sbin/update-grub*
sed -i -e 's,/boot/grub\b,/boot/grub2,g' -e 's,[{{]bootdir[}}]/grub\b,{{bootdir}}/grub2,g' \
  -e 's,\bgrub-\(probe\|editenv\|script-check\|file\|mkrelpath\|reboot\|set-default\|install\|mkconfig\)\b,grub2-\1,g' \
  usr/sbin/grub2-mkconfig usr/sbin/grub2-reboot usr/sbin/grub2-set-default usr/share/grub/grub-mkconfig_lib etc/grub.d/*
sed -i -e 's,grub2-mkconfig_lib,grub-mkconfig_lib,g' usr/sbin/grub2-mkconfig usr/sbin/grub2-reboot \
  usr/sbin/grub2-set-default etc/grub.d/*
sed -i 's,OS="${{GRUB_DISTRIBUTOR}} GNU/Linux",OS="${{GRUB_DISTRIBUTOR}}",' etc/grub.d/10_linux
ln -sf ../boot/grub2/grub.cfg etc/grub2.cfg
ln -sf ../sysctl.conf etc/sysctl.d/99-sysctl.conf
chmod 0755 {START} {" ".join(PROGRAMS)}
chroot . /usr/bin/grub2-editenv create
chroot . python3 -m compileall -q /{HOME}/{PACKAGE}
chroot . systemctl enable systemd-udev-trigger.service >/dev/null 2>&1
# They belong to the kernel below.
chroot . systemctl mask proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount systemd-binfmt.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount >/dev/null 2>&1
"""
