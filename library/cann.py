#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: CANN packages of a node, side by side, with one active and its environment written."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cann
short_description: Give a node the wanted CANN packages, one version active, and its environment
description:
  - Compares what the packages' own files say with what is wanted first; where they agree no installer is run.
  - Installs toolkit, kernels (C(ops) since 8.5) and nnal of each wanted version beside the others; nothing is removed.
  - Makes one version the active one (C(ascend-toolkit/latest) before 8.5, C(cann) since) and writes its environment for
    systemd and for login shells.
  - A toolkit that does not go with the installed driver, by their version files, is not made the active one.
  - The packages' licence (EULA) is accepted with C(--quiet); whoever runs this accepts it.
options:
  subject:
    description: The node's name in the inventory.
    type: str
    required: true
  wanted:
    description:
      - Versions of C(toolkit), C(kernels) and C(nnal), each one or a list. A missing key means the bundle's versions;
        null or an empty list means none.
    type: dict
    default: {}
  active:
    description: The toolkit's version that is used; without one the newest that is wanted.
    type: str
  bundle:
    description:
      - C(url) of the bundle's server and C(artifacts), entries of its manifest; those for other machines are ignored.
    type: dict
    default: {}
  base:
    description: Folder that CANN is installed in.
    type: path
    default: /usr/local/Ascend
  environment_file:
    description: Where the environment is kept for systemd and scripts.
    type: path
    default: /etc/npuforge/cann.env
  profile_file:
    description: Where the environment is kept for login shells.
    type: path
    default: /etc/profile.d/npuforge-cann.sh
  atb_cxx_abi:
    description: The C++ ABI of nnal's ATB that the environment names.
    type: int
    choices: [0, 1]
    default: 1
  allow_incompatible:
    description: Whether a toolkit is made active although it does not go with the driver.
    type: bool
    default: false
  require_driver:
    description: Whether the driver must be installed first.
    type: bool
    default: true
  packages:
    description: Folder that packages are fetched into.
    type: path
    default: /var/lib/npuforge/packages
  timeout_seconds:
    description: Time in seconds after which an installer is stopped.
    type: float
    default: 3600
  root:
    description: The folder that the node's files are in. Only a test has another.
    type: path
    default: /
attributes:
  check_mode:
    support: full
    description: Makes the same plan and touches nothing; the facts are of what is there.
  diff_mode:
    support: full
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Two versions side by side, the older one active
  cann:
    subject: "{{ inventory_hostname }}"
    wanted: {toolkit: [8.1.RC1, 8.2.RC1], kernels: [8.1.RC1, 8.2.RC1], nnal: 8.2.RC1}
    active: 8.1.RC1
    bundle: "{{ hostvars['localhost'].ansible_facts.npuforge_bundle }}"
  become: true
"""

RETURN = r"""
message:
  description: What was done, or why not, in a sentence.
  returned: always
  type: str
steps:
  description: What was, or in check mode would be, done, in order.
  returned: always
  type: list
  elements: str
problems:
  description: Why nothing was touched; empty when it could begin.
  returned: always
  type: list
  elements: str
observations:
  description: One entry for evidence_record (kind node, fact C(cann)) with the installers' output and logs.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.ascend.files import Locked
from ansible.module_utils.npuforge.ascend.software import cann_facts, cann_run, installer
from ansible.module_utils.npuforge.ascend.software.host import Host
from ansible.module_utils.npuforge.bundle.fetch import fetch


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "wanted": {"type": "dict", "default": {}},
            "active": {"type": "str"},
            "bundle": {"type": "dict", "default": {}},
            "base": {"type": "path", "default": "/usr/local/Ascend"},
            "environment_file": {"type": "path", "default": "/etc/npuforge/cann.env"},
            "profile_file": {"type": "path", "default": "/etc/profile.d/npuforge-cann.sh"},
            "atb_cxx_abi": {"type": "int", "choices": [0, 1], "default": 1},
            "allow_incompatible": {"type": "bool", "default": False},
            "require_driver": {"type": "bool", "default": True},
            "packages": {"type": "path", "default": "/var/lib/npuforge/packages"},
            "timeout_seconds": {"type": "float", "default": 3600},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    if params["timeout_seconds"] <= 0:
        module.fail_json(msg="timeout_seconds must be above nought")
    unknown = sorted(set(params["wanted"]) - {"toolkit", "kernels", "nnal"})
    if unknown:
        module.fail_json(msg=f"wanted: unknown keys {', '.join(unknown)}")
    request = cann_run.Request(
        subject=params["subject"],
        wanted=params["wanted"],
        bundle=params["bundle"],
        active=params["active"] or None,
        base=params["base"].rstrip("/"),
        environment=params["environment_file"],
        profile=params["profile_file"],
        abi=params["atb_cxx_abi"],
        allow_incompatible=params["allow_incompatible"],
        require_driver=params["require_driver"],
        packages=params["packages"],
        check=module.check_mode,
        timeout_seconds=params["timeout_seconds"],
    )
    bench = cann_run.Bench(Host(params["root"]), fetch)
    simulated = os.path.exists("/run/npuforge-twin")
    try:
        work = cann_run.run(request, bench)
    except (Locked, installer.Cancelled, OSError) as error:
        # What is there is told all the same: a run that could not begin must not hide what it would have seen.
        work = cann_run.look(request, bench, f"broken off: {error}; run again, the next run finds what is left to do")
    made = cann_facts.result(request, work, simulated)
    result = {
        "changed": made.changed,
        "message": made.message,
        "steps": made.steps,
        "problems": made.problems,
        "diff": made.diff,
        "observations": made.observations,
    }
    if made.failed:
        module.fail_json(msg=made.message, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
