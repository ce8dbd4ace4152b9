#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: restart a switch, and prove that it restarted."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: switch_reboot
short_description: Restart a Huawei switch and wait until it answers again with another boot time
description:
  - Interrupts everything that goes through the switch. O(confirm) must repeat its name, or nothing is done.
  - Does nothing while running and saved configuration differ, unless O(discard_unsaved) is set; the difference is lost
    then.
  - Reports success only when the switch answers again and says that it started at another time than before.
  - Runs on the controller (delegate it to localhost) and needs netmiko there.
options:
  subject:
    description: Inventory name of the switch.
    type: str
    required: true
  confirm:
    description: The same name once more, given by a person or an explicit variable. Anything else is refused.
    type: str
    required: true
  discard_unsaved:
    description: Restart although configuration that was not saved is lost.
    type: bool
    default: false
  wait_seconds:
    description: How long the switch may take to answer again.
    type: float
    default: 900
  address:
    description: Address of its management interface.
    type: str
    required: true
  port:
    description: SSH port.
    type: int
    default: 22
  user:
    description: User who may restart it.
    type: str
    required: true
  password:
    description: That user's password.
    type: str
    required: true
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
    description: Looks at the same things and restarts nothing.
  diff_mode:
    support: none
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Restart sw1 to prove that its configuration survives
  switch_reboot:
    subject: sw1
    confirm: "{{ switch_reboot_target }}"
    address: 192.0.2.21
    user: operator
    password: "{{ vault_switch_password }}"
    known_hosts: /etc/npuforge/known_hosts
  delegate_to: localhost
"""

RETURN = r"""
boot_before:
  description: When the switch had started, as it says (its own clock), or counted back from its uptime.
  returned: always
  type: str
boot_after:
  description: The same after the restart; null in check mode.
  returned: always
  type: str
lost:
  description: Lines of configuration that were not saved and are lost.
  returned: always
  type: list
  elements: str
seconds:
  description: How long it took until the switch answered again; null in check mode.
  returned: always
  type: float
"""

import time

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.switch import reboot
from ansible.module_utils.npuforge.switch.session import Configurator, SessionError, Target


def main():
    module = AnsibleModule(
        argument_spec={
            "subject": {"type": "str", "required": True},
            "confirm": {"type": "str", "required": True},
            "discard_unsaved": {"type": "bool", "default": False},
            "wait_seconds": {"type": "float", "default": 900},
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "default": 22},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "known_hosts": {"type": "path", "required": True},
            "timeout_seconds": {"type": "float", "default": 30},
        },
        supports_check_mode=True,
    )
    options = module.params
    subject, named = options["subject"], options["confirm"]
    if named != subject:
        module.fail_json(msg=f"nothing was done: confirm is {named!r}, not the subject {subject!r}")
    target = Target.of(options)
    try:
        with Configurator(target) as session:
            made = reboot.plan(session, options["discard_unsaved"])
            result = {"boot_before": made.before.time, "boot_after": None, "lost": made.lost, "seconds": None}
            if module.check_mode:
                module.exit_json(changed=True, **result)
            started = time.monotonic()
            reboot.send(session)
            session.drop()
        after = reboot.wait(lambda: Configurator(target), made.before, options["wait_seconds"])
    except (reboot.Refused, SessionError) as error:
        module.fail_json(msg=f"{subject}: nothing was restarted: {error}")
    except reboot.Failed as error:
        module.fail_json(msg=f"{subject}: {error}", changed=True)
    result.update(boot_after=after.time, seconds=round(time.monotonic() - started, 1))
    module.exit_json(changed=True, **result)


if __name__ == "__main__":
    main()
