"""GRUB: its environment block, its shell, and which entry starts with which command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.nodes.kernel.grub import start
from lab.nodes.kernel.grub_script import BLOCK_SIZE, GrubError, read_block, scan, write_block

HEADER = """\
if [ -s $prefix/grubenv ]; then
  set have_grubenv=true
  load_env
fi
if [ "${next_entry}" ] ; then
   set default="${next_entry}"
   set next_entry=
   save_env next_entry
   set boot_once=true
else
   set default="${saved_entry}"
fi
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
else
  menuentry_id_option=""
fi
function load_video {
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  else
    insmod efi_gop
  fi
}
"""
ENTRY = """\
menuentry '{title}' --class os $menuentry_id_option '{identifier}' {{
	load_video
	if [ x$grub_platform = xxen ]; then insmod xzio; insmod lzopio; fi
	search --no-floppy --fs-uuid --set=root 5ad1d1a7
	echo	'Loading Linux ...'
	linux	/{kernel} root=/dev/mapper/openeuler-root ro {words}
	initrd	/initramfs.img
}}
"""


def entry(identifier: str, words: str, kernel: str = "vmlinuz-1") -> str:
    return ENTRY.format(title=f"openEuler, {identifier}", identifier=identifier, words=words, kernel=kernel)


@pytest.fixture
def boot(tmp_path: Path) -> Path:
    (tmp_path / "grub2").mkdir()
    (tmp_path / "vmlinuz-1").write_text("kernel")
    write_block(tmp_path / "grub2/grubenv", {})
    configure(tmp_path, entry("first", "quiet"), entry("second", "isolcpus=4-7"))
    return tmp_path


def configure(boot: Path, *parts: str, header: str = HEADER) -> None:
    (boot / "grub2/grub.cfg").write_text(header + "".join(parts))


def test_the_first_entry_starts_by_default(boot: Path) -> None:
    begun = start(boot)
    assert begun.entry == "first"
    assert begun.command_line == "BOOT_IMAGE=/vmlinuz-1 root=/dev/mapper/openeuler-root ro quiet"


@pytest.mark.parametrize("saved", ["second", "openEuler, second", "1"])
def test_the_saved_entry(boot: Path, saved: str) -> None:
    write_block(boot / "grub2/grubenv", {"saved_entry": saved})
    assert start(boot).entry == "second"
    assert start(boot).entry == "second"


def test_the_next_entry_starts_once(boot: Path) -> None:
    write_block(boot / "grub2/grubenv", {"next_entry": "second", "saved_entry": "first", "kept": "1"})
    assert "isolcpus=4-7" in start(boot).command_line
    assert read_block(boot / "grub2/grubenv") == {"saved_entry": "first", "kept": "1"}
    assert (boot / "grub2/grubenv").stat().st_size == BLOCK_SIZE
    assert start(boot).entry == "first"


def test_an_entry_that_is_not_there(boot: Path) -> None:
    write_block(boot / "grub2/grubenv", {"saved_entry": "gone"})
    assert start(boot).entry == "first"


def test_what_somebody_appended_to_the_block_counts(boot: Path) -> None:
    with (boot / "grub2/grubenv").open("a") as stream:
        stream.write("\nsaved_entry=second\n")
    assert start(boot).entry == "second"


def test_a_fallback_starts_when_the_kernel_is_missing(boot: Path) -> None:
    configure(boot, "set fallback=1\n", entry("first", "", kernel="vmlinuz-gone"), entry("second", "old"))
    assert start(boot).entry == "second"
    configure(boot, entry("first", "", kernel="vmlinuz-gone"), entry("second", "old"))
    with pytest.raises(GrubError, match="file `/vmlinuz-gone' not found"):
        start(boot)


def test_submenus_functions_loops_and_sources(boot: Path) -> None:
    (boot / "grub2/custom.cfg").write_text("set extra=more\n")
    configure(
        boot,
        "if [ -f ${config_directory}/custom.cfg ]; then\n"
        "  source ${config_directory}/custom.cfg\nelse\n  set extra=no\nfi\n",
        "for word in a b; do set all=${all}${word}; done\n",
        "submenu 'Advanced' --id adv {\n" + entry("inner", "$extra all=$all") + "}\n",
        'set default="adv>inner"\n',
    )
    begun = start(boot)
    assert begun.entry == "inner"
    assert begun.command_line.endswith(" ro more all=ab")


def test_quotes(boot: Path) -> None:
    configure(
        boot, "set x='a b'\n", entry("first", '"$x" dyndbg="file y" one\\ word \'$x\' $x'), header="set default=0\n"
    )
    assert start(boot).command_line.endswith('ro "a b" "dyndbg=file y" "one word" $x a b')


@pytest.mark.parametrize(
    "text", ["", "if [ a = a ]; then\n", "menuentry x {\n", "set a='b\n", "while true; do true; done\n"]
)
def test_what_does_not_start(boot: Path, text: str) -> None:
    configure(boot, text, header="")
    with pytest.raises(GrubError):
        start(boot)


@given(st.text(alphabet="ab ${}'\"\\;\n#&|if[]thenfi=", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        words = list(scan(text))
    except GrubError:
        return
    assert all(word.text or not word.operator for word in words)
