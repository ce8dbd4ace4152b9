"""The boot entry ``npuforge-fallback``: the machine's usual entry with the command line from before our words.

For grub-mkconfig it is a script in /etc/grub.d. It takes the first entry that 10_linux makes, so kernel, initrd and
root file system are always those of today, and takes our parameters out of its command line; what stood there of them
before us stays in. Where the system boots by BLS entries it is one of those.
"""

from __future__ import annotations

import re
from typing import Sequence

from . import cmdline
from .cmdline import Word
from .host import Host

IDENT = "npuforge-fallback"
SCRIPT = "/etc/grub.d/42_npuforge_fallback"
_BEFORE = re.compile(r"^(?:before='([^']*)'|# before: (.*))$", re.MULTILINE)
_TEXT = r"""#!/bin/sh
# Written by npuforge. Changes here are replaced by the next run.
# A boot entry with the command line from before npuforge changed it: choose it in the menu, or "grub-reboot @ID@".
set -e
before='@BEFORE@'
strip() {
    set -f
    for word in $1; do
        case "$(printf %s "${word%%=*}" | tr - _)" in
            @NAMES@) ;;
            *) printf '%s ' "$word" ;;
        esac
    done
}
GRUB_CMDLINE_LINUX="$(strip "$GRUB_CMDLINE_LINUX")$before"
GRUB_CMDLINE_LINUX_DEFAULT="$(strip "$GRUB_CMDLINE_LINUX_DEFAULT")"
export GRUB_CMDLINE_LINUX GRUB_CMDLINE_LINUX_DEFAULT
/etc/grub.d/10_linux 2>/dev/null | awk '
    done { next }
    !inside && /^[ \t]*menuentry / {
        open = index($0, "--unrestricted") ? " --unrestricted" : ""
        print "menuentry \"@ID@\" --class gnu-linux --class os" open " --id @ID@ {"
        inside = 1
        next
    }
    inside { print }
    inside && /^[ \t]*}[ \t]*$/ { done = 1 }
'
"""


def script(words: Sequence[Word], before: Sequence[str]) -> str:
    """:param before: words of our parameters as they were before us; plain words (``cmdline.SAFE``)."""
    names = "|".join(sorted({cmdline.name_of(word.name) for word in words}))
    return (
        _TEXT.replace("@ID@", IDENT)
        .replace("@NAMES@", names or "-")
        .replace("@BEFORE@", " ".join(before).replace("'", ""))
    )


def before(text: str | None, tokens: Sequence[str], words: Sequence[Word]) -> list[str]:
    """Words of our parameters from before us: as the entry of an earlier run kept them, else those of now.

    Without such an entry, words that are as wanted are taken for ours: they are what the entry is to be without.
    """
    match = _BEFORE.search(text or "")
    if match is not None:
        kept = cmdline.split(match.group(1) if match.group(1) is not None else match.group(2))
    else:
        kept = [token for token in tokens if all(token != word.text for word in words)]
    return [token for token in cmdline.own_words(kept, words) if cmdline.SAFE.match(token)]


def bls_path(host: Host, folder: str) -> str:
    return f"{folder}/{host.value('/etc/machine-id') or 'npuforge'}-{IDENT}.conf"


def bls_entry(text: str, options: Sequence[str], kept: Sequence[str]) -> str:
    """The entry file made from the usual one's text."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    made = [f"# before: {' '.join(kept)}"]
    for line in lines:
        key = line.split(None, 1)[0]
        if key == "title":
            made.append(f"title {IDENT}")
        elif key not in ("options", "id", "version", "grub_users", "grub_arg"):
            made.append(line)
    # Version "0" keeps it behind every real entry, so that "the first entry" is never this one.
    return "\n".join([*made, "version 0", f"options {' '.join([*options, *kept])}", ""])
