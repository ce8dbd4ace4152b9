"""IPMI for what Redfish lacks: power state, sensors, event log, serial number. Through pyghmi, on the controller only.

pyghmi can wait for ever and keeps threads and sockets of its own, so it runs in a child process with a time limit. The
child gets the password on its standard input: neither its arguments nor its environment show it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from ..common import Document, as_dict, as_list, as_text, note
from .logs import NEWEST
from .wire import Target

LIMIT_SECONDS = 25.0
_POWER = {"on": "on", "off": "off"}
_HEALTH = {1: "warning", 2: "critical", 4: "critical"}


def lacking(facts: Document) -> list[str]:
    """Which of power, serial, sensors and log the Redfish facts have not."""
    missing = []
    if facts["power_state"] is None:
        missing.append("power")
    if not as_dict(facts["identity"]).get("serial"):
        missing.append("serial")
    if facts["sensors"] is None:
        missing.append("sensors")
    if facts["log"] is None:
        missing.append("log")
    return missing


def complete(target: Target, port: int, facts: Document, always: bool) -> list[Document]:
    """Ask IPMI for what ``facts`` lack (for everything when ``always``), write it into ``facts`` where they are null,
    and return the raw evidence. What IPMI cannot tell either stays null, with a note."""
    wanted = ["power", "serial", "sensors", "log"] if always else lacking(facts)
    if not wanted:
        return []
    started = time.monotonic()
    answer = ask(target, port, wanted, LIMIT_SECONDS)
    seconds = round(time.monotonic() - started, 3)
    if answer.get("problem"):
        facts["notes"].append(note("ipmi", "{} was asked of IPMI: {}".format(", ".join(wanted), answer["problem"])))
    _fill(facts, answer)
    argv = ["pyghmi", f"{target.address}:{port}", *wanted]
    text = json.dumps(answer, ensure_ascii=False, sort_keys=True)
    return [
        {"name": "ipmi.json", "argv": argv, "rc": 1 if answer.get("problem") else 0, "seconds": seconds, "text": text}
    ]


def _fill(facts: Document, answer: Document) -> None:
    power = _POWER.get(as_text(answer.get("power")) or "")
    if facts["power_state"] is None:
        facts["power_state"] = power
    elif power and power != facts["power_state"]:
        facts["notes"].append(note("power_state", "Redfish says {}, IPMI says {}".format(facts["power_state"], power)))
    identity = as_dict(facts["identity"])
    serial = as_text(answer.get("serial"))
    if identity.get("serial") is None and serial:
        identity["serial"] = serial
        facts["notes"].append(note("identity.serial", "taken from the FRU through IPMI"))
    if facts["sensors"] is None and isinstance(answer.get("sensors"), list):
        found: dict[str, list[str]] = {"critical": [], "warning": []}
        for item in as_list(answer["sensors"]):
            health = _HEALTH.get(as_dict(item).get("health") or 0)
            if health:
                found[health].append(as_text(as_dict(item).get("name")) or "?")
        facts["sensors"] = {
            "source": "ipmi",
            "critical": sorted(found["critical"]),
            "warning": sorted(found["warning"]),
        }
    if facts["log"] is None and isinstance(answer.get("log"), list):
        entries = [as_dict(item) for item in as_list(answer["log"])]
        log: Document = {"entries_count": len(entries)}
        for name, levels in (("critical", (2, 4)), ("warning", (1,))):
            chosen = [item for item in entries if item.get("severity") in levels]
            log[name] = [
                {"time": as_text(item.get("time")), "message": as_text(item.get("message")) or "no message"}
                for item in chosen[-NEWEST:][::-1]
            ]
        facts["log"] = log


def ask(target: Target, port: int, wanted: list[str], limit: float) -> Document:
    """What the child process answers: ``{power, serial, sensors, log, problem}``, as far as asked and known."""
    request = {
        "address": target.address,
        "port": port,
        "user": target.user,
        "password": target.password,
        "wanted": wanted,
        "path": [entry for entry in sys.path if entry],
    }
    program = (
        "import json, sys; request = json.load(sys.stdin); sys.path[:] = request['path'] + sys.path; "
        f"from {__name__} import child; child(request)"
    )
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG", "HOME", "LC_ALL")}
    child_process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    try:
        output, _ = child_process.communicate(json.dumps(request).encode("utf-8"), timeout=limit)
    except subprocess.TimeoutExpired:
        _kill(child_process)
        return {"problem": f"no answer within {limit:g} s"}
    try:
        return as_dict(json.loads(output.decode("utf-8", "replace")))
    except (ValueError, RecursionError):
        return {"problem": f"the IPMI helper ended with code {child_process.returncode}"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def child(request: Document) -> None:
    """Runs in the child process: prints one JSON object. What one question's failure costs is that answer only."""
    answer: Document = {}
    try:
        from pyghmi.ipmi import command  # noqa: PLC0415  on the controller only, and only when IPMI is asked
    except ImportError:
        print(json.dumps({"problem": "pyghmi is not installed beside this Python"}))
        return
    try:
        session = command.Command(
            bmc=request["address"], userid=request["user"], password=request["password"], port=request["port"]
        )
    except Exception as error:  # pyghmi raises what it likes
        print(json.dumps({"problem": f"no IPMI session: {_safe(error, request)}"}))
        return
    problems = []
    for name, question in (
        ("power", _ask_power),
        ("serial", _ask_serial),
        ("sensors", _ask_sensors),
        ("log", _ask_log),
    ):
        if name in request["wanted"]:
            try:
                answer[name] = question(session)
            except Exception as error:  # see above
                problems.append(f"{name}: {_safe(error, request)}")
    if problems:
        answer["problem"] = "; ".join(problems)
    print(json.dumps(answer))
    sys.stdout.flush()
    os._exit(0)  # pyghmi has no logout and leaves threads behind


def _safe(error: Exception, request: Document) -> str:
    text = f"{type(error).__name__} {str(error)[:200]}"
    return text.replace(request["password"], "***") if request["password"] else text


def _ask_power(session: Any) -> str | None:
    return as_text(as_dict(session.get_power()).get("powerstate"))


def _ask_serial(session: Any) -> str | None:
    system = as_dict(session.get_inventory_of_component("System"))
    return as_text(system.get("Serial Number")) or as_text(system.get("Chassis serial number"))


def _ask_sensors(session: Any) -> list[Document]:
    return [
        {"name": str(item.name), "value": item.value, "units": item.units, "health": int(item.health or 0)}
        for item in session.get_sensor_data()
    ]


def _ask_log(session: Any) -> list[Document]:
    entries = []
    for item in session.get_event_log():
        component, event = item.get("component") or item.get("sensor"), item.get("event")
        message = " ".join(str(part) for part in (component, event) if part)
        entries.append({"time": item.get("timestamp"), "message": message, "severity": int(item.get("severity") or 0)})
    return entries
