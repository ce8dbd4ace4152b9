#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: collective_test
short_description: Run HCCL Test over all ranks from one node
description:
  - Runs C(all_reduce_test) and C(alltoall_test) of CANN's HCCL Test with mpirun over all nodes of the plan.
  - Bandwidth is computed from bytes and time (1 GB/s is 1e9 bytes/s), bus bandwidth with the factor 2(n-1)/n. Any
    rank's failure line, a wrong result, or mpirun's exit code counts as a failure of the run.
  - Where HCCL Test or mpirun is missing the facts are null, and the notes say so. The module fails only for wrong
    arguments, or when it is stopped by a signal; it ends mpirun then.
  - The counters of the alltoall (PFC, drops) are added by the action plugin M(fabric_results).
options:
  site:
    description: Name of the site, the subject of the observation.
    type: str
    required: true
  plan:
    description: The fabric plan, or the part of it that the tests need.
    type: dict
    required: true
  hosts:
    description: The nodes in the order of ranks.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Node of the plan., type: str, required: true}
      address: {description: Address by which mpirun reaches it., type: str, required: true}
  operations:
    description: What to run.
    type: list
    elements: str
    choices: [all_reduce, alltoall]
    default: [all_reduce, alltoall]
  path:
    description: Folder of HCCL Test (with C(bin/all_reduce_test)); without it CANN's usual places are tried.
    type: path
  mpirun:
    description: The program mpirun.
    type: str
    default: mpirun
  environment_script:
    description: CANN's C(set_env.sh), read before mpirun; without it the usual places are tried.
    type: path
  first_bytes:
    description: Smallest message in bytes.
    type: int
    default: 8192
  last_bytes:
    description: Largest message in bytes; the bus bandwidth is taken from it.
    type: int
    default: 67108864
  timeout_seconds:
    description: Time in seconds for one operation.
    type: float
    default: 300
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
- name: Run the collectives
  collective_test:
    site: hospital-a
    plan: "{{ hostvars['localhost'].ansible_facts.npuforge_fabric_plan }}"
    hosts:
      - {name: node1, address: 192.0.2.11}
      - {name: node2, address: 192.0.2.12}
  run_once: true
"""

RETURN = r"""
observations:
  description: One observation of kind cluster with C(all_reduce) and C(incast); bandwidth in GB/s, times in
    microseconds.
  type: list
  elements: dict
  returned: always
"""

import os
import signal

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.common import observation
from ansible.module_utils.npuforge.fabric import collective
from ansible.module_utils.npuforge.fabric.tool import Tool


def main():
    module = AnsibleModule(
        argument_spec={
            "site": {"type": "str", "required": True},
            "plan": {"type": "dict", "required": True},
            "hosts": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                },
            },
            "operations": {
                "type": "list",
                "elements": "str",
                "choices": [collective.ALL_REDUCE, collective.ALLTOALL],
                "default": [collective.ALL_REDUCE, collective.ALLTOALL],
            },
            "path": {"type": "path"},
            "mpirun": {"type": "str", "default": "mpirun"},
            "environment_script": {"type": "path"},
            "first_bytes": {"type": "int", "default": 8192},
            "last_bytes": {"type": "int", "default": 67108864},
            "timeout_seconds": {"type": "float", "default": 300},
        },
        supports_check_mode=True,
    )
    params = module.params
    if not 0 < params["first_bytes"] <= params["last_bytes"] or params["timeout_seconds"] <= 0:
        module.fail_json(msg="first_bytes, last_bytes and timeout_seconds must be above nought and in order")
    if module.check_mode:
        module.exit_json(changed=False, skipped=True, observations=[], msg="check mode: nothing was measured")
    tool = Tool("/bin/bash")

    def stop(number, _frame):
        tool.stopping.set()  # the call that runs is ended with all its ranks, and the result says so
        signal.signal(number, signal.SIG_IGN)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    options = collective.Options(
        hosts=[(host["name"], host["address"]) for host in params["hosts"]],
        operations=params["operations"],
        path=params["path"],
        mpirun=params["mpirun"],
        environment_script=params["environment_script"],
        environment=collective.environment_of(params["plan"]),
        first_bytes=params["first_bytes"],
        last_bytes=params["last_bytes"],
        seconds=params["timeout_seconds"],
    )
    try:
        facts, raw = collective.run(params["plan"], options, tool)
    except ValueError as error:
        module.fail_json(msg=str(error))
    if tool.stopping.is_set():
        module.fail_json(msg="stopped by a signal; mpirun was ended")
    simulated = os.path.exists("/run/npuforge-twin")
    entry = observation("cluster", params["site"], collective.COLLECTOR, facts, simulated)
    module.exit_json(changed=False, observations=[{"observation": entry, "raw": raw}])


if __name__ == "__main__":
    main()
