#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: the operating system's baseline of a node, running and at boot, compared and set."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: kernel_tuning
short_description: Make the kernel and the operating system of a node what the baseline says
description:
  - Reads every setting of the baseline as it runs and as it will boot, and compares both with what is wanted - kernel
    parameters, limits, huge pages, CPU isolation, I/O schedulers, governor, IOMMU, modules, swap, SELinux,
    firewall, names, locale and the retention of logs.
  - Sets only what differs, at run time in C(/proc) and C(/sys), for boot in files of its own, in
    C(/etc/default/grub) and in managed blocks. What others configured stays; where it wins over the baseline, that is
    told and not changed.
  - CPUs are isolated by the node's own NUMA topology - the first cores of every NUMA node keep house.
  - Keeps a backup of the boot loader's defaults, and a boot entry C(npuforge-fallback) with the command line from
    before.
  - Looks again afterwards. What did not take is put back, and the module fails with the reason; the rest stays.
  - Never restarts the node. It says whether a restart is needed, and why.
  - Another run on the same node is waited for. One that was killed needs no cleaning up.
options:
  subject:
    description: The node's name in the inventory.
    type: str
    required: true
  wanted:
    description:
      - The baseline of this node (C(docs/node-software.md), section 3), as the action plugin os_plan merges it.
      - A key that is missing or null is left alone.
    type: dict
    required: true
  root:
    description: Folder that stands for the machine. Only a test has another; programs are then taken from there, too.
    type: path
    default: /
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
- name: Set the baseline of a node
  kernel_tuning:
    subject: "{{ inventory_hostname }}"
    wanted: "{{ hostvars['localhost'].ansible_facts.npuforge_os_plan[inventory_hostname] }}"
  become: true

- name: Only keep transparent huge pages off
  kernel_tuning:
    subject: "{{ inventory_hostname }}"
    wanted:
      transparent_hugepages: never
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
reboot_required:
  description: Whether only a restart brings the baseline into effect; in check mode, whether it would.
  returned: always
  type: bool
reboot_reasons:
  description: Why, in sentences.
  returned: always
  type: list
  elements: str
observations:
  description: One entry for evidence_record, of kind node - each setting with its value running, at boot and wanted.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.kernel import run
from ansible.module_utils.npuforge.kernel.host import Host, Locked


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "wanted": {"type": "dict", "required": True},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    host = Host(params["root"])
    simulated = os.path.exists("/run/npuforge-twin")
    try:
        made = run.run(host, params["subject"], params["wanted"], check=module.check_mode, simulated=simulated)
    except Locked as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"cannot keep the baseline: {error}; run again, the next run finds what is left to do")
    result = {
        "changed": made.changed,
        "message": made.message,
        "steps": made.steps,
        "diff": made.diff,
        "observations": made.observations,
        "reboot_required": bool(made.reboot_reasons),
        "reboot_reasons": made.reboot_reasons,
    }
    if made.failed:
        module.fail_json(msg=made.message, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
