"""Action plugin ``fabric_results``: joins what the nodes measured to observations, and names the likely causes.

Runs on the controller once, also in check mode (then it has nothing to join, and says so); changes nothing on any host.

Options:
  ``plan``           the fabric plan; default: the fact ``npuforge_fabric_plan`` of localhost.
  ``results``        required: the results of ``fabric_test``, one per node.
  ``collective``     the result of ``collective_test``.
  ``counters``       the results of ``fabric_test`` with ``do: [counters]`` after the collective tests.
  ``switch_before``, ``switch_after``  results with observations of kind ``port`` (``switch_roce``) from before and
                     after the tests; without both, what the switches dropped stays unknown.
  ``run_dir``        default: the fact that ``evidence_open`` set. Without one causes are not looked for.

Result: ``observations`` (node, node_pair, cluster; for ``evidence_record``), ``failed_flows``, ``slow_flows`` and
``msg``. Writes ``<run>/fabric/bandwidth.json``. Nodes' observations pass through it and get remedies: the results of
``fabric_test`` and ``collective_test`` need not be recorded themselves.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[2]
for path in (str(ROOT), str(ROOT / "plugins" / "module_utils")):
    if path not in sys.path:
        sys.path.insert(0, path)

from npuforge.common import observation  # noqa: E402 - only after sys.path is set
from npuforge.fabric import causes, results  # noqa: E402 - only after sys.path is set

from controller import contract, evidence, playbook  # noqa: E402 - only after sys.path is set

COLLECTOR = "fabric_results"
Document = dict[str, Any]


class ActionModule(ActionBase):
    """See the module's text."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Join; raises AnsibleActionFail when there is no plan or the run folder cannot be written."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        _, options = self.validate_argument_spec(
            argument_spec={
                "plan": {"type": "dict"},
                "results": {"type": "raw", "required": True},
                "collective": {"type": "raw"},
                "counters": {"type": "raw"},
                "switch_before": {"type": "raw"},
                "switch_after": {"type": "raw"},
                "run_dir": {"type": "path"},
            }
        )
        hostvars = (task_vars or {})["hostvars"]
        given = playbook.plain(options)
        plan = given["plan"] or playbook.plain(playbook.fact_of_localhost(hostvars, "npuforge_fabric_plan"))
        if not plan:
            raise AnsibleActionFail("there is no fabric plan: the task fabric_plan comes first")
        measured = playbook.flatten(given["results"])
        if not any("half" in item for item in measured) and any(item.get("skipped") for item in measured):
            result.update(changed=False, skipped=True, observations=[], msg="check mode: nothing was measured")
            return result
        run_dir = given["run_dir"] or playbook.opened_run(hostvars)
        folder = (
            evidence.RunFolder(Path(run_dir), playbook.secrets_of([hostvars[name] for name in hostvars]))
            if run_dir
            else None
        )
        try:
            joined = join(plan, given, folder, port_limit())
            if folder is not None:
                folder.write_json("fabric/bandwidth.json", joined.pop("bandwidth"))
        except (evidence.EvidenceError, OSError) as error:
            raise AnsibleActionFail(f"the results cannot be kept: {error}") from error
        joined.pop("bandwidth", None)
        result.update(changed=False, **joined)
        return result


def join(plan: Document, given: Document, folder: evidence.RunFolder | None, limit: float | None) -> Document:
    """``{observations, failed_flows, slow_flows, msg, bandwidth}``."""
    measured = playbook.flatten(given["results"])
    halves = results.halves_of(measured)
    observed = [item.document for item in folder.observed()[0]] if folder is not None else []
    seen = causes.Seen(*(_facts_of(observed, kind) for kind in ("npu", "port", "switch")))
    simulated = any(entry["observation"]["provenance"] == "simulated" for entry in _entries(measured))
    pairs = results.pairs(plan, halves, limit)
    bad = {pair.name: causes.slow_or_failed(pair.facts["ports"], limit) for pair in pairs}
    every = [flow for flows in bad.values() for flow in flows]
    entries = [_with_remedy(entry, plan, seen) for entry in _entries(measured)]
    for pair in pairs:
        slow = causes.remedy(bad[pair.name], plan, seen, every)
        lossy = causes.remedy(causes.lossy(pair.facts["ports"]), plan, seen)
        named = {"fabric.node_bandwidth": slow, "fabric.port_bandwidth": slow, "fabric.zero_loss": lossy or slow}
        pair.facts["remedies"] = {check: text for check, text in named.items() if text}
        entry = observation("node_pair", pair.name, COLLECTOR, pair.facts, simulated)
        entries.append({"observation": entry, "raw": []})
    before = _counters(_entries(given["switch_before"]), plan)
    after = _counters(_entries(given["switch_after"]), plan)
    snapshots = results.halves_of(playbook.flatten(given["counters"]))
    entries += [_with_counters(entry, (halves, snapshots), (before, after)) for entry in _entries(given["collective"])]
    failed = [sentence for pair in pairs for sentence in pair.facts["failed"]]
    slow_flows = [sentence for pair in pairs for sentence in pair.facts["slow_ports"]]
    count = sum(len(pair.facts["ports"]) for pair in pairs)
    return {
        "observations": entries,
        "failed_flows": failed,
        "slow_flows": slow_flows,
        "msg": f"{count} flows, {len(failed)} without a number, {len(slow_flows)} too slow",
        "bandwidth": results.matrix(plan, pairs, limit),
    }


def port_limit() -> float | None:
    """The contract's limit for one port in Gb/s; None where it is not a plain number."""
    for _, check in contract.load().checks():
        if check["id"] == "fabric.port_bandwidth":
            value = check["expect"].get("min")
            return float(value) if isinstance(value, int | float) else None
    return None


def _with_remedy(entry: Document, plan: Document, seen: causes.Seen) -> Document:
    """A node's observation with the remedy for what it cannot reach."""
    facts = entry["observation"]["facts"]
    reach = facts.get("reachability") or {}
    text = causes.remedy(causes.unreachable(reach.get("unreachable")), plan, seen)
    if text:
        facts["remedies"] = {**(facts.get("remedies") or {}), "fabric.reachability": text}
    return entry


def _with_counters(
    entry: Document,
    halves: tuple[Mapping[str, Document], Mapping[str, Document]],
    switches: tuple[Mapping[str, Document], Mapping[str, Document]],
) -> Document:
    """The cluster's observation with the counters that were read around the collectives."""
    facts = entry["observation"]["facts"]
    if "incast" in facts:
        facts["incast"] = results.incast(facts["incast"], *halves, *switches)
        facts["notes"] = [*(facts.get("notes") or []), *results.incast_notes(facts["incast"])]
    return entry


def _counters(entries: list[Document], plan: Document) -> dict[str, Document]:
    """``counters`` of each planned switch port, {} where none were read; empty when no port was observed at all."""
    wanted = set(causes.switch_ports(plan).values())
    ports = [entry["observation"] for entry in entries if _kind(entry["observation"]) == "port"]
    found = {_id(item): item["facts"].get("counters") or {} for item in ports if _id(item) in wanted}
    return {name: found.get(name, {}) for name in wanted} if found else {}


def _entries(results_given: Any) -> list[Document]:
    found = [entry for result in playbook.flatten(results_given) for entry in result.get("observations") or []]
    return [entry for entry in found if isinstance(entry, dict) and isinstance(entry.get("observation"), dict)]


def _facts_of(observed: list[Document], kind: str) -> dict[str, Document]:
    """The facts of all observations of a kind, by subject; several collectors' are joined."""
    found: dict[str, Document] = {}
    for item in observed:
        if _kind(item) == kind:
            found.setdefault(_id(item), {}).update(item["facts"])
    return found


def _kind(item: Document) -> str:
    return str((item.get("subject") or {}).get("kind"))


def _id(item: Document) -> str:
    return str((item.get("subject") or {}).get("id"))
