#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: what a switch is and how its parts are."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: switch_info
short_description: Read a switch's identity, version, serial numbers, power supplies and fans
description:
  - Reads through one SSH session and changes nothing.
  - Runs on the controller (delegate it to localhost) and needs netmiko there.
  - A switch that is dead, refuses the login, shows another host key or speaks an unknown command line is an observation
    with C(reachable) or its facts null and notes that say why. The module fails only when its own options are wrong.
options:
  subject:
    description: Inventory name of the switch.
    type: str
    required: true
  address:
    description: Address of its management interface.
    type: str
    required: true
  port:
    description: SSH port.
    type: int
    default: 22
  user:
    description: User who may read (monitoring level is enough).
    type: str
    required: true
  password:
    description: That user's password.
    type: str
    required: true
  os:
    description: Which command line the switch speaks.
    type: str
    choices: [huawei_vrpv8]
    default: huawei_vrpv8
  known_hosts:
    description: File in OpenSSH's format that has the switch's host key. There is no trust on first use.
    type: path
    required: true
  timeout_seconds:
    description: Longest wait for the connection, for the login and for each command.
    type: float
    default: 30
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Read the switch
  switch_info:
    subject: sw1
    address: 192.0.2.21
    user: reader
    password: "{{ vault_switch_password }}"
    known_hosts: /etc/npuforge/known_hosts
  delegate_to: localhost
"""

RETURN = r"""
observations:
  description: One entry, ready for evidence_record.
  returned: always
  type: list
  elements: dict
  contains:
    observation:
      description: The observation (schema npuforge.observation/1, kind switch); times in seconds, power in watts,
        speeds in rpm - as the names say.
      type: dict
    raw:
      description: What the switch printed, one entry per command.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.switch.read import read
from ansible.module_utils.npuforge.switch.session import Target


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 22},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "os": {"type": "str", "choices": ["huawei_vrpv8"], "default": "huawei_vrpv8"},
            "known_hosts": {"type": "path", "required": True},
            "timeout_seconds": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    options = module.params
    if not 0 < options["port"] < 65536:
        module.fail_json(msg=f"port is {options['port']}; a port is between 1 and 65535")
    if not 0 < options["timeout_seconds"] <= 600:
        module.fail_json(msg=f"timeout_seconds is {options['timeout_seconds']}; it is more than 0 and at most 600")
    target = Target.of(options)
    module.exit_json(changed=False, observations=[read(options["subject"], target)])


if __name__ == "__main__":
    main()
