"""Running and saved configuration of one switch, kept in the world, with commits, trial runs and reboots.

Each session has its own candidate: the running configuration with that session's edits (``Tree.after``). A commit does
the edits on whatever is running then, as VRP8 does.

In the world's document of the switch, key ``config``: ``{"running": tree, "saved": tree, "updated": stamp, "saved_at":
stamp, "commits": [point], "trial": null|{...}, "booted": Unix seconds, "powered": bool}`` (trees: ``config.Tree``;
stamp: ``{"time": Unix seconds, "user"}``; point: ``{"id", "label", "user", "interface", "type", "time", "description",
"tree"}``, oldest first).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.switch.config import Edit, Tree
from lab.world import World

Document = dict[str, Any]

FIRST_COMMIT = 1000000001  # the range that the manual gives for commit ids
COMMITS_KEPT = 20  # a real device keeps 100; each holds a whole tree here
REBOOT_SECONDS = 3.0  # for which a rebooting switch does not answer; real ones take minutes


class StoreError(Exception):
    """The store refuses; the text is for the operator's screen, without ``Error: ``."""


@dataclass(frozen=True)
class Who:
    """Who commits: user name, terminal ("VTY 0"), and the session, which a trial run ends with."""

    user: str
    interface: str
    session: str


class Store:
    """One switch's configuration. Safe to use from several threads and processes: the world's lock orders writers."""

    def __init__(
        self,
        world: World,
        name: str,
        factory: Callable[[Document], Tree],
        clock: Callable[[], float] = time.time,
        *,
        refusals: Callable[[Document, Tree], list[str]] = lambda document, tree: [],
        done: Callable[[Document, list[Edit]], None] = lambda document, edits: None,
    ) -> None:
        """``refusals(document, tree)``: why a configuration cannot be committed; ``done(document, edits)``: what else
        a commit of these edits changes in the switch's document."""
        self.world = world
        self.name = name
        self.clock = clock
        self._factory = factory
        self._refusals = refusals
        self._done = done

    def state(self) -> Document:
        """The ``config`` document now; a trial run whose time is over is rolled back first."""
        document = self.world.read(self.name, "switches")
        config = document.get("config")
        if config is None or _trial_over(config, self.clock()) or config["powered"] != (document["power"] == "on"):
            with self._change() as document:
                return dict(document["config"])
        return dict(config)

    def tick(self) -> None:
        """What happens by itself: a trial run ends, a device that got its power back boots. Call it now and then."""
        self.state()

    def running(self) -> Tree:
        return Tree.from_json(self.state()["running"])

    def saved(self) -> Tree:
        return Tree.from_json(self.state()["saved"])

    def commit(self, who: Who, edits: list[Edit], label: str | None = None, description: str | None = None) -> None:
        """Make the edits take effect and confirm a trial run, if there is one. StoreError: the label is taken."""
        with self._change() as document:
            config = document["config"]
            confirmed = config["trial"] is not None
            config["trial"] = None
            self._take_effect(document, who, edits, (label, description), confirmed)

    def commit_trial(
        self, who: Who, edits: list[Edit], seconds: int, label: str | None = None, persist: str | None = None
    ) -> None:
        """Make the edits take effect for so long, unless a commit confirms them. During a trial: its time starts anew.

        ``persist``: the trial outlives the session that began it.
        """
        with self._change() as document:
            config = document["config"]
            before = config["trial"]["before"] if config["trial"] else config["running"]
            self._take_effect(document, who, edits, (label, None), False)
            config["trial"] = {
                "before": before,
                "deadline": self.clock() + seconds,
                "session": who.session,
                "persist": persist,
            }

    def abort_trial(self) -> None:
        """Back to what ran before the trial. StoreError: there is none."""
        with self._change() as document:
            config = document["config"]
            if config["trial"] is None:
                raise StoreError("No trial configuration exists.")
            self._roll_back(config)

    def end_session(self, session: str) -> None:
        """A session is gone, and its trial run with it, unless that persists."""
        trial = self.state()["trial"]
        if trial and trial["session"] == session and trial["persist"] is None:
            with self._change() as document:
                self._roll_back(document["config"])

    def roll_back_to(self, who: Who, commit_id: int) -> None:
        """Make the configuration of an earlier commit run again; that is a commit of its own. StoreError: no such."""
        with self._change() as document:
            config = document["config"]
            point = next((point for point in config["commits"] if point["id"] == commit_id), None)
            if point is None:
                raise StoreError("The configuration rollback point does not exist.")
            _unlocked(document, who)
            config["trial"] = None
            config["running"] = point["tree"]
            self._point(config, who, (None, None), "ROLLBACK")

    def save(self, user: str) -> None:
        with self._change() as document:
            config = document["config"]
            config["saved"] = config["running"]
            config["saved_at"] = {"time": self.clock(), "user": user}

    def reboot(self) -> None:
        """The device starts again from what was saved."""
        with self._change() as document:
            self._boot(document)

    @contextmanager
    def _change(self) -> Iterator[Document]:
        """The switch's document, its ``config`` brought up to date, under the world's lock."""
        with self.world.update(self.name, "switches") as document:
            config = document.get("config")
            if config is None:
                config = document["config"] = self._first(document)
            if _trial_over(config, self.clock()):
                self._roll_back(config)
            powered = document["power"] == "on"
            if powered and not config["powered"]:
                self._boot(document)
            config["powered"] = powered
            yield document

    def _first(self, document: Document) -> Document:
        tree = self._factory(document).to_json()
        now = self.clock()
        config = {
            "running": tree,
            "saved": tree,
            "updated": {"time": now, "user": None},
            "saved_at": {"time": now, "user": None},
            "commits": [],
            "trial": None,
            "booted": now,
            "powered": document["power"] == "on",
        }
        self._point(config, Who("", "", ""), (None, None), "RESTORE")
        return config

    def _boot(self, document: Document) -> None:
        """From the file for the next startup; as delivered when that cannot be read then (``flash_damaged``)."""
        config = document["config"]
        readable = not document.get("flash_damaged")
        tree = config["saved"] if readable else self._factory(document).to_json()
        config.update(running=tree, trial=None, booted=self.clock())
        self._point(config, Who("", "", ""), (None, None), "RESTORE")

    def _roll_back(self, config: Document) -> None:
        config["running"] = config["trial"]["before"]
        config["trial"] = None
        self._point(config, Who("", "", ""), (None, None), "ROLLBACK")

    def _take_effect(
        self, document: Document, who: Who, edits: list[Edit], words: tuple[str | None, str | None], always: bool
    ) -> None:
        config = document["config"]
        before = Tree.from_json(config["running"])
        after = before.after(edits)
        _unlocked(document, who)
        refused = self._refusals(document, after)
        if refused:
            raise StoreError(refused[0])
        self._done(document, edits)
        label = words[0]
        if label is not None and any(point["label"] == label for point in config["commits"]):
            raise StoreError("The label already exists.")
        if after != before or always:
            config["running"] = after.to_json()
            self._point(config, who, words, "CLI")

    def _point(self, config: Document, who: Who, words: tuple[str | None, str | None], kind: str) -> None:
        now = self.clock()
        point = {
            "id": config["commits"][-1]["id"] + 1 if config["commits"] else FIRST_COMMIT,
            "label": words[0],
            "user": who.user,
            "interface": who.interface,
            "type": kind,
            "time": now,
            "description": words[1],
            "tree": config["running"],
        }
        config["commits"] = [*config["commits"], point][-COMMITS_KEPT:]
        config["updated"] = {"time": now, "user": who.user or None}


def _trial_over(config: Document, now: float) -> bool:
    return config["trial"] is not None and now >= config["trial"]["deadline"]


def _unlocked(document: Document, who: Who) -> None:
    """[CR] configuration exclusive: "other users can view, save, and maintain configurations, but cannot deliver
    configurations". StoreError: another session has them to itself."""
    lock = document.get("config_lock")
    if lock and (lock["user"], lock.get("session")) != (who.user, who.session):
        raise StoreError(f"The configuration is locked by user {lock['user']}.")
