#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: the network ports of a node's NPUs, read, compared with the fabric plan, and set."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: hccn
short_description: Make the NPU ports of a node what the fabric plan says
description:
  - Reads every planned NPU port with C(hccn_tool), one call at a time, and compares device, C(/etc/hccn.conf) and plan.
  - Writes only what differs, in an order that the tool takes (address, gateway, detection, then the rest; ports that
    hold each other's addresses one after the other), after a checkpoint of the file. Keys that nobody knows, comments
    and their order stay.
  - Looks at device and file again. A port that is not as told gets its old settings back; the others keep the new ones.
  - Keeps the HCCL environment of the plan in a file for shells and systemd.
  - Another run on the same node is waited for. One that was killed needs no cleaning up.
options:
  subject:
    description: The node's name in the plan.
    type: str
    required: true
  plan:
    description: The fabric plan, or this node's part of it.
    type: dict
    required: true
  environment_file:
    description: Where the HCCL environment is kept.
    type: path
    default: /etc/npuforge/hccl.env
  tool:
    description: The program hccn_tool; without a slash it is looked for on PATH and in the driver's folder.
    type: str
    default: hccn_tool
  conf:
    description: The file that the tool keeps its settings in. Only a test has another.
    type: path
    default: /etc/hccn.conf
  call_seconds:
    description: Time in seconds after which a call that gives no answer is ended.
    type: float
    default: 15
  busy_seconds:
    description: How long in seconds a call is tried again while the tool is busy.
    type: float
    default: 30
  link_window_seconds:
    description: How far back in seconds a loss of the link counts as recent.
    type: float
    default: 3600
  link_downs_allowed:
    description: How often the link may go down within that time. The restart of a switch is one.
    type: int
    default: 1
  optics:
    description:
      - Limits for optical modules that tell none of their own (C(rx_power_low_mw), C(tx_power_low_mw)), and the lowest
        signal to noise ratio (C(snr_low_db), 8 dB unless given).
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Makes the same plan and writes nothing; the facts are of what is there.
  diff_mode:
    support: full
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Set the NPU ports of a node
  hccn:
    subject: "{{ inventory_hostname }}"
    plan: "{{ hostvars['localhost'].ansible_facts.npuforge_fabric_plan }}"
  become: true
"""

RETURN = r"""
message:
  description: What was done, or why not, in a sentence.
  returned: always
  type: str
steps:
  description: What was, or in check mode would be, changed, in order.
  returned: always
  type: list
  elements: str
observations:
  description: Entries for evidence_record, one for the node (kind node) and one for each port (kind npu). Speeds are in
    Mbit/s, sizes in bytes, optical powers in mW - as the names say.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.ascend import hccn_facts, hccn_run
from ansible.module_utils.npuforge.ascend.files import Files, Locked
from ansible.module_utils.npuforge.fabric.tool import Tool


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "environment_file": {"type": "path", "default": "/etc/npuforge/hccl.env"},
            "tool": {"type": "str", "default": "hccn_tool"},
            "conf": {"type": "path", "default": "/etc/hccn.conf"},
            "call_seconds": {"type": "float", "default": 15},
            "busy_seconds": {"type": "float", "default": 30},
            "link_window_seconds": {"type": "float", "default": 3600},
            "link_downs_allowed": {"type": "int", "default": 1},
            "optics": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    for name in ("call_seconds", "busy_seconds", "link_window_seconds"):
        if params[name] <= 0:
            module.fail_json(msg=f"{name} must be above nought")
    problem = hccn_run.wrong_plan(params["plan"], params["subject"])
    if problem:
        module.fail_json(msg="{}: {}".format(params["subject"], problem))
    request = hccn_run.Request(
        subject=params["subject"],
        plan=params["plan"],
        check=module.check_mode,
        conf_path=params["conf"],
        environment_path=params["environment_file"],
        limits=hccn_facts.Limits(params["link_window_seconds"], params["link_downs_allowed"], params["optics"]),
    )
    runner = Tool(params["tool"], short_seconds=params["call_seconds"], busy_seconds=params["busy_seconds"])
    try:
        made = hccn_run.run(request, runner, Files(), os.path.exists("/run/npuforge-twin"))
    except Locked as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"cannot keep the settings: {error}; run again, the next run finds what is left to do")
    result = {
        "changed": made.changed,
        "message": made.message,
        "steps": made.steps,
        "diff": made.diff,
        "observations": made.observations,
    }
    if made.failed:
        module.fail_json(msg=made.message, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
