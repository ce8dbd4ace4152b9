#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: hbm_test
short_description: Read the memory of every NPU of a node and measure its bandwidths
description:
  - Capacity and ECC counters of every chip by C(npu-smi), before and after; bandwidth inside the chip's memory and from
    and to the host's by C(ascend-dmi --bw), chip after chip.
  - A node with chips in use is refused; so is one whose use cannot be seen. No process of the test outlives the module,
    however the module ends.
  - It changes nothing and judges nothing. How far it is stands in C(/run/npuforge/progress/hbm_test.json).
options:
  subject:
    description: The node's name in the inventory; its NPUs become subjects such as C(node2/NPU3).
    type: str
    required: true
  kinds:
    description: What to measure. V(d2d) is the chip's own memory; V(h2d) and V(d2h) go through the host's bus.
    type: list
    elements: str
    choices: [d2d, h2d, d2h]
    default: [d2d, h2d, d2h]
  allow_busy:
    description: Measure also chips that are in use; it disturbs whoever uses them, and they the figures.
    type: bool
    default: false
  hbm_idle_percent:
    description: Share of its memory in per cent that a free chip may hold.
    type: float
    default: 15
  size_bytes:
    description: Bytes of one copy of V(h2d) and V(d2h). Some products take at most 512 MiB.
    type: int
    default: 536870912
  iterations:
    description: Copies of V(h2d) and V(d2h).
    type: int
    default: 50
  call_seconds:
    description: Time in seconds after which one measurement is ended.
    type: float
    default: 120
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
- name: Measure the memory of all NPUs
  hbm_test:
    subject: "{{ inventory_hostname }}"
  become: true
"""

RETURN = r"""
observations:
  description: Entries for evidence_record, one for the node (fact C(hbm_test)) and one for each chip (kind npu, facts
    C(hbm) and C(busy)). Memory in MiB, bandwidths in GB/s - as the names say.
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
from ansible.module_utils.npuforge.ascend import dmi_progress, dmi_run, dmi_session, files, hbm


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "kinds": {"type": "list", "elements": "str", "choices": list(hbm.FACTS), "default": list(hbm.FACTS)},
            "allow_busy": {"type": "bool", "default": False},
            "hbm_idle_percent": {"type": "float", "default": 15},
            "size_bytes": {"type": "int", "default": 536870912},
            "iterations": {"type": "int", "default": 50},
            "call_seconds": {"type": "float", "default": 120},
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
    for name in ("size_bytes", "iterations", "call_seconds", "total_seconds"):
        if params[name] <= 0:
            module.fail_json(msg=f"{name} must be above nought")
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, observations=[], msg="check mode: nothing was measured")
    limits = dmi_run.Limits(
        call=params["call_seconds"],
        total=params["total_seconds"],
        size_bytes=params["size_bytes"],
        iterations=params["iterations"],
    )
    options = hbm.Options(params["kinds"], params["allow_busy"], params["hbm_idle_percent"])
    progress = dmi_progress.Progress(hbm.COLLECTOR, params["subject"], 0)
    simulated = os.path.exists("/run/npuforge-twin")
    try:
        with dmi_session.session(
            params["tool"],
            params["environment_files"],
            limits,
            npu_smi=params["npu_smi"],
            lock_seconds=params["lock_seconds"],
        ) as ready:
            result = hbm.run(params["subject"], ready, options, progress=progress, simulated=simulated)
    except (files.Locked, dmi_session.Stopped) as error:
        progress.end("stopped")
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
