"""Make-believe machines in a folder: sysfs and procfs that take and refuse writes as a kernel does, a scripted GRUB.

``Machine`` builds the tree, ``Kernel`` is the ``Host`` whose kernel files have their kernel's meaning and whose reboot
applies what was configured.
"""

from __future__ import annotations

import errno
import os
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from npuforge.kernel.host import Answer, Host

THP = "/sys/kernel/mm/transparent_hugepage"
PERSONAS = {
    "openeuler": 'NAME="openEuler"\nID="openEuler"\nVERSION_ID="22.03"\nPRETTY_NAME="openEuler 22.03 (LTS-SP4)"\n',
    "debian": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n',
}
GRUB_DEFAULT = """# If you change this file, run mkconfig afterwards.
GRUB_TIMEOUT=5
GRUB_DEFAULT=saved
GRUB_CMDLINE_LINUX="console=tty0 console=ttyS0,115200 crashkernel=512M"
GRUB_DISABLE_RECOVERY="true"
"""
# What grub-mkconfig does that matters here: source the defaults, export them, run the scripts in order.
MKCONFIG = r"""#!/bin/sh
set -e
out=$NPUFORGE_ROOT@CONFIG@
[ "$1" = -o ] && out=$NPUFORGE_ROOT$2
. $NPUFORGE_ROOT/etc/default/grub
for f in $NPUFORGE_ROOT/etc/default/grub.d/*.cfg; do [ -e "$f" ] && . "$f"; done
export GRUB_CMDLINE_LINUX GRUB_CMDLINE_LINUX_DEFAULT
for f in $NPUFORGE_ROOT/etc/grub.d/*; do
    [ -x "$f" ] || continue
    case "$f" in
        *fallback) sed "s#/etc/grub.d/10_linux#$NPUFORGE_ROOT/etc/grub.d/10_linux#" "$f" | sh ;;
        *) "$f" ;;
    esac
done > "$out.new"
mv "$out.new" "$out"
"""
HEADER = r"""#!/bin/sh
cat <<'EOF'
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
else
   set default="${saved_entry}"
fi
EOF
"""
LINUX = r"""#!/bin/sh
cat <<EOF
menuentry 'An OS (5.10.0)' --class gnu-linux --class os --unrestricted \$menuentry_id_option 'gnulinux-5.10.0' {
    load_video
    if [ x\$feature_platform_search_hint = xy ]; then
      search --no-floppy --fs-uuid --set=root 1234
    fi
    linux    /vmlinuz-5.10.0 root=UUID=1234 ro $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT
    initrd    /initramfs-5.10.0.img
}
submenu 'Advanced options' \$menuentry_id_option 'gnulinux-advanced' {
    menuentry 'An OS, with Linux 5.10.0 (recovery mode)' \$menuentry_id_option 'gnulinux-5.10.0-recovery' {
        linux    /vmlinuz-5.10.0 root=UUID=1234 ro single
    }
}
EOF
"""


class Killed(BaseException):
    """The process died here."""


class Machine:
    """A tree below ``root``. ``cores``: per NUMA node; ``threads``: siblings of a core, numbered as x86 does."""

    def __init__(
        self,
        root: Path,
        *,
        persona: str = "openeuler",
        arch: str = "aarch64",
        nodes: int = 2,
        cores: int = 4,
        threads: int = 1,
        release: str = "5.10.0-216.oe2203sp4",
        disks: Sequence[tuple[str, str]] = (
            ("nvme0n1", "0"),
            ("sda", "0"),
            ("sdb", "1"),
            ("loop0", "0"),
            ("dm-0", "1"),
        ),
        efi: bool = False,
        grub: bool = True,
    ) -> None:
        self.root = root
        self.grub_name = "grub" if persona == "debian" else "grub2"
        self.config = f"/boot/{self.grub_name}/grub.cfg"
        self.put("/etc/os-release", PERSONAS[persona])
        self.put("/proc/sys/kernel/arch", f"{arch}\n")
        self.put("/proc/sys/kernel/osrelease", f"{release}\n")
        self.put("/proc/sys/kernel/hostname", "localhost\n")
        self.put("/proc/sys/kernel/random/boot_id", "11111111-1111-4111-8111-111111111111\n")
        self.put("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\n")
        self._cpus(nodes, cores, threads)
        self.put("/proc/cmdline", "BOOT_IMAGE=/vmlinuz-5.10.0 root=UUID=1234 ro console=tty0\n")
        sysctl = {"vm/swappiness": "60", "vm/max_map_count": "65530", "net/ipv4/tcp_rmem": "4096\t131072\t6291456"}
        for key, value in {**sysctl, "fs/nr_open": "1048576", "kernel/numa_balancing": "1"}.items():
            self.put(f"/proc/sys/{key}", f"{value}\n")
        self.put(f"{THP}/enabled", "[always] madvise never\n")
        self.put(f"{THP}/defrag", "always defer defer+madvise [madvise] never\n")
        self.put("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0\n")
        for name, rotational in disks:
            self.put(f"/sys/block/{name}/queue/rotational", f"{rotational}\n")
            self.put(f"/sys/block/{name}/queue/scheduler", "none [bfq] mq-deadline kyber\n")
        self.put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/dm-1 partition 8388604 0 -2\n")
        self.put("/etc/fstab", "UUID=1234 / ext4 defaults 0 1\n# old\n/dev/dm-1\tnone swap defaults 0 0\n")
        self.put("/proc/modules", "ext4 1 0 - Live 0x0\n")
        self.put("/sys/fs/selinux/enforce", "1\n")
        self.put("/etc/selinux/config", "# comment\nSELINUX=enforcing\nSELINUXTYPE=targeted\n")
        self.put("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n")
        self.put("/etc/hostname", "localhost\n")
        self.put("/usr/share/zoneinfo/Asia/Shanghai", "TZif2")
        self.put("/etc/systemd/journald.conf", "[Journal]\n#Storage=auto\n")
        self.put("/etc/audit/auditd.conf", "log_file = /var/log/audit/audit.log\nmax_log_file_action = ROTATE\n")
        self.put("/run/services", "firewalld.service active enabled\nnftables.service inactive disabled\n")
        for name in ("systemctl", "modprobe", "swapoff", "swapon"):
            self.program(name, "#!/bin/sh\nexit 1\n")  # Kernel.run answers for them
        if grub:
            self._grub(efi, persona)

    def _cpus(self, nodes: int, cores: int, threads: int) -> None:
        count = nodes * cores * threads
        for name in ("online", "present", "possible"):
            self.put(f"/sys/devices/system/cpu/{name}", f"0-{count - 1}\n")
        self.put("/sys/devices/system/cpu/isolated", "\n")
        self.put("/sys/devices/system/cpu/nohz_full", "(null)\n")
        for cpu in range(count):
            siblings = ",".join(str(cpu % (nodes * cores) + k * nodes * cores) for k in range(threads))
            self.put(f"/sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list", f"{siblings}\n")
            if cpu < 4:
                self.put(f"/sys/devices/system/cpu/cpufreq/policy{cpu}/scaling_governor", "powersave\n")
                offered = f"/sys/devices/system/cpu/cpufreq/policy{cpu}/scaling_available_governors"
                self.put(offered, "performance powersave\n")
        for node in range(nodes):
            first = node * cores
            parts = [f"{first + k * nodes * cores}-{first + cores - 1 + k * nodes * cores}" for k in range(threads)]
            self.put(f"/sys/devices/system/node/node{node}/cpulist", ",".join(parts) + "\n")
        self.put("/proc/irq/default_smp_affinity", f"{(1 << count) - 1:x}\n")
        rows = ["           CPU0"]
        for number in (5, 40, 41):
            self.put(f"/proc/irq/{number}/smp_affinity_list", f"0-{count - 1}\n")
            self.put(f"/proc/irq/{number}/dev{number}/.keep", "")
            rows.append(f" {number}:   12  ITS-MSI  dev{number}")
        self.put("/proc/irq/99/smp_affinity_list", f"0-{count - 1}\n")  # nobody's: not in /proc/interrupts
        self.put("/proc/interrupts", "\n".join([*rows, "IPI0:  3  Rescheduling interrupts", ""]))

    def _grub(self, efi: bool, persona: str) -> None:
        self.put("/etc/default/grub", GRUB_DEFAULT)
        self.program_at("/etc/grub.d/00_header", HEADER)
        self.program_at("/etc/grub.d/10_linux", LINUX)
        if efi:
            self.put("/sys/firmware/efi/fw_platform_size", "64\n")
            if persona == "debian":
                self.put(
                    "/boot/efi/EFI/debian/grub.cfg",
                    "search.fs_uuid 1 root\nset prefix=($root)/grub\nconfigfile $prefix/grub.cfg\n",
                )
            else:
                self.config = "/boot/efi/EFI/openEuler/grub.cfg"
        maker = MKCONFIG.replace("@CONFIG@", self.config)
        if persona == "debian":
            self.program("grub-mkconfig", maker)
            self.program("update-grub", maker)
        else:
            self.program("grub2-mkconfig", maker.replace("#!/bin/sh", "#!/bin/bash"))  # sh is bash there
        self.put(f"/boot/{self.grub_name}/grubenv", "# GRUB Environment Block\nsaved_entry=gnulinux-5.10.0\n#####\n")
        self.put(self.config, "")
        answer = Host(str(self.root)).run([f"{self.grub_name}-mkconfig", "-o", self.config])
        assert answer.rc == 0, answer.text

    def put(self, path: str, text: str) -> None:
        place = self.root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())

    def get(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def program(self, name: str, text: str) -> None:
        self.program_at(f"/usr/sbin/{name}", text)

    def program_at(self, path: str, text: str) -> None:
        self.put(path, text)
        (self.root / path.lstrip("/")).chmod(0o755)

    def tree(self) -> dict[str, str]:
        """Every file but locks, markers and backups: what a run must not have changed, or must have put back."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = "/" + str(path.relative_to(self.root))
            if name.startswith("/run/npuforge") or ".npuforge-2" in name:
                continue
            if path.is_symlink():
                found[name] = f"-> {path.readlink()}"
            elif path.is_file():
                found[name] = path.read_bytes().decode("utf-8", "surrogateescape")
        return found

    def command_line(self, ident: str | None = None) -> str:
        """The words of an entry of grub.cfg, read by a reader of its own."""
        text = self.get(self.config)
        found = {}
        for match in re.finditer(r"^\s*menuentry (.*)\{\n((?:.*\n)*?)\s*\}$", text, re.MULTILINE):
            words = shlex.split(match.group(1).replace("$menuentry_id_option", "--id"))
            line = re.search(r"^\s*linux\s+\S+\s+(.*)$", match.group(2), re.MULTILINE)
            assert line is not None
            found[words[words.index("--id") + 1]] = line.group(1)
        return found[ident or "gnulinux-5.10.0"]


Hook = Callable[[str], None]
CONFIGURED: dict[Any, str] = {}


class Kernel(Host):
    """``hook`` is called with a word before every write and command; it may raise. ``stuck``: IRQs that stay.

    ``refuses``: path -> errno of a kernel file; ``fails``: first words of commands that end with 1.
    """

    def __init__(self, machine: Machine, hook: Hook | None = None) -> None:
        super().__init__(str(machine.root), lock_seconds=0.3)
        self.machine = machine
        self.hook = hook
        self.writes: list[str] = []
        self.stuck: set[str] = set()
        self.refuses: dict[str, int] = {}
        self.clamps: dict[str, str] = {}
        self.fails: set[str] = set()

    def _tell(self, word: str) -> None:
        if self.hook is not None:
            self.hook(word)
        self.writes.append(word)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        self._tell(f"write {path}")
        super().write(path, text, mode)

    def make_link(self, path: str, target: str) -> None:
        self._tell(f"link {path}")
        super().make_link(path, target)

    def remove(self, path: str) -> None:
        self._tell(f"remove {path}")
        super().remove(path)

    def set_kernel(self, path: str, value: str) -> None:
        self._tell(f"kernel {path}")
        if path in self.refuses:
            raise OSError(self.refuses[path], os.strerror(self.refuses[path]))
        if any(path.startswith(f"/proc/irq/{number}/") for number in self.stuck):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        text = self.machine.get(path) if self.exists(path) else ""
        if not self.exists(path):
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if path.startswith("/sys/") and "[" in text:
            words = text.replace("[", "").replace("]", "").split()
            if value not in words:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            text = " ".join(f"[{word}]" if word == value else word for word in words)
        else:
            text = self.clamps.get(path, value)
        super().set_kernel(path, text)

    def run(self, argv: Sequence[str], seconds: float = 120.0) -> Answer:
        if argv[0] == "uname":
            return Answer(127, "", 0.0)
        services = dict(line.split(" ", 1) for line in self.machine.get("/run/services").splitlines())
        if list(argv[:2]) == ["systemctl", "show"] and argv[-1].endswith(".timer"):
            return Answer(0, "ActiveState=inactive\nLastTriggerUSec=n/a\n", 0.0)
        if list(argv[:2]) == ["systemctl", "show"]:
            blocks = []
            for name in argv[3:]:
                active, state = services.get(name, " ").split(" ") if name in services else ("inactive", "")
                load = "loaded" if name in services else "not-found"
                blocks.append(f"LoadState={load}\nId={name}\nActiveState={active}\nUnitFileState={state}\n")
            return Answer(0, "\n".join(blocks), 0.0)
        if list(argv[:2]) == ["systemctl", "is-system-running"]:
            return Answer(0, "running\n", 0.0)
        self._tell(" ".join(argv))
        if argv[0] in self.fails:
            return Answer(1, f"{argv[0]}: no\n", 0.0)
        if argv[0] == "systemctl":
            verb, name = argv[1], argv[-1]
            active, state = (services.get(name) or " ").split(" ")
            state = {"enable": "enabled", "disable": "disabled"}.get(verb, state)
            active = {"start": "active", "stop": "inactive"}.get(verb, active)
            if name in services:
                services[name] = f"{active} {state}"
            self.machine.put("/run/services", "".join(f"{key} {value}\n" for key, value in services.items()))
            return Answer(0, "", 0.0)
        if argv[0] == "modprobe":
            name, text = argv[-1], self.machine.get("/proc/modules")
            if argv[1] == "-r":
                text = "".join(line for line in text.splitlines(True) if not line.startswith(f"{name} "))
            else:
                text += f"{name} 1 0 - Live 0x0\n"
                if name == "br_netfilter":
                    self.machine.put("/proc/sys/net/bridge/bridge-nf-call-iptables", "0\n")
            self.machine.put("/proc/modules", text)
            return Answer(0, "", 0.0)
        if argv[0] in ("swapoff", "swapon"):
            lines = self.machine.get("/proc/swaps").splitlines(True)
            name = argv[1].replace(" ", "\\040")
            lines = [line for line in lines if not line.startswith(f"{name} ")]
            if argv[0] == "swapon":
                lines.append(f"{name} partition 8388604 0 -2\n")
            self.machine.put("/proc/swaps", "".join(lines))
            return Answer(0, "", 0.0)
        return self._configure(argv, seconds)

    def _configure(self, argv: Sequence[str], seconds: float) -> Answer:
        """grub-mkconfig; from the same sources it makes the same, so each is made by the shell once."""
        places = [self.machine.root / "etc/default", self.machine.root / "etc/grub.d"]
        paths = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
        sources = [(path.name, path.stat().st_mode, path.read_text(errors="replace")) for path in paths]
        key = (self.machine.config, *argv, *sources)
        if key not in CONFIGURED:
            answer = super().run(argv, seconds)
            if answer.rc != 0:
                return answer
            CONFIGURED[key] = self.machine.get(self.machine.config)
        self.machine.put(self.machine.config, CONFIGURED[key])
        return Answer(0, "", 0.0)

    def reboot(self) -> None:
        """The next boot: command line of the default entry, and what a kernel makes of it; /run is empty."""
        words = self.machine.command_line()
        self.machine.put("/proc/cmdline", f"BOOT_IMAGE=/vmlinuz-5.10.0 {words}\n")
        given = dict(word.partition("=")[::2] for word in words.split())
        isolated = given.get("isolcpus", "").replace("managed_irq,", "").replace("domain,", "")
        self.machine.put("/sys/devices/system/cpu/isolated", f"{isolated}\n")
        self.machine.put("/sys/devices/system/cpu/nohz_full", f"{given.get('nohz_full', '(null)')}\n")
        boot_id = self.machine.get("/proc/sys/kernel/random/boot_id")
        self.machine.put("/proc/sys/kernel/random/boot_id", boot_id.replace("1", "2"))
        for path in (self.machine.root / "run" / "npuforge").rglob("*"):
            if path.is_file():
                path.unlink()


def baseline(**changes: Any) -> dict[str, Any]:
    """A whole baseline."""
    wanted: dict[str, Any] = {
        "sysctl": {
            "vm.swappiness": 10,
            "net.ipv4.tcp_rmem": "4096 262144 16777216",
            "net.bridge.bridge-nf-call-iptables": 1,
        },
        "limits": {"*/soft/nofile": 655360, "*/hard/nofile": 655360, "*/hard/memlock": "unlimited"},
        "transparent_hugepages": "never",
        "transparent_hugepages_defrag": "never",
        "isolation": {"enabled": True, "housekeeping_cores_per_numa_node": 1, "npu_irqs": "housekeeping"},
        "io_scheduler": {"nvme": "none", "sata_ssd": "mq-deadline", "hdd": "mq-deadline"},
        "hugepages": {"2048": 16},
        "governor": "performance",
        "iommu": "passthrough",
        "kernel_arguments": {"cgroup.memory": "nokmem", "quiet": "absent"},
        "modules": ["br_netfilter", "overlay"],
        "swap": "off",
        "selinux": "permissive",
        "firewall": "off",
        "locale": "C.UTF-8",
        "timezone": "Asia/Shanghai",
        "hostname": "node1",
        "hosts": [{"address": "10.77.0.11", "names": ["node1"]}, {"address": "10.77.0.12", "names": ["node2"]}],
        "journal_retention_days": 180,
        "audit_retention_days": 180,
    }
    return wanted | changes
