"""The environment of the active CANN: a file of plain ``KEY=value`` lines and one for login shells.

``/etc/npuforge/cann.env`` is read by systemd (``EnvironmentFile=``) and by ``set -a; . FILE``; its values hold no
variables, since systemd expands none. The file in ``/etc/profile.d`` puts the same folders before a user's own.
"""

from __future__ import annotations

import re
from typing import Mapping

ENVIRONMENT = "/etc/npuforge/cann.env"
PROFILE = "/etc/profile.d/npuforge-cann.sh"
HEAD = "# Environment of CANN, written by npuforge. Changes here are replaced by the next run.\n"
LISTS = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH")
_LINE = re.compile(r"^(?:export )?([A-Za-z_][A-Za-z0-9_]{0,63})=(.{0,4000})$")
_SAFE = re.compile(r"^/[A-Za-z0-9_./+@-]{0,200}$")


def variables(root: str, base: str, atb: str | None) -> dict[str, str]:
    """What the vendor's ``set_env.sh`` sets, for the active root, e.g. ``/usr/local/Ascend/ascend-toolkit/latest``.

    :param atb: folder of nnal's ATB for the C++ ABI that is used; None: nnal is not wanted.
    """
    tbe = f"{root}/opp/built-in/op_impl/ai_core/tbe"
    libraries = [
        *(f"{base}/driver/lib64", f"{base}/driver/lib64/common", f"{base}/driver/lib64/driver"),
        *(f"{root}/lib64", f"{root}/lib64/plugin/opskernel", f"{root}/lib64/plugin/nnengine", f"{tbe}/op_tiling"),
    ]
    made = {
        "ASCEND_TOOLKIT_HOME": root,
        "ASCEND_HOME_PATH": root,
        "ASCEND_OPP_PATH": f"{root}/opp",
        "ASCEND_AICPU_PATH": root,
        "TOOLCHAIN_HOME": f"{root}/toolkit",
        "PATH": f"{root}/bin:{root}/compiler/ccec_compiler/bin",
        "PYTHONPATH": f"{root}/python/site-packages:{tbe}",
    }
    if atb is not None:
        made["ATB_HOME_PATH"] = atb
        libraries.append(f"{atb}/lib")
    made["LD_LIBRARY_PATH"] = ":".join(libraries)
    return made


def safe(path: str) -> bool:
    """Whether a folder can stand in both files as it is."""
    return _SAFE.match(path) is not None and ".." not in path


def render(wanted: Mapping[str, str], version: str) -> str:
    """The environment file. ``PATH`` is left to the system: a unit needs its own."""
    rows = [f"{name}={wanted[name]}\n" for name in sorted(wanted) if name != "PATH"]
    return HEAD + f"# CANN {version}\n" + "".join(rows)


def render_profile(wanted: Mapping[str, str], version: str) -> str:
    """The file for login shells: lists are put before what is there, once."""
    rows = [HEAD, f"# CANN {version}\n"]
    rows += [f"export {name}={wanted[name]}\n" for name in sorted(wanted) if name not in LISTS]
    for name in LISTS:
        folders = wanted[name]
        rows.append(f'case ":${{{name}:-}}:" in\n  *:{folders.split(":")[0]}:*) ;;\n')
        rows.append(f'  *) export {name}="{folders}${{{name}:+:${name}}}" ;;\nesac\n')
    return "".join(rows)


def parse(text: str | None) -> dict[str, str] | None:
    """The variables of an environment file; None: no file, or one with a line that belongs to none."""
    if text is None or len(text) > 1 << 20:
        return None
    found = {}
    for line in text.splitlines():
        row = line.strip()
        if not row or row.startswith("#"):
            continue
        match = _LINE.match(row)
        if match is None:
            return None
        found[match.group(1)] = match.group(2).strip("\"'")
    return found


def differences(path: str, text: str | None, wanted: Mapping[str, str]) -> list[str]:
    """Sentences: what the file says otherwise than wanted."""
    if text is None:
        return [f"{path}: there is no such file"]
    found = parse(text)
    if found is None:
        return [f"{path}: a line that is no KEY=value"]
    told = []
    for name in sorted((set(wanted) | set(found)) - {"PATH"}):
        if found.get(name) != wanted.get(name):
            told.append(f"{path}: {name} is {found.get(name) or 'not set'}, wanted {wanted.get(name) or 'none'}")
    return told
