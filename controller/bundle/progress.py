"""What a build shows: on a terminal one line per file that moves, otherwise a plain line now and then."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable
from typing import TextIO

PLAIN_SECONDS = 10.0
DRAW_SECONDS = 0.2


class Line:
    """One file's progress."""

    def __init__(self, board: Progress, name: str, total: int | None) -> None:
        self._board = board
        self.name = name
        self.total = total
        self.done = 0
        self.started = board.clock()
        self.first: int | None = None  # bytes that were there when it began to move
        self.told = self.started

    def update(self, done: int, total: int | None) -> None:
        if self.first is None:
            self.first, self.started = done, self._board.clock()
        self.done, self.total = done, total if total is not None else self.total
        self._board.moved(self)

    def say(self, text: str) -> None:
        self._board.tell(text)

    def end(self, how: str, size: int | None = None) -> None:
        self._board.ended(self, how, size)

    def text(self) -> str:
        """``name  12.0/120.0 MB  10 %  5.0 MB/s  00:21``; what is not known is left out."""
        elapsed = max(self._board.clock() - self.started, 1e-6)
        rate = (self.done - (self.first or 0)) / elapsed
        parts = [f"{self.name}  {self.done / 1e6:.1f}"]
        if self.total:
            parts[0] += f"/{self.total / 1e6:.1f}"
            parts.append(f"{100 * self.done // self.total} %")
        parts[0] += " MB"
        parts.append(f"{rate / 1e6:.1f} MB/s")
        if self.total and rate > 0 and self.done < self.total:
            seconds = int((self.total - self.done) / rate)
            parts.append(f"{seconds // 60:02d}:{seconds % 60:02d} left")
        return "  ".join(parts)


class Progress:
    """The lines of all files; may be used by several threads at once."""

    def __init__(
        self, stream: TextIO | None = None, live: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty() if live is None else live
        self.clock = clock
        self._lock = threading.Lock()
        self._moving: list[Line] = []
        self._drawn = 0
        self._last = 0.0

    def file(self, name: str, total: int | None) -> Line:
        return Line(self, name, total)

    def tell(self, text: str) -> None:
        """One line that stays."""
        with self._lock:
            self._erase()
            print(text, file=self._stream, flush=True)

    def moved(self, line: Line) -> None:
        with self._lock:
            if line not in self._moving:
                self._moving.append(line)
            now = self.clock()
            if not self._live:
                if now - line.told >= PLAIN_SECONDS:
                    line.told = now
                    print(line.text(), file=self._stream, flush=True)
            elif now - self._last >= DRAW_SECONDS:
                self._last = now
                self._erase()
                width = shutil.get_terminal_size().columns - 1  # a line that wraps could not be taken back
                for moving in self._moving:
                    print(moving.text()[:width], file=self._stream)
                self._drawn = len(self._moving)
                self._stream.flush()

    def ended(self, line: Line, how: str, size: int | None) -> None:
        with self._lock:
            self._erase()
            if line in self._moving:
                self._moving.remove(line)
            bytes_ = "" if size is None else f"  {size / 1e6:.1f} MB"
            print(f"{line.name}: {how}{bytes_}", file=self._stream, flush=True)

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F\x1b[J")
            self._drawn = 0
