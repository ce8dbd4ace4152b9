#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Ansible module: a switch's part of the lossless RoCEv2 network."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: switch_roce
short_description: Compare a switch's PFC, queues, buffers and ECN with the fabric plan, and configure what differs
description:
  - Reads the running and the saved configuration and what is in effect, compares it with the plan's part for this
    switch and shows the difference as lines and as Ansible's diff.
  - Configures only a switch that is named in O(commit_to). All lines go in in one session; they are committed for a
    trial, verified on the switch, confirmed and saved. Any error, any difference that is left, and a lost session end
    in what ran before.
  - Configuration made by people that stands against the plan is reported as a conflict, and its port is left alone,
    unless O(takeover) is set. Configuration that the plan does not speak of is never touched.
  - A switch that is dead, refuses the login or speaks an unknown command line is an observation with notes that say
    why. The module fails only when its options are wrong, or when it was to configure the switch and could not.
  - Huawei CE (VRP8, YunShan) has a candidate and a trial. H3C Comware and SONiC have none; there each line is taken
    back when one of them fails.
  - Runs on the controller (delegate it to localhost) and needs netmiko there.
options:
  subject:
    description: Inventory name of the switch.
    type: str
    required: true
  plan:
    description: The fabric plan (schema npuforge.fabric_plan/1), or this switch's part of it.
    type: dict
    required: true
  commit_to:
    description: Inventory names of the switches that may be configured. Others are compared only.
    type: list
    elements: str
    default: []
  takeover:
    description: Also replace configuration made by people that stands against the plan.
    type: bool
    default: false
  trial_seconds:
    description: After how long the switch undoes a commit that was not confirmed. The manual allows 60 to 65535.
    type: int
    default: 120
  address:
    description: Address of its management interface.
    type: str
    required: true
  port:
    description: SSH port.
    type: int
    default: 22
  user:
    description: User who may configure (where O(commit_to) names the switch) or read.
    type: str
    required: true
  password:
    description: That user's password.
    type: str
    required: true
  os:
    description: Which command line the switch speaks.
    type: str
    choices: [huawei_vrpv8, h3c_comware, sonic]
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
    description: Makes the same plan and enters nothing.
  diff_mode:
    support: full
author:
  - npuforge maintainers
"""

EXAMPLES = r"""
- name: Compare, and configure where it is allowed
  switch_roce:
    subject: sw1
    plan: "{{ npuforge_fabric_plan }}"
    commit_to: "{{ switch_roce_commit_to | default([]) }}"
    address: 192.0.2.21
    user: operator
    password: "{{ vault_switch_password }}"
    known_hosts: /etc/npuforge/known_hosts
  delegate_to: localhost
"""

RETURN = r"""
message:
  description: What was done, or why not, in a sentence.
  returned: always
  type: str
lines:
  description: Lines that were planned (and, outside check mode on a switch named in commit_to, entered), view by view.
  returned: always
  type: list
  elements: str
observations:
  description: Entries for evidence_record, one for the switch (kind switch) and one for each planned port (kind port).
  returned: always
  type: list
  elements: dict
  contains:
    observation:
      description: The observation (schema npuforge.observation/1); sizes in bytes or KiB, speeds in Mbit/s, optical
        powers in dBm - as the names say.
      type: dict
    raw:
      description: What the switch printed, one entry per command, passwords and keys masked.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.fabric.plan import switch_part
from ansible.module_utils.npuforge.switch.roce.run import Request, run
from ansible.module_utils.npuforge.switch.session import Target


def argument_spec():
    return {
        "subject": {"type": "str", "required": True},
        "plan": {"type": "dict", "required": True},
        "commit_to": {"type": "list", "elements": "str", "default": []},
        "takeover": {"type": "bool", "default": False},
        "trial_seconds": {"type": "int", "default": 120},
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "default": 22},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "os": {"type": "str", "choices": ["huawei_vrpv8", "h3c_comware", "sonic"], "default": "huawei_vrpv8"},
        "known_hosts": {"type": "path", "required": True},
        "timeout_seconds": {"type": "float", "default": 30},
    }


def wrong_options(options):
    """What is wrong with the options, or None."""
    if not 0 < options["port"] < 65536:
        return f"port is {options['port']}; a port is between 1 and 65535"
    if not 0 < options["timeout_seconds"] <= 600:
        return f"timeout_seconds is {options['timeout_seconds']}; it is more than 0 and at most 600"
    if not 60 <= options["trial_seconds"] <= 65535:
        return f"trial_seconds is {options['trial_seconds']}; the switch takes 60 to 65535"
    missing = [key for key in ("qos", "pfc", "ecn", "link", "ports", "switches") if key not in options["plan"]]
    if missing:
        return f"plan lacks {', '.join(missing)}"
    if options["subject"] not in options["plan"]["switches"]:
        return f"the plan has no such switch, only {', '.join(options['plan']['switches']) or 'none'}"
    return None


def main():
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    options = module.params
    problem = wrong_options(options)
    if problem:
        module.fail_json(msg=f"{options['subject']}: {problem}")
    target = Target.of(options)
    request = Request(
        subject=options["subject"],
        os=options["os"],
        part=switch_part(options["plan"], options["subject"]),
        commit=options["subject"] in options["commit_to"],
        takeover=options["takeover"],
        check=module.check_mode,
        trial_seconds=options["trial_seconds"],
    )
    made = run(request, target)
    result = {
        "changed": made.changed,
        "message": made.message,
        "lines": made.lines,
        "observations": made.observations,
        "diff": {
            "before": made.before,
            "after": made.after,
            "before_header": f"{options['subject']} running",
            "after_header": f"{options['subject']} planned",
        },
    }
    if made.failed:
        module.fail_json(msg=made.message, **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
