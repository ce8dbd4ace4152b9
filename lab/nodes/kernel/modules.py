"""/proc/modules and /sys/module: what is loaded, what could be, and what is built in.

Names, sizes and uses are of a plausible openEuler server, from memory; the NPU driver's modules likewise.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass, field

from .tree import Folder, Number, fixed, refuse

# name: (size, the modules that it needs)
AVAILABLE: dict[str, tuple[int, tuple[str, ...]]] = {
    "8021q": (40960, ("garp", "mrp")), "bfq": (102400, ()), "bonding": (200704, ("tls",)),
    "br_netfilter": (36864, ("bridge",)), "bridge": (290816, ("stp", "llc")), "dm_crypt": (61440, ()),
    "dm_multipath": (45056, ()), "dummy": (16384, ()), "ext4": (974848, ("jbd2", "mbcache")),
    "garp": (16384, ("stp", "llc")), "hinic3": (458752, ()), "hisi_sas_main": (106496, ("libsas",)),
    "hisi_sas_v3_hw": (90112, ("hisi_sas_main",)), "ib_core": (434176, ()), "ib_uverbs": (167936, ("ib_core",)),
    "ip_set": (57344, ("nfnetlink",)), "ip_tables": (36864, ("x_tables",)), "ip_vs": (200704, ("nf_conntrack",)),
    "ip_vs_rr": (16384, ("ip_vs",)), "ip_vs_sh": (16384, ("ip_vs",)), "ip_vs_wrr": (16384, ("ip_vs",)),
    "ip_vs_lc": (16384, ("ip_vs",)), "ip6_tables": (36864, ("x_tables",)), "ipip": (24576, ("tunnel4", "ip_tunnel")),
    "ip_tunnel": (36864, ()), "ipmi_devintf": (24576, ("ipmi_msghandler",)), "ipmi_msghandler": (77824, ()),
    "ipmi_si": (81920, ("ipmi_msghandler",)), "iptable_filter": (16384, ("ip_tables",)),
    "iptable_nat": (16384, ("ip_tables", "nf_nat")), "jbd2": (176128, ()), "kyber_iosched": (36864, ()),
    "libsas": (131072, ("scsi_transport_sas",)), "llc": (16384, ()), "loop": (49152, ()), "macvlan": (40960, ()),
    "mbcache": (20480, ()), "mrp": (20480, ()), "nbd": (61440, ()), "nf_conntrack": (212992, ("nf_defrag_ipv4",)),
    "nf_defrag_ipv4": (16384, ()), "nf_nat": (61440, ("nf_conntrack",)), "nf_tables": (368640, ("nfnetlink",)),
    "nfnetlink": (24576, ()), "nfs": (540672, ("sunrpc",)), "nfsv4": (1097728, ("nfs",)),
    "nvme": (61440, ("nvme_core",)), "nvme_core": (208896, ()), "nvme_rdma": (49152, ("nvme_core", "rdma_cm")),
    "overlay": (204800, ()), "rdma_cm": (143360, ("ib_core",)), "rpcrdma": (335872, ("sunrpc", "rdma_cm")),
    "scsi_transport_sas": (53248, ()), "sd_mod": (81920, ()), "sg": (53248, ()), "softdog": (16384, ()),
    "stp": (16384, ("llc",)), "sunrpc": (716800, ()), "tls": (147456, ()), "tun": (69632, ()), "tunnel4": (16384, ()),
    "uio": (28672, ()), "usb_storage": (94208, ()), "veth": (45056, ()), "vfat": (28672, ()), "vfio": (73728, ()),
    "vfio_pci": (24576, ("vfio",)), "virtio_net": (90112, ()), "vxlan": (147456, ("ip_tunnel",)),
    "wireguard": (106496, ()), "x_tables": (57344, ()), "xfs": (2002944, ()),
    "xt_conntrack": (16384, ("x_tables", "nf_conntrack")), "xt_mark": (16384, ("x_tables",)),
    "xt_set": (24576, ("x_tables", "ip_set")), "zram": (49152, ()),
}  # fmt: skip
STARTED = (
    *("ext4", "vfat", "nvme", "sd_mod", "sg", "hisi_sas_v3_hw", "hinic3", "ib_uverbs", "ipmi_si", "ipmi_devintf"),
    *("nf_tables", "ip_set", "rdma_cm", "sunrpc", "x_tables"),
)
NPU_DRIVER: dict[str, tuple[int, tuple[str, ...]]] = {
    "drv_seclib_host": (126976, ()),
    "drv_pcie_host": (557056, ("drv_seclib_host",)),
    "drv_pcie_hdc_host": (409600, ("drv_pcie_host",)),
    "drv_devmng_host": (724992, ("drv_pcie_hdc_host",)),
    "drv_devmm_host": (634880, ("drv_devmng_host",)),
    "drv_davinci_intf_host": (143360, ("drv_devmm_host",)),
}
BUILT_IN = ("dm_mod", "efivars", "fuse", "kernel", "scsi_mod", "spurious", "tcp_cubic", "usbcore", "vt", "workqueue")
# module -> parameters that can be set while it runs
PARAMETERS = {
    "nvme_core": {"io_timeout": 30, "max_retries": 5, "multipath": 1},
    "nf_conntrack": {"hashsize": 262144},
    "fuse": {"max_user_bgreq": 131072},
    "scsi_mod": {"eh_deadline": -1},
    "ipmi_si": {"trydefaults": 1},
}


@dataclass
class Loaded:
    size: int
    needs: tuple[str, ...]
    parameters: dict[str, str] = field(default_factory=dict)


class Modules:
    """What is loaded. ``driver``: the NPU driver's modules are among it."""

    def __init__(self, driver: bool) -> None:
        self.loaded: dict[str, Loaded] = {}
        self.root = Folder()
        self.available = dict(AVAILABLE)
        for name in BUILT_IN:
            self._show(name, {})
        for name in STARTED:
            self.load(name, {})
        self.drive(driver)

    def drive(self, driver: bool) -> None:
        """The NPU driver's modules come or go with it."""
        if driver:
            self.available |= NPU_DRIVER
            for name in NPU_DRIVER:
                self.load(name, {})
        else:
            for name in reversed(NPU_DRIVER):
                self.available.pop(name, None)
                if self.loaded.pop(name, None) is not None:
                    del self.root.filled()[name]

    def load(self, name: str, parameters: dict[str, str]) -> None:
        """modprobe: with what it needs; nothing when it is there. OSError ENOENT: there is no such module."""
        name = name.replace("-", "_")
        if name in self.loaded or name in BUILT_IN:
            return
        if name not in self.available:
            raise refuse(errno.ENOENT)
        size, needs = self.available[name]
        for other in needs:
            self.load(other, {})
        self.loaded[name] = Loaded(size, needs, parameters)
        self._show(name, parameters)

    def unload(self, name: str) -> None:
        """rmmod. ENOENT: not loaded, EWOULDBLOCK: another needs it, EBUSY: built in or in use by hardware."""
        name = name.replace("-", "_")
        if name in BUILT_IN:
            raise refuse(errno.EBUSY)
        if name not in self.loaded:
            raise refuse(errno.ENOENT)
        if self.users(name):
            raise refuse(errno.EWOULDBLOCK)
        del self.loaded[name], self.root.filled()[name]

    def users(self, name: str) -> list[str]:
        return [other for other, module in self.loaded.items() if name in module.needs]

    def _show(self, name: str, parameters: dict[str, str]) -> None:
        folder = Folder()
        if name in self.loaded:
            folder.put("initstate", fixed("live"))
            folder.put("coresize", fixed(self.loaded[name].size))
            folder.put("refcnt", fixed(0))
            folder.put("holders", Folder())
        for key, value in PARAMETERS.get(name, {}).items():
            number = Number(value, -(2**31))
            folder.put(f"parameters/{key}", number.attribute())
            if parameters.get(key, "").lstrip("-").isdigit():
                number.value = int(parameters[key])
        for key, text in parameters.items():
            if key not in PARAMETERS.get(name, {}):
                folder.put(f"parameters/{key}", fixed(text))
        self.root.put(name, folder)

    def show(self) -> str:
        """/proc/modules, the last loaded first"""
        lines = []
        for name, module in reversed(self.loaded.items()):
            users = self.users(name)
            by = "".join(f"{user}," for user in users) or "-"
            tail = " (OE)" if name.startswith("drv_") else ""
            lines.append(f"{name} {module.size} {len(users)} {by} Live 0x0000000000000000{tail}\n")
        return "".join(lines)
