"""How long the journal and the audit log are kept (journald.conf(5), auditd.conf(5), tmpfiles.d(5)).

The journal has a limit of age; its limit of size must not cut it short, so that one is raised. auditd knows sizes
only: it is told to keep every log, and systemd-tmpfiles removes what is older.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .context import Context
from .host import Host
from .model import NOT_SET, Part, Setting, Step, file_steps, setting

JOURNAL = "/etc/systemd/journald.conf.d/99-zz-npuforge.conf"
AUDIT = "/etc/audit/auditd.conf"
AUDIT_AGE = "/etc/tmpfiles.d/npuforge-audit.conf"
HEAD = "# Written by npuforge. Changes here are replaced by the next run.\n"
# Half a year of a busy node's journal is some gigabytes; the default limit (4 GiB at most) may cut it short.
# SystemKeepFree, 15 % by default, protects the disk all the same.
_JOURNAL_SIZE = "20G"
_FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd")


class _Kept(NamedTuple):
    value: str
    file: str


def part(context: Context) -> Part:
    first, second = _journal(context), _audit(context)
    return Part(first.settings + second.settings, first.steps + second.steps, first.notes + second.notes)


def _journal_options(host: Host) -> dict[str, _Kept]:
    """journald's options at its next start: the main file, then drop-ins, each from the first folder with it."""
    main = next((path for path in (f"{folder}/journald.conf" for folder in _FOLDERS) if host.exists(path)), None)
    drops: dict[str, str] = {}
    for folder in _FOLDERS:
        for name in host.names(f"{folder}/journald.conf.d"):
            if name.endswith(".conf"):
                drops.setdefault(name, f"{folder}/journald.conf.d/{name}")
    found: dict[str, _Kept] = {}
    for path in [*([main] if main else []), *(drops[name] for name in sorted(drops))]:
        for match in re.finditer(
            r"^[ \t]*([A-Za-z]+)[ \t]*=[ \t]*([^\n]*?)[ \t\r]*$", host.read(path) or "", re.MULTILINE
        ):
            found[match.group(1)] = _Kept(match.group(2), path)
    return found


def _journal(context: Context) -> Part:
    days = context.wanted.get("journal_retention_days")
    if days is None:
        return Part()
    wanted = {"Storage": "persistent", "MaxRetentionSec": f"{days}day", "SystemMaxUse": _JOURNAL_SIZE}
    host = context.host
    options = _journal_options(host)
    settings: list[Setting] = []
    for name, value in wanted.items():
        kept = options.get(name, _Kept(NOT_SET, ""))
        why = {"boot": kept.file} if kept.file not in ("", JOURNAL) else {}
        settings.append(
            setting(f"retention.journal.{name}", "retention", value, kept.value, kept.value, sides=("boot",), why=why)
        )
    text = HEAD + "[Journal]\n" + "".join(f"{name}={value}\n" for name, value in wanted.items())
    steps = file_steps("journal", f"write {JOURNAL}", JOURNAL, host.read(JOURNAL), text)
    return Part(tuple(settings), tuple(_with_restart(host, "journal", steps, "restart", "systemd-journald.service")))


def _audit(context: Context) -> Part:
    days = context.wanted.get("audit_retention_days")
    if days is None:
        return Part()
    host = context.host
    text = host.read(AUDIT)
    if text is None:
        why = {"boot": "auditd is not installed"}
        return Part(
            (setting("retention.audit", "retention", f"{days} days", NOT_SET, NOT_SET, sides=("boot",), why=why),)
        )
    found = re.findall(r"^[ \t]*max_log_file_action[ \t]*=[ \t]*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    is_ = found[-1].lower() if found else NOT_SET
    settings = [setting("retention.audit.max_log_file_action", "retention", "keep_logs", is_, is_, sides=("boot",))]
    folder = _log_folder(text)
    line = f"{HEAD}e {folder} - - - {days}d\n"
    here = host.read(AUDIT_AGE)
    age = re.search(r"^e \S+ - - - (\d+)d$", here or "", re.MULTILINE)
    shown = f"{age.group(1)} days" if age else NOT_SET
    settings.append(setting("retention.audit.age", "retention", f"{days} days", shown, shown, sides=("boot",)))
    steps = []
    if is_ != "keep_logs":
        edited = re.sub(r"(?im)^[ \t]*max_log_file_action[ \t]*=[^\n]*\n?", "", text)
        edited += ("" if not edited or edited.endswith("\n") else "\n") + "max_log_file_action = keep_logs\n"
        steps += file_steps("audit", f"have auditd keep its logs ({AUDIT})", AUDIT, text, edited, backup=True)
    # A manual stop of auditd is refused by its unit; it reads its file again on SIGHUP, which reload sends.
    steps = _with_restart(host, "audit", steps, "reload", "auditd.service")
    return Part(tuple(settings), (*steps, *file_steps("audit", f"write {AUDIT_AGE}", AUDIT_AGE, here, line)))


def _log_folder(text: str) -> str:
    found = re.findall(r"^[ \t]*log_file[ \t]*=[ \t]*(/\S+)/[^/\s]+[ \t]*$", text, re.MULTILINE | re.IGNORECASE)
    return found[-1] if found else "/var/log/audit"


def _with_restart(host: Host, unit: str, steps: list[Step], verb: str, service: str) -> list[Step]:
    """The service takes the files when it is told; a killed run is remembered by a marker in /run."""
    marker = f"/run/npuforge/pending/{service}"
    made = [step._replace(marker=marker) for step in steps]
    if steps or host.exists(marker):
        argv = ("systemctl", verb, service)
        made.append(Step(unit, f"{verb} {service}", "run", argv=argv, marker=marker, soft=True))
    return made
