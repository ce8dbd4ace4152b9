"""How a verdict looks: a word, a symbol and a colour, so that no reader depends on colour alone.

All symbols are glyphs of Noto Sans CJK and Source Han Sans, so that a page needs no other font.
"""

from __future__ import annotations

SYMBOLS = {"pass": "✓", "fail": "×", "unknown": "?", "manual": "□", "waived": "△", "not_run": "–", "": ""}
# Dark enough for text on white (contrast >= 4.5:1) and distinct in greyscale.
COLOURS = {
    "pass": "1b6e3c",
    "fail": "b3171b",
    "unknown": "8a5300",
    "manual": "2a4f8f",
    "waived": "6a3d8a",
    "not_run": "5f6670",
    "": "000000",
}
TINTS = {
    "pass": "e6f2ea",
    "fail": "fbe3e3",
    "unknown": "fff0d6",
    "manual": "e4ebf7",
    "waived": "f0e8f5",
    "not_run": "eef0f2",
    "": "ffffff",
}
ALARM = "c00d12"
NEUTRAL = "4a5560"
