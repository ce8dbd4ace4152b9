#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: npu_info
short_description: Read all NPUs of a node with npu-smi
description:
  - Reads the table of C(npu-smi info), its list, map and topology, and of each NPU what C(types) names, in one call.
  - The generation is told by PCI device id and memory, never by the name (a 910A can print C(910B)).
  - A node without driver or permission is no failure of the module; its observation says why nothing could be seen.
  - It changes nothing.
options:
  subject:
    description: The node's name in the inventory; its NPUs become subjects such as C(node2/NPU3).
    type: str
    required: true
  types:
    description: What to ask of each NPU beside the table. Each type is one more call a card.
    type: list
    elements: str
    choices: [board, health, ecc, memory, common, usages]
    default: [board, health, ecc, memory]
  tool:
    description: The program npu-smi; without a slash it is looked for on PATH and in the driver's folder.
    type: str
    default: npu-smi
  call_seconds:
    description: Time in seconds after which a call that gives no answer is ended.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
    description: Nothing is changed in any mode.
  diff_mode:
    support: none
    description: Nothing is configured.
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Read the NPUs
  npu_info:
    subject: "{{ inventory_hostname }}"
  become: true
"""

RETURN = r"""
observations:
  description: Entries for evidence_record, one for the node (kind node, fact C(npu_smi)) and one for each chip (kind
    npu). Memory in MiB, power in watts, temperatures in degrees Celsius - as the names say.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.ascend import npu_info
from ansible.module_utils.npuforge.fabric.tool import Tool


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "types": {
                "type": "list",
                "elements": "str",
                "choices": list(npu_info.CHOICES),
                "default": list(npu_info.TYPES),
            },
            "tool": {"type": "str", "default": "npu-smi"},
            "call_seconds": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    if module.params["call_seconds"] <= 0:
        module.fail_json(msg="call_seconds must be above nought")
    runner = Tool(module.params["tool"], short_seconds=module.params["call_seconds"], width=npu_info.WIDTH)
    seen = npu_info.read(runner, module.params["types"])
    simulated = os.path.exists("/run/npuforge-twin")
    module.exit_json(changed=False, observations=npu_info.observations(module.params["subject"], seen, simulated))


if __name__ == "__main__":
    main()
