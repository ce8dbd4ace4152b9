"""The image, its server, and what a simulated server's firmware and installer make of it."""

from __future__ import annotations

import io
import os
import stat
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pycdlib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from os_install_helpers import HASH, LUKS, MAC, NODE, parts, text_of, wishes

from controller.bundle import background
from controller.os_install import follow, image, plan, serve
from lab.install import fat, firmware, installer
from lab.install import kickstart as installers
from lab.install import run as running
from lab.world import World
from tests.unit.lab_bmc_helpers import make_world

WORDS = ["inst.repo=http://10.77.0.1/openEuler-24.03/", "ip=10.77.0.12::10.77.0.1:255.255.255.0:node2:install0:none"]


@pytest.fixture(scope="module")
def vendors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vendor") / "installer.iso"
    installer.write(path)
    return path


@pytest.fixture(scope="module")
def built(vendors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("image") / "node2.iso"
    assert image.build(vendors, text_of(wishes()), WORDS, path) == path.stat().st_size
    return path


def test_the_image_boots_with_our_words_and_the_kickstart(built: Path) -> None:
    started = firmware.start(built.read_bytes())
    assert started.label == "NPUFORGE_KS"
    assert started.word("inst.repo") == "http://10.77.0.1/openEuler-24.03/"
    assert started.word("inst.ks") == "hd:LABEL=NPUFORGE_KS:/ks.cfg"
    assert started.kickstart.decode() == text_of(wishes())
    assert stat.S_IMODE(built.stat().st_mode) == 0o600
    assert list(built.parent.iterdir()) == [built]


def test_the_vendors_image_alone_installs_nothing(vendors: Path) -> None:
    with pytest.raises(firmware.BootFailed, match="no kickstart"):
        firmware.start(vendors.read_bytes())


def test_an_image_that_is_no_installer_is_refused_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "data.iso"
    iso = pycdlib.PyCdlib()
    iso.new(rock_ridge="1.09")
    iso.add_fp(io.BytesIO(b"x"), 1, "/X.;1", rr_name="x")
    iso.write(str(path))
    iso.close()
    with pytest.raises(
        image.ImageError, match=r"has not /images/pxeboot/vmlinuz, .*grub.cfg: it is no network installer"
    ):
        image.build(path, "", [], tmp_path / "out.iso")
    (tmp_path / "text").write_text("no image")
    for wrong in (tmp_path / "text", tmp_path / "nothing"):
        with pytest.raises(image.ImageError, match="not a usable installation image"):
            image.build(wrong, "", [], tmp_path / "out.iso")
    assert not (tmp_path / "out.iso").exists()


def test_the_menu_goes_into_its_place_or_nowhere() -> None:
    assert image.replaced(b"aaMENUbb", b"MENU", b"ME") == b"aaME\n\nbb"
    with pytest.raises(image.ImageError, match="2 times instead of once"):
        image.replaced(b"MENU MENU", b"MENU", b"x")
    with pytest.raises(image.ImageError, match="does not fit"):
        image.replaced(b"aaMENUbb", b"MENU", b"MENUS")
    with pytest.raises(image.ImageError, match="no entry that starts a kernel"):
        image.grub_config("set default=1\n", [])
    older = image.grub_config("menuentry 'x' {\n linuxefi /a\n initrdefi /b\n}\n", ["w"])
    assert "linuxefi /images/pxeboot/vmlinuz inst.ks=hd:LABEL=NPUFORGE_KS:/ks.cfg w\n" in older


# What the simulated machine does with it -----------------------------------------------------------------------------


def test_what_firmware_cannot_start_it_passes_over(built: Path) -> None:
    for wrong in (b"", b"no disc" * 5000, built.read_bytes()[:40000]):
        with pytest.raises((firmware.NotBootable, firmware.BootFailed)):
            firmware.start(wrong)


@settings(max_examples=150)
@given(st.integers(0, 2000) | st.integers(32768, 60000) | st.integers(0, 110000), st.binary(min_size=1, max_size=64))
def test_a_damaged_image_never_ends_in_a_traceback(built: Path, at: int, noise: bytes) -> None:
    data = built.read_bytes()
    try:
        firmware.start(data[:at] + noise + data[at + len(noise) :])
    except (firmware.NotBootable, firmware.BootFailed) as reason:
        assert str(reason)


@given(st.dictionaries(st.from_regex(r"/[A-Z]{1,8}(/[A-Z]{1,8}){0,2}\.[A-Z]{1,3}", fullmatch=True),
                       st.binary(max_size=3000), min_size=1, max_size=5))  # fmt: skip
def test_files_come_back_out_of_a_fat_image(files: dict[str, bytes]) -> None:
    made = fat.write(files)
    assert {path: fat.read(made, path.lower()) for path in files} == files
    assert fat.read(made, "/NOT/THERE.TXT") is None


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("selinux --enforcing", "selinux --sometimes", "refused"),
        ("cmdline", "commandline", "Unknown command"),
        ("url --url=http://10.77.0.1/openEuler-24.03/\n", "", "no source"),
        ("*_DRV00210P00", "*_DRV00210P09", "means no disk"),
        ("*_DRV00210P00", "*_DRV00210P*", "means several disks"),
        ("raid.21 raid.22", "raid.21", "needs two disks"),
        ("volgroup system pv.system", "volgroup system pv.other", "there is no pv.other"),
        ("--vgname=system --name=root", "--vgname=sys --name=root", "there is no group sys"),
        ("raid /boot/efi", "raid /efi", "there is no /boot/efi"),
        ("--size=102400", "--size=1024000", "MiB are wanted"),
        ("--groups=wheel", "--groups=users", "no other administrator"),
        ("--iscrypted --password", "--password", "in clear"),
        (MAC, "02:ff:ff:ff:ff:ff", "no port with the address"),
    ],
)
def test_the_installer_stops_at_what_it_cannot_do(old: str, new: str, why: str) -> None:
    text = text_of(wishes())
    assert old in text
    with pytest.raises(installers.Stopped, match=why):
        installers.read(text.replace(old, new).encode(), NODE)


def test_what_the_installer_understands() -> None:
    order = installers.read(text_of(wishes()).encode(), NODE)
    assert (order.hostname, order.address, order.user, order.password_hash) == ("node2", "10.77.0.12", "deploy", HASH)
    assert [(use.slot, use.raid, use.encrypted) for use in order.uses] == [
        ("Disk0", True, False), ("Disk1", True, False), ("Disk2", False, True),
    ]  # fmt: skip
    assert order.uses[0].mounts == ("/", "/boot", "/boot/efi", "/var")
    assert LUKS not in str(order.uses)


@pytest.fixture
def machine(tmp_path: Path, built: Path) -> running.Machine:
    world = make_world(tmp_path)
    with world.update("node2") as node:
        node["install"] = {"id": "i1", "state": "running"}
        node["virtual_media"] = {"image": built.as_uri(), "inserted": True, "sha256": "?"}
        node["install_seconds"] = 0
    return running.Machine(World(world.root), "node2", "i1")


def install(machine: running.Machine, monkeypatch: pytest.MonkeyPatch, data: bytes) -> tuple[int, list[str]]:
    """Run it on an image; (exit code, what was done)."""
    done: list[str] = []
    monkeypatch.setattr(running, "fetch", lambda _: data)

    def system(_: Any, order: installers.Order) -> None:
        done.append(f"system {order.hostname}")

    return running.run(machine, system, lambda: done.append("disk")), done


def test_an_installation_is_told_in_the_event_log(
    machine: running.Machine, monkeypatch: pytest.MonkeyPatch, built: Path
) -> None:
    assert install(machine, monkeypatch, built.read_bytes()) == (0, ["system node2"])
    told = [entry["message"] for entry in machine.read()["log"]]
    assert told[0] == "Installer started from virtual CD NPUFORGE_KS."
    assert "Disk Disk0 (DRV00210P00) is erased: mirror, / /boot /boot/efi /var." in told
    assert not any("DRV00210P03" in line for line in told)


def test_a_disc_that_does_not_boot_and_a_kickstart_that_is_refused(
    machine: running.Machine, monkeypatch: pytest.MonkeyPatch, vendors: Path, tmp_path: Path
) -> None:
    assert install(machine, monkeypatch, b"nothing") == (1, ["disk"])
    assert machine.read()["install"]["state"] == "failed"
    bad = tmp_path / "bad.iso"
    image.build(vendors, text_of(wishes()).replace("skipx", "skipx --why"), WORDS, bad)
    assert install(machine, monkeypatch, bad.read_bytes()) == (1, [])
    entry = machine.read()["log"][-1]
    assert (entry["severity"], machine.read()["install"]["state"]) == ("Critical", "stopped")
    assert entry["message"].startswith("Installer stopped: the kickstart is refused: ")


def test_power_ends_an_installation(machine: running.Machine, monkeypatch: pytest.MonkeyPatch, built: Path) -> None:
    with machine.world.update("node2") as node:
        node["power"] = "off"
    assert install(machine, monkeypatch, built.read_bytes()) == (1, [])
    with machine.world.update("node2") as node:
        node.update(power="on", install={"id": "i2", "state": "running"})
    assert install(machine, monkeypatch, built.read_bytes()) == (1, [])
    assert machine.world.read("node2")["install"] == {"id": "i2", "state": "running"}


def test_only_the_inserted_image_is_booted(machine: running.Machine) -> None:
    with pytest.raises(firmware.NotBootable, match="not reached by http"):
        running.fetch(machine.read()["virtual_media"])


# The server ----------------------------------------------------------------------------------------------------------


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
        data: bytes = answer.read()
        return data


def test_the_image_is_served_to_who_knows_the_word_and_goes_with_its_server(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    folder.mkdir(mode=0o700)
    (folder / "node2.iso").write_bytes(b"secret image")
    url = serve.start(folder, "long-word", ("127.0.0.1", 0), 60)
    assert get(url) == b"secret image"
    base = url.rpartition("/long-word/")[0]
    for path in ("/node2.iso", "/", "/long-word/", "/long-word/../word", "/word"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(base + path)
    assert stat.S_IMODE((folder / "word").stat().st_mode) == 0o600
    record = background.running(folder)
    assert record is not None
    assert "long-word" not in Path(f"/proc/{record['pid']}/cmdline").read_text(encoding="utf-8")
    assert serve.remove(folder) is True
    assert not folder.exists()
    assert not Path(f"/proc/{record['pid']}").exists() or background.started_at(record["pid"]) is None
    assert serve.remove(folder) is False


def test_a_server_that_is_forgotten_ends_by_itself_and_takes_the_image_with_it(tmp_path: Path) -> None:
    (tmp_path / "node2.iso").write_bytes(b"secret image")
    serve.start(tmp_path, "w", ("127.0.0.1", 0), 1)
    deadline = time.monotonic() + 10
    while (tmp_path / "node2.iso").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not (tmp_path / "node2.iso").exists()
    with pytest.raises(background.BackgroundError):
        serve.start(tmp_path, "w", ("127.0.0.1", 0), 1)  # there is nothing to serve any more


# From outside --------------------------------------------------------------------------------------------------------


def test_the_new_hosts_key_replaces_the_old_one_and_no_other(tmp_path: Path) -> None:
    learned, site = tmp_path / "learned", tmp_path / "known_hosts"
    learned.write_text("10.0.0.12 ssh-ed25519 NEW\n")
    site.write_text(
        "10.0.0.11 ssh-ed25519 A\n10.0.0.12,node2 ssh-ed25519 OLD\n|1|x ssh-rsa H\n10.0.0.12 ssh-rsa OLD2\n"
    )
    assert follow.keep_key(learned, site) is True
    assert site.read_text() == "10.0.0.11 ssh-ed25519 A\n|1|x ssh-rsa H\n10.0.0.12,node2 ssh-ed25519 NEW\n"
    assert follow.keep_key(learned, site) is False
    fresh = tmp_path / "new" / "known_hosts"
    assert follow.keep_key(learned, fresh) is True
    assert stat.S_IMODE(fresh.stat().st_mode) == 0o600


def test_a_host_that_answers_and_does_not_let_us_look_is_not_taken_for_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    login = follow.Login("127.0.0.1", 1, "nobody", None)
    assert follow.in_use(login) == []
    monkeypatch.setattr(follow, "answers", lambda _: True)
    (sentence,) = follow.in_use(login)
    assert sentence.startswith("it answers SSH and does not let us look")


def test_the_plan_says_what_is_erased_and_what_stays() -> None:
    facts = {"drive": {"parts": parts()}}
    made = plan.plan_of("node2", wishes(), facts)
    assert made.problems == []
    assert made.erase[0] == "Disk0, serial DRV00210P00, HWE62ST3480L003N, 480.1 GB: system"
    assert made.erase[2].endswith(": /data0")
    assert [line.split(",")[0] for line in made.keep] == ["Disk3", "Disk4", "Disk5"]
    assert LUKS not in str(made.told())
    assert plan.plan_of("node2", wishes(), {"drive": None}).problems[0]["key"] == "os_install.system_disks"
    big = [{"name": "root", "mount": "/", "size_gib": 5000, "filesystem": "xfs"}]
    assert "volumes that fit" in plan.plan_of("node2", wishes(volumes=big), facts).problems[0]["expected"]
    stranger = {**facts, "nic": {"parts": [{"ports": [{"mac": "02:aa:aa:aa:aa:aa"}]}]}}
    assert plan.plan_of("node2", wishes(), stranger).problems[0]["key"] == "os_install.network.mac"


def test_name_and_address_come_from_the_inventory() -> None:
    variables = {"ansible_host": "10.77.0.12", "site_networks": {"management": {"subnet": "10.77.0.0/24"}}}
    wanted = plan.wanted_of("node2", {"user": "admin1"}, {"network": {"mac": "x"}}, variables)
    assert (wanted["hostname"], wanted["user"]) == ("node2", "admin1")
    assert wanted["network"] == {"mac": "x", "address": "10.77.0.12/24"}
    assert plan.wanted_of("node2", None, {"network": {"address": "y"}}, variables)["network"] == {"address": "y"}
    assert os.sep not in plan.folder_of("a/b", "../c").name
