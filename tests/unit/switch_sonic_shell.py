"""SONiC's tools for a real shell: each name is this program, CONFIG_DB a file in the home directory.

Run as ``python switch_sonic_shell.py <tool> <argument>...``; the shell itself (quoting, redirection, pipes) is real.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shlex import join

import switch_sonic_helpers as sample

STATE = Path(os.environ["HOME"]) / "state.json"
TOOLS = ("config", "sonic-db-cli", "sonic-cfggen", "sonic-db-dump", "jq", "show", "pfcwd")


def load() -> sample.Switch:
    state = json.loads(STATE.read_text())
    switch = sample.Switch(state["tables"])
    switch.saved, switch.checkpoints = state["saved"], state["checkpoints"]
    switch.refuses = tuple(state.get("refuses", ()))
    return switch


def keep(switch: sample.Switch) -> None:
    state = {"tables": switch.tables, "saved": switch.saved, "checkpoints": switch.checkpoints}
    STATE.write_text(json.dumps({**state, "refuses": list(switch.refuses)}))


def main(words: list[str]) -> None:
    switch = load()
    shown = sample.display(switch)
    if words[0] == "sonic-cfggen":
        print(json.dumps(switch.tables))
    elif words[0] == "jq":
        document = switch.saved if len(words) > 2 else json.load(sys.stdin)
        print(json.dumps(sample.filtered(document), indent=2))
    elif words[0] in ("show", "pfcwd"):
        print(shown[" ".join(words)], end="")
    elif words[0] == "sonic-db-dump":
        print(shown["sonic-db-dump -n APPL_DB -y -k 'BUFFER_P*'"])
    else:
        if words[1] == "apply-patch":
            switch.files[words[2]] = Path(words[2]).read_text()
        answer = switch.enter(join(["sudo", *words]))
        keep(switch)
        print(answer)


if __name__ == "__main__":
    main(sys.argv[1:])
