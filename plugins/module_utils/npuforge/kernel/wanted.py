"""What a baseline may say (docs/node-software.md, section 3). Every mistake is told, and nothing is touched then.

What is written into files that a shell, systemd or a login reads is checked letter by letter here, too, not only where
the inventory is read.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Callable, Mapping

from . import cmdline

KEYS = (
    "sysctl",
    "limits",
    "transparent_hugepages",
    "transparent_hugepages_defrag",
    "isolation",
    "io_scheduler",
    "hugepages",
    "governor",
    "iommu",
    "kernel_arguments",
    "modules",
    "swap",
    "selinux",
    "firewall",
    "locale",
    "timezone",
    "hostname",
    "hosts",
    "journal_retention_days",
    "audit_retention_days",
)
CHOICES = {
    "transparent_hugepages": ("never", "madvise", "always"),
    "transparent_hugepages_defrag": ("never", "madvise", "always", "defer", "defer+madvise"),
    "iommu": ("passthrough", "on", "off", "keep"),
    "swap": ("off", "keep"),
    "selinux": ("enforcing", "permissive", "disabled", "keep"),
    "firewall": ("off", "firewalld", "nftables", "keep"),
}
# Words of the kernel's command line that other keys of the baseline give.
OTHERWISE = {
    "isolcpus": "isolation",
    "nohz_full": "isolation",
    "rcu_nocbs": "isolation",
    "irqaffinity": "isolation",
    "iommu": "iommu",
    "intel_iommu": "iommu",
    "iommu.passthrough": "iommu",
    "transparent_hugepage": "transparent_hugepages",
}
_SCHEDULERS = ("none", "mq-deadline", "kyber")
_SYSCTL = re.compile(r"^-?[A-Za-z0-9_][A-Za-z0-9_./:-]*$")
_LIMIT = re.compile(r"^[@%]?[A-Za-z0-9_.*:-]{1,32}/(soft|hard|-)/[a-z]{2,12}$")
_LABEL = re.compile(r"^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*$")
_PATTERNS = {
    "governor": (re.compile(r"^[a-z_]{1,15}$"), "the name of a governor, as performance"),
    "locale": (re.compile(r"^[A-Za-z0-9_.@-]{1,40}$"), "a locale, as zh_CN.UTF-8"),
    "timezone": (re.compile(r"^(?!.*\.\.)[A-Za-z][A-Za-z0-9_+/-]{0,60}$"), "a time zone, as Asia/Shanghai"),
    "hostname": (_LABEL, "a host name"),
}


def normal(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """With the words that YAML takes for truth values: ``swap: off`` arrives as false."""
    words = {False: "off", True: "on"}
    return {
        key: words[value] if isinstance(value, bool) and key in ("swap", "firewall", "iommu") else value
        for key, value in wanted.items()
    }


def problems(wanted: Any) -> list[str]:
    """Sentences, empty when the baseline may be applied."""
    if not isinstance(wanted, Mapping):
        return ["wanted must be a table of settings"]
    found = [f"{key}: there is no such setting" for key in wanted if key not in KEYS]
    for key, value in wanted.items():
        if value is None or key not in KEYS:
            continue
        if key in CHOICES:
            if value not in CHOICES[key]:
                found.append(f"{key}: {value!r} is none of {', '.join(CHOICES[key])}")
        elif key in _PATTERNS:
            pattern, words = _PATTERNS[key]
            if not isinstance(value, str) or not pattern.match(value) or len(value) > 253:
                found.append(f"{key}: {value!r} is not {words}")
        else:
            found += _CHECKS[key](key, value)
    return found


def _table(check: Callable[[str, Any, Any], str | None]) -> Callable[[str, Any], list[str]]:
    """A check of each entry of a table; null entries are left alone."""

    def every(key: str, value: Any) -> list[str]:
        if not isinstance(value, Mapping):
            return [f"{key}: must be a table"]
        told = [(name, check(key, name, entry)) for name, entry in value.items() if entry is not None]
        return [f"{key}.{name}: {problem}" for name, problem in told if problem]

    return every


def _sysctl(_: str, name: Any, value: Any) -> str | None:
    if not isinstance(name, str) or not _SYSCTL.match(name) or ".." in name:
        return "this is no name of a kernel parameter"
    if isinstance(value, (bool, list, dict)) or not re.match(r"^[ -~\t]{1,200}$", str(value)):
        return f"{value!r} is no value: a number or a line of text"
    return None


def _limit(_: str, name: Any, value: Any) -> str | None:
    if not isinstance(name, str) or not _LIMIT.match(name):
        return "must read domain/soft|hard/item, as */soft/nofile"
    text = str(value)
    if isinstance(value, bool) or not (re.match(r"^-?\d{1,19}$", text) or text in ("unlimited", "infinity")):
        return f"{value!r} is neither a number nor unlimited"
    return None


def _scheduler(_: str, name: Any, value: Any) -> str | None:
    if name not in ("nvme", "sata_ssd", "hdd"):
        return "there is no such class of disks: nvme, sata_ssd, hdd"
    if value == "bfq":
        return "bfq is for desktops: it costs data disks their throughput"
    return None if value in _SCHEDULERS else f"{value!r} is none of {', '.join(_SCHEDULERS)}"


def _pages(_: str, name: Any, value: Any) -> str | None:
    if not re.match(r"^[1-9]\d{0,8}$", str(name)):
        return "a size of pages in KiB, as 2048"
    return None if _whole(value, 0) else f"{value!r} is no number of pages"


def _argument(_: str, name: Any, value: Any) -> str | None:
    if not isinstance(name, str) or not re.match(r"^[A-Za-z][A-Za-z0-9_.-]*$", name):
        return "this is no kernel parameter"
    if name.replace("-", "_") in OTHERWISE:
        return f"is given by {OTHERWISE[name.replace('-', '_')]}"
    if isinstance(value, bool):
        # YAML reads off, on, no and yes without quotes as these, and nobody could tell which was meant.
        return f"{value!r} is no text: quote it ('off'), '' is a word without value, '{cmdline.ABSENT}' takes it away"
    if not isinstance(value, (str, int)) or (value != "" and not cmdline.SAFE.match(str(value))):
        return f"{value!r} cannot stand on a command line"
    return None


def _isolation(_: str, name: Any, value: Any) -> str | None:
    if name == "enabled":
        return None if isinstance(value, bool) else "true or false"
    if name == "housekeeping_cores_per_numa_node":
        return None if _whole(value, 1) else "a number of cores from 1"
    if name == "npu_irqs":
        return None if value in ("housekeeping", "keep") else f"{value!r} is none of housekeeping, keep"
    return "there is no such setting"


def _modules(key: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        return [f"{key}: must be a list"]
    return [f"{key}: {name!r} is no module" for name in value if not re.match(r"^[A-Za-z0-9_-]{1,64}$", str(name))]


def _hosts(key: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple)):
        return [f"{key}: must be a list of addresses and names"]
    found = []
    for number, entry in enumerate(value, start=1):
        names = entry.get("names") if isinstance(entry, Mapping) else None
        if not isinstance(names, (list, tuple)) or not names:
            found.append(f"{key}: entry {number} has no names")
            continue
        found += [f"{key}: {name!r} is no host name" for name in names if not _LABEL.match(str(name))]
        try:
            ipaddress.ip_address(str(entry.get("address")))
        except ValueError:
            found.append(f"{key}: {entry.get('address')!r} of {names[0]} is no address")
    return found


def _days(key: str, value: Any) -> list[str]:
    return [] if _whole(value, 1) and int(value) <= 36500 else [f"{key}: {value!r} is no number of days"]


def _whole(value: Any, least: int) -> bool:
    # Ansible may hand numbers over as text.
    return not isinstance(value, bool) and bool(re.match(r"^\d{1,12}$", str(value))) and int(value) >= least


_CHECKS: Mapping[str, Callable[[str, Any], list[str]]] = {
    "sysctl": _table(_sysctl),
    "limits": _table(_limit),
    "io_scheduler": _table(_scheduler),
    "hugepages": _table(_pages),
    "kernel_arguments": _table(_argument),
    "isolation": _table(_isolation),
    "modules": _modules,
    "hosts": _hosts,
    "journal_retention_days": _days,
    "audit_retention_days": _days,
}
