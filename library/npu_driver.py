#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: driver and firmware of a node's NPUs."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: npu_driver
short_description: Give a node the wanted NPU driver and firmware
description:
  - Compares the version files with what is wanted; where they agree and nothing is broken, no installer is run.
  - First installation is driver, then firmware; an upgrade is firmware, then driver; a broken driver is repaired first.
  - Checks everything beforehand (root, architecture, tools, kernel headers, space, other installers, chips in use) and
    reports all problems at once. The run user and group are created where they are missing.
  - Fetches the packages from the bundle with their hash, runs them in a process group that ends with this module, and
    writes progress to C(/run/npuforge/progress/npu_driver.json).
  - Judges by the version files, C(/etc/ascend_install.info) and C(npu-smi), not by the installer's words. On failure
    the version before is put back where its package is still in I(packages).
  - Restarts nothing; it says when a restart is needed, and why.
options:
  subject:
    description: The node's name in the inventory.
    type: str
    required: true
  wanted:
    description: Versions C(driver) and C(firmware). A missing key means the bundle's version; null leaves it alone.
    type: dict
    default: {}
  bundle:
    description:
      - C(url) of the bundle's server and C(artifacts), entries of its manifest; those for other machines are ignored.
    type: dict
    default: {}
  chip_count:
    description: Number of chips that the node should have; the firmware must have gone to as many.
    type: int
  install_user:
    description: C(name), C(group) and, where they matter, C(uid) and C(gid) of the vendor's run user.
    type: dict
    default: {}
  allow_reinstall:
    description: Whether an installation that is broken may be made anew.
    type: bool
    default: true
  allow_busy:
    description: Whether to install although chips are in use.
    type: bool
    default: false
  required_programs:
    description: Programs that must be there before the driver is installed, each with the package that brings it.
    type: dict
    default: {dkms: dkms, gcc: gcc, make: make, ifconfig: net-tools, lspci: pciutils}
  kernel_headers:
    description: Whether the headers of the running kernel must be there, since the driver builds its modules.
    type: bool
    default: true
  packages:
    description: Folder that packages are fetched into and kept in; those of earlier versions stay for the way back.
    type: path
    default: /var/lib/npuforge/packages
  timeout_seconds:
    description: Time in seconds after which an installer is stopped.
    type: float
    default: 1800
  tool:
    description: The program npu-smi; without a slash it is looked for on PATH and in the driver's folder.
    type: str
    default: npu-smi
  call_seconds:
    description: Time in seconds after which a call of npu-smi that gives no answer is ended.
    type: float
    default: 20
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
- name: Driver and firmware of the bundle
  npu_driver:
    subject: "{{ inventory_hostname }}"
    bundle: "{{ hostvars['localhost'].ansible_facts.npuforge_bundle }}"
    chip_count: 8
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
reboot_required:
  description: Whether the node must be restarted for what is installed to take effect.
  returned: always
  type: bool
observations:
  description: One entry for evidence_record (kind node, fact C(npu_software)) with the installers' output and logs.
  returned: always
  type: list
  elements: dict
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.ascend.files import Locked
from ansible.module_utils.npuforge.ascend.software import driver_facts, driver_run, installer
from ansible.module_utils.npuforge.ascend.software.driver_plan import User
from ansible.module_utils.npuforge.ascend.software.driver_preflight import Rules
from ansible.module_utils.npuforge.ascend.software.host import Host
from ansible.module_utils.npuforge.bundle.fetch import fetch
from ansible.module_utils.npuforge.fabric.tool import Tool


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "wanted": {"type": "dict", "default": {}},
            "bundle": {"type": "dict", "default": {}},
            "chip_count": {"type": "int"},
            "install_user": {"type": "dict", "default": {}},
            "allow_reinstall": {"type": "bool", "default": True},
            "allow_busy": {"type": "bool", "default": False},
            "required_programs": {
                "type": "dict",
                "default": {"dkms": "dkms", "gcc": "gcc", "make": "make", "ifconfig": "net-tools", "lspci": "pciutils"},
            },
            "kernel_headers": {"type": "bool", "default": True},
            "packages": {"type": "path", "default": "/var/lib/npuforge/packages"},
            "timeout_seconds": {"type": "float", "default": 1800},
            "tool": {"type": "str", "default": "npu-smi"},
            "call_seconds": {"type": "float", "default": 20},
            "root": {"type": "path", "default": "/"},
        },
        supports_check_mode=True,
    )
    params = module.params
    for name in ("timeout_seconds", "call_seconds"):
        if params[name] <= 0:
            module.fail_json(msg=f"{name} must be above nought")
    user, problem = User.of(params["install_user"])
    unknown = sorted(set(params["wanted"]) - {"driver", "firmware"})
    if problem or unknown:
        module.fail_json(msg=problem or f"wanted: unknown keys {', '.join(unknown)}")
    request = driver_run.Request(
        subject=params["subject"],
        wanted=params["wanted"],
        bundle=params["bundle"],
        chip_count=params["chip_count"],
        user=user,
        rules=Rules(
            params["required_programs"],
            params["kernel_headers"],
            params["allow_busy"],
            params["allow_reinstall"],
            params["packages"],
        ),
        check=module.check_mode,
        timeout_seconds=params["timeout_seconds"],
    )
    host = Host(params["root"])
    bench = driver_run.Bench(host, Tool(params["tool"], short_seconds=params["call_seconds"], width=8), fetch)
    simulated = os.path.exists("/run/npuforge-twin")
    try:
        work = driver_run.run(request, bench)
    except (Locked, installer.Cancelled, OSError) as error:
        # What is there is told all the same: a run that could not begin must not hide what it would have seen.
        work = driver_run.look(request, bench, f"broken off: {error}; run again, the next run finds what is left to do")
    made = driver_facts.result(request, work, simulated)
    result = {
        "changed": made.changed,
        "message": made.message,
        "steps": made.steps,
        "problems": made.problems,
        "diff": made.diff,
        "reboot_required": made.reboot_required,
        "observations": made.observations,
    }
    if made.failed:
        module.fail_json(msg=made.message, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
