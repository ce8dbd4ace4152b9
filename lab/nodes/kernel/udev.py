"""A udevadm that reads the node's rules: the kernel below sends no events into a container, so no udevd could run.

Rules as udev(7) has them: files of /etc, /run and /usr/lib in one order by name, the same name once. ``trigger``
applies them to the devices of the simulated kernel; booting does so once (``systemd-udev-trigger.service``).
"""

from __future__ import annotations

import fnmatch
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = ("etc/udev/rules.d", "run/udev/rules.d", "usr/lib/udev/rules.d")
TOKEN = re.compile(r'\s*,?\s*([A-Z_]+)(?:\{([^}]*)\})?\s*(==|!=|\+=|-=|:=|=)\s*(e?)"((?:[^"\\]|\\.)*)"')
PARENTS = {"KERNELS": "KERNEL", "SUBSYSTEMS": "SUBSYSTEM", "DRIVERS": "DRIVER", "ATTRS": "ATTR"}
MATCHES = {"ACTION", "DEVPATH", "KERNEL", "SUBSYSTEM", "DRIVER", "ATTR", "ENV", "TAG", "TEST", "PROGRAM", "RESULT"}
RUN_SECONDS = 30


@dataclass(frozen=True)
class Token:
    key: str
    attribute: str
    operator: str
    value: str


@dataclass
class Device:
    """A device: its folder below /sys, kernel name and subsystem, and what rules have set."""

    folder: Path
    subsystem: str
    environment: dict[str, str] = field(default_factory=dict)
    run: list[str] = field(default_factory=list)
    result: str = ""

    @property
    def name(self) -> str:
        return self.folder.name

    def attribute(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text(encoding="utf-8", errors="replace").rstrip("\n").rstrip()
        except OSError:
            return None


def rules(root: Path) -> list[tuple[str, list[Token]]]:
    """``(file:line, tokens)`` of all rules, in the order in which they apply."""
    files: dict[str, Path] = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.rules")):
            files.setdefault(path.name, path)
    found = []
    for name in sorted(files):
        try:
            text = files[name].read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # a link to /dev/null or to nowhere: masked
        joined = re.sub(r"\\\n", " ", text)
        for number, line in enumerate(joined.splitlines(), start=1):
            if line.strip() and not line.lstrip().startswith("#"):
                tokens = parse(line)
                if tokens is None:
                    print(f"{name}:{number} Invalid key/value pair, ignoring.", file=sys.stderr)
                else:
                    found.append((f"{name}:{number}", tokens))
    return found


def parse(line: str) -> list[Token] | None:
    """The tokens of one rule; None: it is none."""
    tokens, at = [], 0
    text = line.rstrip().rstrip(",")
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            return None
        tokens.append(Token(match[1], match[2] or "", match[3], match[5]))
        at = match.end()
    return tokens


def devices(root: Path) -> Iterator[Device]:
    """Block devices with their partitions, CPUs and PCI functions."""
    for folder in sorted((root / "sys/class/block").iterdir()) if (root / "sys/class/block").is_dir() else ():
        device = Device(folder.resolve(), "block")
        device.environment |= _uevent(device)
        yield device
    cpus = root / "sys/devices/system/cpu"
    for folder in sorted(cpus.glob("cpu[0-9]*"), key=lambda path: int(path.name[3:])):
        yield Device(folder, "cpu")
    for folder in sorted((root / "sys/bus/pci/devices").glob("*")):
        device = Device(folder, "pci")
        device.environment |= _uevent(device)
        yield device


def _uevent(device: Device) -> dict[str, str]:
    rows = (row.partition("=") for row in (device.attribute("uevent") or "").splitlines())
    return {key: value for key, equals, value in rows if equals}


def apply(device: Device, action: str, found: Sequence[tuple[str, list[Token]]]) -> list[str]:
    """Run all rules over one device; sentences about what could not be written."""
    said: list[str] = []
    label: str | None = None
    device.environment["ACTION"] = action
    for where, tokens in found:
        if label is not None:
            if not any(token.key == "LABEL" and token.value == label for token in tokens):
                continue
            label = None
        if not all(_matches(device, action, token) for token in tokens if _is_match(token)):
            continue
        for token in tokens:
            if _is_match(token):
                continue
            value = _expand(device, token.value)
            if token.key == "GOTO":
                label = token.value
            elif token.key == "ENV":
                device.environment[token.attribute] = value
            elif token.key == "RUN" and token.attribute in ("", "program"):
                device.run = [*(device.run if token.operator == "+=" else []), value]
            elif token.key == "ATTR":
                try:
                    (device.folder / _expand(device, token.attribute)).write_text(value, encoding="utf-8")
                except OSError as error:
                    said.append(
                        f"{device.name}: {where} Failed to write ATTR{{{token.attribute}}}={value!r}: {error.strerror}"
                    )
    for command in device.run:
        try:
            subprocess.run(
                shlex.split(command), env={**os.environ, **device.environment}, timeout=RUN_SECONDS, check=False
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            said.append(f"{device.name}: {command}: {error}")
    return said


def _is_match(token: Token) -> bool:
    return token.operator in ("==", "!=") or token.key in ("PROGRAM", "TEST")


def _matches(device: Device, action: str, token: Token) -> bool:
    found = _found(device, action, token)
    return found != (token.operator == "!=")


def _found(device: Device, action: str, token: Token) -> bool:
    key = PARENTS.get(token.key, token.key)
    if key == "TEST":
        path = Path(_expand(device, token.value))
        return (path if path.is_absolute() else device.folder / path).exists()
    if key == "PROGRAM":
        try:
            done = subprocess.run(
                shlex.split(_expand(device, token.value)),
                capture_output=True,
                text=True,
                timeout=RUN_SECONDS,
                check=False,
            )
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return False
        device.result = done.stdout.strip()
        return done.returncode == 0
    value: str | None = {
        "ACTION": action, "KERNEL": device.name, "SUBSYSTEM": device.subsystem, "RESULT": device.result,
        "DEVPATH": "/" + str(device.folder).partition("/sys/")[2], "DRIVER": device.environment.get("DRIVER", ""),
    }.get(key)  # fmt: skip
    if key == "ENV":
        value = device.environment.get(token.attribute, "")
    elif key == "ATTR":
        value = device.attribute(_expand(device, token.attribute))
        # a partition's disk is its parent, and has the queue
        if value is None and token.key == "ATTRS" and (device.folder / "partition").exists():
            value = Device(device.folder.parent, "block").attribute(token.attribute)
    if value is None:
        return False
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in token.value.split("|"))


def _expand(device: Device, text: str) -> str:
    names = {"kernel": device.name, "k": device.name, "name": device.name, "sys": "/sys", "S": "/sys"}
    names |= {"devpath": "/" + str(device.folder).partition("/sys/")[2], "result": device.result, "c": device.result}
    names["p"] = names["devpath"]

    def one(match: re.Match[str]) -> str:
        if match[0] in ("$$", "%%"):
            return match[0][0]
        word, inner = match[1] or match[2], match[3]
        if word in ("attr", "s") and inner is not None:
            return device.attribute(inner) or ""
        if word in ("env", "E") and inner is not None:
            return device.environment.get(inner, "")
        return names.get(word, match[0])

    return re.sub(r"(?:\$\$|%%)|(?:\$([a-z]+)|%([a-zA-Z]))(?:\{([^}]*)\})?", one, text)


# --- udevadm ----------------------------------------------------------------------------------------------------------


def main(words: Sequence[str], root: Path = Path("/")) -> int:
    """``trigger``, ``settle``, ``control`` and ``info`` of udevadm(8)."""
    command, *rest = [*words] or [""]
    if command == "trigger":
        return _trigger(rest, root)
    if command in ("settle", "control"):
        return 0  # every event is over when trigger returns, and rules are read anew each time
    if command == "info":
        return _info(rest, root)
    if command in ("--version", "version"):
        print("255 (npuforge twin, simulated)")
        return 0
    print("udevadm: the twin knows trigger, settle, control and info", file=sys.stderr)
    return 1


def _options(words: Sequence[str]) -> tuple[dict[str, list[str]], list[str]]:
    short = {"c": "action", "t": "type", "s": "subsystem-match", "y": "sysname-match", "n": "name", "q": "query"}
    short |= {"a": "attribute-walk", "p": "path", "e": "export-db", "w": "settle", "v": "verbose"}
    options: dict[str, list[str]] = {}
    plain: list[str] = []
    waiting = None
    for word in words:
        if waiting:
            options.setdefault(waiting, []).append(word)
            waiting = None
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if equals or name in ("settle", "verbose", "dry-run", "export-db", "attribute-walk", "quiet", "export"):
                options.setdefault(name, []).append(value)
            else:
                waiting = name
        elif word.startswith("-") and len(word) > 1:
            name = short.get(word[1], word[1])
            if len(word) > 2:
                options.setdefault(name, []).append(word[2:].lstrip("="))
            elif name in ("settle", "verbose", "export-db", "attribute-walk"):
                options.setdefault(name, [])
            else:
                waiting = name
        else:
            plain.append(word)
    return options, plain


def _trigger(words: Sequence[str], root: Path) -> int:
    options, plain = _options(words)
    action = options.get("action", ["change"])[-1]
    if "subsystems" in options.get("type", []):
        return 0
    found = rules(root)
    code = 0
    for device in devices(root):
        name = options.get("sysname-match", []) + [Path(value).name for value in options.get("name-match", [])]
        name += [Path(value).name for value in plain]
        subsystems = options.get("subsystem-match")
        if subsystems and not any(fnmatch.fnmatchcase(device.subsystem, pattern) for pattern in subsystems):
            continue
        if device.subsystem in options.get("subsystem-nomatch", []):
            continue
        if name and not any(fnmatch.fnmatchcase(device.name, pattern) for pattern in name):
            continue
        if "dry-run" not in options:
            for sentence in apply(device, action, found):
                print(sentence, file=sys.stderr)
    return code


def _info(words: Sequence[str], root: Path) -> int:
    options, plain = _options(words)
    wanted = [Path(word).name for word in (*options.get("name", []), *options.get("path", []), *plain)]
    query = options.get("query", ["all"])[-1]
    shown = 0
    found = rules(root)
    for device in devices(root):
        if "export-db" not in options and device.name not in wanted:
            continue
        shown += 1
        _properties(device)
        path = "/" + str(device.folder).partition("/sys/")[2]
        apply_dry(device, found)
        prefix = "" if query == "property" else "E: "
        if query in ("all", "path"):
            print(f"P: {path}" if query == "all" else path)
        if query in ("all", "property"):
            for key, value in sorted({"DEVPATH": path, "SUBSYSTEM": device.subsystem, **device.environment}.items()):
                print(f"{prefix}{key}={value}")
        if query == "all":
            print()
    if not shown and wanted:
        print(f'Unknown device "{wanted[0]}": No such device', file=sys.stderr)
        return 1
    return 0


def apply_dry(device: Device, found: Sequence[tuple[str, list[Token]]]) -> None:
    """The properties that rules give a device, without writing or running anything."""
    quiet = [(where, [token for token in tokens if token.key not in ("ATTR", "RUN", "PROGRAM") or _is_match(token)])
             for where, tokens in found if not any(token.key == "PROGRAM" for token in tokens)]  # fmt: skip
    apply(device, "add", quiet)


def _properties(device: Device) -> None:
    """What udev's own rules would find out about a drive."""
    for key, name in (
        ("ID_MODEL", "device/model"),
        ("ID_VENDOR", "device/vendor"),
        ("ID_SERIAL_SHORT", "device/serial"),
    ):
        value = device.attribute(name)
        if value:
            device.environment[key] = value.strip().replace(" ", "_")
    wwid = device.attribute("wwid") or device.attribute("device/wwid")
    if wwid:
        kind, _, number = wwid.partition(".")
        device.environment["ID_WWN"] = f"0x{number}" if kind == "naa" else wwid
