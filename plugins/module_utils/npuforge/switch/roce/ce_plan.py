"""From what a Huawei CE has configured and the plan's part for it to the lines that must be entered.

The toolkit's own objects bear its name: PFC profile, DiffServ domain and drop profile ``npuforge``. So the switch's PFC
profile ``default`` (whose lossless priority is 3), its domain ``default`` and people's profiles are never edited, and
what the toolkit made itself can be repaired without asking. A port that uses another's objects is right as soon as they
have the planned effect. Where people's configuration stands against the plan, the port is left alone as a whole (half
of the settings would be worse than none) and the conflict is told; ``takeover`` replaces it.

Lines and their order: Huawei CE6800/CE8800 V300R023C00 command reference and its lossless network guide.
"""

from __future__ import annotations

import re
from typing import Any, Sequence

from . import ce_config
from .ce_read import Configured, ai_queues, slots
from .driver import Part, ports_of, switch_of
from .model import Block, Found, PfcProfile, Port, Steps

NAME = "npuforge"
DOMAIN = f"diffserv domain {NAME}"
DROP = f"drop-profile {NAME}"
PROFILE = f"dcb pfc {NAME}"


class Wanted:
    """The plan's part for one switch in this command line's words."""

    def __init__(self, part: Part) -> None:
        switch = switch_of(part)
        qos = part["qos"]
        self.name = str(switch["name"])
        self.queue = int(qos["queue"])
        self.priorities = sorted(int(each) for each in part["pfc"]["lossless_priorities"])
        self.times = {
            "deadlock-detect": part["pfc"]["deadlock"].get("detect_time"),
            "deadlock-recovery": part["pfc"]["deadlock"].get("recovery_time"),
            "turn-off": part["pfc"]["deadlock"].get("turn_off_threshold"),
        }
        self.markings = {int(qos["dscp"]): str(qos["phb"]).lower()}
        cnp = qos.get("cnp") or {}
        if cnp.get("dscp") is not None and cnp.get("phb"):
            self.markings[int(cnp["dscp"])] = str(cnp["phb"]).lower()
        self.low, self.high = int(part["ecn"]["low_limit_bytes"]), int(part["ecn"]["high_limit_bytes"])
        self.percentage = int(part["ecn"]["discard_percentage"])
        self.pool_kib = switch.get("headroom_pool_kib")
        self.dscp_mapping = bool(switch.get("dscp_mapping"))
        self.buffer: Part = switch.get("buffer") or {}
        self.frame = part["link"].get("max_frame_bytes")
        self.slots = slots(part)
        self.ports = list(ports_of(part))

    def xoff(self) -> str:
        """``dynamic 6`` or ``static 300 kbytes``."""
        if self.buffer.get("form") == "static":
            return f"static {int(self.buffer['xoff_bytes']) // 1024} kbytes"
        return f"dynamic {int(self.buffer['xoff'])}"

    def buffer_lines(self, pair: bool) -> list[str]:
        """The thresholds of the lossless queue. ``pair``: the model sets xon with xoff and has no headroom per queue.

        Without a planned xon the pair's follows the manual: half the alpha (its example), four fifths of a size (its
        default, 100 of 125 KiB).
        """
        queue, xon = self.queue, self.buffer.get("xon")
        if pair and self.buffer.get("form") == "static":
            size = int(self.buffer["xoff_bytes"]) // 1024
            return [f"dcb pfc buffer {queue} xon static {xon or max(1, size * 4 // 5)} kbytes xoff {self.xoff()}"]
        if pair:
            alpha = int(self.buffer["xoff"]) // 2 if xon is None else xon
            return [f"dcb pfc buffer {queue} xon dynamic {alpha} xoff {self.xoff()}"]
        lines = [f"dcb pfc buffer {queue} xoff {self.xoff()}"]
        if self.buffer.get("headroom_bytes"):
            lines.append(f"dcb pfc buffer {queue} hdrm {int(self.buffer['headroom_bytes']) // 1024} kbytes")
        return lines

    def marks(self, mapping: Any) -> bool:
        """Whether a domain maps the planned DSCPs to the planned behaviours, all green."""
        return mapping is not None and all(mapping.get(d) == (phb, "green") for d, phb in self.markings.items())

    def lossless(self, profile: PfcProfile | None) -> bool:
        """Whether a PFC profile has the planned priorities and times."""
        return profile is not None and profile.priorities == self.priorities and not self.time_lines(profile)

    def time_lines(self, profile: PfcProfile) -> list[str]:
        """Lines for the deadlock times that differ. Only the planned priorities are looked at."""
        have = {
            "deadlock-detect": profile.detect_time,
            "deadlock-recovery": profile.recovery_time,
            "turn-off": profile.turn_off_threshold,
        }
        lines = []
        for priority in self.priorities:
            for kind, value in self.times.items():
                if value is not None and have[kind].get(priority, value) != value:
                    word = "threshold" if kind == "turn-off" else "time"
                    lines.append(f"priority {priority} {kind} {word} {value}")
        return lines

    def congests(self, found: Found, profile: str | None) -> bool:
        """Whether a drop profile has the planned limits."""
        drop = (found.whole.drop_profiles or {}).get(profile or "")
        return drop is not None and drop == (self.low, self.high, self.percentage, "bytes")

    def pair(self, found: Found) -> bool:
        """Whether this model sets xon and xoff as a pair: as its own table shows, else as its need of a pool says (the
        manual has both for the same models)."""
        shown = found.own.xon_layout if isinstance(found.own, Configured) else None
        return bool(shown) if shown is not None else self.pool_kib is None and not self.dscp_mapping


def steps(part: Part, found: Found, takeover: bool = False) -> Steps:
    """``Driver.steps`` of Huawei CE. Nothing is planned where the configuration was not seen."""
    made = Steps()
    if not isinstance(found.own, Configured):
        return made
    wanted, tree = Wanted(part), found.own.tree
    planner = _Planner(wanted, found, takeover)
    ports = {name: planner.port(found.ports[name]) for name in wanted.ports if name in found.ports}
    first, last = planner.whole([lines for lines in ports.values() if lines])
    made.blocks = first
    made.blocks += [Block((f"interface {name}",), tuple(lines)) for name, lines in ports.items() if lines]
    made.blocks += last
    made.conflicts = planner.conflicts
    paths = list(dict.fromkeys(block.view for block in made.blocks))
    changed = {path: list(lines) for path, lines in tree.items()}
    for block in made.blocks:
        if block.view and block.view[-1] not in changed.setdefault(block.view[:-1], []):
            changed[block.view[:-1]].append(block.view[-1])
        changed[block.view] = ce_config.after(changed.get(block.view, []), block.lines)
    made.before, made.after = _texts(tree, changed, paths)
    return made


def _texts(before: ce_config.Views, after: ce_config.Views, paths: Sequence[ce_config.Path]) -> tuple[str, str]:
    """The touched views before and after; of the system view only the lines that change."""
    old, new = before.get((), []), after.get((), [])
    gone, come = [line for line in old if line not in new], [line for line in new if line not in old]
    inner = [path for path in paths if path]
    headers = {path[0] for path in inner}
    texts = []
    for tree, lines in ((before, gone), (after, [line for line in come if line not in headers])):
        top = "".join(f"{line}\n" for line in lines)
        texts.append(ce_config.mask(top) + ("#\n" if top and inner else "") + ce_config.render(tree, inner))
    return texts[0], texts[1]


class _Planner:
    """One pass over the switch. ``conflicts`` fills as ports are looked at."""

    def __init__(self, wanted: Wanted, found: Found, takeover: bool) -> None:
        self.wanted = wanted
        self.found = found
        self.takeover = takeover
        self.conflicts: list[str] = []
        self.system: list[str] = []  # lines of the system view that a takeover needs first
        self.ai: Block | None = None
        self.tree = found.own.tree
        self.own = (found.whole.pfc_profiles or {}).get(NAME)
        self.blocked = self._global_conflicts()

    def _conflict(self, sentence: str, *remedy: str) -> bool:
        """Tell it, or plan its end. True: it stands."""
        if self.takeover and remedy:
            self.system += remedy
            return False
        self.conflicts.append(sentence)
        return True

    def _global_conflicts(self) -> bool:
        """True: no port can be configured."""
        wanted, system = self.wanted, self.tree[()]
        blocked = False
        if "dcb pfc global disable" in system:
            blocked |= self._conflict(f"{wanted.name}: PFC is disabled globally", "undo dcb pfc global disable")
        others = [name for name in self.found.whole.pfc_profiles or {} if name not in ("default", NAME)]
        maximum = self.found.own.profile_maximum
        if self.own is None and maximum is not None and len(others) + 1 >= maximum and self._needs_profile():
            names = ", ".join(["default", *others])
            blocked |= self._conflict(
                f"{wanted.name}: all {maximum} PFC profiles are taken ({names}), there is no room for {NAME}"
            )
        return blocked

    def _needs_profile(self) -> bool:
        profiles = self.found.whole.pfc_profiles or {}
        return any(
            not wanted_profile(self.wanted, profiles, self.found.ports[name])
            for name in self.wanted.ports
            if name in self.found.ports
        )

    def port(self, port: Port) -> list[str]:
        """Lines for one port; none where it is as planned, unknown, or in conflict."""
        if not port.exists or f"interface {port.name}" not in self.tree[()] or self.blocked:
            return []
        lines = ce_config.lines_of(self.tree, f"interface {port.name}")
        before = len(self.conflicts)
        undone: list[str] = []
        for sentence, remedy in self._port_conflicts(port, lines):
            if self.takeover and remedy:
                undone += remedy
            else:
                self.conflicts.append(f"{port.name}: {sentence}")
        if len(self.conflicts) > before:
            return []
        return list(dict.fromkeys(undone)) + self._port_lines(port, ce_config.after(lines, undone))

    def _port_conflicts(self, port: Port, lines: Sequence[str]) -> list[tuple[str, list[str]]]:
        wanted, whole = self.wanted, self.found.whole
        told: list[tuple[str, list[str]]] = []
        trunk = next((line for line in lines if line.startswith("eth-trunk ")), None)
        if trunk:
            told.append((f"is a member of Eth-Trunk {trunk.split()[1]}, where its QoS is configured", []))
        for line in lines:
            if re.match(r"^flow-control\b", line):
                told.append((f"802.3x flow control is configured ({line}), which excludes PFC", ["undo flow-control"]))
            if re.match(r"^trust 8021p\b", line):
                told.append((f"trust is configured as 802.1p ({line}), planned dscp", ["undo trust"]))
        domain = _configured_domain(lines)
        if domain not in ("default", NAME) and not wanted.marks((whole.domains or {}).get(domain)):
            told.append(
                (f"diffserv domain {domain} is applied, which does not map as planned", ["undo trust upstream"])
            )
        enable = _configured_pfc(lines)
        if enable is not None:
            told += self._pfc_conflicts(*enable)
        wred = _configured_wred(lines, wanted.queue)
        if wred not in (None, NAME) and not wanted.congests(self.found, wred):
            undo = [f"undo qos queue {wanted.queue} wred"]
            told.append(
                (f"drop profile {wred} is applied to queue {wanted.queue}, its limits are not the planned", undo)
            )
        if self.own is None or enable is None or enable[0] != NAME:  # another's port: its buffers are people's
            for line in lines:
                if re.match(rf"^dcb pfc buffer {wanted.queue} (?:xoff|xon|hdrm)\b", line) and not self._planned(line):
                    told.append((f"buffer of queue {wanted.queue} is configured otherwise ({line})", [f"undo {line}"]))
        if wanted.queue in ai_queues(self.tree):
            if self.takeover:
                self.ai = Block(("ai-service", "ai-ecn"), (f"undo assign queue {wanted.queue}",))
            else:
                told.append((f"queue {wanted.queue} has AI ECN, which excludes the planned limits", []))
        return told

    def _pfc_conflicts(self, profile: str, mode: str) -> list[tuple[str, list[str]]]:
        wanted = self.wanted
        undo = ["undo dcb pfc enable"]
        if mode != "manual":
            return [(f"PFC is in mode {mode} (profile {profile}), planned manual: NPUs do not negotiate", undo)]
        have = (self.found.whole.pfc_profiles or {}).get(profile)
        if profile == NAME or wanted.lossless(have):
            return []
        planned = ", ".join(map(str, wanted.priorities))
        if have is None:
            return [(f"PFC profile {profile} is applied, and what is in it was not seen", undo)]
        if have.priorities == wanted.priorities:
            return [(f"PFC profile {profile} is applied, its deadlock times are not the planned", undo)]
        priorities = ", ".join(map(str, have.priorities)) or "none"
        return [(f"PFC profile {profile} is applied with priorities {priorities}, planned {planned}", undo)]

    def _planned(self, line: str) -> bool:
        """Whether a buffer line is one of the planned ones, whatever the unit it is written in."""
        return any(_size(line) == _size(each) for each in self.wanted.buffer_lines(self.wanted.pair(self.found)))

    def _port_lines(self, port: Port, lines: Sequence[str]) -> list[str]:
        wanted, found = self.wanted, self.found
        made = []
        if "trust dscp" not in lines and "undo portswitch" not in lines:
            made.append("trust dscp")
        domain = _configured_domain(lines)
        if domain != NAME and not wanted.marks((found.whole.domains or {}).get(domain)):
            made.append(f"trust upstream {NAME}")
        enable = _configured_pfc(lines)
        if enable is None:
            made.append(f"dcb pfc enable {NAME} mode manual")
        for line in wanted.buffer_lines(wanted.pair(found)):
            same = [old for old in lines if ce_config.setting(old) == ce_config.setting(line)]
            if not any(_size(old) == _size(line) for old in same) and not (not same and self._in_effect(port, line)):
                made.append(line)
        wred = _configured_wred(lines, wanted.queue)
        if wred != NAME and not wanted.congests(found, wred):
            made.append(f"qos queue {wanted.queue} wred {NAME}")
        if f"qos queue {wanted.queue} ecn" not in lines:
            made.append(f"qos queue {wanted.queue} ecn")
        return made

    def _in_effect(self, port: Port, line: str) -> bool:
        """A planned value that is the switch's default needs no line (and would show none)."""
        if not port.pfc.enabled:
            return False
        if " hdrm " in line:
            return port.buffer.headroom_bytes == self.wanted.buffer.get("headroom_bytes")
        return _same_xoff(self.wanted, port)

    def whole(self, ports: Sequence[Sequence[str]]) -> tuple[list[Block], list[Block]]:
        """Blocks before and after the ports' own. Our objects are made when a port needs them, and kept right while
        any uses them."""
        wanted, found, system = self.wanted, self.found, self.tree[()]
        top = list(dict.fromkeys(self.system))
        if "lldp enable" not in system:
            top.append("lldp enable")  # without it nobody can tell whether the cables are where they should be
        if not self.blocked:
            top += self._pool_lines()
            if wanted.dscp_mapping and not found.whole.dscp_mapping:
                lines = [f"dcb pfc dscp-mapping enable slot {slot}" for slot in wanted.slots]
                top += [line for line in lines if line not in system]
        first = [Block((), tuple(top))] if top else []
        last: list[Block] = []
        uses = [line for lines in ports for line in lines] + [
            line for name in wanted.ports for line in ce_config.lines_of(self.tree, f"interface {name}")
        ]
        if any(line.startswith(f"dcb pfc enable {NAME} ") or line == f"dcb pfc enable {NAME}" for line in uses):
            first, last = self._profile_blocks(first)
        if f"trust upstream {NAME}" in uses:
            have = (found.whole.domains or {}).get(NAME)
            lines = [
                f"ip-dscp-inbound {dscp} phb {phb} green"
                for dscp, phb in sorted(wanted.markings.items())
                if have is None or have.get(dscp) != (phb, "green")
            ]
            if lines or DOMAIN not in system:
                first.append(Block((DOMAIN,), tuple(lines)))
        if f"qos queue {wanted.queue} wred {NAME}" in uses and not wanted.congests(found, NAME):
            limits = f"buffer-size low-limit {wanted.low} high-limit {wanted.high}"
            lines = [f"color green {limits} discard-percentage {wanted.percentage}"]
            if any(line.startswith("ecn ") for line in ce_config.lines_of(self.tree, DROP)):
                lines.insert(0, "undo ecn")
            first.append(Block((DROP,), tuple(lines)))
        if self.ai is not None:
            first.append(self.ai)
        return first, last

    def _profile_blocks(self, first: list[Block]) -> tuple[list[Block], list[Block]]:
        """A profile begins with priority 3, and ``priority`` adds. The times come last: the manual wants the profile
        to be applied to a port before."""
        wanted, own = self.wanted, self.own or PfcProfile([3])
        lines = [f"priority {priority}" for priority in wanted.priorities if priority not in own.priorities]
        lines += [f"undo priority {priority}" for priority in own.priorities if priority not in wanted.priorities]
        if lines or self.own is None:
            first = [*first, Block((PROFILE,), tuple(lines))]
        fresh = dict.fromkeys(wanted.priorities, 10)
        times = wanted.time_lines(self.own or PfcProfile(wanted.priorities, fresh, fresh, dict.fromkeys(fresh, 30)))
        return first, [Block((PROFILE,), tuple(times))] if times else []

    def _pool_lines(self) -> list[str]:
        wanted, system = self.wanted, self.tree[()]
        if wanted.pool_kib is None:
            return []
        made = []
        for slot in wanted.slots:
            line = f"qos buffer headroom-pool size {wanted.pool_kib} kbytes slot {slot}"
            old = next((each for each in system if ce_config.setting(each) == ce_config.setting(line)), None)
            if old is None or (_size(old) != _size(line) and self.own is not None):
                made.append(line)
            elif _size(old) != _size(line):
                sentence = (
                    f"{wanted.name}: the headroom pool is configured otherwise ({old}), planned {wanted.pool_kib} KiB"
                )
                if not self.takeover:
                    self.conflicts.append(sentence)
                else:
                    made.append(line)
        return made


def wanted_profile(wanted: Wanted, profiles: Any, port: Port) -> bool:
    """Whether the profile that a port uses is as planned."""
    return bool(port.pfc.enabled) and wanted.lossless(profiles.get(port.pfc.profile or ""))


def _same_xoff(wanted: Wanted, port: Port) -> bool:
    if wanted.buffer.get("form") != port.buffer.form:
        return False
    if port.buffer.form == "dynamic":
        return port.buffer.xoff == wanted.buffer.get("xoff")
    return size_near(port.buffer.xoff_bytes, wanted.buffer.get("xoff_bytes"))


def size_near(have: int | None, planned: int | None) -> bool:
    """Sizes that are the same once the switch rounded up to its blocks, and to whole KiB on the screen."""
    return have is not None and planned is not None and abs(have - planned) <= 1024


def _configured_domain(lines: Sequence[str]) -> str:
    return next((line.split()[2] for line in lines if line.startswith("trust upstream ")), "default")


def _configured_pfc(lines: Sequence[str]) -> tuple[str, str] | None:
    """(profile, mode) of ``dcb pfc enable [profile] [mode x]``."""
    words = next((line.split()[3:] for line in lines if re.match(r"^dcb pfc enable\b", line)), None)
    if words is None:
        return None
    mode = words[words.index("mode") + 1] if "mode" in words[:-1] else "manual"
    return (words[0] if words and words[0] != "mode" else "default"), mode


def _configured_wred(lines: Sequence[str], queue: int) -> str | None:
    return next((line.split()[4] for line in lines if line.startswith(f"qos queue {queue} wred ")), None)


def _size(line: str) -> str:
    """The line with every size in KiB: ``4 mbytes`` is ``4096 kbytes``, and kbytes is the default unit."""
    line = re.sub(r"\b(\d{1,6}) mbytes\b", lambda match: f"{int(match.group(1)) * 1024} kbytes", line)
    return re.sub(r"\b((?:static|hdrm) \d{1,9})(?! (?:k|m)?bytes)\b", r"\1 kbytes", line)
