#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_test
short_description: Measure bandwidth and reachability between the NPU ports of all nodes
description:
  - Runs on every node at the same time with the same plan, and does the node's part of one schedule. Every pair of
    nodes meets once, in both directions, all ports in parallel, with C(hccn_tool -roce_test). Every pair of ports
    is then probed with a small packet and one that fills the MTU.
  - Rates are computed from message rate and size and must agree with the printed bandwidth; what does not is null.
  - A test that was begun goes on in the device when its tool is killed. The devices are therefore reset before the
    first test and always in the end, also when the module is stopped by a signal.
  - Each node returns its half. The action plugin M(fabric_results) joins them; this module judges nothing.
  - All nodes must run it at the same time, so C(forks) must be at least their number.
options:
  subject:
    description: The node's name in the plan.
    type: str
    required: true
  plan:
    description: The fabric plan, or the part of it that the tests need (C(nodes), C(qos), C(test), C(ports)).
    type: dict
    required: true
  nodes:
    description: Nodes that take part, the same list on each; without it all of the plan.
    type: list
    elements: str
  do:
    description: What to do. V(counters) alone reads the ports' counters and tests nothing.
    type: list
    elements: str
    choices: [bandwidth, reachability, counters]
    default: [bandwidth, reachability]
  operation:
    description: Which test of C(hccn_tool -roce_test).
    type: str
    choices: [ib_send_bw, ib_write_bw]
    default: ib_send_bw
  message_bytes:
    description: Size of one message in bytes, instead of the plan's.
    type: int
  iterations:
    description: Messages of one test, instead of the plan's.
    type: int
  allow_busy:
    description: Test also devices that are in use; it disturbs whoever uses them.
    type: bool
    default: false
  hbm_idle_percent:
    description: Share of its memory in per cent that a free device may hold.
    type: float
    default: 15
  tool:
    description: The program hccn_tool.
    type: str
    default: hccn_tool
  npu_smi:
    description: The program npu-smi.
    type: str
    default: npu-smi
  skew_seconds:
    description: How much later than this node another one may start, in seconds.
    type: float
    default: 20
  step_seconds:
    description: Time in seconds for one direction of one pair of nodes.
    type: float
    default: 30
  straggler_seconds:
    description: Time in seconds that the other ports of a step have once the first one is through.
    type: float
    default: 15
  probe_seconds:
    description: Time in seconds for all probes of this node. What was not probed by then is unknown, not passed.
    type: float
    default: 60
  small_packets:
    description: Whether the small packet is sent for each pair of ports, or only where the large one did not come back
      (V(after_loss)). A large packet that came back proves the small one too, and half the time is saved.
    type: str
    choices: [always, after_loss]
    default: always
attributes:
  check_mode:
    support: full
    description: Measures nothing, and says so (C(skipped)).
  diff_mode:
    support: none
    description: Nothing is configured.
author: npuforge
"""

EXAMPLES = r"""
- name: Measure the fabric
  fabric_test:
    subject: "{{ inventory_hostname }}"
    plan: "{{ hostvars['localhost'].ansible_facts.npuforge_fabric_plan }}"
    nodes: "{{ ansible_play_hosts }}"
  become: true

- name: Read the counters after another test
  fabric_test:
    subject: "{{ inventory_hostname }}"
    plan: "{{ hostvars['localhost'].ansible_facts.npuforge_fabric_plan }}"
    do: [counters]
  become: true
"""

RETURN = r"""
half:
  description: What this node's ports sent and received (bytes per second), and their counters around each step.
  type: dict
  returned: when something was measured or refused
refused:
  description: Which devices are in use; nothing was measured then.
  type: list
  elements: str
  returned: when not in check mode
observations:
  description: Observation of kind node; its fact C(reachability) says which ports could not be reached.
  type: list
  elements: dict
  returned: always
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.fabric import measure, roce_test
from ansible.module_utils.npuforge.fabric.tool import Tool


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "nodes": {"type": "list", "elements": "str"},
            "do": {
                "type": "list",
                "elements": "str",
                "choices": [measure.BANDWIDTH, measure.REACHABILITY, measure.COUNTERS],
                "default": [measure.BANDWIDTH, measure.REACHABILITY],
            },
            "operation": {"type": "str", "choices": list(roce_test.OPERATIONS), "default": "ib_send_bw"},
            "message_bytes": {"type": "int"},
            "iterations": {"type": "int"},
            "allow_busy": {"type": "bool", "default": False},
            "hbm_idle_percent": {"type": "float", "default": 15},
            "tool": {"type": "str", "default": "hccn_tool"},
            "npu_smi": {"type": "str", "default": "npu-smi"},
            "skew_seconds": {"type": "float", "default": 20},
            "step_seconds": {"type": "float", "default": 30},
            "straggler_seconds": {"type": "float", "default": 15},
            "probe_seconds": {"type": "float", "default": 60},
            "small_packets": {"type": "str", "choices": ["always", "after_loss"], "default": "always"},
        },
        supports_check_mode=True,
    )
    params = module.params
    for name in ("message_bytes", "iterations", "step_seconds", "straggler_seconds", "probe_seconds"):
        if params[name] is not None and params[name] <= 0:
            module.fail_json(msg=f"{name} must be above nought")
    if params["nodes"] is not None and params["subject"] not in params["nodes"]:
        module.fail_json(msg="{} is not among the nodes that take part".format(params["subject"]))
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, observations=[], msg="check mode: nothing was measured")
    limits = roce_test.Limits(params["skew_seconds"], params["step_seconds"], params["straggler_seconds"])
    options = measure.Options(
        do=params["do"],
        nodes=params["nodes"],
        operation=params["operation"],
        message_bytes=params["message_bytes"],
        iterations=params["iterations"],
        limits=limits,
        probe_seconds=params["probe_seconds"],
        imply_small=params["small_packets"] == "after_loss",
        allow_busy=params["allow_busy"],
        hbm_idle_percent=params["hbm_idle_percent"],
        npu_smi=params["npu_smi"],
    )
    simulated = os.path.exists("/run/npuforge-twin")
    try:
        result = measure.run(params["plan"], params["subject"], Tool(params["tool"]), options, simulated)
    except ValueError as error:
        module.fail_json(msg=str(error))
    except measure.Stopped as error:
        module.fail_json(msg=f"{error}; the devices were reset")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
