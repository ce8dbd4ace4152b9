#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: bmc_info
short_description: Read a server's hardware through its BMC
description:
  - Reads the whole machine through Redfish in one call - processors, accelerators, memory, drives, fans, power
    supplies, network cards, firmware, self-test, log - concurrently, in one session that is always closed.
  - What Redfish lacks (power state, serial number, sensors, log) is asked of IPMI, if allowed.
  - Counts come from the parts themselves. What could not be seen is null, and the notes of the facts say why.
  - A BMC that is dead, slow, lying or refusing is no failure of the module - its observation says C(reachable=false)
    and why. The module fails only for wrong arguments.
  - Runs on the controller (delegate it to localhost). It changes nothing.
options:
  subject:
    description: The server's id in the inventory; becomes the subject of the observation.
    type: str
  address:
    description: Name or address of the BMC. It is also the name that the certificate must carry.
    type: str
  port:
    description: HTTPS port.
    type: int
    default: 443
  user:
    description: Account on the BMC; a read-only one is enough.
    type: str
  password:
    description: Its password. It is sent over TLS only, once.
    type: str
  ca_file:
    description: CA certificates (PEM) that the BMC's certificate is verified with; without it, the system's.
    type: path
  fingerprint:
    description: SHA-256 of the BMC's certificate (64 hex digits). Exactly this certificate is accepted, expired or not.
    type: str
  validate_certs:
    description: Setting this to false accepts any certificate; the observation then says C(tls=skipped).
    type: bool
    default: true
  timeout_seconds:
    description: Time for one request, in seconds. Some BMCs answer in 30 s.
    type: float
    default: 35
  deadline_seconds:
    description: Time for one BMC in all, in seconds. What was not read by then is null.
    type: float
    default: 120
  pool:
    description: Concurrent requests to one BMC.
    type: int
    default: 8
  ipmi:
    description: Ask IPMI for what Redfish lacks (V(auto)), for everything (V(always)) or not at all (V(never)).
    type: str
    choices: [auto, never, always]
    default: auto
  ipmi_port:
    description: UDP port of IPMI.
    type: int
    default: 623
  targets:
    description: Many BMCs in one call. What an entry leaves out is taken from the options of the module.
    type: list
    elements: dict
    suboptions:
      subject: {description: See O(subject)., type: str, required: true}
      address: {description: See O(address)., type: str, required: true}
      port: {description: See O(port)., type: int}
      user: {description: See O(user)., type: str}
      password: {description: See O(password)., type: str}
      ca_file: {description: See O(ca_file)., type: path}
      fingerprint: {description: See O(fingerprint)., type: str}
      validate_certs: {description: See O(validate_certs)., type: bool}
      ipmi: {description: See O(ipmi)., type: str, choices: [auto, never, always]}
      ipmi_port: {description: See O(ipmi_port)., type: int}
  parallel:
    description: How many of O(targets) are read at a time.
    type: int
    default: 16
attributes:
  check_mode:
    support: full
    description: Reads the same in check mode.
  diff_mode:
    support: none
    description: Nothing is changed.
author: npuforge
"""

EXAMPLES = r"""
- name: Read one server
  bmc_info:
    subject: node1
    address: 192.0.2.11
    user: reader
    password: "{{ vault_bmc_password }}"
    ca_file: /etc/npuforge/site-ca.pem
  delegate_to: localhost

- name: Read all servers in one call, each certificate pinned
  bmc_info:
    user: reader
    password: "{{ vault_bmc_password }}"
    targets:
      - {subject: node1, address: 192.0.2.11, fingerprint: "{{ node1_fingerprint }}"}
      - {subject: node2, address: 192.0.2.12, fingerprint: "{{ node2_fingerprint }}"}
  delegate_to: localhost
"""

RETURN = r"""
observations:
  description: One entry per BMC, in the order asked. See docs/bmc.md for the facts.
  type: list
  elements: dict
  returned: always
  contains:
    observation:
      description: The observation (schema npuforge.observation/1, kind bmc); sizes in MiB or bytes, speeds in MHz,
        Mbit/s or rpm, temperatures in degrees Celsius, power in watts, times in seconds - as the names say.
      type: dict
    raw:
      description: What the BMC answered (all documents and the log of requests as one JSON text), without secrets.
      type: list
      elements: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.bmc.read import Job, read_many
from ansible.module_utils.npuforge.bmc.tls import fingerprint_bytes
from ansible.module_utils.npuforge.bmc.wire import Limits, Target

TARGET_OPTIONS = {
    "subject": {"type": "str"},
    "address": {"type": "str"},
    "port": {"type": "int"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "ca_file": {"type": "path"},
    "fingerprint": {"type": "str"},
    "validate_certs": {"type": "bool"},
    "ipmi": {"type": "str", "choices": ["auto", "never", "always"]},
    "ipmi_port": {"type": "int"},
}
DEFAULTS = {"port": 443, "validate_certs": True, "ipmi": "auto", "ipmi_port": 623}


def argument_spec():
    spec = {name: dict(option) for name, option in TARGET_OPTIONS.items()}
    for name, value in DEFAULTS.items():
        spec[name]["default"] = value
    one = {name: dict(option) for name, option in TARGET_OPTIONS.items()}
    one["subject"]["required"] = one["address"]["required"] = True
    spec.update(
        timeout_seconds={"type": "float", "default": 35},
        deadline_seconds={"type": "float", "default": 120},
        pool={"type": "int", "default": 8},
        targets={"type": "list", "elements": "dict", "options": one},
        parallel={"type": "int", "default": 16},
    )
    return spec


def job(module, options, limits):
    """One reading from ``options``; what they leave out comes from the module's own options."""

    def value(name):
        given = options.get(name)
        return module.params[name] if given is None else given

    for name in ("subject", "address", "user", "password"):
        if not value(name):
            module.fail_json(msg=f"{name} of BMC {value('subject') or value('address') or '?'} is missing")
    pin = value("fingerprint")
    if pin:
        try:
            fingerprint_bytes(pin)
        except ValueError as error:
            module.fail_json(msg=f"fingerprint of {value('subject')}: {error}")
    for name in ("port", "ipmi_port"):
        if not 0 < value(name) < 65536:
            module.fail_json(msg=f"{name} of {value('subject')} is {value(name)}; a port is between 1 and 65535")
    target = Target(
        value("address"),
        value("user"),
        value("password"),
        value("port"),
        value("ca_file"),
        pin or None,
        value("validate_certs"),
    )
    return Job(value("subject"), target, limits, value("ipmi"), value("ipmi_port"))


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(),
        supports_check_mode=True,
        required_one_of=[("address", "targets")],
        mutually_exclusive=[("address", "targets")],
        required_by={"address": ("subject", "user", "password")},
    )
    for name in ("timeout_seconds", "deadline_seconds", "pool", "parallel"):
        if module.params[name] <= 0:
            module.fail_json(msg=f"{name} must be above nought")
    limits = Limits(
        timeout=module.params["timeout_seconds"],
        deadline=module.params["deadline_seconds"],
        pool=module.params["pool"],
    )
    entries = module.params["targets"]
    jobs = [job(module, entry, limits) for entry in ([module.params] if entries is None else entries)]
    module.exit_json(changed=False, observations=read_many(jobs, module.params["parallel"]))


if __name__ == "__main__":
    main()
