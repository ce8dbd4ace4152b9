"""A whole twin beside the user's own: raised, used, repaired, cut off in the middle, and taken down without a trace."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from lab.state import Settings, State
from lab.supervise import marked

pytestmark = [pytest.mark.twin, pytest.mark.root]
ROOT = Path(__file__).resolve().parents[2]
SITE = "core-tests"


@dataclass(frozen=True)
class Lab:
    """``python -m lab`` on one state directory, and ways to look at what it made without using it."""

    state: State
    site: str
    cache: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {"NPUFORGE_CACHE": str(self.cache)} if self.cache else {}
        return {**os.environ, **own}

    def argv(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "lab", *arguments, "--state", str(self.state.root), "--site", self.site]

    def __call__(self, *arguments: str, code: int | None = 0) -> str:
        """What it says; it must end with ``code`` (None: with any)."""
        done = subprocess.run(
            self.argv(*arguments),
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert code in (None, done.returncode), f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self.argv(*arguments), cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def secret(self, name: str) -> str:
        return str(json.loads(self.state.secrets.read_text())[name])

    def address(self, number: int) -> str:
        return f"10.{Settings.for_site(self.site).subnet}.0.{10 + number}"

    def ssh(
        self, number: int, command: str, known_hosts: Path | None = None, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        known = known_hosts or self.state.root / "ssh" / "known_hosts"
        return subprocess.run(
            [
                *("ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"),
                *(
                    "-o",
                    f"UserKnownHostsFile={known}",
                    "-o",
                    "GlobalKnownHostsFile=/dev/null",
                    "-o",
                    "ConnectTimeout=5",
                ),
                *("-i", str(self.state.ssh / "id_ed25519"), f"deploy@{self.address(number)}", command),
            ],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def sudo(self, number: int, command: str) -> subprocess.CompletedProcess[str]:
        return self.ssh(number, f"sudo -S -p '' {command}", stdin=self.secret("become_password") + "\n")

    def containers(self) -> dict[str, str]:
        """name -> state, of everything podman has under this site's name, whole or half."""
        rows = json.loads(podman("ps", "--all", "--external", "--format", "json") or "[]")
        found = {name: row["State"] for row in rows for name in row["Names"] or []}
        return {name: state for name, state in found.items() if name.startswith(f"npuforge-{self.site}-node")}

    def assert_nothing_left(self) -> None:
        assert self.containers() == {}
        assert f"npuforge-{self.site}" not in podman("network", "ls", "--format", "{{.Name}}").split()
        assert marked(self.state) == []
        listing = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
        assert [line for line in listing.splitlines() if str(self.state.root) in line] == []
        assert str(self.state.root) not in Path("/proc/self/mountinfo").read_text()
        assert not self.state.tmp.exists()


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab(State(tmp_path_factory.mktemp("twin") / "state"), SITE)
    lab("up")
    yield lab
    lab("down", "--purge")
    lab.assert_nothing_left()


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Lab]:
    """A second twin that a test raises and ruins by itself."""
    lab = Lab(State(tmp_path / "state"), "core-tests-2")
    yield lab
    lab("down", "--purge")
    lab.assert_nothing_left()
    assert not lab.state.root.exists()


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not in {seconds} s: {what}"
        time.sleep(0.2)


def test_up_again_changes_nothing_and_is_quick(lab: Lab) -> None:
    before = podman("ps", "--filter", f"label=npuforge.site={SITE}", "--format", "{{.ID}} {{.StartedAt}}")
    records = {path.name: path.read_text() for path in lab.state.run.glob("*.json")}
    begin = time.monotonic()
    said = lab("up")
    assert time.monotonic() - begin < 3
    assert "vault: current" in said
    assert podman("ps", "--filter", f"label=npuforge.site={SITE}", "--format", "{{.ID}} {{.StartedAt}}") == before
    assert {path.name: path.read_text() for path in lab.state.run.glob("*.json")} == records


def test_status_sees_everything(lab: Lab) -> None:
    seen = json.loads(lab("status", "--json"))
    assert seen["up"] is True
    assert [row["name"] for row in seen["devices"]] == ["node1", "node2", "node3", "sw1"]
    assert {(row["container"], row["ssh"], row["redfish"], row["ipmi"]) for row in seen["devices"][:3]} == {
        ("running", "answers", "answers", "answers")
    }
    assert "all is as it should be" in lab("status")


def test_login_is_checked_at_both_ends(lab: Lab, tmp_path: Path) -> None:
    assert lab.ssh(1, "hostname").stdout == "node1\n"
    stranger = tmp_path / "known_hosts"
    key = (lab.state.ssh / "node2_host_ed25519.pub").read_text().split()[1]
    stranger.write_text(f"{lab.address(1)} ssh-ed25519 {key}\n")
    refused = lab.ssh(1, "hostname", known_hosts=stranger)
    assert refused.returncode == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    stranger.write_text("")
    assert "Host key verification failed" in lab.ssh(1, "hostname", known_hosts=stranger).stderr


def test_sudo_wants_the_become_password(lab: Lab) -> None:
    assert lab.sudo(1, "id -u").stdout == "0\n"
    wrong = lab.ssh(2, "sudo -S -p '' id -u", stdin="not-the-password\n")
    assert wrong.returncode != 0
    assert lab.ssh(2, "sudo -n id -u").returncode != 0


def test_nodes_are_whole_systems_of_their_own(lab: Lab) -> None:
    for number in (1, 2, 3):
        until(lambda number=number: lab.ssh(number, "systemctl is-system-running").stdout == "running\n", 20, "running")
    machine_ids = {lab.ssh(number, "cat /etc/machine-id").stdout for number in (1, 2, 3)}
    assert len(machine_ids) == 3
    marker = json.loads(lab.ssh(3, "cat /run/npuforge-twin").stdout)
    assert marker == {"provenance": "simulated", "site": SITE, "node": "node3"}
    # nothing of the machine below, and no sign of the distribution that the packages came from
    assert lab.ssh(1, "test -s /etc/resolv.conf || test -e /etc/debian_version || command -v apt-get").returncode != 0


def test_ansible_sees_openeuler_with_dnf(lab: Lab, tmp_path: Path) -> None:
    hosts = {f"node{number}": {"ansible_host": lab.address(number)} for number in (1, 2, 3)}
    common = {
        "ansible_user": "deploy",
        "ansible_ssh_private_key_file": str(lab.state.ssh / "id_ed25519"),
        "ansible_ssh_common_args": f"-o UserKnownHostsFile={lab.state.root}/ssh/known_hosts",
        "ansible_become_password": "{{ vault_become_password }}",
    }
    inventory = lab.state.root / "inventory" / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "ansible"), "all", "-i", str(inventory), "--become"),
            *("-m", "ansible.builtin.setup", "-a", "gather_subset=!all,!min,distribution,pkg_mgr,user"),
            *("--tree", str(tmp_path)),
        ],
        cwd="/",
        env={
            **os.environ,
            "ANSIBLE_VAULT_PASSWORD_FILE": str(lab.state.vault_password),
            "ANSIBLE_HOST_KEY_CHECKING": "true",
            "LC_ALL": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in hosts:
        facts = json.loads((tmp_path / name).read_text())["ansible_facts"]
        assert facts["ansible_distribution"] == "openEuler"
        assert facts["ansible_distribution_version"] == "24.03"
        assert facts["ansible_os_family"] == "RedHat"
        assert facts["ansible_pkg_mgr"] == "dnf"
        assert facts["ansible_user_id"] == "root"


def test_dnf_installs_upgrades_verifies_and_refuses(lab: Lab) -> None:
    done = lab.sudo(1, "dnf install -y npuforge-hello-1.0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.ssh(1, "npuforge-hello").stdout == "npuforge-hello 1.0\n"
    assert "Unable to detect release version" not in done.stderr
    assert lab.sudo(1, "dnf upgrade -y").returncode == 0
    assert lab.ssh(1, "npuforge-hello").stdout == "npuforge-hello 1.1\n"
    assert lab.ssh(1, "rpm -q npuforge-hello npuforge-twin-release").returncode == 0  # anyone may ask
    assert lab.ssh(1, "rpm -V npuforge-hello").returncode == 0
    refused = lab.sudo(1, "dnf install -y --enablerepo=npuforge-twin-unsigned npuforge-unsigned")
    assert refused.returncode != 0
    assert "is not signed" in refused.stderr
    assert lab.ssh(1, "rpm -q npuforge-unsigned").returncode != 0


def test_power_button_stops_and_starts_the_container(lab: Lab) -> None:
    name = f"npuforge-{SITE}-node2"
    boot = lab.ssh(2, "cat /proc/1/stat").stdout.split()[21]
    lab("power", "node2", "off")
    assert lab.containers()[name] == "exited"
    assert "node2: off" in lab("up")  # up respects it
    assert lab.containers()[name] == "exited"
    assert json.loads(lab("status", "--json"))["up"] is True
    lab("power", "node2", "on")
    until(lambda: lab.ssh(2, "true").returncode == 0, 20, "login after power on")
    assert lab.ssh(2, "cat /proc/1/stat").stdout.split()[21] != boot
    assert "no device 'node9'" in lab("power", "node9", "on", code=2)


def test_a_shutdown_from_inside_is_seen_by_the_world(lab: Lab) -> None:
    lab.sudo(3, "systemctl poweroff")
    until(lambda: lab.state.world.read("node3")["power"] == "off", 20, "the world says off")
    lab("power", "node3", "on")
    until(lambda: lab.ssh(3, "true").returncode == 0, 20, "login after power on")


def test_up_repairs_what_is_missing_and_only_that(lab: Lab) -> None:
    lab("break", "node1", "bios_version_differs")
    kept = podman("inspect", "--format", "{{.Id}}", f"npuforge-{SITE}-node1")
    # First the BMCs: a running one would take the loss of the container for a shutdown, and 'up' respects that.
    os.kill(json.loads((lab.state.run / "bmc.json").read_text())["pid"], signal.SIGKILL)
    podman("rm", "--force", "--time", "0", f"npuforge-{SITE}-node2")
    assert json.loads(lab("status", "--json", code=1))["up"] is False
    said = lab("up")
    assert "node2: made, started" in said
    assert "node1: running" in said
    assert "bmc simulator: started" in said
    assert "ipmi simulator: running" in said
    assert "1 faults planted" in said
    assert podman("inspect", "--format", "{{.Id}}", f"npuforge-{SITE}-node1") == kept
    assert lab.ssh(2, "true").returncode == 0
    lab("heal", "--all")


def test_a_dead_bmc_does_not_stop_up(lab: Lab) -> None:
    lab("break", "node1", "bmc_dead")
    try:
        until(lambda: "Connection refused" in lab("status", "--json", code=None), 10, "the BMC is gone")
        lab("up")
        assert json.loads(lab("status", "--json"))["up"] is True
    finally:
        lab("heal", "--all")
    until(lambda: "Connection refused" not in lab("status", "--json", code=None), 10, "the BMC is back")


def test_secrets_are_in_no_argument_and_no_container_setting(lab: Lab) -> None:
    secrets = json.loads(lab.state.secrets.read_text()).values()
    seen = podman("inspect", *(f"npuforge-{SITE}-node{number}" for number in (1, 2, 3)))
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            seen += line.read_bytes().decode(errors="replace")
        except OSError:
            continue
    for path in lab.state.log.glob("*"):
        seen += path.read_text(errors="replace")
    assert [secret for secret in secrets if secret in seen] == []


def test_another_twin_of_this_name_is_not_touched(lab: Lab, tmp_path: Path) -> None:
    thief = Lab(State(tmp_path / "thief"), SITE)
    before = lab.containers()
    for command in ("up", "down"):
        assert f"belongs to the twin in {lab.state.root}" in thief(command, code=1)
    assert lab.containers() == before


def test_options_that_contradict_the_twin_are_refused(lab: Lab) -> None:
    assert "--fresh replaces it" in lab("up", "--nodes", "2", code=2)


@pytest.mark.parametrize("seconds", [0.25, 0.6, 0.9, 1.3, 1.8])
def test_killed_up_leaves_nothing_after_down(other: Lab, seconds: float) -> None:
    """With a warm cache: in the middle of containers, services and logins."""
    child = other.start("up")
    time.sleep(seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    other("down")
    other.assert_nothing_left()
    if seconds == 1.3:
        other("up")  # and nothing stands in the way of the next one
        assert json.loads(other("status", "--json"))["up"] is True


def test_killed_image_build_leaves_nothing_after_down(tmp_path: Path) -> None:
    """In the middle of mmdebstrap, with its chroot's file systems mounted."""
    lab = Lab(State(tmp_path / "state"), "core-tests-3", cache=tmp_path / "cache")
    program = (
        "import sys; from pathlib import Path; from lab.nodes import image, repo; from lab.nodes.podman import Podman;"
        "from lab.state import State; from lab.supervise import Supervisor; state = State(Path(sys.argv[1]));"
        "image.REPOSITORY = 'localhost/npuforge-node-of-a-test'; state.make_folders();"
        "Supervisor(state).record_self('up'); repo.ensure(state, print); image.ensure(state, Podman(), print)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(lab.state.root)], cwd=ROOT, env=lab.environment)
    try:
        until(lambda: any(lab.state.tmp.glob("mmdebstrap/*/usr/bin/dpkg")), 120, "mmdebstrap is in its chroot")
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert marked(lab.state) != []
        lab("down")
        lab.assert_nothing_left()
        assert list(lab.cache.glob("node-*")) == []
    finally:
        child.kill()
        child.wait()
        lab("down", "--purge")


def test_down_stops_an_up_at_work_and_a_second_up_is_told(other: Lab) -> None:
    child = other.start("up")
    until((other.state.run / "up.json").exists, 10, "up is at work")
    try:
        busy = other("up", code=4)
        assert f"process {child.pid}" in busy
    finally:
        said = other("down")
    assert "stopping 'up'" in said
    assert child.wait(10) != 0
    other.assert_nothing_left()


def test_fresh_forgets_faults_and_keeps_secrets(other: Lab) -> None:
    other("up", "--nodes", "1")
    secrets = other.state.secrets.read_bytes()
    other("break", "node1", "fan_absent")
    other("up")
    assert "fan_absent" in other.state.world.read("node1")["faults"]
    said = other("up", "--fresh", "--nodes", "2", "--dialect", "mixed")
    assert "world: created, 2 nodes" in said
    assert other.state.world.read("node1")["faults"] == {}
    assert other.state.world.read("node2")["bmc"]["dialect"] == "ibmc"
    assert other.state.secrets.read_bytes() == secrets
    other("down")
    other.assert_nothing_left()
    assert other.state.world.exists  # down keeps it


def test_down_without_a_twin_and_twice(other: Lab) -> None:
    other("down")
    assert not other.state.root.exists()
    other("down", "--purge")
