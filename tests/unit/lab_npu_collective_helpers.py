"""Calls the launcher and HCCL Test of the twin in process, with a host file for its three nodes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lab.npu import launch
from lab.npu.call import Session
from tests.unit.lab_npu_helpers import Said, Site

HOSTS = "10.77.0.11:8\n10.77.0.12:8\n10.77.0.13:8\n"
SIZES = ("-b", "8K", "-e", "64M", "-f", "2")
ROW = re.compile(r"^(\d+) +\| +([\d.]+) +\| +([\d.]+) +\| (\w+)$", re.MULTILINE)


class Row(NamedTuple):
    bytes: int
    microseconds: float
    printed: float
    result: str


@dataclass
class Bench:
    """A site whose ranks can be started. ``hosts``: the host file's text."""

    site: Site
    hosts: str | None = HOSTS

    def mpirun(self, *argv: str, environment: Mapping[str, str] | None = None) -> Said:
        return self.tool(launch.mpirun, *argv, environment=environment)

    def tool(self, session: Session, *argv: str, environment: Mapping[str, str] | None = None) -> Said:
        call, said = self.site.call("node1", *argv)
        call.files |= {"hosts": self.hosts, **{word: "#!" for word in argv if word.endswith("_test")}}
        call.environment = dict(environment or {})
        said.rc = session(call)
        return said

    def test(self, name: str, *more: str, count: int = 24, **environment: str) -> Said:
        """``mpirun -f hosts -n 24 ./bin/<name>_test -p 8 ...`` with these HCCL variables."""
        variables = [word for key, value in environment.items() for word in ("-genv", key, value)]
        return self.mpirun("-f", "hosts", "-n", str(count), *variables, f"./bin/{name}_test", "-p", "8", *more)

    def rows(self, name: str, *more: str, **environment: str) -> list[Row]:
        said = self.test(name, *more, **environment)
        assert said.rc == 0, said.text
        return rows(said)


def rows(said: Said) -> list[Row]:
    return [Row(int(a), float(b), float(c), d) for a, b, c, d in ROW.findall(said.out)]
