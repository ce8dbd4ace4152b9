#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: bmc_power
short_description: Switch a server on or off, restart it, or choose its next boot, through its BMC
description:
  - Reads the machine, plans the requests, sends only what is needed, and reads back until the effect shows.
  - Cutting the power of a server is destructive. O(confirm_target) must repeat the name of the server, or nothing is
    done.
  - Where the BMC does not tell whether the machine is on, nothing is done.
  - A boot override that was set for a restart that then fails is put back.
  - Runs on the controller (delegate it to localhost).
options:
  subject:
    description: The server's id in the inventory.
    type: str
    required: true
  confirm_target:
    description: The same id once more, given by a person or an explicit variable. Anything else is refused.
    type: str
    required: true
  address:
    description: Name or address of the BMC. It is also the name that the certificate must carry.
    type: str
    required: true
  port:
    description: HTTPS port.
    type: int
    default: 443
  user:
    description: Account on the BMC that may switch power.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  ca_file:
    description: CA certificates (PEM) that the BMC's certificate is verified with; without it, the system's.
    type: path
  fingerprint:
    description: SHA-256 of the BMC's certificate (64 hex digits). Exactly this certificate is accepted, expired or not.
    type: str
  validate_certs:
    description: Setting this to false accepts any certificate.
    type: bool
    default: true
  state:
    description:
      - V(on) and V(off) (at once) do nothing when the machine already is so. V(graceful_off) asks the system to shut
        down.
      - V(cycle) cuts and restores power, V(graceful_restart) asks the system to restart. Both always change something;
        of a machine that is off, both leave switching it on.
    type: str
    choices: ["on", "off", graceful_off, cycle, graceful_restart]
  boot_once:
    description: What the next boot starts from; V(none) takes an override back. Set before O(state) is applied.
    type: str
    choices: [none, pxe, cd, hdd, bios]
  system_id:
    description: Which system, where a BMC serves several.
    type: str
  wait_seconds:
    description: How long the effect may take, in seconds.
    type: float
    default: 180
  timeout_seconds:
    description: Time for one request, in seconds.
    type: float
    default: 35
attributes:
  check_mode:
    support: full
    description: Makes the same plan and sends nothing.
  diff_mode:
    support: full
author: npuforge
"""

EXAMPLES = r"""
- name: Start node1 once from the network
  bmc_power:
    subject: node1
    confirm_target: "{{ power_target }}"
    address: 192.0.2.11
    user: operator
    password: "{{ vault_bmc_password }}"
    ca_file: /etc/npuforge/site-ca.pem
    boot_once: pxe
    state: cycle
  delegate_to: localhost
"""

RETURN = r"""
plan:
  description: The requests that were planned (in check mode) or sent, in order, each with what its read-back must show.
  type: list
  elements: dict
  returned: always
  sample: [{do: reset, method: POST, uri: /redfish/v1/Systems/1/Actions/ComputerSystem.Reset,
            body: {ResetType: ForceOff}, expect: {power: "off"}}]
power_before:
  description: V(on) or V(off), as read before.
  type: str
  returned: always
notes:
  description: What could not be proven, in English.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.bmc import power
from ansible.module_utils.npuforge.bmc.apply import Failed, read_systems, run_steps
from ansible.module_utils.npuforge.bmc.client import Client, Unreachable
from ansible.module_utils.npuforge.bmc.tls import fingerprint_bytes
from ansible.module_utils.npuforge.bmc.wire import Limits, Target


def argument_spec():
    return {
        "subject": {"type": "str", "required": True},
        "confirm_target": {"type": "str", "required": True},
        "address": {"type": "str", "required": True},
        "port": {"type": "int", "default": 443},
        "user": {"type": "str", "required": True},
        "password": {"type": "str", "required": True, "no_log": True},
        "ca_file": {"type": "path"},
        "fingerprint": {"type": "str"},
        "validate_certs": {"type": "bool", "default": True},
        "state": {"type": "str", "choices": list(power.STATES)},
        "boot_once": {"type": "str", "choices": list(power.BOOT_ONCE)},
        "system_id": {"type": "str"},
        "wait_seconds": {"type": "float", "default": 180},
        "timeout_seconds": {"type": "float", "default": 35},
    }


def make_client(params):
    """Raises OSError for an unreadable CA file and ValueError for a malformed fingerprint."""
    if params["fingerprint"]:
        fingerprint_bytes(params["fingerprint"])
    target = Target(
        params["address"],
        params["user"],
        params["password"],
        params["port"],
        params["ca_file"],
        params["fingerprint"] or None,
        params["validate_certs"],
    )
    return Client(target, Limits(timeout=params["timeout_seconds"], deadline=params["wait_seconds"] + 120, pool=2))


def carry_out(module, client):
    """Plan, and outside check mode do it. Returns what the module returns."""
    params = module.params
    root = client.login()
    system = power.find_system(read_systems(client, root), params["system_id"])
    steps = power.plan(system, params["state"], params["boot_once"])
    result = {
        "changed": bool(steps),
        "plan": steps,
        "power_before": system.power,
        "notes": [],
        "diff": {"before": power.shown(system.document), "after": power.after(system.document, steps)},
    }
    if steps and not module.check_mode:
        result["notes"] = run_steps(client, system, steps, params["wait_seconds"])
    result["notes"] += client.notes
    return result


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(), supports_check_mode=True, required_one_of=[("state", "boot_once")]
    )
    params = module.params
    subject, named = params["subject"], params["confirm_target"]
    if named != subject:
        module.fail_json(msg=f"nothing was done: confirm_target is {named!r}, not the subject {subject!r}")
    try:
        client = make_client(params)
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{subject}: the CA file or the fingerprint is not usable: {error}")
    try:
        with client:
            result = carry_out(module, client)
    except (Unreachable, power.Refused, Failed) as error:
        module.fail_json(msg=f"{subject}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
