#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: interconnect_test
short_description: Read topology and links between the NPUs of a node and measure the bandwidth of every pair
description:
  - The topology by C(npu-smi info -t topo) against the full mesh of the generation, the HCCS links of every chip by
    C(npu-smi info -t hccs) before and after, and the bandwidth of every ordered pair, one way and two ways, by
    C(ascend-dmi --bw -t p2p).
  - Pairs are compared with the median of their kind; whether they are fast enough is judged elsewhere.
  - A node with chips in use is refused; so is one whose use cannot be seen. No process of the test outlives the module,
    however the module ends.
  - It changes nothing. How far it is stands in C(/run/npuforge/progress/interconnect_test.json).
options:
  subject:
    description: The node's name in the inventory.
    type: str
    required: true
  generation:
    description: Whose mesh it must be. Without it the chips' PCI ids tell.
    type: str
    choices: [910B, A3]
  chip_count:
    description: How many chips must be in the mesh.
    type: int
  link_count:
    description: How many HCCS links of each chip must be up. Without it the chip with the most is the measure.
    type: int
  link_gbit_per_s:
    description: Speed in Gb/s that each HCCS link must have. Without it the fastest link is the measure.
    type: float
  below_median_percent:
    description: A pair that is more per cent than this below the median of its kind is named.
    type: float
    default: 15
  allow_busy:
    description: Measure also chips that are in use; it disturbs whoever uses them, and they the figures.
    type: bool
    default: false
  hbm_idle_percent:
    description: Share of its memory in per cent that a free chip may hold.
    type: float
    default: 15
  call_seconds:
    description: Time in seconds after which the measurement of one pair is ended.
    type: float
    default: 120
  matrix_seconds:
    description: Time in seconds after which the one call that measures all pairs is ended.
    type: float
    default: 600
  total_seconds:
    description: Time in seconds for all measurements; what was not measured by then is unknown.
    type: float
    default: 1800
  lock_seconds:
    description: How long to wait in seconds for another test on this node to end.
    type: float
    default: 60
  tool:
    description: The program ascend-dmi; without a slash it is looked for on the PATH that the environment files make.
    type: str
    default: ascend-dmi
  environment_files:
    description: Files that are sourced before, in this order; those that are not there are left out.
    type: list
    elements: path
    default:
      - /usr/local/Ascend/toolbox/set_env.sh
      - /usr/local/Ascend/cann/set_env.sh
      - /usr/local/Ascend/ascend-toolkit/set_env.sh
  npu_smi:
    description: The program npu-smi.
    type: str
    default: npu-smi
attributes:
  check_mode:
    support: full
    description: Measures nothing, and says so (C(skipped)).
  diff_mode:
    support: none
    description: Nothing is configured.
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Measure the bandwidth between all NPUs of the node
  interconnect_test:
    subject: "{{ inventory_hostname }}"
    chip_count: 8
    link_count: 7
    link_gbit_per_s: 224
  become: true
"""

RETURN = r"""
observations:
  description: One entry for evidence_record (kind node, facts C(interconnect) and C(busy)). Bandwidths in GB/s, a row
    for each sender in the order of the chips' places.
  returned: always
  type: list
  elements: dict
refused:
  description: Which chips are in use; nothing was measured then.
  returned: when not in check mode
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.ascend import dmi_progress, dmi_run, dmi_session, files, interconnect
from ansible.module_utils.npuforge.ascend.interconnect_rules import MESHES


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "generation": {"type": "str", "choices": list(MESHES)},
            "chip_count": {"type": "int"},
            "link_count": {"type": "int"},
            "link_gbit_per_s": {"type": "float"},
            "below_median_percent": {"type": "float", "default": 15},
            "allow_busy": {"type": "bool", "default": False},
            "hbm_idle_percent": {"type": "float", "default": 15},
            "call_seconds": {"type": "float", "default": 120},
            "matrix_seconds": {"type": "float", "default": 600},
            "total_seconds": {"type": "float", "default": 1800},
            "lock_seconds": {"type": "float", "default": 60},
            "tool": {"type": "str", "default": "ascend-dmi"},
            "environment_files": {
                "type": "list",
                "elements": "path",
                "default": list(dmi_run.ENVIRONMENT_FILES),
            },
            "npu_smi": {"type": "str", "default": "npu-smi"},
        },
        supports_check_mode=True,
    )
    params = module.params
    for name in ("call_seconds", "matrix_seconds", "total_seconds", "below_median_percent"):
        if params[name] <= 0:
            module.fail_json(msg=f"{name} must be above nought")
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, observations=[], msg="check mode: nothing was measured")
    limits = dmi_run.Limits(call=params["call_seconds"], matrix=params["matrix_seconds"], total=params["total_seconds"])
    options = interconnect.Options(
        generation=params["generation"],
        chip_count=params["chip_count"],
        link_count=params["link_count"],
        link_gbit_per_s=params["link_gbit_per_s"],
        below_median_percent=params["below_median_percent"],
        allow_busy=params["allow_busy"],
        idle_percent=params["hbm_idle_percent"],
    )
    progress = dmi_progress.Progress(interconnect.COLLECTOR, params["subject"], 0)
    simulated = os.path.exists("/run/npuforge-twin")
    try:
        with dmi_session.session(
            params["tool"],
            params["environment_files"],
            limits,
            npu_smi=params["npu_smi"],
            lock_seconds=params["lock_seconds"],
        ) as ready:
            result = interconnect.run(params["subject"], ready, options, progress=progress, simulated=simulated)
    except (files.Locked, dmi_session.Stopped) as error:
        progress.end("stopped")
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
