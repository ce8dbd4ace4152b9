"""What the ``display`` commands print. Each function names the capture or manual page whose shape it follows.

[CR] is Huawei's "CE8800, CE7800, CE6800, CE5800 V300R023C00 Command Reference"; captures are named by device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lab.switch.config import SYSTEM, Path, Tree, changes, uncommitted
from lab.switch.device import MANAGEMENT, VLANIF, Alarm, Device, interfaces, link, ports, supplies

RULE = "-" * 80
PSU_VOLTS = 12.0
LLDP_EXPIRY_SECONDS = 120

INTERFACE_LEGEND = """\
PHY: Physical
*down: administratively down
^down: standby
(l): loopback
(s): spoofing
(b): BFD down
(e): ETHOAM down
(d): Dampening Suppressed
(p): port alarm down
(dl): DLDP down
(c): CFM down"""


def version(device: Device) -> str:
    """[CR] display version (All views), the product version with its SPC as VRP captures have it. The lines that need
    facts which the world lacks (BIOS, CPLD) are left out."""
    document = device.read()
    family = re.sub(r"^(CE\d)\d*.*$", r"\g<1>800", document["model"])
    up = uptime(device.clock() - device.store.state()["booted"])
    started = _moment(device.store.state()["booted"]).strftime("%Y/%m/%d   %H:%M:%S")
    return "\n".join(
        [
            "Huawei Versatile Routing Platform Software",
            f"YunShan OS, Version 1.23.0.1 ({family} {document['version']})",
            "Copyright (C) 2021-2023 Huawei Technologies Co., Ltd.",
            f"HUAWEI {document['model']} uptime is {up}",
            f"Patch Version: {document.get('patch') or '--'}",
            "",
            f"{document['model']} (Master) 1 : uptime is  {up}",
            f"        StartupTime {started}",
            "Memory      Size    : 4096 M bytes",
            "Flash       Size    : 2048 M bytes",
            f"{document['model']} version information:",
            f"1.PCB       Version : CEM{document['model'].partition('-')[2]} VER A",
            "2.MAB       Version : 0",
            f"3.Board     Type    : {document['model']}",
        ]
    )


def parts(device: Device) -> str:
    """[CR] display device, unwrapped as in a CE6850 capture (ntc-templates huawei_vrp display_device_all): what is
    not there has no row."""
    document = device.read()
    header = "Slot  Card   Type                     Online   Power Register     Alarm     Primary"
    rows = [_part_row("1", "-", document["model"], True, primary="Master")]
    rows += [
        _part_row("", f["slot"], f.get("model", "FAN"), supplies(f) and _sound(f)) for f in _there(document, "fans")
    ]
    rows += [
        _part_row("", p["slot"], p["model"], supplies(p) and _sound(p), power=supplies(p))
        for p in _there(document, "psus")
    ]
    return "\n".join([f"{document['model']}'s Device status:", RULE, header, RULE, *rows, RULE])


def _part_row(slot: str, card: str, kind: str, normal: bool, *, primary: str = "NA", power: bool = True) -> str:
    state = "Normal" if normal else "Abnormal"
    return (
        f"{slot:<6}{card:<7}{kind:<25}{'Present':<9}{'On' if power else 'Off':<6}{'Registered':<13}{state:<10}{primary}"
    )


def elabel(device: Device) -> str:
    """[CR] display device elabel slot 1 brief."""
    document = device.read()
    blocks = [_elabel_block("[1]", document["model"], document["serial"], document)]
    for part in _there(document, "psus"):
        if part.get("serial"):
            blocks.append(_elabel_block(f"[{part['slot']}]", part["model"], part["serial"], part))
    return "\n\n\n".join(blocks)


def elabel_brief(device: Device) -> str:
    """[CR] display device elabel brief: every part that is there, "--" for what has no label. It is what [CR] has for
    serial numbers: ``display device manufacture-info`` is of older generations (CE5850 captures) and refused here."""
    document = device.read()
    rows = [_label_row("1", "--", document["model"], document)]
    rows += [_label_row("", fan["slot"], fan.get("model"), fan) for fan in _there(document, "fans")]
    rows += [_label_row("", psu["slot"], psu["model"], psu) for psu in _there(document, "psus")]
    return "\n".join(
        [
            f"Equipment SN(ESN): {document['serial']}",
            "License ESN: --",
            "-" * 79,
            "SlotID     Sub    Type                  SN                       P/N",
            "-" * 79,
            *rows,
            "-" * 78,
        ]
    )


def _label_row(slot: str, sub: str, kind: str | None, part: Mapping[str, Any]) -> str:
    serial = part.get("serial")
    shown = kind if serial and kind else "--"
    return f"{slot:<11}{sub:<7}{shown:<22}{serial or '--':<25}{part.get('part_number') or '--'}"


def _elabel_block(title: str, model: str, serial: str, of: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            title,
            "/$[ArchivesInfo Version]",
            "/$ArchivesInfoVersion=3.0",
            "",
            "",
            "[Board Properties]",
            f"BoardType={model}",
            f"BarCode={serial}",
            f"Item={of.get('part_number') or ''}",
            f"Description={model}",
            f"Manufactured={_manufactured(of)}",
            f"VendorName={of.get('manufacturer') or 'Huawei'}",
            "IssueNumber=00",
            "CLEICode=",
            "BOM=",
            f"Model={model}",
            "/$ElabelVersion=4.0",
        ]
    )


def esn(device: Device) -> str:
    """[CR] display device esn."""
    return f" ESN of slot 1: {device.read()['serial']}"


def patch(device: Device) -> str:
    """[CR] display patch-information; without a patch as in [CR] display diagnostic-information."""
    document = device.read()
    if not document.get("patch"):
        return "Info: No patch exists.\nThe current state is: Idle"
    started = _moment(device.store.state()["booted"]).strftime("%Y-%m-%d %H:%M:%S")
    return "\n".join(
        [
            f"Patch Package Name    :flash:/{document['patch']}.PAT",
            f"Patch Package Version :{document['patch']}",
            "Patch Package State   :Running",
            f"Patch Package Run Time:{started}",
        ]
    )


def power(device: Device) -> str:
    """[CR] display device power. A module that is not there is "NO" and has nothing to read ("N/A")."""
    document = device.read()
    feeding = sum(1 for psu in document["psus"] if supplies(psu))
    rows = []
    for index, psu in enumerate(document["psus"]):
        watts = round(document["power_watts"] / feeding) if supplies(psu) else 0
        volts = PSU_VOLTS if supplies(psu) else 0.0
        rated = psu["capacity_watts"]
        slot = "1" if index == 0 else ""
        if psu["present"]:
            state = "Supply" if supplies(psu) else "NotSupply"
            amperes = watts / PSU_VOLTS
            rows.append(
                f"{slot:<7}{psu['slot']:<9}{'YES':<8}{'AC':<5}{state:<10}{amperes:>7.1f}{volts:>11.1f}{watts:>14}{rated:>13}"
            )
        else:
            rows.append(
                f"{slot:<7}{psu['slot']:<9}{'NO':<8}{'N/A':<5}{'N/A':<10}{'N/A':>7}{'N/A':>11}{'N/A':>14}{'N/A':>13}"
            )
    rule = "-" * 84
    heads = [
        "Slot   PowerNo  Present Mode State     Current    Voltage   ActualPower   RatedPower",
        "                                       (Ampere)   (Volt)    (Watts)       (Watts)",
    ]
    return "\n".join([rule, *heads, rule, *rows, rule])


def fan(device: Device) -> str:
    """[CR] display device fan: two lines per fan module; "--" for what a missing module cannot say."""
    rule = "-" * 113
    head = (
        "Slot       FanID      FanNum      Present      Register      Status      Speed        Mode      "
        "Airflow Direction"
    )
    rows = []
    for index, item in enumerate(device.read()["fans"]):
        slot = "1" if index == 0 else ""
        if not item["present"]:
            columns = f"{'NO':<13}{'--':<14}{'--':<12}{'--':<13}{'--':<10}--"
            rows.append(f"   {slot:<8}{item['slot']:<11}{'[ 1 ]':<12}{columns}")
            continue
        rpm = item["rpm"] if supplies(item) else 0
        status = "Normal" if supplies(item) and _sound(item) else "Abnormal"
        speed = f"{round(100 * rpm / item['max_rpm'])}%({rpm})"
        columns = f"{'YES':<13}{'YES':<14}{status:<12}{speed:<13}{'Auto':<10}Front-to-Back"
        rows.append(f"   {slot:<8}{item['slot']:<11}{'[ 1 ]':<12}{columns}")
        rows.append(f"{'':<24}{'1':<49}{rpm}")
    return "\n".join(["Fan module:", rule, head, rule, *rows, rule])


def interface_brief(device: Device) -> str:
    """[CR] display interface brief."""
    legend = f"{INTERFACE_LEGEND}\n(sd): STP instance discarding\n(ms): MACsec down\n(ed): error down"
    head = [
        "InUti/OutUti: input utility rate/output utility rate",
        "Interface                  PHY      Protocol  InUti OutUti   inErrors  outErrors",
    ]
    document, running = device.read(), device.store.running()
    rows = []
    for name in interfaces(document):
        physical, protocol = port_status(document, running, name)
        rows.append(f"{name:<25}{physical:<9}{protocol:<10}{'0%':>5}{'0%':>7}{0:>11}{0:>11}")
    return "\n".join([legend, *head, *rows])


def interface_description(device: Device) -> str:
    """[CR] display interface description."""
    document, running = device.read(), device.store.running()
    head = "Interface                     PHY     Protocol Description"
    rows = []
    for name in interfaces(document):
        physical, protocol = port_status(document, running, name)
        text = (running.get((f"interface {name}",), "description") or "").partition(" ")[2]
        rows.append(f"{name:<30}{physical:<8}{protocol:<9}{text}".rstrip())
    return "\n".join([f"{INTERFACE_LEGEND}\n(ms): MACsec down\n(ed): error down", head, *rows])


def lldp_brief(device: Device) -> str:
    """[CR] display lldp neighbor brief; the answer without LLDP is the one that ansible's ce_facts knows."""
    if device.store.running().get(SYSTEM, "lldp enable") is None:
        return "Info: Global LLDP is not enabled."
    document, running = device.read(), device.store.running()
    rows = []
    for name in ports(document):
        port = link(document, name) or {}
        neighbor = port.get("neighbor")
        if neighbor and speaks_lldp(document, running, name):
            rows.append(f"{name:<23}{LLDP_EXPIRY_SECONDS:>6}           {neighbor['interface']:<19}{neighbor['device']}")
    head = "Local Interface         Exptime(s) Neighbor Interface      Neighbor Device"
    return "\n".join([head, "-" * 74, *rows])


def clock(device: Device) -> str:
    """[CR] display clock, without daylight saving time; the zone of a device that nobody gave one."""
    now = _moment(device.clock())
    return f"{_stamp(device.clock())}\n{now.strftime('%A')}\nTime Zone(DefaultZoneName) : UTC+00:00"


def alarms(device: Device) -> str:
    """[CR] display alarm active: time and text folded into their columns."""
    rows: list[str] = []
    for alarm in device.alarms():
        when = _moment(alarm.since).strftime("%Y-%m-%d %H:%M:%S").split()
        rows += _folded(f"{alarm.sequence:<11}{alarm.identifier:<11}{alarm.severity:<9}", when, alarm)
    head = "Sequence   AlarmId    Severity Date Time  Description"
    return "\n".join([RULE, head, RULE, *rows])


def _folded(start: str, when: list[str], alarm: Alarm) -> list[str]:
    lines = _hard(alarm.text)
    lines += [""] * (len(when) - len(lines))
    return [
        f"{start if i == 0 else '':<31}{when[i] if i < len(when) else '':<11}{text}".rstrip()
        for i, text in enumerate(lines)
    ]


def _hard(text: str, width: int = 38) -> list[str]:
    """Folded as the device does it: in the middle of words."""
    return [text[start : start + width] for start in range(0, len(text), width)]


def hardware_alarms(device: Device) -> str:
    """[CR] display device alarm hardware."""
    rows: list[str] = []
    for alarm in device.alarms():
        date, hour = _moment(alarm.since).strftime("%Y-%m-%d %H:%M:%S").split()
        first, *more = _hard(alarm.text)
        rows.append(f"{alarm.sequence:<7}{alarm.severity:<9}{date:<11}{hour:<15}{first}".rstrip())
        rows += [f"{'':<42}{text}".rstrip() for text in more]
    return "\n".join([RULE, "Index  Level    Date       Time           Info", RULE, *rows, RULE])


def current_configuration(device: Device, path: Path = SYSTEM) -> str:
    """[CR] display current-configuration, header lines as on a V600R023 device (session capture)."""
    running, state = device.store.running(), device.store.state()
    if path != SYSTEM:
        return "\n".join([*running.text(path), "return"])
    head = [f"!Software Version {device.read()['version']}"]
    for what, key in (("updated", "updated"), ("saved", "saved_at")):
        by = f" by {state[key]['user']}" if state[key]["user"] else ""
        head.append(f"!Last configuration was {what} at {_stamp(state[key]['time'])}{by}")
    return "\n".join([*head, *running.text(), "return"])


def saved_configuration(device: Device) -> str:
    """[CR] display saved-configuration: the same form, of the file for the next startup."""
    return "\n".join([f"!Software Version {device.read()['version']}", *device.store.saved().text(), "return"])


def this(device: Device, path: Path) -> str:
    """[CR] display this: the committed lines of the view one is in."""
    running = device.store.running()
    if path == SYSTEM:
        return "\n".join([*running.text(), "return"])
    return "\n".join([*running.text(path), "return"])


def candidate_changes(device: Device, candidate: Tree) -> str:
    """[CR] display configuration candidate changes."""
    return "\n".join(changes(device.store.running(), candidate))


def candidate_lines(device: Device, candidate: Tree) -> str:
    """[CR] display configuration candidate: "commands that have been configured but not submitted"."""
    return "\n".join(uncommitted(device.store.running(), candidate))


def candidate_merge(candidate: Tree) -> str:
    """[CR] display configuration candidate merge."""
    return "\n".join([*candidate.text(), "return"])


def commit_list(device: Device) -> str:
    """[CR] commit, example with ``display configuration commit list verbose``: newest first."""
    blocks = []
    for index, point in enumerate(reversed(device.store.state()["commits"]), 1):
        when = _moment(point["time"]).strftime("%Y-%m-%d %H:%M:%S")
        fields = {
            "Label": point["label"] or "-",
            "User": point["user"],
            "User-Intf": point["interface"],
            "Type": point["type"],
            "TimeStamp": when,
            "Description": point["description"] or "",
        }
        lines = [f"        {name}: {value}".rstrip() for name, value in fields.items()]
        blocks.append("\n".join([f"{index}) CommitId: {point['id']}", *lines]))
    return "\n\n".join(blocks)


def trial_status(device: Device) -> str:
    """[CR] display configuration trial status."""
    trial = device.store.state()["trial"]
    left = max(0, round(trial["deadline"] - device.clock())) if trial else 0
    lines = [f"Trial status: {'ACTIVE' if trial else 'INACTIVE'}"]
    if trial and trial["persist"]:
        lines.append(f"Persist id: {trial['persist']}")
    return "\n".join([*lines, f"Trial time left (sec): {left}"])


FILTERS: dict[str, Callable[[list[str], re.Pattern[str]], list[str]]] = {
    "include": lambda lines, wanted: [line for line in lines if wanted.search(line)],
    "exclude": lambda lines, wanted: [line for line in lines if not wanted.search(line)],
    "begin": lambda lines, wanted: lines[
        next((i for i, line in enumerate(lines) if wanted.search(line)), len(lines)) :
    ],
}


def port_status(document: Mapping[str, Any], running: Tree, name: str) -> tuple[str, str]:
    """(physical, protocol) as the tables print it."""
    if name == "NULL0":
        return "up", "up(s)"
    if running.get((f"interface {name}",), "shutdown"):
        return "*down", "down"
    port = link(document, name)
    # All ports are in VLAN 1, whose interface is up while one of them is.
    some = name == VLANIF and any(port_status(document, running, each)[0] == "up" for each in ports(document))
    up = name == MANAGEMENT or some or (port is not None and port["link"] == "up")
    return ("up", "up") if up else ("down", "down")


def speaks_lldp(document: Mapping[str, Any], running: Tree, name: str) -> bool:
    """Whether neighbours are heard on a port: it has a link, and nobody disabled LLDP there."""
    disabled = running.get((f"interface {name}",), "lldp disable")
    return not disabled and port_status(document, running, name)[0] == "up"


def _there(document: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [part for part in document[kind] if part["present"]]


def _sound(part: Mapping[str, Any]) -> bool:
    return bool(part["health"] == "OK")


def _manufactured(part: Mapping[str, Any]) -> str:
    return str(part.get("manufactured", "2026-01-15"))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _stamp(seconds: float) -> str:
    return _moment(seconds).strftime("%Y-%m-%d %H:%M:%S+00:00")


def uptime(seconds: float) -> str:
    """``3 days, 0 hour, 1 minute``, as VRP has it."""
    minutes = int(max(0, seconds)) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    return ", ".join(
        f"{n} {unit}{'s' if n > 1 else ''}" for n, unit in ((days, "day"), (hours, "hour"), (rest, "minute"))
    )
