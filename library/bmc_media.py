#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

DOCUMENTATION = r"""
module: bmc_media
short_description: Insert an image into a server's virtual CD, or eject it, through its BMC
description:
  - Reads the virtual drives, plans the requests, sends only what is needed, waits for the BMC's task, and reads back
    until the effect shows. An image that is in the drive already is left alone; another one is ejected first.
  - The standard's actions are used where the BMC offers them, else C(VmmControl) of iBMC and its descendants.
  - What a machine finds in its virtual CD can erase its disks at the next boot. O(confirm_target) must repeat the name
    of the server, or nothing is done.
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
    description: Account on the BMC that may use virtual media.
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
    description: What the drive shall be.
    type: str
    choices: [inserted, ejected]
    required: true
  image:
    description:
      - URI of the image, as the BMC reaches it. Needed for O(state=inserted).
      - It may hold a secret word, so it is blanked wherever the result would show it.
    type: str
  media_id:
    description: Which virtual drive, where the first one for discs is not the right one.
    type: str
  wait_seconds:
    description: How long one step may take, in seconds.
    type: float
    default: 120
  timeout_seconds:
    description: Time for one request, in seconds. A BMC may read the whole image before it answers.
    type: float
    default: 60
attributes:
  check_mode:
    support: full
    description: Makes the same plan and sends nothing.
  diff_mode:
    support: full
author: npuforge
"""

EXAMPLES = r"""
- name: Put the installer into node1's virtual CD
  bmc_media:
    subject: node1
    confirm_target: "{{ os_install_hosts }}"
    address: 192.0.2.11
    user: operator
    password: "{{ vault_bmc_password }}"
    ca_file: /etc/npuforge/site-ca.pem
    state: inserted
    image: http://192.0.2.1:8078/node1.iso
  delegate_to: localhost
"""

RETURN = r"""
plan:
  description: The requests that were planned (in check mode) or sent, in order, each with what its read-back must show.
  type: list
  elements: dict
  returned: always
drive:
  description: The id of the virtual drive.
  type: str
  returned: always
notes:
  description: What was asked twice, or could not be closed, in English.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.npuforge.bmc import media, media_run
from ansible.module_utils.npuforge.bmc.apply import Failed
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
        "state": {"type": "str", "choices": list(media.STATES), "required": True},
        "image": {"type": "str", "no_log": True},
        "media_id": {"type": "str"},
        "wait_seconds": {"type": "float", "default": 120},
        "timeout_seconds": {"type": "float", "default": 60},
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
    return Client(target, Limits(timeout=params["timeout_seconds"], deadline=2 * params["wait_seconds"] + 60, pool=2))


def carry_out(module, client):
    """Plan, and outside check mode do it. Returns what the module returns."""
    params = module.params
    drive = media.find_drive(media_run.read_drives(client, client.login()), params["media_id"])
    steps = media.plan(drive, params["state"], params["image"])
    result = {
        "changed": bool(steps),
        "plan": steps,
        "drive": drive.name,
        "notes": [],
        "diff": {"before": media.shown(drive.document), "after": media.after(drive.document, steps)},
    }
    if steps and not module.check_mode:
        result["notes"] = media_run.run_steps(client, drive, steps, params["wait_seconds"])
    result["notes"] += client.notes
    return result


def main():
    module = AnsibleModule(
        argument_spec=argument_spec(), supports_check_mode=True, required_if=[("state", "inserted", ["image"])]
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
    except (Unreachable, media.Refused, Failed) as error:
        module.fail_json(msg=f"{subject}: {error}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
