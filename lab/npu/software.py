"""The software of a node as its chips see it: which driver is loaded, which firmware runs, what waits for a boot.

The world keeps ``npu_driver.loaded`` (version or None), ``npus[].firmware`` (what runs), ``npus[].firmware_pending``
(runs from the next boot on) and ``npu_tools.version`` (the tools on the node's disk). What lies on the disk comes with
each call of a tool (``VERSION_FILE``); the host loads that driver when it boots.

``upgrade-tool`` is how the vendor's installers (``lab/vendor/scripts``) reach the chips; the options are the twin's.
What the tools say without a driver: npu-smi as people report it of hosts without one; hccn_tool the general failure of
its source; hccl_test, from memory of its source, with the runtime's code for a driver that does not answer; ascend-dmi
is given npu-smi's words. Only the first was captured.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lab.npu.call import Call, Session
from lab.vendor import releases
from lab.wires import spread

Document = dict[str, Any]
VERSION_FILE = "/usr/local/Ascend/driver/version.info"
INSTALL_INFO = "/etc/ascend_install.info"
TOOL = "upgrade-tool"
NO_DRIVER_SMI, NO_DRIVER_SMI_RC = (
    "DrvMngGetConsoleLogLevel failed. (ret=4)\ndcmi module initialize failed. ret is -8005\n",
    -8005 & 0xFF,
)
NO_DRIVER_HCCN, NO_DRIVER_HCCN_RC = "Command execute failed!\n", 1
NO_DRIVER_HCCL, NO_DRIVER_HCCL_RC = "acl interface return err hccl_test_main.cc:60, retcode: 507899 \n", 255
INCOMPLETE = (
    "[WARNING]The driver package may not be completely installed, which may cause function abnormal. "
    "Please reinstall it.\n"
)
INSTALL_SPREAD = 0.3  # nodes differ by so much in the time that they take
SHARE = {"driver": 1.0, "firmware": 0.7}  # of the time of a driver's installation; the rest takes CANN_SHARE
CANN_SHARE = 0.5


def loaded(document: Mapping[str, Any]) -> str | None:
    """The version of the driver that runs; None: none does."""
    version: str | None = document["npu_driver"]["loaded"]
    return version


def compatibility(document: Mapping[str, Any], npu: Mapping[str, Any]) -> str:
    """The board's own verdict: OK, NOK, or UNKNOWN where the vendor never made the driver that runs."""
    made = releases.driver(loaded(document))
    if made is None:
        return "UNKNOWN"
    return "OK" if releases.works_with(made, str(npu["firmware"])) else "NOK"


def deliver(document: Document, bare: bool) -> None:
    """A machine as it comes: with the first release on it, or bare, with the chips' firmware of the factory."""
    first = releases.FIRST
    document["npu_driver"]["loaded"] = None if bare else first.driver.version
    document["npu_tools"]["version"] = first.driver.version
    document["npu_tools"]["boot"] = None
    for npu in document["npus"]:
        npu["firmware"] = releases.FACTORY_FIRMWARE if bare else first.firmware.version
        npu["firmware_pending"] = None


def on_disk(files: Mapping[str, str | None] | None) -> str | None:
    """The driver's version by the file that a client sent; None: there is none, or none was sent."""
    found = re.search(r"^Version=(\S+)$", (files or {}).get(VERSION_FILE) or "", re.MULTILINE)
    return found[1] if found else None


def stale(document: Mapping[str, Any], files: Mapping[str, str | None] | None) -> bool:
    """Whether the tools on the disk are others than the world knows."""
    version = on_disk(files)
    return version is not None and version != document["npu_tools"]["version"]


def seen(document: Document, files: Mapping[str, str | None] | None) -> None:
    """A tool was called: its version is that of the package on the disk."""
    document["npu_tools"]["version"] = on_disk(files) or document["npu_tools"]["version"]


def flash(document: Document) -> None:
    """The chips have started anew: they run the firmware that waited for that."""
    for npu in document["npus"]:
        if npu["firmware_pending"] is not None:
            npu["firmware"], npu["firmware_pending"] = npu["firmware_pending"], None


def booted(document: Document, files: Mapping[str, str | None] | None) -> None:
    """The host has booted: it loads the driver that its disk has. A client that sends no version says nothing of it."""
    flash(document)
    if VERSION_FILE in (files or {}):
        document["npu_driver"]["loaded"] = on_disk(files)


def npu_smi(session: Session) -> Session:
    """npu-smi of this node: it may hang, needs a driver, and warns of one that was not installed to its end."""

    def run(call: Call) -> int:
        document = call.world.read(call.node)
        if document["npu_tools"]["hangs"]:
            call.gone.wait()  # until somebody kills it
        if loaded(document) is None:
            call.say(NO_DRIVER_SMI)
            return NO_DRIVER_SMI_RC
        rc = session(call)
        if INSTALL_INFO in call.files and not _complete(call.files[INSTALL_INFO]):
            call.say(INCOMPLETE)
        return rc

    return run


def _through_driver(session: Session, words: str, rc: int, aloud: bool) -> Session:
    """A tool that reaches the chips through the driver of the node on which it is called."""

    def run(call: Call) -> int:
        if loaded(call.world.read(call.node)) is not None:
            return session(call)
        (call.say if aloud else call.complain)(words)
        return rc

    return run


def hccn_tool(session: Session) -> Session:
    return _through_driver(session, NO_DRIVER_HCCN, NO_DRIVER_HCCN_RC, aloud=False)


def ascend_dmi(session: Session) -> Session:
    return _through_driver(session, NO_DRIVER_SMI, NO_DRIVER_SMI_RC, aloud=True)


def hccl_test(session: Session) -> Session:
    return _through_driver(session, NO_DRIVER_HCCL, NO_DRIVER_HCCL_RC, aloud=True)


def _complete(info: str | None) -> bool:
    return info is not None and "Driver_Install_Status=complete" in info.splitlines()


def upgrade_tool(call: Call) -> int:
    """``--install KIND``: what is in store for an installation. ``--load VERSION``: load a driver, refused (1) while
    one is loaded. ``--firmware VERSION``: every chip gets it, to run from the next boot on; prints how many."""
    if len(call.argv) != 2:
        call.complain(f"{TOOL}: --install KIND | --load VERSION | --firmware VERSION\n")
        return 2
    option, value = call.argv
    if option == "--install":
        call.say(_orders(call.world.read(call.node), value))
        return 0
    with call.world.update(call.node) as document:
        if option == "--load":
            if loaded(document) is not None:
                return 1
            document["npu_driver"]["loaded"] = document["npu_tools"]["version"] = value
            return 0
        if option == "--firmware" and loaded(document) is not None:
            present = [npu for npu in document["npus"] if npu["present"]]
            for npu in present:
                npu["firmware_pending"] = None if npu["firmware"] == value else value
            call.say(f"{len(present)}\n")
            return 0
    return 1


def _orders(document: Mapping[str, Any], kind: str) -> str:
    installer = document["installer"]
    seconds = installer["seconds"] * SHARE.get(kind, CANN_SHARE)
    seconds *= 1 + INSTALL_SPREAD * spread("installer", document["serial"], kind)
    return (
        f"fails_with={installer['fails_with'] or 'none'}\nlies={'yes' if installer['lies'] else 'no'}\n"
        f"loaded={loaded(document) or 'none'}\nchips={sum(bool(npu['present']) for npu in document['npus'])}\n"
        f"milliseconds={round(1000 * seconds)}\n"
    )
