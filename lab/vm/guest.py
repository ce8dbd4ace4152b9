"""What is inside the virtual machine: a small Debian with systemd, sshd, Python and the boot loader GRUB. Data.

Nothing here is secret or belongs to one machine: who may log in and the host's key arrive at boot as systemd
credentials in the SMBIOS tables (systemd.system-credentials(7); ``lab.vm.machine`` makes them): one image serves all.
"""

from __future__ import annotations

from collections.abc import Mapping

SUITE = "bookworm"
LABEL = "vmroot"  # of the root file system
# The site's own words on the command line, which a tuning tool must keep. quiet: each line on a serial console costs.
WORDS = "console=ttyS0,115200 quiet"
ADDRESS, GATEWAY = "10.0.2.15/24", "10.0.2.2"  # QEMU's user network

PACKAGES = (
    *("systemd", "systemd-sysv", "udev", "dbus", "openssh-server", "python3"),
    *("iproute2", "kmod", "procps"),
    *("linux-image-cloud-amd64", "initramfs-tools", "zstd"),
    # The boot loader's files and tools without the packages that want to install it on a disk of the builder.
    *("grub-pc-bin", "grub-efi-amd64-bin", "grub2-common"),
)

# The host's key as a credential; the root user's authorized_keys are systemd's own credential (provision.conf).
HOST_KEY = "npuforge-vm.host-key"
ROOT_KEY = "ssh.authorized_keys.root"

FILES: Mapping[str, str] = {
    "etc/hostname": "npuforge-vm\n",
    "etc/hosts": "127.0.0.1 localhost npuforge-vm\n",
    "etc/fstab": f"LABEL={LABEL} / ext4 defaults,noatime 0 1\n",
    "etc/systemd/network/10-user.network": (
        f"[Match]\nType=ether\n[Network]\nAddress={ADDRESS}\nGateway={GATEWAY}\nLinkLocalAddressing=no\nIPv6AcceptRA=no\n"
    ),
    "etc/ssh/sshd_config.d/npuforge-vm.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\nPermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "UseDNS no\n"
    ),
    "etc/tmpfiles.d/npuforge-vm.conf": f"f^ /etc/ssh/ssh_host_ed25519_key 0600 root root - {HOST_KEY}\n",
    "etc/systemd/system/systemd-tmpfiles-setup.service.d/npuforge-vm.conf": f"[Service]\nLoadCredential={HOST_KEY}\n",
    "etc/initramfs-tools/conf.d/npuforge-vm": "MODULES=list\nCOMPRESS=zstd\n",
    "usr/share/initramfs-tools/modules.d/npuforge-vm": "virtio_pci\nvirtio_blk\next4\n",
    # As distributions and storage vendors ship them: a rule that sets another scheduler than a tuned node wants.
    "etc/udev/rules.d/50-vendor-storage.rules": (
        'ACTION=="add|change", SUBSYSTEM=="block", KERNEL=="nvme[0-9]*n[0-9]*", ENV{DEVTYPE}=="disk", '
        'ATTR{queue/scheduler}="mq-deadline"\n'
    ),
    "etc/default/grub": (
        "GRUB_DEFAULT=saved\nGRUB_TIMEOUT=0\nGRUB_TIMEOUT_STYLE=hidden\nGRUB_RECORDFAIL_TIMEOUT=0\n"
        'GRUB_DISTRIBUTOR=Debian\nGRUB_CMDLINE_LINUX_DEFAULT=""\n'
        f'GRUB_CMDLINE_LINUX="{WORDS}"\n'
        "GRUB_TERMINAL=serial\n"
        'GRUB_SERIAL_COMMAND="serial --unit=0 --speed=115200"\n'
        "GRUB_DISABLE_OS_PROBER=true\n"
    ),
}

# Where the boot loader's own images are left for the disk (``lab.vm.disk``).
BOOT_FOLDER = "var/tmp/boot"
_MODULES = "part_gpt ext2 search search_label normal configfile echo test linux serial terminal loadenv"

# Runs on the builder with the root file system as $1, after its packages are installed.
SETUP = f"""\
set -eu
root=$1
rm -f "$root"/etc/ssh/ssh_host_*_key "$root"/etc/ssh/ssh_host_*_key.pub
chroot "$root" systemd-machine-id-setup >/dev/null
chroot "$root" systemctl --quiet enable systemd-networkd ssh
chroot "$root" systemctl --quiet mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer \\
  dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer \\
  getty@tty1.service modprobe@drm.service systemd-pstore.service
# What can never boot here only costs time in grub-mkconfig, which software emulation makes dear.
for part in 05_debian_theme 20_linux_xen 30_os-prober 30_uefi-firmware; do
  [ ! -e "$root/etc/grub.d/$part" ] || chmod 0644 "$root/etc/grub.d/$part"
done

# The boot loader, made by the guest's own GRUB for BIOS and EFI.
boot=$root/{BOOT_FOLDER}
mkdir -p "$boot" "$root/boot/grub/fonts"
for target in i386-pc x86_64-efi; do
  mkdir -p "$root/boot/grub/$target"
  cp "$root/usr/lib/grub/$target"/*.mod "$root/usr/lib/grub/$target"/*.lst "$root/boot/grub/$target/"
done
printf 'search --no-floppy --label --set=root {LABEL}\\nset prefix=($root)/boot/grub\\n' > "$boot/early.cfg"
chroot "$root" grub-mkimage -O i386-pc -c /{BOOT_FOLDER}/early.cfg -p /boot/grub -o /{BOOT_FOLDER}/core.img \\
  biosdisk {_MODULES}
chroot "$root" grub-mkimage -O x86_64-efi -c /{BOOT_FOLDER}/early.cfg -p /boot/grub -o /{BOOT_FOLDER}/BOOTX64.EFI \\
  fat {_MODULES}
cp "$root/usr/lib/grub/i386-pc/boot.img" "$boot/"
chroot "$root" grub-editenv /boot/grub/grubenv create

# grub-mkconfig asks the running machine for its devices, so the first menu is written here as it would write it.
kernel=$(cd "$root/boot" && ls vmlinuz-* | head -n 1)
version=${{kernel#vmlinuz-}}
test -s "$root/boot/initrd.img-$version"
cat > "$root/boot/grub/grub.cfg" <<MENU
if [ -s \\$prefix/grubenv ]; then
  load_env
fi
menuentry 'Debian GNU/Linux' --class debian --class gnu-linux --class os \\$menuentry_id_option 'gnulinux-simple' {{
	search --no-floppy --label --set=root {LABEL}
	linux	/boot/$kernel root=LABEL={LABEL} ro {WORDS}
	initrd	/boot/initrd.img-$version
}}
set timeout=0
MENU
"""
