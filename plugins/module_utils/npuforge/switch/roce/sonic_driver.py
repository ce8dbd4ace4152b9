"""SONiC switches (``sonic``): a Linux shell with CONFIG_DB behind it."""

from __future__ import annotations

from typing import Mapping, NamedTuple, Sequence

from ...common import Document
from . import sonic_parse as read
from .driver import Driver, Part, ports_of
from .model import Block, Differences, Found, Marking, Port, Steps
from .sonic_config import Tables, covering, name_of, read_applied, unsaved
from .sonic_config import read as read_tables
from .sonic_plan import changes, wanted
from .sonic_render import entries
from .sonic_render import texts as diff_texts
from .sonic_verify import verify as verified

# Only the tables that matter: CONFIG_DB also holds passwords of TACACS+, BGP and SNMP.
_FILTER = "jq 'with_entries(select(.key|test(\"_MAP$|^WRED|QUEUE$|^BUFFER_P|^PFC_WD$|^CABLE|^PORT$|METADATA$\")))'"
RUNNING = f"sonic-cfggen -d --print-data | {_FILTER}"
SAVED = f"{_FILTER} /etc/sonic/config_db.json"
APPLIED = "sonic-db-dump -n APPL_DB -y -k 'BUFFER_P*'"


class Own(NamedTuple):
    """The driver's own, each None when not read: CONFIG_DB, the watchdog as it runs, the buffers in effect."""

    tables: Tables | None
    watchdog: dict[str, read.Watchdog] | None
    applied: Tables | None


class SonicDriver(Driver):
    """CONFIG_DB takes effect at once; ``config save`` writes it to the file from which the switch boots."""

    os = "sonic"

    def commands(self, part: Part) -> Sequence[str]:
        return [
            "show version",
            RUNNING,
            SAVED,
            APPLIED,
            "show pfc priority",
            "show pfc asymmetric",
            "show pfc counters",
            "pfcwd show config",
            "pfcwd show stats",
            "show ecn",
            "show queue counters",
            "show priority-group drop counters",
            "show priority-group watermark headroom",
            "show interfaces status",
            "show interfaces counters",
            "show lldp table",
            "show interfaces transceiver eeprom --dom",
        ]

    def speaks(self, first: str | None) -> bool:
        return read.parse_version(first) is not None

    def parse(self, texts: Mapping[str, str | None], part: Part) -> Found:
        found = Found(self.os)
        version = read.parse_version(texts.get("show version"))
        if version is None:
            found.tell("show version", "no SONiC version is seen: it may be another system")
        else:
            found.model, found.version = version["model"], version["version"]
        tables = read_tables(texts.get(RUNNING))
        if tables is None:
            found.tell("CONFIG_DB", read.refused(texts.get(RUNNING)) or "not answered, or not understood")
        saved = read_tables(texts.get(SAVED))
        if saved is None or tables is None:
            found.tell("config_db.json", "not read: whether all is saved is not known")
        else:
            found.unsaved = unsaved(tables, saved)
        found.uncommitted = []  # there is no candidate
        seen = _Seen(found, texts)
        applied = read_applied(texts.get(APPLIED))
        if applied is None:
            found.tell("APPL_DB", read.refused(texts.get(APPLIED)) or "the buffers in effect are not seen")
        found.own = Own(tables, seen.watchdog, applied)
        if tables is not None:
            found.whole.domains = {
                name: {int(dscp): _marking(value) for dscp, value in row.items() if dscp.isdigit()}
                for name, row in tables.get("DSCP_TO_TC_MAP", {}).items()
            }
        for name in ports_of(part):
            found.ports[name] = _port(found, name, tables, seen, part)
        return found

    def steps(self, part: Part, found: Found, takeover: bool = False) -> Steps:
        plan = Steps()
        tables = found.own.tables if isinstance(found.own, Own) else None
        if tables is None:
            plan.conflicts.append(
                "{}: CONFIG_DB was not read, so nothing is planned".format(next(iter(part["switches"])))
            )
            return plan
        made = changes(part, tables, takeover)
        plan.conflicts = made.conflicts
        lines = tuple(entry.line for entry in entries(made))
        plan.blocks = [Block((), lines)] if lines else []
        plan.before, plan.after = diff_texts(made)
        return plan

    def verify(self, part: Part, found: Found) -> Differences:
        own = found.own if isinstance(found.own, Own) else Own(None, None, None)
        return verified(part, found, own.tables, own.watchdog, own.applied)


def _marking(value: str) -> Marking:
    return value, None  # SONiC colours no packets here


class _Seen:
    """What each show command told, by port; None: not answered, or not understood (a note says so)."""

    def __init__(self, found: Found, texts: Mapping[str, str | None]) -> None:
        self.priority = read.parse_pfc_priority(texts.get("show pfc priority"))
        self.asymmetric = read.parse_pfc_asymmetric(texts.get("show pfc asymmetric"))
        self.counters = read.parse_pfc_counters(texts.get("show pfc counters"))
        self.watchdog = read.parse_watchdog_config(texts.get("pfcwd show config"))
        self.storms = read.parse_watchdog_stats(texts.get("pfcwd show stats"))
        self.ecn = read.parse_ecn(texts.get("show ecn"))
        self.queues = read.parse_queue_drops(texts.get("show queue counters"))
        self.groups = read.parse_groups(texts.get("show priority-group drop counters"))
        self.headroom = read.parse_groups(texts.get("show priority-group watermark headroom"))
        self.interfaces = read.parse_interfaces(texts.get("show interfaces status"))
        self.errors = read.parse_receive_errors(texts.get("show interfaces counters"))
        self.lldp = read.parse_lldp(texts.get("show lldp table"))
        self.optics = read.parse_transceivers(texts.get("show interfaces transceiver eeprom --dom"))
        for command, told in (
            ("show pfc priority", self.priority),
            ("show pfc counters", self.counters),
            ("pfcwd show config", self.watchdog),
            ("pfcwd show stats", self.storms),
            ("show queue counters", self.queues),
            ("show priority-group drop counters", self.groups),
            ("show interfaces status", self.interfaces),
            ("show interfaces counters", self.errors),
            ("show lldp table", self.lldp),
            ("show interfaces transceiver eeprom --dom", self.optics),
        ):
            if told is None:
                found.tell(command, read.refused(texts.get(command)) or "not answered, or not understood")


def _port(found: Found, name: str, tables: Tables | None, seen: _Seen, part: Part) -> Port:
    port = Port(name)
    want = wanted(part, tables)
    interface = (seen.interfaces or {}).get(name)
    if interface is not None:
        port.exists = True
        port.link, port.link_reason, port.speed_mbps = interface.link, interface.reason, interface.speed_mbps
        # The MTU is of the IP packet; a frame has 14 bytes of header and 4 of FCS more.
        port.max_frame_bytes = None if interface.mtu_bytes is None else interface.mtu_bytes + 18
    elif tables is not None:
        port.exists = name in tables.get("PORT", {})
    if tables is not None:
        _configured(port, tables, part)
        _buffered(port, found.own.applied or tables, want.priority)
    shown = (seen.priority or {}).get(name)
    if shown is not None:
        port.pfc.priorities = shown
        port.pfc.enabled = bool(shown)
    storm = (seen.storms or {}).get(name, {}).get(want.queue)
    if storm is not None:
        port.turned_off = storm.stormed
    elif seen.storms is not None and seen.watchdog is not None and name in seen.watchdog:
        port.turned_off = False  # a queue without a storm may not be listed
    port.counters = _counters(name, seen, want.priority, want.queue)
    port.neighbor_seen = True if seen.lldp is not None else None
    neighbors = (seen.lldp or {}).get(name, [])
    if len(neighbors) == 1:
        port.neighbor = neighbors[0]
    elif neighbors:
        found.tell(name, f"{len(neighbors)} neighbours are heard; which is at the cable's end is not known")
    port.optics = (seen.optics or {}).get(name)
    return port


def _counters(name: str, seen: _Seen, priority: int, queue: int) -> Document:
    """Both ends of loss: packets refused at ingress by the lossless group, and dropped at egress by the queue."""
    pause = (seen.counters or {}).get(name)
    ingress = (seen.groups or {}).get(name, {}).get(priority)
    egress = (seen.queues or {}).get(name, {}).get(queue)
    drops = None if ingress is None or egress is None else ingress + egress
    storm = (seen.storms or {}).get(name, {}).get(queue)
    return {
        "crc_errors": (seen.errors or {}).get(name),
        "drops": drops,
        "pfc_rx_frames": None if pause is None else pause.received.get(priority),
        "pfc_tx_frames": None if pause is None else pause.sent.get(priority),
        "ecn_marked": None,  # ecnconfig shows thresholds, not packets
        "deadlocks": None if storm is None else storm.detected,
    }


def _configured(port: Port, tables: Tables, part: Part) -> None:
    """What CONFIG_DB alone tells of a port."""
    want = wanted(part, tables)
    row = tables.get("PORT_QOS_MAP", {}).get(port.name, {})
    shared = tables.get("PORT_QOS_MAP", {}).get("global", {})
    dscp = name_of(row.get("dscp_to_tc_map")) or name_of(shared.get("dscp_to_tc_map"))
    port.trust = "dscp" if dscp else "802.1p" if "dot1p_to_tc_map" in row else "none"
    port.domain = dscp
    port.pfc.priorities = read.priorities(row.get("pfc_enable", ""))
    port.pfc.enabled = None if port.pfc.priorities is None else bool(port.pfc.priorities)
    port.pfc.mode = "manual" if port.pfc.enabled else None
    port.pfc.profile = name_of(row.get("pfc_to_queue_map"))
    queue = covering(tables, "QUEUE", port.name, want.queue)
    port.ecn.profile = name_of(tables.get("QUEUE", {}).get(queue or "", {}).get("wred_profile"))
    wred = tables.get("WRED_PROFILE", {}).get(port.ecn.profile or "", {})
    mode = wred.get("ecn", "ecn_none")
    port.ecn.enabled = mode == "ecn_all" or "green" in mode
    port.ecn.kind = "static" if port.ecn.enabled else None
    port.ecn.low_limit_bytes = _number(wred.get("green_min_threshold"))
    port.ecn.high_limit_bytes = _number(wred.get("green_max_threshold"))
    port.ecn.discard_percentage = _number(wred.get("green_drop_probability"))


def _buffered(port: Port, tables: Tables, group: int) -> None:
    """The lossless buffer, as in effect where that is seen."""
    key = covering(tables, "BUFFER_PG", port.name, group)
    profile = name_of(tables.get("BUFFER_PG", {}).get(key or "", {}).get("profile"))
    values = tables.get("BUFFER_PROFILE", {}).get(profile or "", {})
    port.buffer.headroom_bytes = _number(values.get("xoff"))
    if "dynamic_th" in values:
        port.buffer.form, port.buffer.xoff = "dynamic", _number(values["dynamic_th"])
    elif "static_th" in values:
        port.buffer.form, port.buffer.xoff_bytes = "static", _number(values["static_th"])


def _number(text: str | None) -> int | None:
    """A whole number; ``dynamic_th`` may be negative."""
    return int(text) if text is not None and text.lstrip("-").isdigit() and len(text) < 20 else None
