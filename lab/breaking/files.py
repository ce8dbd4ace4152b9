"""Changes files in a node and takes the change back: only what the fault did, whatever else was written since.

What is kept of a change (in the world, under the fault): ``{"path", "replace": [old, new]}``, ``{"path", "append":
text}``; for a removed file ``{"path", "removed": its bytes in base64, "like": [mode, user, group]}``, for a new one
``{"path", "created": text}``; for a setting of the running kernel ``{"path", "written": value, "value": the old one}``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import Any, Protocol

from lab.breaking.catalogue import FileChange
from lab.state import LabError

Record = dict[str, Any]
NEW = (0o644, 0, 0)  # mode, user and group of a file that a fault makes


class Files(Protocol):
    """The files of the nodes (``lab.nodes.disk.Disk``)."""

    def read(self, node: str, path: str) -> bytes | None: ...

    def write(self, node: str, path: str, content: bytes, like: tuple[int, int, int] | None = None) -> None: ...

    def remove(self, node: str, path: str) -> tuple[int, int, int]: ...


def change(files: Files, node: str, wanted: Sequence[FileChange]) -> list[Record]:
    """Do all of them, or none. LabError: a file is not there, or has not the text that would be replaced."""
    done: list[Record] = []
    try:
        for item in wanted:
            done.append(_change(files, node, item))
    except Exception:
        restore(files, node, done)
        raise
    return done


def _change(files: Files, node: str, item: FileChange) -> Record:
    content = files.read(node, item.path)
    if item.create is not None:
        if content is not None:
            raise LabError(f"{node} has a file {item.path} already")
        files.write(node, item.path, item.create.encode(), NEW)
        return {"path": item.path, "created": item.create}
    if content is None:
        raise LabError(f"{node} has no file {item.path}: is it provisioned?")
    if item.removes:
        kept = base64.b64encode(content).decode()
        return {"path": item.path, "removed": kept, "like": list(files.remove(node, item.path))}
    if item.write is not None:
        files.write(node, item.path, item.write.encode())
        return {"path": item.path, "written": item.write, "value": chosen(content)}
    if item.append is not None:
        files.write(node, item.path, content + item.append.encode())
        return {"path": item.path, "append": item.append}
    old = str(item.old)
    if old.encode() not in content:
        raise LabError(f"{node}: {item.path} has no {old!r}: is it provisioned as planned?")
    files.write(node, item.path, content.replace(old.encode(), item.new.encode(), 1))
    return {"path": item.path, "replace": [old, item.new]}


def restore(files: Files, node: str, records: Sequence[Record]) -> list[str]:
    """Take changes back, the last first; sentences about what somebody else has changed meanwhile, and stays."""
    said = []
    for record in reversed(records):
        path = record["path"]
        content = files.read(node, path)
        if "removed" in record:
            if content is None:
                mode, user, group = record["like"]
                files.write(node, path, base64.b64decode(record["removed"]), (mode, user, group))
            else:
                said.append(f"{node}: {path} is there again, it stays as it is")
            continue
        if "written" in record:
            if content is not None and chosen(content) == record["written"]:
                files.write(node, path, record["value"].encode())
            else:
                said.append(f"{node}: {path} was set anew meanwhile, or the node is off; it stays as it is")
            continue
        if "created" in record:
            if content == record["created"].encode():
                files.remove(node, path)
            else:
                said.append(f"{node}: {path} was changed meanwhile, it stays as it is")
            continue
        planted, before = (record["append"], "") if "append" in record else reversed(record["replace"])
        if content is None:
            said.append(f"{node}: {path} is gone, nothing to put back")
        elif not planted or planted.encode() not in content:
            said.append(f"{node}: {path} was changed meanwhile, it stays as it is")
        else:
            head, _, tail = content.rpartition(planted.encode())
            files.write(node, path, head + before.encode() + tail)
    return said


def chosen(content: bytes) -> str:
    """The value of a setting of the kernel: the word in brackets of ``always [madvise] never``, else all of it."""
    text = content.decode(errors="replace").strip()
    found = re.search(r"\[(\S+)\]", text)
    return found[1] if found else text
