#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: a node's time by chrony - configuration compared and set, and what the clock really is, measured."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: time_sync
short_description: Keep a node's clock by chrony, and measure it
description:
  - Compares C(chrony.conf), service and running chronyd with what is planned, and writes and restarts only where
    something differs. The old file is kept beside the new one; one that chronyd does not take is put back.
  - Asks the sources anew and waits, within a limit, for a measurement. A clock is synchronised when a selected source
    has answered just now and the leap status is normal, not when a service runs.
  - A node on which another time service runs is left alone, and the module fails and names that service.
  - A run that was killed needs no cleaning up.
options:
  subject:
    description: The node's name in the inventory.
    type: str
    required: true
  servers:
    description: Addresses or names of the time servers. Empty on the node that is the site's own source.
    type: list
    elements: str
    default: []
  local_source:
    description: Be the site's own source, for a site without time servers. Its clock is then everybody's.
    type: bool
    default: false
  local_stratum:
    description: The stratum that the site's own source gives itself.
    type: int
    default: 10
  allow:
    description: Addresses or subnets that may ask this node, with O(local_source).
    type: list
    elements: str
    default: []
  conf:
    description: Another file than the one that the distribution's service reads.
    type: path
  max_wait_seconds:
    description: How long in seconds a measurement is waited for.
    type: float
    default: 30
  controller_time:
    description:
      - The controller's time, in seconds since 1970, just before this task. With it the node's clock is compared with
        another one than that of its time servers. The task's own way to the node, a second or two, is in the result.
    type: float
attributes:
  check_mode:
    support: full
    description: Makes the same plan, writes nothing and asks nobody anew; the facts are what chronyd measured last.
  diff_mode:
    support: full
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Keep time by the hospital's servers
  time_sync:
    subject: "{{ inventory_hostname }}"
    servers: [10.20.0.1, 10.20.0.2]
    controller_time: "{{ now().timestamp() }}"
  become: true

- name: Be the source of a site without time servers
  time_sync:
    subject: "{{ inventory_hostname }}"
    local_source: true
    allow: [10.20.0.0/24]
  become: true
"""

RETURN = r"""
message:
  description: What was done and how the clock is, or why it could not be done, in a sentence.
  returned: always
  type: str
steps:
  description: What was, or in check mode would be, done, in order.
  returned: always
  type: list
  elements: str
observations:
  description: One entry for evidence_record, of kind node. Offsets in milliseconds are positive when the node is ahead.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.clock import conf, run
from ansible.module_utils.npuforge.kernel.host import Host, Locked


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "servers": {"type": "list", "elements": "str", "default": []},
            "local_source": {"type": "bool", "default": False},
            "local_stratum": {"type": "int", "default": conf.LOCAL_STRATUM},
            "allow": {"type": "list", "elements": "str", "default": []},
            "conf": {"type": "path"},
            "max_wait_seconds": {"type": "float", "default": 30},
            "controller_time": {"type": "float"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["max_wait_seconds"] <= 0:
        module.fail_json(msg="max_wait_seconds must be above nought")
    wanted = conf.Wanted(params["servers"], params["local_source"], params["allow"], params["local_stratum"])
    problem = conf.wrong(wanted)
    if problem:
        module.fail_json(msg=problem)
    request = run.Request(
        subject=params["subject"],
        wanted=wanted,
        check=module.check_mode,
        conf=params["conf"],
        max_wait_seconds=params["max_wait_seconds"],
        controller_time=params["controller_time"],
    )
    try:
        made = run.run(request, Host(), os.path.exists("/run/npuforge-twin"))
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
