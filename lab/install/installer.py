"""A stand-in for a vendor's network installation image, which cannot be had offline. It says that it is one.

The same files at the same places as on openEuler's netinst image for aarch64: a kernel, an initrd, an EFI boot image
with GRUB's configuration in it, and a menu. What is in the kernel and the initrd is a text.
"""

from __future__ import annotations

import io
from pathlib import Path

import pycdlib

from lab.install import fat

LABEL = "openEuler-24.03-LTS-aarch64"
NOTE = b"npuforge twin: a stand-in for the vendor's file, not a program\n"
_MENU = """\
set default="1"

function load_video {{
  if [ x$feature_all_video_module = xy ]; then
    insmod all_video
  else
    insmod efi_gop
    insmod efi_uga
  fi
}}

load_video
set gfxpayload=keep
insmod gzio
insmod part_gpt
insmod ext2

set timeout=60

search --no-floppy --set=root -l '{label}'

menuentry 'Install openEuler 24.03 (simulated) with GUI mode' --class red --class gnu-linux --class gnu --class os {{
\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL={label} ro inst.geoloc=0 console=tty0 smmu.bypassdev=0x1000:0x17
\tinitrd /images/pxeboot/initrd.img
}}
menuentry 'Install openEuler 24.03 (simulated) with text mode' --class red --class gnu-linux --class gnu --class os {{
\tlinux /images/pxeboot/vmlinuz inst.text inst.stage2=hd:LABEL={label} ro inst.geoloc=0 console=tty0
\tinitrd /images/pxeboot/initrd.img
}}
menuentry 'Rescue the openEuler system (simulated)' --class red --class gnu-linux --class gnu --class os {{
\tlinux /images/pxeboot/vmlinuz inst.stage2=hd:LABEL={label} inst.rescue console=tty0
\tinitrd /images/pxeboot/initrd.img
}}
"""


def write(path: Path) -> None:
    """Make the image at ``path``."""
    menu = _MENU.format(label=LABEL).encode()
    boot = fat.write({"/EFI/BOOT/BOOTAA64.EFI": NOTE * 40, "/EFI/BOOT/GRUB.CFG": menu})
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, rock_ridge="1.09", vol_ident=LABEL)
    for folder, name in (("/IMAGES", "images"), ("/IMAGES/PXEBOOT", "pxeboot"), ("/EFI", "EFI"), ("/EFI/BOOT", "BOOT")):
        iso.add_directory(folder, rr_name=name)
    files = {
        "/IMAGES/PXEBOOT/VMLINUZ.;1": ("vmlinuz", NOTE),
        "/IMAGES/PXEBOOT/INITRD.IMG;1": ("initrd.img", NOTE),
        "/IMAGES/EFIBOOT.IMG;1": ("efiboot.img", boot),
        "/EFI/BOOT/GRUB.CFG;1": ("grub.cfg", menu),
    }
    for where, (name, content) in files.items():
        iso.add_fp(io.BytesIO(content), len(content), where, rr_name=name)
    boot_image, catalogue = "/IMAGES/EFIBOOT.IMG;1", "/BOOT.CAT;1"
    iso.add_eltorito(boot_image, bootcatfile=catalogue, rr_bootcatname="boot.cat", efi=True, platform_id=0xEF)
    path.parent.mkdir(parents=True, exist_ok=True)
    iso.write(str(path))
    iso.close()
