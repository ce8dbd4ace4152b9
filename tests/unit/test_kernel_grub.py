"""The boot loader: other people's /etc/default/grub, what a configuration boots, BLS entries, the fallback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_helpers import Kernel, Machine
from npuforge.kernel import boot_loader, cmdline, grub_config, grub_default, run
from npuforge.kernel.cmdline import Word
from npuforge.kernel.host import Host

DATA = Path(__file__).resolve().parents[1] / "data" / "kernel"
WORDS = [
    Word("isolcpus", "managed_irq,domain,1-3", "isolation"),
    Word("nohz_full", "1-3", "isolation"),
    Word("iommu.passthrough", "1", "iommu"),
    Word("quiet", False, "kernel_arguments"),
]
OURS = "isolcpus=managed_irq,domain,1-3 nohz_full=1-3 iommu.passthrough=1"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", OURS),
        ("ro quiet", f"ro {OURS}"),
        ("quiet ro", f"ro {OURS}"),
        ("console=tty0 console=ttyS0  ro", f"console=tty0 console=ttyS0  ro {OURS}"),
        (
            "nohz_full=9 ro nohz-full=8 isolcpus=2",
            "nohz_full=1-3 ro isolcpus=managed_irq,domain,1-3 iommu.passthrough=1",
        ),
        (r"dyndbg=\"file a.c +p\" ro", rf"dyndbg=\"file a.c +p\" ro {OURS}"),
        (OURS, OURS),
        (f" {OURS}  ", f" {OURS}  "),
    ],
)
def test_words_go_where_they_stood_or_to_the_end(before: str, after: str) -> None:
    assert cmdline.edit(before, WORDS) == after
    assert cmdline.edit(after, WORDS) == after


TOKENS = st.sampled_from(
    [
        "ro",
        "quiet",
        "isolcpus=1",
        "nohz-full=2",
        "console=tty0",
        "console=ttyS0",
        "a=b",
        '"x y=z"',
        r"d=\"e f\"",
        "iommu.passthrough",
    ]
)


@given(st.lists(TOKENS, max_size=8), st.sampled_from([" ", "  ", "\t"]))
def test_words_of_others_stay_in_their_order(tokens: list[str], blank: str) -> None:
    made = cmdline.edit(blank.join(tokens), WORDS)
    own = {cmdline.name_of(word.name) for word in WORDS}
    assert [t for t in cmdline.split(made) if cmdline.name_of(t) not in own] == [
        t for t in tokens if cmdline.name_of(t) not in own
    ]
    assert not cmdline.differing(cmdline.split(made), WORDS)
    assert cmdline.edit(made, WORDS) == made


def test_of_a_word_given_twice_the_last_counts() -> None:
    tokens = cmdline.split('a=1 transparent-hugepage=never a=2 b "c=d e"')
    assert cmdline.value_in(tokens, "a") == "2"
    assert cmdline.value_in(tokens, "transparent_hugepage") == "never"
    assert (cmdline.value_in(tokens, "b"), cmdline.value_in(tokens, "z")) == ("set", "not set")


def sourced(text: str, folder: Path) -> str:
    """What a shell makes of the file: the judge of every edit."""
    path = folder / "grub"
    path.write_text(text)
    script = f'. {path}; printf %s "$GRUB_CMDLINE_LINUX"'
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", OURS),
        ("GRUB_TIMEOUT=5\n", OURS),
        ("GRUB_CMDLINE_LINUX=\n", OURS),
        ("GRUB_CMDLINE_LINUX=quiet # why not\nX=1\n", OURS),
        ('GRUB_CMDLINE_LINUX="a quiet b"; X=1\n', f"a b {OURS}"),
        ("GRUB_CMDLINE_LINUX='a b=\"c d\"'\n", f'a b="c d" {OURS}'),
        ('# GRUB_CMDLINE_LINUX="x"\n  export GRUB_CMDLINE_LINUX="a"\n', f"a {OURS}"),
        ('GRUB_CMDLINE_LINUX="old nohz_full=7"\nGRUB_CMDLINE_LINUX="a"\n', f"a {OURS}"),
        ('GRUB_CMDLINE_LINUX="a nohz_full=7"\nGRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX b"\n', f"a b {OURS}"),
        ('GRUB_CMDLINE_LINUX="a nohz_full=7"\nGRUB_CMDLINE_LINUX+=" b"\n', f"a b {OURS}"),
        ('GRUB_CMDLINE_LINUX="a"\nGRUB_CMDLINE_LINUX+=""\n', f"a {OURS}"),
        ('GRUB_CMDLINE_LINUX="a \\\nb"\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\n', f"a b {OURS}"),
        ('GRUB_CMDLINE_LINUX="a\nb"', f"a\nb {OURS}"),
    ],
)
def test_a_shell_reads_our_words_from_the_edited_file(tmp_path: Path, text: str, want: str) -> None:
    edited, problem = grub_default.edit(text, WORDS)
    assert problem is None
    assert sourced(edited, tmp_path) == want
    assert grub_default.edit(edited, WORDS) == (edited, None)
    # Every other line is byte for byte as it was.
    assert [line for line in text.split("\n") if "GRUB_CMDLINE_LINUX" not in line and line not in ('b"', "b")] == [
        line for line in edited.split("\n") if "GRUB_CMDLINE_LINUX" not in line and not line.startswith("b")
    ][: len([line for line in text.split("\n") if "GRUB_CMDLINE_LINUX" not in line and line not in ('b"', "b")])]


@pytest.mark.parametrize("value", ["\"a\"'b'", "a\\ b", "$(cat /etc/words)", '"open'])
def test_what_cannot_be_edited_safely_is_told_by_its_line(value: str) -> None:
    text = f"X=1\nGRUB_CMDLINE_LINUX={value}\n"
    edited, problem = grub_default.edit(text, WORDS)
    assert edited == text and problem is not None and "line 2 of /etc/default/grub" in problem


@given(st.text(alphabet="GRUB_CMDLINE_LINUX=\"'$ \\\n#a;", max_size=80))
def test_garbage_in_the_defaults_is_edited_or_refused(text: str) -> None:
    edited, problem = grub_default.edit(text, WORDS)
    if problem is None:
        assert grub_default.edit(edited, WORDS) == (edited, None)
    else:
        assert edited == text


# ---- what boots


@pytest.mark.parametrize(
    ("name", "saved", "ident", "last"),
    [
        ("debian-grub.cfg", "", "gnulinux-simple-aaaa", "quiet"),
        (
            "openeuler-grub.cfg",
            "gnulinux-5.10.0-182-advanced-bbbb",
            "gnulinux-5.10.0-182-advanced-bbbb",
            "crashkernel=512M",
        ),
        ("openeuler-grub.cfg", "npuforge-fallback", "npuforge-fallback", "crashkernel=512M"),
        (
            "openeuler-grub.cfg",
            "openEuler (5.10.0-182.oe2203) 22.03",
            "gnulinux-5.10.0-182-advanced-bbbb",
            "crashkernel=512M",
        ),
        ("openeuler-grub.cfg", "gone", "gnulinux-5.10.0-216-advanced-bbbb", "nohz_full=4-23"),
        ("openeuler-grub.cfg", "1", "gnulinux-5.10.0-182-advanced-bbbb", "crashkernel=512M"),
    ],
)
def test_the_entry_that_boots(name: str, saved: str, ident: str, last: str) -> None:
    menu = grub_config.parse((DATA / name).read_text())
    entry = grub_config.chosen(menu, saved)
    assert entry is not None and entry.words is not None
    assert (entry.ident, entry.words[-1]) == (ident, last)


def test_submenus_are_entered_by_path() -> None:
    menu = grub_config.parse((DATA / "debian-grub.cfg").read_text())
    assert [entry.place for entry in menu.entries] == [(0,), (1,), (1, 0), (1, 1), (2,)]
    nested = grub_config.chosen(menu._replace(default="1>1"), "")
    assert nested is not None and nested.rescue
    submenu = grub_config.chosen(menu._replace(default="gnulinux-advanced-aaaa"), "")
    assert submenu is not None and submenu.place == (1, 0)


@given(st.data())
def test_a_cut_or_mixed_configuration_is_read_without_a_stumble(data: st.DataObject) -> None:
    text = (DATA / "openeuler-grub.cfg").read_text() + (DATA / "debian-grub.cfg").read_text()
    start, end = sorted((data.draw(st.integers(0, len(text))), data.draw(st.integers(0, len(text)))))
    lines = text[start:end].split("\n")
    mixed = "\n".join(data.draw(st.permutations(lines)) if len(lines) < 30 else lines)
    menu = grub_config.parse(mixed)
    entry = grub_config.chosen(menu, data.draw(st.sampled_from(["", "0", "9>9", "npuforge-fallback", "\x00"])))
    assert entry is None or entry.words is not None


def test_four_mebibytes_of_garbage_are_no_menu() -> None:
    assert grub_config.parse("menuentry {\n" * 100_000).entries == []
    assert grub_config.chosen(grub_config.parse("}" * (4 << 20)), "") is None


# ---- where it is


@pytest.mark.parametrize(
    ("shape", "config"),
    [
        ({}, "/boot/grub2/grub.cfg"),
        ({"efi": True}, "/boot/efi/EFI/openEuler/grub.cfg"),
        ({"persona": "debian"}, "/boot/grub/grub.cfg"),
        ({"persona": "debian", "efi": True}, "/boot/grub/grub.cfg"),  # the one on the EFI partition is a stub
    ],
)
def test_the_configuration_that_boots_is_found(tmp_path: Path, shape: dict[str, object], config: str) -> None:
    machine = Machine(tmp_path, **shape)  # type: ignore[arg-type]  # two of its shapes
    assert boot_loader.find_config(Host(str(tmp_path))) == config == machine.config


def test_a_link_of_the_distribution_is_followed(tmp_path: Path) -> None:
    machine = Machine(tmp_path, efi=True)
    machine.put("/boot/efi/EFI/aaa/grub.cfg", "menuentry 'other' {\n linux /x\n}\n")
    (tmp_path / "etc/grub2-efi.cfg").symlink_to("../boot/efi/EFI/openEuler/grub.cfg")
    assert boot_loader.find_config(Host(str(tmp_path))) == machine.config


def tune(machine: Machine, wanted: dict[str, object]) -> run.Result:
    return run.run(Kernel(machine), "node1", wanted, check=False, simulated=True)


def differences(result: run.Result) -> list[str]:
    told: list[str] = result.observations[0]["observation"]["facts"]["os"]["boot_loader_differences"]
    return told


def test_a_later_word_of_others_is_told_and_left(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    text = machine.get("/etc/default/grub") + 'GRUB_CMDLINE_LINUX_DEFAULT="quiet transparent_hugepage=always"\n'
    machine.put("/etc/default/grub", text)
    result = tune(machine, {"transparent_hugepages": "never"})
    assert not result.failed
    (told,) = differences(result)
    assert told.startswith("boot_loader.transparent_hugepage is always at boot, wanted never (a later word of others")
    assert told.endswith("wins: GRUB_CMDLINE_LINUX_DEFAULT: transparent_hugepage=always)")
    assert tune(machine, {"transparent_hugepages": "never"}).steps == []


def test_a_machine_that_is_set_to_boot_the_fallback_is_told(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    wanted: dict[str, object] = {"iommu": "passthrough"}
    assert not tune(machine, wanted).failed
    machine.put("/boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=npuforge-fallback\n")
    assert "(the default entry is npuforge-fallback)" in differences(tune(machine, wanted))[0]


def test_the_fallback_keeps_what_stood_there_before_us(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.put("/etc/default/grub", 'GRUB_CMDLINE_LINUX="ro iommu.passthrough=0 crashkernel=512M"\n')
    assert not tune(machine, {"iommu": "passthrough"}).failed
    assert machine.command_line().split()[-2:] == ["iommu.passthrough=1", "crashkernel=512M"]
    assert machine.command_line("npuforge-fallback").split()[-2:] == ["crashkernel=512M", "iommu.passthrough=0"]
    # A later change keeps it, and follows the words of others.
    text = machine.get("/etc/default/grub").replace("crashkernel=512M", "crashkernel=1G")
    machine.put("/etc/default/grub", text)
    assert not tune(machine, {"iommu": "passthrough", "kernel_arguments": {"nosmt": ""}}).failed
    assert machine.command_line("npuforge-fallback").split()[-2:] == ["crashkernel=1G", "iommu.passthrough=0"]
    assert machine.command_line().split()[-3:] == ["iommu.passthrough=1", "crashkernel=1G", "nosmt"]


def test_a_fallback_entry_that_somebody_removed_comes_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert not tune(machine, {"iommu": "passthrough"}).failed
    (tmp_path / "etc/grub.d/42_npuforge_fallback").unlink()
    assert tune(machine, {"iommu": "passthrough"}).steps[0] == "write the boot entry npuforge-fallback"
    (tmp_path / "etc/grub.d/42_npuforge_fallback").chmod(0o644)
    result = tune(machine, {"iommu": "passthrough"})
    assert not result.failed and result.steps[0] == "make /etc/grub.d/42_npuforge_fallback a program again"
    assert "iommu" not in machine.command_line("npuforge-fallback")


GRUBBY = r"""#!/bin/sh
# --update-kernel=ALL --remove-args=... --args=...: every entry of the kernel, as the real one
for a in "$@"; do case "$a" in --remove-args=*) gone="${a#*=}" ;; --args=*) more="${a#*=}" ;; esac; done
for f in "$NPUFORGE_ROOT"/boot/loader/entries/*.conf; do
    line=$(sed -n 's/^options //p' "$f"); new=
    for w in $line; do
        keep=1
        for g in $gone; do [ "${w%%=*}" = "$g" ] && keep=; done
        [ "$keep" ] && new="$new $w"
    done
    sed -i "s|^options .*|options$new $more|" "$f"
done
"""


@pytest.fixture
def bls(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, grub=False)
    machine.put("/etc/machine-id", "0123456789abcdef\n")
    machine.put("/etc/default/grub", 'GRUB_ENABLE_BLSCFG=true\nGRUB_CMDLINE_LINUX="ro crashkernel=1G"\n')
    machine.put("/boot/grub2/grub.cfg", "insmod blscfg\nblscfg\n")
    machine.put("/boot/grub2/grubenv", "# GRUB Environment Block\nsaved_entry=m-5.14.0-2\n")
    for version in ("5.14.0-1", "5.14.0-2"):
        text = f"title An OS ({version})\nversion {version}\nlinux /vmlinuz-{version}\ninitrd /i-{version}.img\n"
        machine.put(
            f"/boot/loader/entries/m-{version}.conf", f"{text}options root=/dev/sda2 ro crashkernel=1G\ngrub_class os\n"
        )
    machine.program("grubby", GRUBBY)
    return machine


def test_bls_entries_are_changed_by_grubby_and_the_fallback_is_kept(bls: Machine) -> None:
    wanted: dict[str, object] = {"iommu": "passthrough", "kernel_arguments": {"nosmt": ""}}
    result = tune(bls, wanted)
    assert not result.failed, result.message
    for version in ("5.14.0-1", "5.14.0-2"):
        entry = bls.get(f"/boot/loader/entries/m-{version}.conf")
        assert "options root=/dev/sda2 ro crashkernel=1G iommu.passthrough=1 nosmt\n" in entry
    fallback = bls.get("/boot/loader/entries/0123456789abcdef-npuforge-fallback.conf")
    assert "options root=/dev/sda2 ro crashkernel=1G\n" in fallback and "linux /vmlinuz-5.14.0-2\n" in fallback
    assert 'GRUB_CMDLINE_LINUX="ro crashkernel=1G iommu.passthrough=1 nosmt"' in bls.get("/etc/default/grub")
    assert differences(result) == [] and result.reboot_reasons
    assert tune(bls, wanted).steps == []


def test_bls_without_grubby_is_refused(bls: Machine) -> None:
    (bls.root / "usr/sbin/grubby").unlink()
    before = bls.tree()
    result = tune(bls, {"iommu": "passthrough"})
    assert result.failed and "has no grubby" in result.message and bls.tree() == before


def test_grubby_that_fails_is_put_back(bls: Machine) -> None:
    bls.program("grubby", GRUBBY + "exit 3\n")
    before = bls.tree()
    result = tune(bls, {"iommu": "passthrough"})
    assert result.failed and "ended with 3" in result.message and bls.tree() == before
