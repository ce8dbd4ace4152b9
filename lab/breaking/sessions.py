"""A human's session on a switch, and taking back exactly what it changed.

The lines go through the switch's own command line (``lab.switch.human``), so what the device refuses, it refuses here
too. Kept of a session (in the world, under the fault): what ran and what was saved before, the stamps and the commit
points that it pushed out, each line that it touched, and a fingerprint of what it left. Healing a switch that is still
as the session left it puts everything back, byte for byte; if others have configured it since, each line that is still
the session's is put back to what it was, whoever holds a lock, and (if the session saved) in the saved configuration.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.breaking.catalogue import Session
from lab.state import LabError
from lab.switch import RefusedLine, human
from lab.switch.config import Edit, Tree
from lab.switch.device import Device
from lab.world import Document, World

TREES = ("running", "saved")
KEPT = (*TREES, "updated", "saved_at")


def play(world: World, switch: str, session: Session) -> Document:
    """Enter the lines, commit, and save if wanted; what taking it back needs. LabError: the switch refused a line."""
    fresh = world.read(switch, "switches").get("config") is None
    before = Device(world, switch).store.state()
    try:
        human(world, switch, session.lines, save=session.save)
    except RefusedLine as error:
        if fresh:
            with world.update(switch, "switches") as document:
                del document["config"]
        said = " ".join(str(error).replace("^", " ").split())
        raise LabError(f"{switch} refuses {said} Is it configured as planned?") from error
    after = world.read(switch, "switches")["config"]
    record: Document = {"fresh": True} if fresh else {key: before[key] for key in KEPT}
    kept = {point["id"] for point in after["commits"]}
    record["dropped"] = [point for point in before["commits"] if point["id"] not in kept]
    record["commits"] = len(before["commits"])
    record["touched"] = {key: list(_touched(Tree.from_json(before[key]), Tree.from_json(after[key]))) for key in TREES}
    record["left"] = fingerprint(after)
    return record


def _touched(before: Tree, after: Tree) -> Iterator[Document]:
    """Each line that differs, with what it was and what the session left (None: no such line)."""
    old, new = _lines(before), _lines(after)
    for path in dict.fromkeys([*old, *new]):
        if (path in old) != (path in new):
            yield {"path": list(path), "made": path in new}
        own, left = old.get(path, {}), new.get(path, {})
        for key in dict.fromkeys([*own, *left]):
            if own.get(key) != left.get(key):
                yield {"path": list(path), "key": key, "before": own.get(key), "left": left.get(key)}


def _lines(tree: Tree) -> dict[tuple[str, ...], dict[str, str]]:
    return {tuple(view["view"]): view["lines"] for view in tree.to_json()}


def take_back(world: World, switch: str, record: Document) -> list[str]:
    """Undo a session; sentences about what others have changed since, and stays."""
    with world.update(switch, "switches") as document:
        config = document.get("config")
        if config is None:
            return []
        if fingerprint(config) == record["left"]:
            _rewind(document, record)
            return []
        skipped = 0
        for key in TREES:
            tree = Tree.from_json(config[key])
            edits, missed = _undo(tree, record["touched"][key])
            config[key] = tree.after(edits).to_json()
            skipped = max(skipped, missed)
    if not skipped:
        return []
    return [f"{switch}: {skipped} of the session's lines were changed meanwhile and stay as they are"]


def hand_over(record: Document, later: Sequence[Document]) -> None:
    """A session goes while later ones stay: what was underneath it is now underneath the first of them that sits there.

    None of them may rewind any more, for what it would bring back holds the lines of the one that went.
    """
    for other in later:
        other["left"] = ""
    for tree in TREES:
        for item in record["touched"][tree]:
            place = item["path"], item.get("key")
            above = (entry for other in later for entry in other["touched"][tree])
            entry = next((entry for entry in above if (entry["path"], entry.get("key")) == place), None)
            if entry is not None and "key" in item:
                entry["before"] = item["before"]
            elif entry is None and "made" in item:
                within = (other for other in later if any(e["path"] == item["path"] for e in other["touched"][tree]))
                heir = next(within, None)
                if heir is not None:
                    heir["touched"][tree].append(item)


def _rewind(document: Document, record: Document) -> None:
    if record.get("fresh"):
        del document["config"]
        return
    config = document["config"]
    for key in KEPT:
        config[key] = copy.deepcopy(record[key])
    config["commits"] = [*record["dropped"], *config["commits"]][: record["commits"]]


def _undo(tree: Tree, touched: Sequence[Mapping[str, Any]]) -> tuple[list[Edit], int]:
    """The edits that put back what is still as the session left it, and how many lines are not."""
    edits, skipped = [], 0
    views = [(tuple(item["path"]), item["made"]) for item in touched if "made" in item]
    edits += [Edit("enter", path) for path, made in views if not made]
    for item in touched:
        if "key" not in item:
            continue
        path, key, before = tuple(item["path"]), item["key"], item["before"]
        if tree.get(path, key) != item["left"]:
            skipped += 1
        elif before is None:
            edits.append(Edit("unset", path, key, item["left"]))
        else:
            edits.append(Edit("set", path, key, before))
    after = tree.after(edits)
    return [*edits, *(Edit("remove", path) for path, made in views if made and not after.lines(path))], skipped


def fingerprint(config: Mapping[str, Any]) -> str:
    """Of everything that a session can change."""
    text = json.dumps({key: config[key] for key in (*KEPT, "commits", "trial")}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
