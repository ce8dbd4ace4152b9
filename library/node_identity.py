#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: the node's own record of who it is."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: node_identity
short_description: Tell a node who it is, and compare that with its firmware
description:
  - Keeps C(/etc/npuforge/identity.json) (for later stages and for people) and a console banner in C(/etc/issue.d).
  - Reads the serial number and BIOS vendor that the firmware reports, and says whether they belong to the BMC that
    was read under the same inventory name. Crossed BMC cables show here.
  - Writes only what differs, reads back, and puts the old files back when that fails.
options:
  state:
    description: Whether the node shall have the record.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Inventory name of the node.
    type: str
    required: true
  site:
    description: Name of the site.
    type: str
    required: true
  rack:
    description: Rack that the node is mounted in.
    type: str
  rack_position:
    description: Lowest rack unit that the node fills, in U.
    type: int
  asset_serial:
    description: Serial number under which the node stands in the asset ledger.
    type: str
  bmc_address:
    description: Address of the node's BMC.
    type: str
  bmc_serial:
    description: Serial number that this BMC reported for the machine.
    type: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Tell the node who it is
  node_identity:
    name: "{{ inventory_hostname }}"
    site: hospital-a
    rack: R01
    rack_position: 20
    asset_serial: 2102314TWN10P0000001
    bmc_address: 192.0.2.11
"""

RETURN = r"""
steps:
  description: What was, or in check mode would be, changed.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Managed file.
      type: str
    action:
      description: write or remove.
      type: str
observations:
  description: What the firmware says of the node, ready for evidence_record.
  returned: always
  type: list
  elements: dict
"""

import datetime
import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.identity import apply, parse, plan, verify


def observation(params, facts):
    """The observation of kind node, without raw output: the facts are the answers themselves."""
    simulated = os.path.exists("/run/npuforge-twin")
    return {
        "schema": "npuforge.observation/1",
        "subject": {"kind": "node", "id": params["name"]},
        "collected_at": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "collector": "node_identity",
        "tool": {"name": "dmidecode", "version": "system"},
        "provenance": "simulated" if simulated else "hardware",
        "facts": facts,
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "name": {"type": "str", "required": True},
            "site": {"type": "str", "required": True},
            "rack": {"type": "str"},
            "rack_position": {"type": "int"},
            "asset_serial": {"type": "str"},
            "bmc_address": {"type": "str"},
            "bmc_serial": {"type": "str"},
        },
        supports_check_mode=True,
    )
    params = module.params
    files = apply.Files()
    wanted = {field: params[field] for field in plan.FIELDS} if params["state"] == "present" else None
    try:
        present = apply.observe(files)
        steps = plan.plan(present, wanted)
        if steps and not module.check_mode:
            apply.apply(steps, files)
            wrong = verify.mismatches(steps, files)
            if wrong:
                apply.undo(steps, files)
                module.fail_json(msg="read back differs, put back the old files: {}".format(", ".join(wrong)))
    except OSError as error:
        module.fail_json(msg=f"cannot keep the identity record: {error}")

    dmi = verify.firmware(apply.Runner())
    notes = dmi.pop("notes")
    _, problem = parse.parse_record(present[plan.RECORD_PATH])
    if problem:
        notes.append({"where": plan.RECORD_PATH, "problem": f"was damaged ({problem}); written anew"})
    facts = {"dmi": dmi, "serial_matches_bmc": verify.same_serial(dmi["serial"], params["bmc_serial"]), "notes": notes}
    module.exit_json(
        changed=bool(steps),
        steps=[{"path": step["path"], "action": "remove" if step["after"] is None else "write"} for step in steps],
        diff=[
            {
                "before_header": step["path"],
                "after_header": step["path"],
                "before": step["before"] or "",
                "after": step["after"] or "",
            }
            for step in steps
        ],
        observations=[{"observation": observation(params, facts), "raw": []}],
    )


if __name__ == "__main__":
    main()
