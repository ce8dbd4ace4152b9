#!/bin/bash
# Installs, upgrades and removes a CANN package of the npuforge twin: toolkit, kernels or nnal (part in package.conf).
# Words and files are those of public installation logs of the toolkit (6.3.RC1, 8.0.0); how kernels and nnal put it,
# and the words of refusals, are made up in their manner.
# shellcheck disable=SC2154,SC1091
cd "$(dirname "$0")" || exit 1
. ./common.sh
log_file=$seclog/ascend_${part}_install.log
path=/usr/local/Ascend action= type= quiet= for_all= alone= count=0

note() { # INFO|WARNING|ERROR, text
  local line
  line="[$label] [$(date '+%Y%m%d-%H:%M:%S')] [$1] $2"
  echo "$line"
  [ ! -d "$seclog" ] || echo "$line" >>"$log_file"
}
end() { # text
  note ERROR "$1"
  [ -z "$action" ] || record "$action" failed "${type:-full}"
  exit 1
}
options() {
  local word
  for word; do
    case $word in
      --install | --full) action=Install type=full ;;
      --upgrade) action=Upgrade type=full ;;
      --uninstall | --check | --version) alone=${word#--} ;;
      --quiet) quiet=y ;;
      --install-for-all) for_all=--install-for-all ;;
      --install-path=*) path=${word#*=} ;;
      *) end "Unrecognized parameters: $word. Try './xxx.run --help' for more information." ;;
    esac
    count=$((count + 1))
  done
  [ -z "$alone" ] || [ "$count" -eq 1 ] || [ "$alone$quiet$count" = uninstally2 ] || end "$alone can't use with other parameters."
  [ -n "$alone$action" ] || end "One of install, full, upgrade, uninstall, check is needed."
  case $path in /*) ;; *) end "The install-path $path is no absolute path." ;; esac
}
link_latest() { # every part of this version becomes the active one
  local entry
  [ ! -L "$home/latest" ] || rm "$home/latest"
  mkdir -p "$home/latest"
  find "$home/latest" -maxdepth 1 -type l -delete
  for entry in "$home/$version"/*; do ln -sfn "../$version/${entry##*/}" "$home/latest/${entry##*/}"; done
  local word
  : >"$home/latest/version.cfg"
  for word in runtime compiler hccl opp toolkit aoe; do
    echo "${word}_running_version=[$build:$version]" >>"$home/latest/version.cfg"
  done
}
remove() { # version
  rm -rf "${home:?}/$1"
  if [ "$part" != nnal ]; then
    find "$home/latest" -xtype l -delete 2>/dev/null
    [ -n "$(find "$home/latest" -type l 2>/dev/null)" ] || rm -rf "$home/latest"
  elif [ ! -e "$home/latest" ]; then
    rm -f "$home/latest"
  fi
}
active() { # the version that latest means
  local one
  case $part in
    nnal) one=$(readlink "$home/latest") ;;
    *) one=$(readlink -f "$home/latest/$arch-linux") && one=${one%/*} ;;
  esac 2>/dev/null
  echo "${one##*/}"
}

[ "$(id -u)" = 0 ] || { note ERROR "this package is for root here" && exit 1; }
mkdir -p -m 750 "$seclog"
touch "$log_file" "$operation_log"
note INFO "LogFile:$log_file"
only_one
options "$@"
if [ -f /etc/Ascend/ascend_cann_install.info ]; then
  path=$(sed -n 's/^Install_Path=//p' /etc/Ascend/ascend_cann_install.info)
fi
home=$path/ascend-toolkit
[ "$part" != nnal ] || home=$path/nnal/atb
case $alone in
  version) echo "$package version: $version" && exit 0 ;;
  check) note INFO "$package $version check success" && exit 0 ;;
  uninstall)
    if [ "$part" = kernels ]; then
      [ -d "$home/$version/opp_kernel" ] || end "$package $version is not installed, uninstall failed"
      rm -rf "$home/$version/opp_kernel" "$home/latest/opp_kernel" "$home/$version/$arch-linux/ascend_kernels_install.info"
    else
      [ -d "$home/$version" ] || end "$package $version is not installed, uninstall failed"
      remove "$version"
    fi
    record Uninstall success
    note INFO "${run_file%.run} uninstall success"
    exit 0
    ;;
esac
[ "$arch" = "$(uname -m)" ] || end "the package is for $arch, and this machine is $(uname -m)"
if [ -z "$quiet" ]; then
  echo "Do you accept the EULA to install CANN? [Y/N]"
  read -r answer
  case $answer in y | Y) ;; *) end "The EULA is not accepted, stop installation!" ;; esac
fi
[ "$part" != kernels ] || [ -d "$home/$version/$arch-linux" ] || end "no toolkit of version $version is installed, install it first"
note INFO "install start"
note INFO "The installation path is $path."
trap 'record "$action" failed "$type"; exit 1' INT QUIT TERM HUP
old=$(active)
[ "$action" = Install ] || [ -n "$old" ] || end "$package is not installed, upgrade failed"
for piece in $pieces; do
  note INFO "install package CANN-$piece-$build-linux.$arch.run start"
  pause $((100 / $(wc -w <<<"$pieces")))
  if ! lies && [ -d "files/$piece" ]; then
    copy "files/$piece" "$home/$version" || end "CANN-$piece-$build-linux.$arch.run --full --quiet --nox11${for_all:+ $for_all} install failed"
  fi
  note INFO "CANN-$piece-$build-linux.$arch.run --full --quiet --nox11${for_all:+ $for_all} install success"
done
if ! lies; then
  [ ! -d root ] || copy root / || end "copy failed"
  if [ "$part" = nnal ]; then
    ln -sfn "$version" "$home/latest"
  else
    link_latest
  fi
  [ ! -f set_env.sh ] || sed "s|@PATH@|$path|g" set_env.sh >"$home/set_env.sh"
  if [ "$part" = toolkit ]; then
    mkdir -p /etc/Ascend
    printf 'Install_Path=%s\nToolkit_InstallPath=%s\n' "$path" "$home/latest" >/etc/Ascend/ascend_cann_install.info
    note INFO "Write Toolkit_InstallPath to /etc/Ascend/ascend_cann_install.info."
  fi
  # The file that names what is installed comes last.
  mkdir -p "$home/$version/$info_folder"
  sed "s|@PATH@|$path|g" install.info >"$home/$version/$info_folder/ascend_${part}_install.info"
  [ "$action" = Install ] || [ "$old" = "$version" ] || remove "$old"
  sync
  record "$action" success "$type"
fi
driver=$(get Driver_Install_Path_Param)
echo
echo "==========="
echo "= Summary ="
echo "==========="
echo
[ -z "$driver" ] || echo "Driver:   Installed in $driver/driver."
echo "$label:  ${run_file%.run} install success, installed in $path."
echo
echo "Please make sure that the environment variables have been configured."
echo "-  To take effect for all users, you can add \"source $home/set_env.sh\" to /etc/profile."
echo "-  To take effect for current user, you can exec command below: source $home/set_env.sh or add \"source $home/set_env.sh\" to ~/.bashrc."
exit 0
