#!/bin/bash
# Installs and removes the NPU firmware of the npuforge twin; the chips run it from the next boot of the machine on.
# Words and order are those of public installation logs (7.5.0.2.220, 7.7.0.1.231, 7.8.0.2.212); what it says when no
# driver is loaded is made up.
# shellcheck disable=SC2154
cd "$(dirname "$0")" || exit 1
. ./common.sh
. ./hdk.sh

check_driver() { # 1: it does not go with this firmware
  local own
  own=$(sed -n 's/^Version=//p' "$path/driver/version.info" 2>/dev/null)
  [ -z "$own" ] || within "$own" "$(sed -n 's/^compatible_version_drv=//p' version.info)" && return 0
  tell "[WARNING]The firmware package $version does not match the driver $own."
  return 1
}

uninstall() {
  [ -n "$(get Firmware_Install_Path_Param)" ] ||
    refuse "ERR_NO:0x0080;ERR_DES:Firmware package is not installed on this device, uninstall failed"
  rm -rf "$(get Firmware_Install_Path_Param)/firmware"
  forget Firmware_Install_Type Firmware_Install_Path_Param
  grep -q Install_Path_Param "$info" || rm -f "$info"
  record Uninstall success
  tell "[INFO]Firmware package uninstalled successfully! Uninstallation takes effect immediately. "
  stop 0
}

broken() {
  tell "[ERROR]$1"
  record "$action" failed "$type"
  tell "[ERROR]Failed to ${action,,} firmware package, details in : $log_file"
  stop 1
}

need_root
begin
only_one
options "$@"
case $alone in
  version)
    say "[INFO]firmware version :$version"
    stop 0
    ;;
  check)
    check_driver
    stop $?
    ;;
  uninstall) uninstall ;;
esac
tell "[WARNING]Do not power off or restart the system during the installation/upgrade"
check_user
check_space 32
overwrite
if ! check_driver && [ -z "$quiet" ]; then
  say "[INFO]do you want to continue? [y/n]"
  ask
fi
trap 'record "$action" failed "$type"; exit 1' INT QUIT TERM HUP
[ -n "$factory" ] || [ "$(plan loaded)" != none ] || broken "No device is found, please check whether the driver is loaded."
if ! lies; then
  remember
  rm -rf "$path/firmware"
fi
tell "[INFO]upgradePercentage: 0%"
pause 30
lies || copy files / || broken "Firmware file copy failed."
for part in 1 2 3; do
  tell "[INFO]upgradePercentage: 90%"
  pause 10
done
chips=$(plan chips)
if ! lies && [ -z "$factory" ]; then
  chips=$(./upgrade-tool --firmware "$version") || broken "Upgrade of the devices failed."
fi
tell "[INFO]upgradePercentage: 100%"
tell "[INFO]The firmware of [$chips] chips are successfully upgraded."
if ! lies; then
  mkdir -p "$path/firmware"
  install -m 444 version.info "$path/firmware/version.info"
  sync
  record "$action" success "$type"
fi
done_word="${action,,}ed"
[ "$action" = Install ] || done_word=upgraded
tell "[INFO]Firmware package $done_word successfully! Reboot now or after driver installation for the installation/upgrade to take effect."
stop 0
