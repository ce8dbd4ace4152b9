"""Makes the steps, unit by unit. A unit that fails is taken back in reverse order; the others stay.

What is taken back is what was there when the step was made. A run that is killed takes nothing back: every write is
whole or not there, and the next run goes on from what it finds.
"""

from __future__ import annotations

from typing import Callable, Sequence

from . import isolation
from .host import Host
from .memory import chosen
from .model import Step

_COMMAND_SECONDS = 600.0  # grub-mkconfig with os-prober on a machine with many disks


class StepError(Exception):
    """A step could not be made; the text says why."""


class Partly(StepError):
    """Some of a step was made."""


class Bench:
    """The steps of one run, and how each is taken back.

    ``done``: sentences on what was made; ``failed``: unit -> why; ``restored``: units that were taken back; ``left``:
    what could not be; ``noted``: refusals of soft steps.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.done: dict[str, list[str]] = {}
        self.failed: dict[str, str] = {}
        self.restored: list[str] = []
        self.left: list[str] = []
        self.noted: list[str] = []
        self._back: dict[str, list[Callable[[], None]]] = {}

    def apply(self, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.unit in self.failed:
                continue
            try:
                self._make(step)
                self.done.setdefault(step.unit, []).append(step.words)
            except (StepError, OSError) as error:
                if isinstance(error, OSError):
                    problem = f"{step.words}: {error.strerror or error}"
                else:
                    problem = f"{step.words}: {error}"
                if step.soft:
                    self.noted.append(problem)
                    if isinstance(error, Partly):
                        self.done.setdefault(step.unit, []).append(step.words)
                else:
                    self.undo(step.unit, problem)

    def undo(self, unit: str, problem: str) -> None:
        """Take a unit back; ``problem`` says why."""
        self.failed[unit] = problem
        for back in reversed(self._back.get(unit, [])):
            try:
                back()
            except (StepError, OSError) as error:
                self.left.append(f"{unit}: {error}")
        self._back[unit] = []
        self.restored.append(unit)

    def _make(self, step: Step) -> None:
        backs = self._back.setdefault(step.unit, [])
        host = self.host
        if step.marker and step.action != "run" and not host.exists(step.marker):
            backs.append(lambda: host.remove(step.marker))
            host.write(step.marker, "")
        if step.action in ("write", "link", "remove"):
            backs.append(_file_back(host, step.path))
            if step.backup:
                host.backup(step.path)
            if step.action == "write":
                host.write(step.path, step.value, step.mode)
            elif step.action == "link":
                host.make_link(step.path, step.value)
            else:
                host.remove(step.path)
        elif step.action == "kernel":
            self._kernel(step, backs)
        else:
            self._run(step, backs)

    def _kernel(self, step: Step, backs: list[Callable[[], None]]) -> None:
        refusals = []
        for path in step.paths:
            old = self.host.value(path)
            try:
                self.host.set_kernel(path, step.value)
            except OSError as error:
                if not step.soft:
                    raise StepError(f"{path} does not take {step.value}: {error.strerror or error}") from error
                refusals.append(path)
                continue
            if old is not None:
                backs.append(_kernel_back(self.host, path, chosen(old) or old))
        if refusals:
            isolation.remember(self.host, [path for path in refusals if path.startswith("/proc/irq/")])
            kind = Partly if len(refusals) < len(step.paths) else StepError
            raise kind(f"the kernel refused {len(refusals)} of {len(step.paths)}, as {refusals[0]}")

    def _run(self, step: Step, backs: list[Callable[[], None]]) -> None:
        host = self.host
        backs += [_file_back(host, path) for path in step.touches]
        answer = host.run(step.argv, _COMMAND_SECONDS)
        if answer.rc != 0:
            said = " ".join(answer.text.split())[-400:]
            ended = "was stopped at its time limit" if answer.rc is None else f"ended with {answer.rc}"
            if step.soft and step.marker:
                host.remove(step.marker)  # it was tried; a machine without systemd has nothing to tell
            raise StepError(f"{' '.join(step.argv)} {ended}: {said}")
        if step.undo:
            backs.append(_run_back(host, step.undo))
        if step.marker:
            host.remove(step.marker)


def _file_back(host: Host, path: str) -> Callable[[], None]:
    link, text, mode = host.link(path), host.read(path), host.mode(path)

    def back() -> None:
        if link is not None and host.link(path) != link:
            host.make_link(path, link)
        if text is None and link is None:
            host.remove(path)
        elif text is not None and host.read(path) != text:
            host.write(path, text, mode or 0o644)

    return back


def _kernel_back(host: Host, path: str, old: str) -> Callable[[], None]:
    return lambda: host.set_kernel(path, old)


def _run_back(host: Host, argv: Sequence[str]) -> Callable[[], None]:
    def back() -> None:
        answer = host.run(argv, _COMMAND_SECONDS)
        if answer.rc != 0:
            raise StepError(f"{' '.join(argv)} ended with {answer.rc}: {' '.join(answer.text.split())[-200:]}")

    return back
