"""H3C and HPE Comware switches (``h3c_comware``): what is read, how it is understood, and what is to be entered."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from ...common import Document
from . import comware_links as links
from . import comware_parse as read
from .ce_config import Views, is_configuration, views
from .comware_config import value_of
from .comware_names import canonical
from .comware_plan import configured_map, default_of, effective, lossless, wanted
from .comware_render import steps as planned_steps
from .comware_render import table_lines
from .comware_verify import verify as verified
from .driver import Driver, Part, ports_of, switch_of
from .model import Differences, Found, Pfc, PfcProfile, Port, Steps

CONFIGURATION = "display current-configuration"
_MAPS = ("dscp-lp", "dscp-dot1p", "dot1p-lp")


class Own(NamedTuple):
    """The driver's own: the configuration's views (None: not read whole), and whether ``dscp-lp`` is what maps.

    ``maps``: each priority map as the switch shows it, None where it has none.
    """

    tree: Views | None
    direct: bool | None
    maps: dict[str, dict[int, int] | None]


class ComwareDriver(Driver):
    """One stage: a line holds from when it is entered, and ``save force`` keeps it."""

    os = "h3c_comware"

    def commands(self, part: Part) -> Sequence[str]:
        """One command of each kind for all ports: a switch of 128 ports answers each within seconds."""
        return [
            "display version",
            CONFIGURATION,
            "display current-configuration diff",
            *(f"display qos map-table {table}" for table in _MAPS),
            "display priority-flow-control interface",
            "display qos wred interface",
            "display interface",
            "display packet-drop interface",
            "display lldp neighbor-information verbose",
            "display lldp neighbor-information list",
            "display transceiver diagnosis interface",
        ]

    def speaks(self, first: str | None) -> bool:
        return read.parse_version(first) is not None

    def parse(self, texts: Mapping[str, str | None], part: Part) -> Found:
        found = Found(self.os)
        version = read.parse_version(texts.get("display version"))
        if version is None:
            found.tell("display version", "no Comware version is seen: it may be another make")
        else:
            found.model, found.version = version["model"], version["version"]
        text = texts.get(CONFIGURATION)
        tree = views(text) if is_configuration(text) else None
        if tree is None:
            found.tell(CONFIGURATION, "not read whole: it must end with 'return'")
        found.unsaved = read.parse_unsaved(texts.get("display current-configuration diff"))
        if found.unsaved is None:
            found.tell("display current-configuration diff", "not understood: whether all is saved is not known")
        found.uncommitted = []  # there is no candidate
        maps = {table: read.parse_map(texts.get(f"display qos map-table {table}"), table) for table in _MAPS}
        direct = None if not any(maps.values()) else maps["dscp-lp"] is not None
        found.own = Own(tree, direct, maps)
        _whole(found, part)
        _ports(found, texts, part)
        return found

    def steps(self, part: Part, found: Found, takeover: bool = False) -> Steps:
        own = found.own if isinstance(found.own, Own) else Own(None, None, {})
        return planned_steps(part, own.tree, own.direct, takeover)

    def verify(self, part: Part, found: Found) -> Differences:
        own = found.own if isinstance(found.own, Own) else Own(None, None, {})
        return verified(part, found, own.tree, own.direct, own.maps)


def _whole(found: Found, part: Part) -> None:
    own: Own = found.own
    tree, want = own.tree, wanted(part)
    shown = {name: table for name, table in own.maps.items() if table is not None}
    if shown:
        found.whole.domains = {
            name: {value: (str(target), None) for value, target in table.items()} for name, table in shown.items()
        }
    if tree is None:
        return
    if found.whole.domains is None:  # a release that shows no map still configures it
        value = next(iter(want.dscp))
        target = configured_map(tree, "dscp-lp", value)
        found.whole.domains = {
            "dscp-lp": {value: (str(default_of("dscp-lp", value) if target is None else target), None)}
        }
    system = tree.get((), [])
    cell = switch_of(part).get("cell_bytes")
    pool = _number(value_of(system, "priority-flow-control poolid 0 headroom"))
    if pool is not None and cell:
        found.whole.headroom_pool_kib = pool * cell // 1024
    detect = _number(value_of(system, f"priority-flow-control deadlock cos {want.priority}"))
    recover = _number(value_of(system, f"priority-flow-control deadlock auto-recover cos {want.priority}"))
    listed = lossless(system)
    found.whole.pfc_profiles = {
        "system": PfcProfile(
            listed or [],
            {} if detect is None else {want.priority: detect},
            {} if recover is None else {want.priority: recover},
        )
    }


def _number(line: str | None) -> int | None:
    word = line.split()[-1] if line else ""
    return int(word) if word.isdigit() else None


class Seen(NamedTuple):
    """What each display command told, by port; None: not answered, or not understood."""

    pfc: dict[str, read.PfcRow] | None
    interfaces: dict[str, links.Interface] | None
    drops: dict[str, int] | None
    lldp: links.Neighbors | None
    lldp_list: links.Neighbors | None
    optics: dict[str, Document] | None


def _ports(found: Found, texts: Mapping[str, str | None], part: Part) -> None:
    seen = Seen(
        read.parse_pfc(texts.get("display priority-flow-control interface")),
        links.parse_interfaces(texts.get("display interface")),
        read.parse_packet_drop(texts.get("display packet-drop interface")),
        links.parse_lldp(texts.get("display lldp neighbor-information verbose")),
        links.parse_lldp_list(texts.get("display lldp neighbor-information list")),
        links.parse_transceivers(texts.get("display transceiver diagnosis interface")),
    )
    for command, rows in (
        ("display priority-flow-control interface", seen.pfc),
        ("display interface", seen.interfaces),
        ("display packet-drop interface", seen.drops),
        ("display lldp neighbor-information verbose", seen.lldp or seen.lldp_list),
        ("display transceiver diagnosis interface", seen.optics),
    ):
        if rows is None:
            found.tell(command, read.refused(texts.get(command)) or "not answered, or not understood")
    wred = read.parse_wred(texts.get("display qos wred interface"))
    for name in ports_of(part):
        found.ports[name] = _port(found, name, seen, part)
        _check_wred(found, name, wred, part)


def _port(found: Found, name: str, seen: Seen, part: Part) -> Port:
    tree = found.own.tree
    port = Port(name)
    long = canonical(name)
    lines = None if tree is None else effective(tree, name)
    interface = (seen.interfaces or {}).get(long)
    if interface is not None:
        port.exists = True
        port.link, port.link_reason, port.speed_mbps = interface.link, interface.reason, interface.speed_mbps
        port.max_frame_bytes, port.flow_control = interface.max_frame_bytes, interface.flow_control
    elif tree is not None:
        port.exists = lines is not None
    if lines is not None and tree is not None:
        _configured(port, lines, tree, part, found.own.direct)
    row = (seen.pfc or {}).get(long)
    if row is not None:
        _pfc(port, row)
    priority = wanted(part).priority
    port.counters = {
        "crc_errors": None if interface is None else interface.crc_errors,
        "drops": (seen.drops or {}).get(long),
        "pfc_rx_frames": None if row is None else row.received.get(priority),
        "pfc_tx_frames": None if row is None else row.sent.get(priority),
        "ecn_marked": None,  # no release is known to show it by port
        "deadlocks": None,
    }
    port.neighbor_seen = True if seen.lldp is not None or seen.lldp_list is not None else None
    neighbors = (seen.lldp or {}).get(long) or (seen.lldp_list or {}).get(long) or []
    if len(neighbors) == 1:
        port.neighbor = neighbors[0]
    elif neighbors:
        found.tell(name, f"{len(neighbors)} neighbours are heard; which is at the cable's end is not known")
    port.optics = (seen.optics or {}).get(long)
    return port


def _check_wred(found: Found, name: str, shown: dict[str, read.Wred] | None, part: Part) -> None:
    """A switch that shows other thresholds than it has configured is believed in what it shows to be in effect."""
    port, want = found.ports[name], wanted(part)
    row = ((shown or {}).get(canonical(name)) or read.Wred(None, {})).queues.get(want.queue)
    if row is None or port.ecn.enabled is None:
        return
    if row.ecn != port.ecn.enabled:
        words = ("off", "on")
        found.tell(
            name, f"ECN of queue {want.queue} is configured {words[port.ecn.enabled]} and shown {words[row.ecn]}"
        )
        port.ecn.enabled, port.ecn.kind = row.ecn, "static" if row.ecn else None


def _configured(port: Port, lines: list[str], tree: Views, part: Part, direct: bool | None) -> None:
    """What the configuration alone tells of a port."""
    want = wanted(part)
    trust = value_of(lines, "qos trust")
    word = trust.split()[2].lower() if trust else "none"
    port.trust = {"dscp": "dscp", "dot1p": "802.1p"}.get(word, word)
    port.domain = None if port.trust != "dscp" else "dscp-dot1p" if direct is False else "dscp-lp"
    port.flow_control = value_of(lines, "flow-control") is not None
    mode = value_of(lines, "priority-flow-control")
    port.pfc.enabled = mode is not None
    port.pfc.mode = None if mode is None else "auto" if mode.endswith("auto") else "manual"
    port.pfc.priorities = lossless(lines)
    cell = switch_of(part).get("cell_bytes")
    headroom = _number(value_of(lines, f"priority-flow-control dot1p {want.priority} headroom"))
    if headroom is not None and cell:
        port.buffer.headroom_bytes = headroom * cell
    for form in ("dynamic", "static"):
        value = _number(value_of(lines, f"priority-flow-control dot1p {want.priority} ingress-buffer {form}"))
        if value is not None:
            port.buffer.form = form
            port.buffer.xoff = value if form == "dynamic" else None
            port.buffer.xoff_bytes = value * cell if form == "static" and cell else None
    applied = value_of(lines, "qos wred apply")
    source = lines if applied is None else table_lines(tree, applied)
    port.ecn.profile = None if applied is None else applied.split()[-1]
    port.ecn.enabled = value_of(source, f"qos wred queue {want.queue} ecn") is not None
    port.ecn.kind = "static" if port.ecn.enabled else None
    level = value_of(source, f"qos wred queue {want.queue} drop-level 0")
    words = level.split() if level else []
    if len(words) == 12 and all(words[place].isdigit() for place in (7, 9, 11)):
        port.ecn.discard_percentage = int(words[11])
        if cell:
            port.ecn.low_limit_bytes, port.ecn.high_limit_bytes = int(words[7]) * cell, int(words[9]) * cell


def _pfc(port: Port, row: read.PfcRow) -> None:
    """What the switch shows of PFC in effect; a port that is up and configured but not active has given PFC up."""
    pfc: Pfc = port.pfc
    if pfc.enabled is None and row.mode is not None:
        pfc.enabled = row.mode != "disabled"
        pfc.mode = {"enabled": "manual", "auto": "auto"}.get(row.mode)
    if row.priorities is not None:
        pfc.priorities = row.priorities
    if row.mode == "enabled" and row.active is False and port.link == "up":
        port.turned_off = True
    elif row.active:
        port.turned_off = False
