"""For the tests of the simulated BMCs: a world, a fleet on free loopback ports, a client, and arbitrary truths."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hypothesis import strategies as st

from lab import hardware, power
from lab.bmc.server import Fleet, running
from lab.world import World

PASSWORD = "Sim-passw0rd"
USER = "npuforge"
SYSTEM = "/redfish/v1/Systems/1"
RESET = f"{SYSTEM}/Actions/ComputerSystem.Reset"
SESSIONS = "/redfish/v1/SessionService/Sessions"


def make_world(root: Path, nodes: int = 2, dialect: str = "mixed") -> World:
    """A healthy world; by default node1 speaks openubmc and the last node ibmc. Its self-tests take 0.4 s."""
    site, documents, switches = hardware.build_site(hardware.Plan(nodes=nodes, dialect=dialect))
    for document in documents:
        document["post_seconds"] = 0.4
    world = World(root / "world")
    world.create(site, documents, switches)
    return world


@dataclass
class Answer:
    status: int
    headers: Any
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def message_ids(self) -> list[str]:
        found = self.body.get("error", self.body).get("@Message.ExtendedInfo", [])
        return [item["MessageId"].rpartition(".")[2] for item in found]


class Client:
    """Asks one BMC, with basic authentication unless told otherwise, and verifies its certificate."""

    def __init__(self, fleet: Fleet, node: str = "node1") -> None:
        self.where = urlsplit(fleet.base_url(node))
        self.context = ssl.create_default_context(cafile=str(fleet.ca_file))

    def ask(
        self,
        path: str,
        method: str = "GET",
        body: Any = None,
        *,
        user: str | None = USER,
        word: str = PASSWORD,
        **more: str,
    ) -> Answer:
        """``more`` are headers, with ``_`` for ``-``. A body that is bytes is sent as it is."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        if user is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{word}".encode()).decode()
        if body is not None and not isinstance(body, bytes):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        connection = http.client.HTTPSConnection(
            str(self.where.hostname), self.where.port, context=self.context, timeout=20
        )
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **more: Any) -> Any:
        answer = self.ask(path, **more)
        assert answer.status == 200, (path, answer.status, answer.raw)
        return answer.body

    def post(self, path: str, body: Any, **more: Any) -> Answer:
        return self.ask(path, "POST", body, **more)

    def patch(self, path: str, body: Any, **more: Any) -> Answer:
        """With the resource's current ETag."""
        return self.ask(path, "PATCH", body, If_Match=self.ask(path).headers["ETag"], **more)


@contextmanager
def serving(root: Path, **options: Any) -> Iterator[tuple[World, Fleet]]:
    """A world under ``root`` and its running fleet."""
    world = make_world(root, options.pop("nodes", 2), options.pop("dialect", "mixed"))
    fleet = Fleet(
        world, root, options.pop("backend", power.WorldBackend()), password=PASSWORD, ephemeral=True, **options
    )
    with running(fleet):
        yield world, fleet


def wait_for(true: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first truthy result; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := true():
            return result
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")


HEALTHS = st.sampled_from(["OK", "OK", "OK", "Warning", "Critical"])
SWITCHES = {
    "cpus": {"temperature_celsius": st.none() | st.integers(-20, 130)},
    "npus": {"temperature_celsius": st.none() | st.integers(-20, 130), "error_code": st.none() | st.just("80E01801")},
    "dimms": {"capacity_mib": st.none() | st.sampled_from([0, 32768])},
    "drives": {"failure_predicted": st.booleans(), "wwn": st.none() | st.just("5000c500"), "model": st.none()},
    "fans": {"rpm": st.none() | st.integers(0, 15000), "max_rpm": st.sampled_from([0, 15000])},
    "psus": {"input_connected": st.booleans(), "firmware": st.none() | st.just("108")},
    "nics": {},
}


@st.composite
def truths(draw: st.DrawFn, dialect: str | None = None) -> dict[str, Any]:
    """Any truth of the shape of ``build_node``: parts there or not, sick or well, with odd values."""
    chosen = dialect or draw(st.sampled_from(["openubmc", "ibmc"]))
    node = hardware.build_node(hardware.Plan(dialect=chosen), draw(st.integers(1, 300)))
    node["power"] = draw(st.sampled_from(["on", "off"]))
    node["post"] = draw(st.sampled_from(["ok", "failed", "in_progress"]))
    node["bmc"]["strict_schema"] = draw(st.booleans())
    node["bmc"]["clock_offset_seconds"] = draw(st.sampled_from([0, -31536000, 86400]))
    node["bios"]["vendor"] = draw(st.none() | st.sampled_from(["Huawei", "Insyde", ""]))
    for kind, switches in SWITCHES.items():
        for part in node[kind]:
            part["present"] = draw(st.booleans())
            part["health"] = draw(HEALTHS)
            for key, values in switches.items():
                part[key] = draw(values)
    for temperature in node["temperatures"]:
        temperature["celsius"] = draw(st.none() | st.integers(-40, 120))
    return node
