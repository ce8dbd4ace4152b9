"""What only the whole site shows: groups, secrets, serial numbers, racks, profiles, expectations, waivers, files."""

from __future__ import annotations

import datetime
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from controller.contract import Contract
from controller.redact import SHORT

from .formats import parse_date
from .load import HostVars, Loaded
from .model import HIDDEN, Mistake, did_you_mean, first_key, is_secret_key, nearest, relative, show

KNOWN_GROUPS = ("npu_servers", "switches")
PLACEHOLDER = re.compile(
    r"(change|replace|fill|put|set|insert|enter)[ _-]?(me|it|this|in|here|your)\b.*|.*CHANGE[_ -]?ME.*"
    r"|.*(<[^<>]+>|\$\{[^}]+\}).*|(your|my)[ _-].*(password|secret|token).*"
    r"|(pass|passw(or)?d|secret|token|placeholder|example|dummy|todo|fixme|tbd|none|null)"
    r"|(?P<same>.)(?P=same){2,}|.*(请修改|请替换|待填|占位|修改我).*",
    re.IGNORECASE,
)


def check(loaded: Loaded, contract: Contract, today: datetime.date) -> Iterator[Mistake]:
    """Cross checks other than addresses."""
    yield from _groups(loaded)
    yield from _secrets(loaded)
    yield from _serials(loaded)
    yield from _racks(loaded)
    yield from _profiles(loaded, contract)
    yield from _expectations(loaded, contract)
    yield from _waivers(loaded, contract, today)
    yield from _trust(loaded)
    yield from _files(loaded)


def notes(loaded: Loaded) -> Iterator[Mistake]:
    """Choices that are allowed and that a reader must know of."""
    for host in loaded.hosts.values():
        if host.values.get("bmc_validate_certs") is False:
            yield _about(
                loaded,
                host,
                "bmc_validate_certs",
                False,
                "bmc_ca_file or bmc_fingerprint: nobody can tell which BMC answers",
            )


def _about(loaded: Loaded, host: HostVars, key: str, value: Any, expected: str) -> Mistake:
    place = loaded.text.place(first_key(key), host.name, host.groups)
    return Mistake((host.name,), key, show(value, key, loaded.secrets), expected, place)


def _groups(loaded: Loaded) -> Iterator[Mistake]:
    for group in ("npu_servers",):
        if group not in loaded.groups:
            near = nearest(group, loaded.groups)
            hint = f"; is {near} meant to be it?" if near else ""
            yield Mistake((), f"group {group}", "(missing)", f"a group {group} with the servers{hint}")
    for group, hosts in loaded.groups.items():
        if group not in KNOWN_GROUPS and nearest(group, KNOWN_GROUPS):
            yield Mistake((), f"group {group}", "unknown group", f"a known group{did_you_mean(group, KNOWN_GROUPS)}")
        elif not hosts:
            yield Mistake((), f"group {group}", "no hosts", "at least one host, or no such group")
    for host in loaded.hosts.values():
        members = [group for group in KNOWN_GROUPS if group in host.groups]
        if len(members) != 1:
            value = "in no known group" if not members else f"in {' and '.join(members)}"
            yield Mistake((host.name,), "groups", value, f"exactly one of {' and '.join(KNOWN_GROUPS)}")
        if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", host.name):
            expected = "a name of letters, digits, '.', '_' and '-' (it names files and stands on labels)"
            yield Mistake((host.name,), "inventory_hostname", show(host.name, "name"), expected)


def _secrets(loaded: Loaded) -> Iterator[Mistake]:
    for host in (loaded.site, *loaded.hosts.values()):
        for key, value in host.values.items():
            if not is_secret_key(key) or not isinstance(value, str):
                continue
            if host is not loaded.site and loaded.site.values.get(key) == value:
                continue  # judged once, where it is written
            problem = _weak(value)
            if problem:
                place = loaded.text.place(key, host.name, host.groups)
                yield Mistake((host.name,), key, HIDDEN, problem, place)


def _weak(value: str) -> str | None:
    if not value.strip():
        return "a secret that is not empty"
    if PLACEHOLDER.fullmatch(value.strip()):
        return "a real secret: this is still a placeholder"
    if len(value) < SHORT:
        return f"a secret of at least {SHORT} characters (a shorter one cannot be kept out of the evidence)"
    if value != value.strip():
        return "a secret without spaces at its ends"
    return None


def _serials(loaded: Loaded) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for host in loaded.hosts.values():
        serial = host.values.get("asset_serial")
        if not isinstance(serial, str) or not serial:
            continue
        other = first.setdefault(serial.upper(), host.name)
        if other != host.name:
            yield _about(loaded, host, "asset_serial", serial, f"a serial number of its own: {other} has it, too")


def _racks(loaded: Loaded) -> Iterator[Mistake]:
    taken: dict[tuple[str, int], HostVars] = {}
    for host in loaded.hosts.values():
        rack, position, units = (host.values.get(key) for key in ("rack", "rack_position", "rack_units"))
        if not isinstance(rack, str) or not isinstance(position, int):
            continue
        height = units if isinstance(units, int) and 0 < units <= 60 else 1
        clash = [unit for unit in range(position, position + height) if (rack, unit) in taken]
        if clash:
            other = taken[rack, clash[0]]
            expected = f"a free place: {other.name} fills unit {clash[0]} of rack {rack}"
            yield _about(loaded, host, "rack_position", position, expected)
        for unit in range(position, position + height):
            taken.setdefault((rack, unit), host)


def _profiles(loaded: Loaded, contract: Contract) -> Iterator[Mistake]:
    for host in loaded.hosts.values():
        profile = host.values.get("npu_profile")
        if isinstance(profile, str) and profile not in contract.profiles:
            near = did_you_mean(profile, contract.profiles)
            yield _about(loaded, host, "npu_profile", profile, f"one of {', '.join(sorted(contract.profiles))}{near}")


def _expectations(loaded: Loaded, contract: Contract) -> Iterator[Mistake]:
    expect = loaded.site.values.get("site_expect")
    if not isinstance(expect, dict):
        return
    values = {key: value for profile in contract.profiles.values() for key, value in profile["expect"].items()}
    known = set(values) | set(_site_keys([check for _, check in contract.checks()]))
    sections: list[tuple[str, Any]] = [("site_expect", {key: value for key, value in expect.items() if key != "hosts"})]
    for name, section in _mapping(expect.get("hosts")).items():
        if name not in loaded.hosts:
            near = did_you_mean(name, loaded.hosts)
            yield _about(loaded, loaded.site, f"site_expect.hosts.{name}", name, f"a host of this inventory{near}")
        sections.append((f"site_expect.hosts.{name}", section))
    for path, section in sections:
        if not isinstance(section, dict):
            yield _about(loaded, loaded.site, path, section, "expected values: {key: value}")
            continue
        for key, value in section.items():
            where = f"{path}.{key}"
            if key not in known:
                near = did_you_mean(key, known)
                yield _about(loaded, loaded.site, where, value, f"a key that a profile or a check knows{near}")
            elif _is_number(values.get(key)) and not _is_number(value):
                hint = "; it is written as text: leave out the quotes" if isinstance(value, str) else ""
                yield _about(loaded, loaded.site, where, value, f"a number{hint}")
            elif _is_number(value) and value < 0:
                yield _about(loaded, loaded.site, where, value, "a number that is not negative")


def _site_keys(node: Any) -> Iterator[str]:
    """The names that checks refer to as ``{site: name}``."""
    if isinstance(node, dict):
        if isinstance(node.get("site"), str):
            yield node["site"]
        for value in node.values():
            yield from _site_keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from _site_keys(value)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _waivers(loaded: Loaded, contract: Contract, today: datetime.date) -> Iterator[Mistake]:
    checks = {check["id"] for _, check in contract.checks()}
    seen: set[tuple[str, str]] = set()
    waivers = loaded.site.values.get("site_waivers")
    for number, waiver in enumerate(waivers if isinstance(waivers, list) else []):
        if not isinstance(waiver, dict):
            continue
        path = f"site_waivers[{number}]"
        name, subject, until = (waiver.get(key) for key in ("check", "subject", "until"))
        if isinstance(name, str) and name not in checks:
            yield _about(
                loaded,
                loaded.site,
                f"{path}.check",
                name,
                f"a check of contract/clauses.yml{did_you_mean(name, checks)}",
            )
        day = parse_date(until) if isinstance(until, str) else None
        if day is not None and day < today:
            expected = "a day that is still to come: an expired waiver waives nothing; remove it or have it renewed"
            yield _about(loaded, loaded.site, f"{path}.until", until, expected)
        if isinstance(name, str) and isinstance(subject, str):
            if (name, subject) in seen:
                yield _about(loaded, loaded.site, path, f"{name} for {subject}", "one waiver for a check and subject")
            seen.add((name, subject))


def _trust(loaded: Loaded) -> Iterator[Mistake]:
    """How a BMC's certificate is trusted: exactly one way, and its file must be usable."""
    for host in loaded.hosts.values():
        if "npu_servers" not in host.groups:
            continue
        ways = [key for key in ("bmc_ca_file", "bmc_fingerprint") if host.values.get(key) or key in host.broken]
        if host.values.get("bmc_validate_certs") is False:
            ways.append("bmc_validate_certs")
        if len(ways) > 1:
            yield _about(loaded, host, ways[-1], host.values.get(ways[-1]), f"only one of {', '.join(ways)}")
        if not ways:
            expected = "bmc_ca_file or bmc_fingerprint, or bmc_validate_certs: false (which is reported as a finding)"
            yield Mistake((host.name,), "bmc_ca_file", "(missing)", expected)
        ca_file = host.values.get("bmc_ca_file")
        if isinstance(ca_file, str) and ca_file:
            problem = file_problem(ca_file) or _certificate_problem(ca_file)
            if problem:
                yield _about(
                    loaded,
                    host,
                    "bmc_ca_file",
                    relative(ca_file),
                    f"a readable PEM file with CA certificates: {problem}",
                )


def _files(loaded: Loaded) -> Iterator[Mistake]:
    for host in loaded.hosts.values():
        for key, what in (
            ("switch_known_hosts", "a known_hosts file"),
            ("ansible_ssh_private_key_file", "a private key file"),
        ):
            path = host.values.get(key)
            if not isinstance(path, str) or not path:
                continue
            problem = file_problem(path)
            if problem:
                yield _about(loaded, host, key, relative(path), f"{what} that can be read: {problem}")


def file_problem(path: str) -> str | None:
    """Why the file cannot be used, or null. Relative paths are refused: playbooks run from several folders."""
    file = Path(path).expanduser()
    if not file.is_absolute():
        return 'the path is relative; write "{{ inventory_dir }}/..." or an absolute path'
    try:
        if not file.is_file():
            return "it is not a file" if file.exists() else "it does not exist"
        with file.open("rb") as stream:
            if not stream.read(1):
                return "it is empty"
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _certificate_problem(path: str) -> str | None:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=str(Path(path).expanduser()))
    except (ssl.SSLError, OSError, ValueError):
        return "it holds no certificate"
    return None
