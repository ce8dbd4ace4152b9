"""What the evidence plugins take from Ansible: the inventory as run.json holds it, and the secrets to keep out.

No Ansible import: variables come in as mappings whose values may fail to be read (an undefined template, a vault that
cannot be opened). Values are turned into plain JSON types, since Ansible's own are tagged subclasses.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from controller.contract import Document

SERVERS = "npu_servers"
SWITCHES = "switches"

# Names whose values are secrets, by the rules of the house (vault_*) and by Ansible's and common usage.
_SECRET = re.compile(
    r"vault_.*|.*_(password|passwd|passphrase|pass|secret|token|community|api_key|private_key)|password|token",
    re.IGNORECASE,
)
# How often a host's secret may lie inside lists and mappings; deeper nesting is not a secret but a loop.
_DEPTH = 6


def plain(node: Any) -> Any:
    """``node`` in plain JSON types; dates as ISO text."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(value) for value in node]
    if node is None or isinstance(node, bool):
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if isinstance(node, date | datetime):
        return node.isoformat()
    return str(node)


def secrets_of(variables: Iterable[Mapping[str, Any]]) -> set[str]:
    """The values of all secret variables of some hosts; one that cannot be read is passed over.

    :param variables: per host, a mapping whose items are the templated values (``hostvars[host]``).
    """
    found: set[str] = set()
    for host in variables:
        for name in [str(name) for name in host]:
            if _SECRET.fullmatch(name):
                # Whatever fails to template or to decrypt cannot have got into a result either.
                with contextlib.suppress(Exception):
                    found |= _strings(host[name], _DEPTH)
    return found


def _strings(node: Any, depth: int) -> set[str]:
    if depth == 0:
        return set()
    if isinstance(node, Mapping):
        return set().union(*(_strings(value, depth - 1) for value in node.values()))
    if isinstance(node, list | tuple):
        return set().union(*(_strings(value, depth - 1) for value in node))
    if isinstance(node, str) or (isinstance(node, int) and not isinstance(node, bool)):
        return {str(node)}
    return set()


def inventory_of(
    site: str,
    groups: Mapping[str, Iterable[str]],
    value: Callable[[str, str], Any],
    expect: Any = None,
    waivers: Any = None,
    *,
    fabric: Document | None = None,
) -> Document:
    """run.json's ``inventory``.

    :param groups: Ansible's groups; ``npu_servers`` and ``switches`` count.
    :param value: ``value(host, variable)`` gives a host's variable, None where it has none.
    :param expect: ``site_expect``; each host's ``asset_serial`` is added under ``hosts``, what stands there wins.
    :param waivers: ``site_waivers``.
    :param fabric: the fabric plan, whose ports and pairs of nodes are subjects as well; None where there is none.
    """
    servers = [str(name) for name in groups.get(SERVERS, [])]
    switches = [str(name) for name in groups.get(SWITCHES, [])]
    given: Document = plain(expect) if isinstance(expect, Mapping) else {}
    listed = given.get("hosts")
    per_host: Document = listed if isinstance(listed, dict) else {}
    hosts: Document = {}
    devices: Document = {}
    profiles: dict[str, str] = {}
    for name in servers + switches:
        own = dict(per_host.get(name) or {})
        serial = plain(value(name, "asset_serial"))
        if serial not in (None, ""):
            own.setdefault("asset_serial", str(serial))
        if own:
            hosts[name] = own
        profile = plain(value(name, "npu_profile"))
        if name in servers and profile:
            profiles[name] = str(profile)
        devices[name] = {
            "role": "server" if name in servers else "switch",
            **{key: _text(value(name, key)) for key in ("location", "rack", "asset_tag")},
            "position": _number(value(name, "rack_position")),
            "face": _text(value(name, "rack_face")),
        }
    return {
        "subjects": {
            "bmc": servers,
            "node": servers,
            "switch": switches,
            "site": [site],
            **_fabric_subjects(site, fabric),
        },
        "profiles": profiles,
        "expect": {**given, "hosts": {**per_host, **hosts}},
        "waivers": plain(waivers) if isinstance(waivers, list | tuple) else [],
        "devices": devices,
    }


def _fabric_subjects(site: str, fabric: Document | None) -> dict[str, list[str]]:
    """Both ends of every planned link, every pair of nodes in the plan's order, and the cluster."""
    if fabric is None:
        return {}
    return {
        "npu": [port["id"] for port in fabric["ports"]],
        "port": [f"{port['switch']}/{port['switch_port']}" for port in fabric["ports"]],
        "node_pair": [f"{first}-{second}" for first, second in itertools.combinations(fabric["nodes"], 2)],
        "cluster": [site],
    }


def fact_of_localhost(hostvars: Any, name: str) -> Any:
    """A fact that a task left on localhost; None when there is none."""
    facts = hostvars["localhost"].get("ansible_facts") if "localhost" in hostvars else None
    return (facts or {}).get(name)


def opened_run(hostvars: Any) -> str | None:
    """The run folder that ``evidence_open`` left as a fact of localhost; None when none is open."""
    run_dir = fact_of_localhost(hostvars, "npuforge_run_dir")
    return str(run_dir) if run_dir else None


def entries_of(results: Any, subject: Document | None, stage: str, now: str, version: str) -> list[Document]:
    """The observations in what playbooks register: a module's result, a loop's, or a list of such.

    A result that failed without an observation becomes one of ``subject`` that saw nothing and says why, so that the
    subject's checks read unknown with the reason. Results that were skipped give nothing.
    """
    found: list[Document] = []
    for result in flatten(plain(results)):
        entries = result.get("observations")
        if isinstance(entries, list) and entries:
            found += [entry for entry in entries if isinstance(entry, dict)]
        elif (result.get("failed") or result.get("unreachable")) and subject is not None:
            problem = str(result.get("msg") or result.get("module_stderr") or "it failed without a message")
            found.append(
                {
                    "observation": {
                        "schema": "npuforge.observation/1",
                        "subject": subject,
                        "collected_at": now,
                        "collector": "evidence_record",
                        "tool": {"name": "npuforge", "version": version},
                        "provenance": "hardware",
                        "facts": {"notes": [{"where": stage, "problem": problem[:2000]}]},
                    },
                    "raw": [],
                }
            )
    return found


def flatten(node: Any) -> list[Document]:
    """The module results in what playbooks register: a module's result, a loop's, or a list of such."""
    if isinstance(node, list):
        return [result for item in node for result in flatten(item)]
    if not isinstance(node, dict):
        return []
    if isinstance(node.get("results"), list) and "observations" not in node:
        return flatten(node["results"])
    return [node]


def _text(value: Any) -> str | None:
    text = "" if value is None else str(plain(value)).strip()
    return text or None


def _number(value: Any) -> int | float | None:
    """A number, also where an inventory quotes it; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return int(number) if number.is_integer() else number
