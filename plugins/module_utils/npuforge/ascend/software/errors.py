"""What the installers' error codes and messages mean, and what to do about each, in Chinese and English.

Codes and texts: the driver's own install scripts (ERR_NO, ``*_failed, details in``), makeself's messages, and the
system's (no space left, exec format). A text that nobody knows is kept as it is and explained as unknown.
"""

from __future__ import annotations

import re
from typing import Mapping, NamedTuple, Pattern

from ..texts import LONGEST_LINE

_CODE = re.compile(r"ERR_NO:\s{0,2}(0x[0-9A-Fa-f]{4})\s{0,2};?\s{0,2}(?:ERR_DES:\s{0,2}([^\n]{0,300}))?")
_COLOURS = re.compile(r"(?:\\033|\x1b)\[[0-9;]{0,20}m")
_ERROR = re.compile(r"\[ERROR\]\s{0,4}(.{1,300})")


class Meaning(NamedTuple):
    meaning: str
    zh: str
    en: str


class Error(NamedTuple):
    """``code``: the installer's own, or a short name of ours. ``text``: the line that told it."""

    code: str
    text: str
    meaning: str
    zh: str
    en: str


CODES: Mapping[str, Meaning] = {
    "0x0002": Meaning(
        "the installer did not take an answer or a parameter",
        "安装器不接受该参数：检查安装包版本与命令行参数，使用 --quiet 避免交互。",
        "The installer does not take this parameter: check the package's release against the flags, and use --quiet.",
    ),
    "0x0003": Meaning(
        "the install path is invalid or the run user may not enter it",
        "安装路径无效或运行用户无权进入：将该路径及上级目录设为 root 所有、权限755后重试。",
        "The install path is invalid or closed to the run user: make it and its parents root's, mode 755.",
    ),
    "0x0004": Meaning(
        "parameters that do not go together, or are unknown to this package",
        "参数组合无效或该安装包不支持：核对安装包版本；--version/--check/--uninstall 须单独使用。",
        "The flags do not go together or this package does not know them: check its release.",
    ),
    "0x0080": Meaning(
        "the package is not installed, or its removal failed",
        "该软件未安装或卸载失败：重启服务器后重试；若仍失败，用同版本安装包以 --full 覆盖安装。",
        "It is not installed, or could not be removed: restart the node and try again, else install over it (--full).",
    ),
    "0x0090": Meaning(
        "the old driver could not be removed",
        "旧驱动卸载失败：停止占用NPU的进程，重启服务器后重试。",
        "The old driver could not be removed: stop what uses the NPUs, restart the node and run again.",
    ),
    "0x0091": Meaning(
        "the run user or group does not exist, or is root without install-for-all",
        "运行用户或用户组不存在：先创建组和用户 HwHiAiUser（或清单中指定的用户），再重新运行；"
        "若 /etc/ascend_install.info 中记录的用户是 root，请用 --upgrade 或改正该记录。",
        "The run user or group does not exist: create HwHiAiUser (or the user named in the inventory) and run again; "
        "if /etc/ascend_install.info names root, correct it or upgrade instead.",
    ),
    "0x0093": Meaning(
        "no root permission",
        "需要 root 权限：为部署用户配置 sudo（become），再重新运行。",
        "Root is needed: give the deploying user sudo (become) and run again.",
    ),
    "0x0094": Meaning(
        "another installer runs, or an older all-in-one package is installed",
        "另一安装程序正在运行，或存在旧的一体包：等待其结束；若存在 /etc/HiAI_install.info，先卸载旧的一体包。",
        "Another installer runs, or an all-in-one package is there: wait for it; where /etc/HiAI_install.info exists, "
        "remove that package first.",
    ),
    "0x0095": Meaning(
        "user or group differ from those of the last installation",
        "用户或用户组与上次安装不一致：在清单中改用 /etc/ascend_install.info 所记的用户，或先卸载旧驱动。",
        "User or group differ from the last installation: set install_user to what /etc/ascend_install.info says, "
        "or remove the old driver first.",
    ),
    "0x0096": Meaning(
        "the run user is not in the run group",
        "运行用户不属于该用户组：执行 usermod -g 或 gpasswd -a 将用户加入该组后重试。",
        "The run user is not in the group: add it (usermod -g, gpasswd -a) and run again.",
    ),
}
# What the installers say without a code, in the order in which the more telling one comes first.
TEXTS: tuple[tuple[str, Pattern[str], Meaning], ...] = (
    (
        "no_space",
        re.compile(r"No space left on device|free space only \S{1,20}, cannot install", re.IGNORECASE),
        Meaning(
            "the disk is full",
            "磁盘空间不足：清理 /usr/local、/tmp 与 /var（驱动需300 MB，解包另需数百MB）。",
            "The disk is full: make room on /usr/local, /tmp and /var (the driver takes 300 MB, unpacking more).",
        ),
    ),
    (
        "wrong_arch",
        re.compile(r"Arch mismatch|Exec format error|cannot execute binary file", re.IGNORECASE),
        Meaning(
            "the package is for another architecture",
            "安装包架构与本机不符：在离线包清单中改用与 uname -m 一致的安装包。",
            "The package is for another architecture: put the one for this machine (uname -m) into the bundle.",
        ),
    ),
    (
        "dkms_environment",
        re.compile(r"Drv_dkms_env_check failed|driver vermagic check failed", re.IGNORECASE),
        Meaning(
            "the kernel modules cannot be built here: headers, dkms, gcc or make are missing or of another kernel",
            "无法编译内核模块：安装与 uname -r 一致的 kernel-devel、kernel-headers 及 dkms、gcc、make。",
            "The kernel modules cannot be built: install kernel-devel and kernel-headers equal to uname -r, "
            "dkms, gcc and make, and run again.",
        ),
    ),
    (
        "dkms_build",
        re.compile(
            r"Dkms install failed|Driver_ko_install failed|Driver_ko_rebuild failed|rebuild ko failed", re.IGNORECASE
        ),
        Meaning(
            "building or loading the kernel modules failed",
            "内核模块编译或加载失败：查看安装日志；确认驱动支持该内核版本，且安全启动未拦截模块。",
            "Building or loading the kernel modules failed: see the installer's log; check that this driver supports "
            "the kernel and that secure boot does not refuse the modules.",
        ),
    ),
    (
        "busy",
        re.compile(r"davinci nodes are occupied", re.IGNORECASE),
        Meaning(
            "processes use the NPUs",
            "NPU正被进程占用：停止推理服务与容器后重新运行。",
            "Processes use the NPUs: stop the services and containers on this node and run again.",
        ),
    ),
    (
        "missing_tools",
        re.compile(r"The list of missing tools", re.IGNORECASE),
        Meaning(
            "programs that the installer needs are missing",
            "缺少安装器所需的工具：安装日志中列出的软件包（通常为 net-tools、pciutils）后重新运行。",
            "Programs that the installer needs are missing: install those it lists (mostly net-tools, pciutils).",
        ),
    ),
    (
        "signature",
        re.compile(r"Device_images_crl_check failed|software signature verification failed", re.IGNORECASE),
        Meaning(
            "the signature of the device images was refused",
            "固件镜像签名校验失败：核对安装包来源与本机签名配置（/etc/pss.cfg）。",
            "The signature of the device images was refused: check the package's origin and the signature setting.",
        ),
    ),
    (
        "damaged",
        re.compile(r"Error in (?:MD5 |SHA256 )?check ?sums?|does not match the (?:MD5|SHA256) checksum", re.IGNORECASE),
        Meaning(
            "the package is damaged",
            "安装包已损坏：重新采集离线包，校验 SHA-256 后再分发。",
            "The package is damaged: collect the bundle again, verify its SHA-256 and serve it anew.",
        ),
    ),
)
OWN: Mapping[str, Meaning] = {
    "timeout": Meaning(
        "the installer did not end within its time",
        "安装器超时未结束，已被终止：查看安装日志最后几行，确认NPU与磁盘正常后重新运行。",
        "The installer did not end in time and was stopped: see the last lines of its log, then run again.",
    ),
    "cancelled": Meaning(
        "the installation was cancelled",
        "安装被取消：重新运行即可，未完成的安装会被发现并修复。",
        "It was cancelled: run again; what was left half done is found and repaired.",
    ),
    "killed": Meaning(
        "the installer was killed before it was done",
        "安装器在完成前被终止：检查系统日志（内存不足、人工中断），然后重新运行以修复。",
        "The installer was killed before it was done: see the system's log for the reason, then run again to repair.",
    ),
    "no_effect": Meaning(
        "the installer said that it had succeeded, but what it installs is not there",
        "安装器报告成功但实际未安装：核对安装包与产品型号，删除 /var/lib/npuforge/packages 中的该文件后重试。",
        "The installer reports success and installed nothing: check that the package is for this product, remove it "
        "from /var/lib/npuforge/packages and run again.",
    ),
    "chip_count": Meaning(
        "the firmware went to another number of chips than the node has",
        "固件升级的芯片数量与预期不符：用 npu-smi info -l 与 lspci -d 19e5: 找出缺失的NPU，重新插拔或报修后重新运行。",
        "The firmware went to another number of chips than expected: find the missing NPU with npu-smi info -l and "
        "lspci -d 19e5:, have it looked at, and run again.",
    ),
    "not_run": Meaning(
        "the installer could not be started",
        "安装器无法启动：检查 /var/lib/npuforge/packages 所在分区是否可执行（noexec），以及 /bin/sh 是否可用。",
        "The installer could not be started: check that the packages' folder is not mounted noexec.",
    ),
    "unknown": Meaning(
        "the installer failed for a reason that is not known",
        "安装失败，原因未知：查看证据中的安装日志末尾，并据此联系厂商支持。",
        "It failed for a reason that is not known: see the end of its log among the evidence, and ask the vendor.",
    ),
}


def plain(text: str) -> str:
    """Without colours, as the installers print them and as ``echo`` without ``-e`` leaves them."""
    return _COLOURS.sub("", text)


def own(code: str, text: str) -> Error:
    """An error of our own finding. ``code``: a key of ``OWN``."""
    return Error(code, text[:300], *OWN[code])


def explain(output: str, rc: int | None) -> Error | None:
    """What an installer's output says went wrong; the last code told counts, else the first error.

    None: nothing, and it exited with 0, or with 2, which only asks for a restart.
    """
    words = plain(output[-(1 << 20) :])
    for code, pattern, meaning in TEXTS:
        for row in words.splitlines():
            if len(row) <= LONGEST_LINE and pattern.search(row):
                return Error(code, row.strip()[:300], *meaning)
    found = list(_CODE.finditer(words))
    for match in reversed(found):
        code = "0x" + match.group(1)[2:].lower()
        told = CODES.get(code) or CODES.get("0x" + match.group(1)[2:].upper())
        text = match.group(0).strip()
        return Error(code, text[:300], *(told or OWN["unknown"]))
    if rc in (0, 2):
        return None
    # The first error says what happened; what follows it only says that the whole failed.
    first = next((match.group(1).strip() for match in _ERROR.finditer(words)), None)
    text = first or _last_line(words)
    return Error("unknown", text or f"exit code {rc}, and nothing was said", *OWN["unknown"])


def _last_line(words: str) -> str:
    rows = [row.strip() for row in words[-20000:].splitlines() if row.strip()]
    return rows[-1][:300] if rows else ""
