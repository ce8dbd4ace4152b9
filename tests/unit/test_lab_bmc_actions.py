"""What a client sets in motion: power, virtual media, updates, events; and the control socket beside Redfish."""

from __future__ import annotations

import asyncio
import hashlib
import http.server
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import pki, power
from lab.bmc.control import Control
from lab.bmc.server import Fleet, running
from lab.world import World
from tests.unit.lab_bmc_helpers import PASSWORD, RESET, SYSTEM, Client, make_world, serving, wait_for

MEDIA = "/redfish/v1/Managers/1/VirtualMedia/CD"
INSERT, EJECT = (f"{MEDIA}/Actions/VirtualMedia.{verb}Media" for verb in ("Insert", "Eject"))
UPDATE = "/redfish/v1/UpdateService/Actions/UpdateService.SimpleUpdate"
SUBSCRIPTIONS = "/redfish/v1/EventService/Subscriptions"
LOG = f"{SYSTEM}/LogServices/Log1/Entries"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Fleet]]:
    with serving(tmp_path_factory.mktemp("actions")) as pair:
        yield pair


@pytest.fixture
def client(served: tuple[World, Fleet]) -> Client:
    return Client(served[1])


@pytest.fixture
def world(served: tuple[World, Fleet]) -> World:
    return served[0]


class Files:
    """A small web server: ``files`` by path to give out, ``received`` what was posted to it."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, bytes] = {}
        self.received: list[tuple[dict[str, str], Any]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = outer.files.get(self.path)
                self.send_response(200 if content is not None else 404)
                self.end_headers()
                self.wfile.write(content or b"")

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.received.append((dict(self.headers), body))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def files() -> Iterator[Files]:
    server = Files()
    yield server
    server.close()


def test_power_off_and_on_as_a_client_sees_it(client: Client, world: World) -> None:
    assert client.patch(SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Pxe"}}).status == 200
    assert client.post(RESET, {"ResetType": "ForceOff"}).status == 204
    off = client.get(SYSTEM)
    assert (off["PowerState"], off["Status"]["State"], off["BootProgress"]["LastState"]) == (
        "Off",
        "StandbyOffline",
        "None",
    )
    assert client.get("/redfish/v1/Chassis/1/Thermal")["Fans"][0]["Reading"] == 0
    assert client.post(RESET, {"ResetType": "On"}).status == 204
    on = client.get(SYSTEM)
    assert (on["PowerState"], on["Status"]["State"]) == ("On", "Starting")
    assert on["Boot"]["BootSourceOverrideTarget"] == "None", "Once is used up"
    assert world.read("node1")["booted_from"] == "Pxe"
    wait_for(lambda: client.get(SYSTEM)["BootProgress"]["LastState"] == "OSRunning")


def test_every_reset_type_that_is_offered_works(client: Client) -> None:
    offered = client.get(SYSTEM)["Actions"]["#ComputerSystem.Reset"]["ResetType@Redfish.AllowableValues"]
    for kind in offered:
        client.post(RESET, {"ResetType": "On"})
        answer = client.post(RESET, {"ResetType": kind})
        assert answer.status == 204, (kind, answer.raw)
    client.post(RESET, {"ResetType": "ForceOff"})
    assert client.post(RESET, {"ResetType": "PushPowerButton"}).status == 204
    assert client.get(SYSTEM)["PowerState"] == "On"


def test_a_reset_that_cannot_be_is_refused(client: Client) -> None:
    assert client.post(RESET, {}).message_ids == ["ActionParameterMissing"]
    assert client.post(RESET, {"ResetType": "Explode"}).message_ids == ["ActionParameterValueFormatError"]
    client.post(RESET, {"ResetType": "ForceOff"})
    answer = client.post(RESET, {"ResetType": "ForceRestart"})
    assert (answer.status, answer.message_ids) == (409, ["ResourceInUse"])
    client.post(RESET, {"ResetType": "On"})


def test_a_slow_shutdown_is_accepted_at_once_and_its_failure_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stuck(power.WorldBackend):
        def stop(self, node: str, seconds: int) -> None:
            time.sleep(0.6)
            raise power.PowerError("the operating system does not react")

    monkeypatch.setattr("lab.bmc.device.PATIENCE", 0.1)
    with serving(tmp_path, nodes=1, dialect="openubmc", backend=Stuck()) as (_, fleet):
        client = Client(fleet)
        started = time.monotonic()
        assert client.post(RESET, {"ResetType": "GracefulShutdown"}).status == 204
        assert time.monotonic() - started < 0.5
        entry = wait_for(lambda: client.get(LOG)["Members"])[0]
        assert entry["Severity"] == "Critical"
        assert "does not react" in entry["Message"]
        assert client.get(SYSTEM)["PowerState"] == "On"


def test_virtual_media_is_really_read(client: Client, world: World, files: Files) -> None:
    content = bytes(range(256)) * 5000
    files.files["/boot.iso"] = content
    assert client.post(INSERT, {"Image": f"{files.url}/boot.iso", "Inserted": True}).status == 204
    shown = client.get(MEDIA)
    assert (shown["Inserted"], shown["ImageName"], shown["ConnectedVia"]) == (True, "boot.iso", "URI")
    assert shown["Oem"]["Npuforge"] == {"SHA256": hashlib.sha256(content).hexdigest(), "SizeBytes": len(content)}
    assert world.read("node1")["virtual_media"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert client.post(INSERT, {"Image": f"{files.url}/boot.iso"}).status == 409
    assert client.post(EJECT, {}).status == 204
    assert client.get(MEDIA)["Inserted"] is False
    assert client.get(MEDIA)["Image"] is None


def test_virtual_media_over_https_trusts_the_labs_ca_only(
    client: Client, served: tuple[World, Fleet], tmp_path: Path
) -> None:
    for trusted in (True, False):
        home = served[1].state if trusted else tmp_path
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*pki.certificate(home, "files", "127.0.0.1", "localhost"))
        server = Files(tls)
        server.files["/x.iso"] = b"x"
        try:
            answer = client.post(INSERT, {"Image": f"{server.url}/x.iso"})
        finally:
            server.close()
        assert answer.status == (204 if trusted else 400), answer.raw
        client.post(EJECT, {})


@pytest.mark.parametrize("image", ["nfs://127.0.0.1/x", "file:///etc/passwd", "http://", 7, "http://[bad"])
def test_an_image_that_is_no_address_is_refused(client: Client, image: Any) -> None:
    assert client.post(INSERT, {"Image": image}).message_ids == ["ActionParameterValueFormatError"]


def test_an_image_that_cannot_be_read_is_refused(client: Client, files: Files) -> None:
    files.files["/empty"] = b""
    for path in ("/missing", "/empty"):
        assert client.post(INSERT, {"Image": files.url + path}).message_ids == ["CouldNotEstablishConnection"]
    assert client.get(MEDIA)["Inserted"] is False


def update(client: Client, uri: str) -> dict[str, Any]:
    """Starts an update and waits for its task."""
    answer = client.post(UPDATE, {"ImageURI": uri})
    assert answer.status == 202
    task, monitor = answer.body["@odata.id"], answer.headers["Location"]
    done = wait_for(lambda: (body := client.get(task))["TaskState"] in ("Completed", "Exception") and body)
    assert client.ask(monitor).status == (204 if done["TaskState"] == "Completed" else 400)
    return dict(done)


def test_an_update_is_a_task_and_takes_effect_when_it_should(client: Client, files: Files) -> None:
    inventory = "/redfish/v1/UpdateService/FirmwareInventory"
    files.files["/bmc"] = b"npuforge-twin-firmware component=ActiveBMC version=5.03.02.12 \n"
    files.files["/bios"] = b"npuforge-twin-firmware component=Bios version=7.45 \n"
    assert update(client, f"{files.url}/bmc")["TaskState"] == "Completed"
    assert client.get("/redfish/v1/Managers/1")["FirmwareVersion"] == "5.03.02.12"
    before = client.get(f"{inventory}/Bios")["Version"]
    assert update(client, f"{files.url}/bios")["TaskState"] == "Completed"
    assert client.get(f"{inventory}/Bios")["Version"] == before, "a BIOS changes at the next boot"
    client.post(RESET, {"ResetType": "ForceRestart"})
    assert client.get(f"{inventory}/Bios")["Version"] == "7.45"


def test_an_update_that_fails_says_why(client: Client, files: Files) -> None:
    files.files["/other"] = b"firmware of another vendor"
    failed = update(client, f"{files.url}/other")
    assert failed["TaskState"] == "Exception"
    assert "not for this machine" in failed["Messages"][0]["Message"]
    assert "404" in update(client, f"{files.url}/missing")["Messages"][0]["Message"]
    assert client.post(UPDATE, {"ImageURI": "ftp://x/y"}).status == 400


def test_a_fault_reaches_the_log_and_the_subscribers(client: Client, world: World, files: Files) -> None:
    wanted = {
        "Destination": f"{files.url}/events",
        "Protocol": "Redfish",
        "Context": "mine",
        "HttpHeaders": [{"X-Key": "k"}],
    }
    answer = client.post(SUBSCRIPTIONS, wanted)
    assert answer.status == 201
    assert answer.body["HttpHeaders"] == [], "headers may carry credentials"
    with world.update("node1") as node:
        node["psus"][1]["input_connected"] = False
    wait_for(lambda: (entries := client.get(LOG)["Members"]) and entries[0]["MessageArgs"] == ["PSU2", "Critical"])
    headers, event = wait_for(lambda: files.received and files.received[-1])
    assert headers["X-Key"] == "k"
    assert event["Context"] == "mine"
    assert event["Events"][0]["MessageArgs"] == ["PSU2", "Critical"]
    files.received.clear()
    assert (
        client.post("/redfish/v1/EventService/Actions/EventService.SubmitTestEvent", {"Message": "hello"}).status == 204
    )
    assert wait_for(lambda: files.received)[0][1]["Events"][0]["Message"] == "hello"
    assert client.ask(answer.headers["Location"], "DELETE").status == 204
    with world.update("node1") as node:
        node["psus"][1]["input_connected"] = True
    wait_for(lambda: client.get(LOG)["Members"][0]["Severity"] == "OK")
    assert len(files.received) == 1, "nobody is told after the subscription is gone"


def test_restarting_the_bmc_ends_its_sessions_and_it_comes_back(client: Client, served: tuple[World, Fleet]) -> None:
    served[1].bmcs["node1"].runtime.open_session(served[1].bmcs["node1"].runtime.accounts["2"], "test")
    assert client.post("/redfish/v1/Managers/1/Actions/Manager.Reset", {"ResetType": "GracefulRestart"}).status == 204
    assert served[1].bmcs["node1"].runtime.sessions == {}

    def gone() -> bool:
        try:
            client.ask("/redfish/v1")
        except OSError:
            return True
        return False

    wait_for(gone)
    wait_for(lambda: not gone())
    assert client.get(SYSTEM)["PowerState"] == "On", "the machine does not care"


def test_what_was_done_is_in_the_operation_log(client: Client) -> None:
    client.patch(SYSTEM, {"AssetTag": "A-1"})
    newest = client.get("/redfish/v1/Managers/1/LogServices/OperateLog/Entries")["Members"][0]
    assert "AssetTag" in newest["Message"]


class Line:
    """One request at a time to a control socket."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, text: str) -> str:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(10)
            channel.connect(str(self.path))
            channel.sendall(text.encode() + b"\n")
            return channel.makefile().readline().strip()


@pytest.fixture
def control(tmp_path: Path) -> Iterator[tuple[Line, Client, World]]:
    world = make_world(tmp_path, nodes=1, dialect="openubmc")
    fleet = Fleet(world, tmp_path, power.WorldBackend(), password=PASSWORD, ephemeral=True)
    served = Control(tmp_path / "run" / "c.sock", fleet.bmcs, fleet.settle)
    with running(fleet) as started:
        loop = started.listeners["node1"]._runner.server._loop  # type: ignore[union-attr]  # it listens, so it has one
        asyncio.run_coroutine_threadsafe(served.start(), loop).result(10)
        try:
            yield Line(served.path), Client(fleet), world
        finally:
            asyncio.run_coroutine_threadsafe(served.stop(), loop).result(10)


def test_the_control_socket_and_redfish_are_one_power_button(control: tuple[Line, Client, World]) -> None:
    line, client, world = control
    assert line.path.stat().st_mode & 0o777 == 0o600
    assert line.ask("node1 get power") == "1"
    assert line.ask("node1 set power 0") == "ok"
    assert client.get(SYSTEM)["PowerState"] == "Off"
    assert line.ask("node1 reset").startswith("error: ")
    assert client.post(RESET, {"ResetType": "On"}).status == 204
    assert line.ask("node1 get power") == "1"
    assert line.ask("node1 set boot pxe") == "ok"
    assert client.get(SYSTEM)["Boot"]["BootSourceOverrideTarget"] == "Pxe"
    assert line.ask("node1 get boot") == "pxe"
    assert line.ask("node1 reset") == "ok"
    assert line.ask("node1 get boot") == "none"
    assert world.read("node1")["booted_from"] == "Pxe"
    assert line.ask("node1 shutdown") == "ok"
    assert line.ask("node1 get power") == "0"


def test_settle_answers_when_the_listener_follows_the_world(control: tuple[Line, Client, World]) -> None:
    line, client, world = control
    for dead in (True, False):
        with world.update("node1") as node:
            node["bmc"]["dead"] = dead
        assert line.ask("settle") == "ok"
        if dead:
            with pytest.raises(OSError, match="refused"):
                client.get(SYSTEM)
    assert client.get(SYSTEM)["PowerState"] == "On"


@pytest.mark.parametrize(
    "text", ["", "node9 get power", "node1 set power 2", "node1 set boot moon", "node1 dance", "\x00"]
)
def test_a_line_that_means_nothing_is_answered_with_an_error(control: tuple[Line, Client, World], text: str) -> None:
    assert control[0].ask(text).startswith("error: ")


def test_an_asker_who_hangs_up_is_obeyed(control: tuple[Line, Client, World]) -> None:
    line, _, world = control
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(line.path))
        channel.sendall(b"node1 set power 0\n")
    wait_for(lambda: world.read("node1")["power"] == "off")
