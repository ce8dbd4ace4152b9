"""Which Chinese font a PDF will be set in. Without one, every Chinese character would become an empty box."""

from __future__ import annotations

import functools
import shutil
import subprocess

# In order of preference; all carry simplified Chinese shapes and embed as OpenType.
PREFERRED = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "Noto Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
)
PACKAGES = "fonts-noto-cjk (Debian, Ubuntu) or google-noto-sans-cjk-ttc-fonts (openEuler, Kylin, Fedora)"


class ReportError(Exception):
    """A report could not be written; the message says what to do about it."""


class MissingFontError(ReportError):
    """No font with Chinese glyphs is installed on the controller."""


@functools.lru_cache(maxsize=1)
def chinese_families() -> tuple[str, ...]:
    """Families that fontconfig lists for Chinese, the preferred ones first.

    Raises MissingFontError when fontconfig's ``fc-list`` is absent or knows no Chinese font.
    """
    program = shutil.which("fc-list")
    if program is None:
        raise MissingFontError(f"cannot look for a Chinese font: fc-list is missing; install fontconfig and {PACKAGES}")
    listed = subprocess.run(
        [program, ":lang=zh-cn", "family"], capture_output=True, text=True, timeout=60, check=False, errors="replace"
    )
    families = {name.strip() for line in listed.stdout.splitlines() for name in line.split(",") if name.strip()}
    if not families:
        raise MissingFontError(f"no font with Chinese glyphs is installed, so no PDF is written; install {PACKAGES}")
    return tuple([name for name in PREFERRED if name in families] + sorted(families - set(PREFERRED)))


def stack() -> str:
    """CSS ``font-family`` value for the PDF: one Chinese family that is really there, then the preferred names."""
    names = list(dict.fromkeys([chinese_families()[0], *PREFERRED]))
    return ", ".join('"' + name.replace("\\", "").replace('"', "") + '"' for name in names) + ", sans-serif"
