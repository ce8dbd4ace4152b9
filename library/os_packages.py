#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: RPM packages of the site's bundle on a node."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: os_packages
short_description: Install RPM packages of the site's bundle
description:
  - Compares the packages of the bundle with what C(rpm) says is installed, and installs what is missing or older.
  - Files are fetched from the bundle's server once, and refused by name unless they have the manifest's size and
    SHA-256. The node's own repositories are not asked.
  - A newer package on the node is left alone; of kernel packages several versions live side by side.
options:
  subject:
    description: The node's name in the inventory.
    type: str
    required: true
  bundle:
    description: Where packages come from, C({url, artifacts}) with entries of the bundle's manifest.
    type: dict
    required: true
  names:
    description: Packages to install; all of the bundle's for this machine unless given.
    type: list
    elements: str
  packages:
    description: Folder that files are fetched into.
    type: path
    default: /var/lib/npuforge/packages
  root:
    description: Folder that stands for the machine. Only a test has another than C(/).
    type: path
    default: /
attributes:
  check_mode:
    support: full
    description: Makes the same plan and installs nothing.
  diff_mode:
    support: none
    description: The steps say it.
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Install what the driver is built with
  os_packages:
    subject: "{{ inventory_hostname }}"
    bundle: "{{ hostvars['localhost'].ansible_facts.npuforge_bundle }}"
    names: [dkms, gcc, make, kernel-devel, kernel-headers]
  become: true
"""

RETURN = r"""
message:
  description: What was done, or why not, in a sentence.
  returned: always
  type: str
steps:
  description: What was, or in check mode would be, installed.
  returned: always
  type: list
  elements: str
observations:
  description: An entry for evidence_record (kind node, fact C(packages)).
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.kernel.host import Host, Locked
from ansible.module_utils.npuforge.packages.run import Request, run


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "bundle": {"type": "dict", "required": True},
            "names": {"type": "list", "elements": "str"},
            "packages": {"type": "path", "default": "/var/lib/npuforge/packages"},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    request = Request(params["subject"], params["bundle"], params["names"], params["packages"], bool(module.check_mode))
    try:
        made = run(request, Host(params["root"]), os.path.exists("/run/npuforge-twin"))
    except Locked as error:
        module.fail_json(msg=str(error))
    result = {
        "changed": made.changed,
        "message": made.message,
        "steps": made.steps,
        "observations": made.observations,
    }
    if made.failed:
        module.fail_json(msg=made.message, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
