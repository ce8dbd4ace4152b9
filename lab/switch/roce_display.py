"""What the ``display`` commands print about PFC, QoS and ECN, port by port or for all ports (``port`` None).

Shapes: [CR] the examples of Huawei's CE6800/CE8800 V300R023C00 command reference, whose tables end in a rule except
``display qos ecn threshold``. Counters are kept per port; of a port's lossless queues the highest is shown with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.switch import roce
from lab.switch.config import Tree
from lab.switch.device import Device, link, ports
from lab.switch.grammar import PAIRS, POOLS
from lab.switch.roce_settings import family

GUARANTEED, XON_LOWEST, XON_OFFSET = "1600(B)", "640(B)", 6
DEFAULT_XON_KB, DEFAULT_XOFF_KB = 100, 125  # of the families that set them as a pair


@dataclass(frozen=True)
class View:
    """One moment of the switch, and the ports that were asked for."""

    document: Mapping[str, Any]
    tree: Tree
    names: list[str]

    @classmethod
    def of(cls, device: Device, port: str | None) -> View:
        document = device.read()
        return cls(document, device.store.running(), [name for name in ports(document) if port in (None, name)])

    def counter(self, port: str, key: str) -> int:
        return int((link(self.document, port) or {}).get("counters", {}).get(key, 0))

    def lossless(self) -> Iterator[tuple[str, int, bool]]:
        """(port, queue, whether the port's counters are shown here) of every queue for which PFC works."""
        for name in self.names:
            queues = roce.effective_priorities(self.tree, name)
            for queue in queues:
                yield name, queue, queue == queues[-1]


def dcb(device: Device, port: str | None = None) -> str:
    """[CR] display dcb."""
    view, rule = View.of(device, port), "-" * 79
    rows = []
    for name in view.names:
        applied = roce.pfc_applied(view.tree, name)
        if applied:
            state = "ENABLE" if roce.effective_priorities(view.tree, name) else "DISABLE"
            status = f"{state}({'M' if applied[1] == 'manual' else 'A'})"
            rows.append(f"{name:<18}{applied[0]:<13}{status:<12}{'default':<12}{'ENABLE':<11}-")
    head = "Interface         PFC Name     PFC Status  ETS Name    ETS Status App-Profile"
    return "\n".join(["M:Manual;    A:Auto", rule, head, rule, *rows, rule])


def pfc_profiles(device: Device, name: str | None = None) -> str:
    """[CR] display dcb pfc-profile."""
    tree, rule = device.store.running(), "-" * 79
    names = roce.profiles(tree)
    if name is not None and name not in names:
        return f"Error: The PFC profile {name} does not exist."
    shown = [each for each in names if name in (None, each)]
    rows = []
    for each in shown:
        rows += [f"{each:<38}{' '.join(map(str, roce.profile_priorities(tree, each))) or '-'}", rule]
    head = [f"PFC-Profile Maximum: {roce.MAX_PROFILES}", f"Total: {len(names)}", rule]
    return "\n".join([*head, "PFC-profile Name                      Priority", rule, *rows])


def pfc(device: Device, port: str | None = None) -> str:
    """[CR] display dcb pfc: two lines a queue, what came and what was sent."""
    view, rule, rows = View.of(device, port), "-" * 89, []
    for name, queue, counted in view.lossless():
        received, sent, deadlocks = (
            view.counter(name, key) if counted else 0 for key in ("pfc_rx_frames", "pfc_tx_frames", "deadlocks")
        )
        rows.append(f"{name:<15}{queue:>9}{received:>24}{0:>25}{deadlocks:>16}")
        rows.append(f"{sent:>48}{0:>25}{deadlocks:>16}")
    heads = [
        "Interface         Queue         Received(Frames)        ReceivedRate(pps)     DeadlockNum",
        "                             Transmitted(Frames)     TransmittedRate(pps)     RecoveryNum",
    ]
    return "\n".join([rule, *heads, rule, *rows, rule])


def pfc_buffer(device: Device, port: str | None = None) -> str:
    """[CR] display dcb pfc buffer, in the layout of the switch's family."""
    view = View.of(device, port)
    return _pools(view) if family(view.document["model"]) == POOLS else _pairs(view)


def _pools(view: View) -> str:
    rule, rows = "-" * 84, []
    for name, queue, _ in view.lossless():
        xoff = roce.threshold(view.tree, name, queue, "xoff") or ("dynamic", roce.DEFAULT_XOFF)
        hdrm = roce.threshold(view.tree, name, queue, "hdrm") or ("static", roce.DEFAULT_HEADROOM_KB)
        offset = roce.threshold(view.tree, name, queue, "xon offset") or ("static", XON_OFFSET)
        rows.append(
            f"{name:<15}{queue:>5}{GUARANTEED:>14}{XON_LOWEST:>15}{_size(offset):>12}{_size(xoff):>11}{_size(hdrm):>12}"
        )
    return "\n".join(
        [
            "Xon:        PFC backpressure stop threshold",
            "Xoff:       PFC backpressure threshold",
            "Hdrm:       Headroom buffer threshold",
            "Guaranteed: PFC guaranteed buffer threshold",
            "B:bytes   \tK:kilobytes   \tD:dynamic alpha",
            "The actual PFC backpressure stop threshold is the higher value between the value of",
            "xon-lowest and the difference between the value of xoff and the value of xon-offset. ",
            rule,
            "Interface      Queue    Guaranteed     Xon-Lowest  Xon-Offset       Xoff        Hdrm",
            rule,
            *rows,
            rule,
        ]
    )


def _pairs(view: View) -> str:
    rule, rows = "-" * 50, []
    for name, queue, _ in view.lossless():
        xon = roce.threshold(view.tree, name, queue, "xon") or ("static", DEFAULT_XON_KB)
        xoff = roce.threshold(view.tree, name, queue, "xoff") or ("static", DEFAULT_XOFF_KB)
        rows.append(f"{name:<15}{queue:>5}{_size(xon):>15}{_size(xoff):>15}")
    return "\n".join(
        [
            "Xon:        PFC backpressure stop threshold",
            "Xoff:       PFC backpressure threshold",
            "K:kilobytes   D:dynamic alpha",
            rule,
            "Interface      Queue            Xon           Xoff",
            rule,
            *rows,
            rule,
        ]
    )


def _size(threshold: tuple[str, int]) -> str:
    return f"{threshold[1]}({'D' if threshold[0] == 'dynamic' else 'K'})"


def deadlocks(device: Device, port: str | None = None) -> str:
    """[CR] display dcb pfc deadlock trigger status. A shut port has no link here, so LinkUp need not be looked at
    before ShutDown. ErrorDown is not shown: no port of this switch gets into that state."""
    view, rule, rows = View.of(device, port), "-" * 54, []
    above = ""
    for name, queue, _ in view.lossless():
        truth = link(view.document, name) or {}
        if queue in truth.get("pfc_turned_off", []):
            status = "TurnOff"
        elif view.tree.get(roce.interface(name), "shutdown"):
            status = "ShutDown"
        else:
            status = "LinkUp" if truth.get("link") == "up" else "LinkDown"
        action, number = roce.trigger(view.tree, name, queue)
        mode = "ErrorDown" if action == "error-down" else "TurnOff"
        rows.append(f"{name if name != above else '':<15}{queue:>5}  {mode:<12}{number:>9}  {status}")
        above = name
    head = "Interface      Queue  TriggerMode Threshold  Status  "
    return "\n".join([rule, head, rule, *rows, rule])


def headroom(device: Device) -> str:
    """[CR] display qos headroom-usage: 0 where no pool is set."""
    rule = "-" * 68
    return "\n".join(
        [
            "Headroom Buffer Usage on lossless slot: (KBytes)",
            rule,
            "Slot    Chip    Core       Total     Current        Peak     Average",
            rule,
            f"{1:>4}{0:>8}{0:>8}{roce.pool_kib(device.store.running()):>12}{0:>12}{0:>12}{0:>12}",
            rule,
        ]
    )


def drop_profiles(device: Device, name: str | None = None) -> str:
    """[CR] display drop-profile, the form of the CE8855 and others, with a line for ECN."""
    tree, rule, lines = device.store.running(), "-" * 65, []
    names = roce.drops(tree)
    if name is not None and name not in names:
        return f"Error: The drop profile {name} does not exist."
    for index, each in enumerate(names, 1):
        if name not in (None, each):
            continue
        lines += [f"Drop-profile[{index}]: {each}", "Color    Mode         Low-limit   High-limit  Unit    Discard(%)"]
        lines.append(rule)
        for color in ("green", "yellow", "red", "ecn"):
            words = roce.drop_line(tree, each, color)
            unit = "Bytes" if words[2] == "buffer-size" else "%"
            shown = "ECN" if color == "ecn" else color.capitalize()
            lines.append(
                f"{shown:<9}{words[2].capitalize():<13}{words[4]:<12}{words[6]:<12}{unit:<8}{words[8]:<12}".rstrip()
            )
        lines.append(rule)
    return "\n".join(lines)


def ecn_threshold(device: Device, port: str | None = None) -> str:
    """[CR] display qos ecn threshold: 0 for a queue that marks nothing."""
    view, rows = View.of(device, port), []
    queues = 6 if family(view.document["model"]) == PAIRS else 8
    for name in view.names:
        limits = roce.ecn_limits(view.tree, name)
        for queue in range(queues):
            low, high, percentage = limits.get(queue, (0, 0, 0))
            shown = name if queue == 0 else ""
            rows.append(f"{shown:<15}{queue:>6}{low // 1024:>8}{high // 1024:>8}{percentage:>13}{0:>12}")
    heads = [
        "* : indicates AI ECN",
        "[] : indicates the upper ECN threshold",
        "Interface       Queue     Min     Max  Probability  Queue Size",
        "                         (KB)    (KB)          (%)        (KB)",
        "-" * 62,
    ]
    return "\n".join([*heads, *rows])


def ecn_statistics(device: Device, port: str | None = None) -> str:
    """[CR] display qos ecn statistics."""
    view, rule = View.of(device, port), "-" * 36
    rows = [
        f"{name:<18}{view.counter(name, 'ecn_marked'):>12}" for name in view.names if roce.ecn_limits(view.tree, name)
    ]
    return "\n".join(["Interface          ECN-marked packets", rule, *rows, rule])


def qos_configuration(device: Device, port: str | None = None) -> str:
    """[CR] display qos configuration interface."""
    view = View.of(device, port)
    return "\n".join(_qos_block(view.tree, name) for name in view.names)


def _qos_block(tree: Tree, name: str) -> str:
    path, rule = roce.interface(name), f" {'-' * 74}"
    trust = (tree.get(path, "trust") or "trust 8021p").split()[1:]
    flag = "dscp" if trust == ["dscp"] else f"{trust[-1] if len(trust) > 1 else 'outer'} 8021p"
    fields = {
        "trust flag": flag,
        "diffserv domain": (tree.get(path, "trust upstream") or "trust upstream default").split()[2],
        "dei enable": "disable",
        "port priority": "0",
        "phb marking 8021p": "enable",
        "phb marking dscp": "disable",
        "phb marking exp": "-",
        "port wred": "-",
        "port lr": "cir = -, cbs = -",
        "port car inbound": "-",
        "port car outbound": "-",
        "schedule profile": "-",
    }
    lines = [f" interface {name}", rule, *(f" {key:<18}: {value}" for key, value in fields.items()), rule]
    lines += [
        " queue          shaping       schedule     wred",
        "             cir       pir",
        "             cbs       pbs",
    ]
    lines.append(rule)
    for queue in range(8):
        profile = roce.wred(tree, name, queue) or "-"
        lines += [f" {queue}             -         -    pq           {profile}", "               -         -", ""]
    return "\n".join([*lines, rule])


def diffserv(device: Device, name: str | None = None) -> str:
    """[CR] display diffserv domain."""
    tree = device.store.running()
    names = roce.domains(tree)
    if name is not None and name not in names:
        return f"Error: The DiffServ domain {name} does not exist."
    blocks = [_domain_block(tree, each) for each in names if name in (None, each)]
    return "\n\n".join(blocks)


def _domain_block(tree: Tree, name: str) -> str:
    colors = ("green", "yellow", "red")
    dscp_out = {"be": (0, 0, 0), "ef": (46, 46, 46), "cs6": (48, 48, 48), "cs7": (56, 56, 56)}
    dscp_out |= {f"af{i}": (8 * i + 2, 8 * i + 4, 8 * i + 6) for i in range(1, 5)}
    lines = [f"Diffserv domain name:{name}"]
    lines += [f" 8021p-inbound {index} phb {phb} green" for index, phb in enumerate(roce.PHBS)]
    lines += [f" 8021p-outbound {phb} {c} map {index}" for index, phb in enumerate(roce.PHBS) for c in colors]
    lines += [
        f" ip-dscp-inbound {dscp} phb {phb} {c}" for dscp, (phb, c) in sorted(roce.domain_map(tree, name).items())
    ]
    lines += [f" ip-dscp-outbound {p} {c} map {n}" for p in roce.PHBS for c, n in zip(colors, dscp_out[p], strict=True)]
    return "\n".join(lines)


def diffserv_brief(device: Device) -> str:
    """[CR] display diffserv domain brief."""
    names, rule = roce.domains(device.store.running()), f" {'-' * 45}"
    rows = [f"     {index}         {name}" for index, name in enumerate(names)]
    return "\n".join(
        ["Diffserv Domain Maximum: 8", f"Total: {len(names)}", rule, "   index       DS name", rule, *rows, rule]
    )


def drop_brief(device: Device) -> str:
    """[CR] display drop-profile brief."""
    names, rule = roce.drops(device.store.running()), "-" * 65
    rows = [f"        {index:<20}{name}" for index, name in enumerate(names, 1)]
    head = [
        "Drop-profile Maximum: 63",
        f"Total: {len(names)}",
        rule,
        "        index               drop-profile name",
        rule,
    ]
    return "\n".join([*head, *rows, rule])


def reset_pfc(device: Device, port: str | None = None) -> str:
    """[CR] reset dcb pfc: the counters of ``display dcb pfc`` begin anew. What a deadlock turned off stays off."""
    with device.world.update(device.name, "switches") as document:
        for each in document["ports"]:
            if port in (None, each["name"]):
                each["counters"].update(pfc_rx_frames=0, pfc_tx_frames=0, deadlocks=0)
    return ""
