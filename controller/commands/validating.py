"""``npuforge validate``."""

from __future__ import annotations

import getpass
import json
from argparse import Namespace

from . import CommandError, Exit
from .site import inventories, settle_ansible


def validate(options: Namespace) -> Exit:
    """Print every mistake of the inventory, as text or as JSON."""
    settle_ansible()
    paths = inventories(options)
    from controller.validate import load, validate_inventory  # noqa: PLC0415 - Ansible's configuration comes first

    asked = getpass.getpass("Vault password: ").encode() if options.ask_vault_pass else None
    if asked == b"":
        raise CommandError(Exit.INVALID, "the vault password is empty")
    report = validate_inventory([str(path) for path in paths], load.vault_secrets(asked))
    print(json.dumps(report.as_dict(), indent=1, ensure_ascii=False) if options.json else "\n".join(report.lines()))
    return Exit.OK if report.ok else Exit.INVALID
