#!/bin/bash
# Installs, upgrades and removes the NPU driver of the npuforge twin. Words, order and exit status (2: it must be
# rebooted) are those of the vendor's published installer and of public installation logs.
# shellcheck disable=SC2154,SC2086
cd "$(dirname "$0")" || exit 1
. ./common.sh
. ./hdk.sh
release=$(uname -r)
modules=/lib/modules/$release

check_tools() {
  local program lacks=
  for program in lspci ifconfig; do command -v $program >/dev/null || lacks=$lacks$program,; done
  [ -z "$lacks" ] || refuse "The list of missing tools: $lacks"
}

check_firmware() { # 1: it does not go with this driver
  local own
  own=$(sed -n 's/^Version=//p' "$path/firmware/version.info" 2>/dev/null)
  [ -z "$own" ] || within "$own" "$(sed -n 's/^compatible_version_fw=//p' version.info)" && return 0
  tell "[WARNING]The driver package $version does not match the firmware $own."
  return 1
}

check_dkms() {
  log "[INFO]dkms environment check..."
  local program lacks=
  for program in dkms gcc make; do
    command -v $program >/dev/null || { log "[WARNING]The program '$program' is currently not installed." && lacks=y; }
  done
  if [ ! -f "$modules/build/Makefile" ] || fails dkms; then
    log "[WARNING]kernel devel is currently not installed."
    lacks=y
  fi
  [ -n "$lacks" ] || return 0
  log "[INFO]not detect driver dkms dependence "
  log "[ERROR]driver vermagic check failed."
  return 1
}

broken() { # what failed
  tell "[ERROR]$1 failed, details in : $log_file "
  tell "[INFO]Failed to ${action,,} driver package, please retry after uninstall and reboot!"
  record "$action" failed "$type"
  stop 1
}

remove() { # what an installation put there; what it runs on stays until the machine boots
  rm -rf "$path/driver" "$modules/updates/drv_davinci_intf_host.ko"
  rm -f /usr/local/sbin/npu-smi /usr/local/bin/npu-smi /usr/local/bin/hccn_tool /lib/davinci.conf
  rm -f /etc/systemd/system/npu-network.service /etc/systemd/system/multi-user.target.wants/npu-network.service
}

uninstall() {
  [ -n "$(get Driver_Install_Path_Param)" ] ||
    refuse "ERR_NO:0x0080;ERR_DES:Driver package is not installed on this device, uninstall failed"
  path=$(get Driver_Install_Path_Param)
  remove
  forget Driver_Install_Type Driver_Install_Path_Param Driver_Install_For_All Driver_Install_Mode Driver_Install_Status
  grep -q Install_Path_Param "$info" || rm -f "$info"
  record Uninstall success
  tell "[INFO]Driver package uninstalled successfully! Reboot needed for uninstallation to take effect! "
  stop 0
}

lay_down() {
  copy files / || return 1
  [ "$path" = /usr/local/Ascend ] || { mkdir -p "$path" && cp -a /usr/local/Ascend/driver "$path/" && rm -rf /usr/local/Ascend/driver; }
  ln -sfn /usr/local/sbin/npu-smi /usr/local/bin/npu-smi
  ln -sfn "$path/driver/tools/hccn_tool" /usr/local/bin/hccn_tool
  mkdir -p "$path/driver/script"
  cp common.sh hdk.sh package.conf version.info upgrade-tool "$path/driver/script/"
  cp driver.sh "$path/driver/script/install.sh"
  printf '#!/bin/bash\nexec "$(dirname "$0")/install.sh" uninstall.sh --uninstall\n' >"$path/driver/script/uninstall.sh"
  chmod 755 "$path/driver/script/uninstall.sh"
  echo "DAVINCI_HOME_PATH=$path" >/lib/davinci.conf
}

at_boot() { # the driver loads at boot and replays the network settings of its devices
  mkdir -p "$modules/updates" /etc/systemd/system/multi-user.target.wants
  echo "npuforge twin: no module, the chips are simulated" >"$modules/updates/drv_davinci_intf_host.ko"
  ln -sfn ../npu-network.service /etc/systemd/system/multi-user.target.wants/npu-network.service
  [ -n "$factory" ] || systemctl daemon-reload 2>/dev/null || true
  [ -f /etc/hccn.conf ] || install -m 644 /dev/null /etc/hccn.conf
}

need_root
begin
only_one
[ -z "$(installed)" ] || tell "[INFO]base version is $(installed)."
options "$@"
case $alone in
  version)
    say "[INFO]driver version :$version"
    stop 0
    ;;
  check)
    check_firmware
    stop $?
    ;;
  uninstall) uninstall ;;
esac
check_arch
check_tools
tell "[WARNING]Do not power off or restart the system during the installation/upgrade"
check_user
check_space 300
overwrite
if ! check_firmware && [ -z "$quiet" ]; then
  say "[INFO]do you want to continue? [y/n]"
  ask
fi
trap 'record "$action" failed "$type"; exit 1' INT QUIT TERM HUP
if ! lies; then
  forget Driver_Install_Status
  remember
  [ "$action$for_all" = Upgradeno ] && [ -n "$(get Driver_Install_For_All)" ] || put Driver_Install_For_All "$for_all"
  put Driver_Install_Mode normal
  [ -z "$(installed)" ] || remove
fi
if [ "$type" != docker ] && [ "$type" != devel ]; then
  tell "[INFO]driver install type: DKMS"
  check_dkms || broken Drv_dkms_env_check
fi
tell "[INFO]upgradePercentage:10%"
pause 25
lies || lay_down || broken Drv_file_copy
tell "[INFO]upgradePercentage:30%"
pause 5
tell "[INFO]upgradePercentage:40%"
pause 40
lies || at_boot
tell "[INFO]upgradePercentage:90%"
takes_effect=
if [ -z "$force" ] && [ "$type" != docker ] && [ "$type" != devel ] && [ "$(plan loaded)" = none ]; then
  tell "[INFO]Waiting for device startup..."
  pause 15
  if lies || [ -n "$factory" ] || ./upgrade-tool --load "$version"; then
    takes_effect=y
    tell "[INFO]Device startup success"
  fi
fi
pause 10
if ! lies; then
  install -m 444 version.info "$path/driver/version.info"
  sync
fi
tell "[INFO]upgradePercentage:100%"
pause 5
done_word="${action,,}ed"
[ "$action" = Install ] || done_word=upgraded
if ! lies; then
  record "$action" success "$type"
  [ "$type" = docker ] || [ "$type" = devel ] || put Driver_Install_Status complete
fi
if [ -n "$takes_effect" ] || lies || [ "$type" = docker ] || [ "$type" = devel ]; then
  tell "[INFO]Driver package $done_word successfully! The new version takes effect immediately. "
  stop 0
fi
tell "[INFO]Driver package $done_word successfully! Reboot needed for installation/upgrade to take effect! "
stop 2
