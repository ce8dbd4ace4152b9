"""Kylin Linux Advanced Server V10 instead of openEuler: its names, and a ``python3`` that is 3.7.

No registry has a Python 3.7 for every machine, so this one is simulated, and its shell wrapper says so: the image's
own interpreter, which calls itself 3.7.9 everywhere and compiles what is not of its own library by the grammar of 3.7:
ansible-core's modules end there in the same SyntaxError as under a real 3.7. What the library of 3.11 has more is not
taken away, and a script given by its name or on standard input is not held to the grammar, only what it imports or
compiles. Programs of the image (dnf, the simulated tools) get the interpreter that they were written for.

A persona is an image over that of the other nodes, with one layer more; names in ``Settings.persona`` choose it.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable

from lab.nodes import podman as machine
from lab.nodes.podman import Podman
from lab.state import cache_directory, cache_lock

NAME = "kylin"
REPOSITORY = "localhost/npuforge-node-kylin"
CONTAINER = "npuforge-persona-kylin"
BUILD_SECONDS = 120
VERSION = "3.7.9"
REAL = "/usr/libexec/npuforge-twin/python3.11"
OLD = "/usr/libexec/npuforge-twin/kylin"  # a virtual environment: the only place that no option of Python leaves out
STAGE = "npuforge-kylin"

_PYTHON = f"""\
#!/bin/sh
# Simulated: Python {VERSION} as Kylin V10 has it (npuforge twin). See lab/nodes/persona_kylin.py.
for word do
  case $word in
    -V|--version) echo "Python {VERSION}"; exit 0 ;;
    -*) ;;
    /usr/*|/opt/npuforge-twin/*) exec {REAL} "$@" ;;
    *) break ;;
  esac
done
exec {OLD}/bin/python3 "$@"
"""

_CUSTOMIZE = f"""\
import builtins
import sys

sys.version_info = type("version_info", (tuple,), {{
    **{{name: property(lambda self, at=at: self[at])
       for at, name in enumerate(("major", "minor", "micro", "releaselevel", "serial"))}},
    "__repr__": lambda self: "sys.version_info(major=%d, minor=%d, micro=%d, releaselevel=%r, serial=%d)" % self,
}})(({", ".join(VERSION.split("."))}, "final", 0))
sys.hexversion = 0x030709F0
sys.version = "{VERSION} (default, simulated by the npuforge twin) \\n" + sys.version[sys.version.rindex("["):]
_compile = builtins.compile
_AST = 0x400  # ast.PyCF_ONLY_AST


def compile(source, filename, mode, flags=0, dont_inherit=False, optimize=-1, **more):
    if isinstance(source, (str, bytes)) and not str(filename).startswith(("/usr/lib/", "<frozen")):
        try:
            _compile(source, filename, mode, flags | _AST, True, _feature_version=7)
        except SyntaxError as error:
            error.msg = "invalid syntax"
            raise
    return _compile(source, filename, mode, flags, dont_inherit, optimize, **more)


builtins.compile = compile
"""

FILES = {
    "usr/lib/os-release": (
        'NAME="Kylin Linux Advanced Server"\nVERSION="V10 (Lance)"\nID="kylin"\nVERSION_ID="V10"\n'
        'PRETTY_NAME="Kylin Linux Advanced Server V10 (Lance)"\nANSI_COLOR="0;31"\n'
        'VARIANT="npuforge twin (simulated)"\n'
    ),
    "etc/kylin-release": "Kylin Linux Advanced Server release V10 (Lance)\n",
    "usr/bin/python3": _PYTHON,
    f"{OLD[1:]}/pyvenv.cfg": "home = /usr/bin\ninclude-system-site-packages = true\n",
    # Not sitecustomize: Debian has one of its own, which comes first.
    f"{OLD[1:]}/lib/python3.11/site-packages/twin.pth": "import twin_old_python\n",
    f"{OLD[1:]}/lib/python3.11/site-packages/twin_old_python.py": _CUSTOMIZE,
}
SETUP = f"""\
set -eu
mkdir -p {OLD}/bin
mv /usr/bin/python3.11 {REAL}
ln -s {REAL} {OLD}/bin/python3
rm /usr/bin/python3 /etc/openEuler-release
cp -R /{STAGE}/. /
chmod 0755 /usr/bin/python3
ln -sfn kylin-release /etc/system-release
rm -r /{STAGE}
"""


def name(base: str) -> str:
    """The image over ``base``. Its tag changes with anything that goes into it."""
    digest = hashlib.sha256(json.dumps([base, FILES, SETUP]).encode())
    return f"{REPOSITORY}:{digest.hexdigest()[:16]}"


def ensure(base: str, podman: Podman, say: Callable[[str], None]) -> str:
    """Make the image unless it is there; needs ``base``."""
    with cache_lock():
        if podman.ok("image", "exists", name(base)):
            return "cached"
        say("node image: giving it the persona of Kylin V10")
        path = machine.runtime(cache_directory())
        podman.run("rm", "--force", "--time", "0", "--ignore", CONTAINER)  # of a build that was cut off
        try:
            podman.run(
                *(["--runtime", path] if path else []),
                *("create", "--name", CONTAINER, *machine.ulimits(), "--network", "none", base, "/bin/sh", "-c", SETUP),
            )
            podman.run("cp", "--archive=false", "-", f"{CONTAINER}:/", stdin=_staged())
            podman.run("start", "--attach", CONTAINER, timeout=BUILD_SECONDS)
            change = ("--change", 'CMD ["/sbin/init"]')
            podman.run("commit", "--quiet", *change, CONTAINER, name(base), timeout=BUILD_SECONDS)
        finally:
            podman.run("rm", "--force", "--time", "0", "--ignore", CONTAINER)
        for record in podman.list("images", "--filter", f"reference={REPOSITORY}"):
            for tag in record.get("Names") or []:
                if tag != name(base):
                    podman.ok("image", "rm", tag)  # refused while a node uses it
    return "made"


def _staged() -> bytes:
    """The persona's files below a folder of their own: the container's own script puts them in place."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in FILES.items():
            entry = tarfile.TarInfo(f"{STAGE}/{path}")
            entry.size, entry.mode = len(content.encode()), 0o644
            tar.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()
