# What the installers of driver and firmware share: their options and the checks before.
# shellcheck shell=bash disable=SC2034,SC2154
user=HwHiAiUser group=HwHiAiUser path=/usr/local/Ascend
action= type= quiet= force= for_all=no alone= count=0 path_given= user_given= group_given=

usage() {
  refuse "ERR_NO:0x0004;ERR_DES: Unrecognized parameters${1:+: $1}. Try './xxx.run --help' for more information."
}
kind() { # install type
  [ -z "$type$action" ] || refuse "ERR_NO:0x0004;ERR_DES:only support one type: full/run/docker/devel, operation failed!"
  type=$1 action=Install
}

options() {
  [ $# -gt 0 ] || usage
  local word
  for word; do
    case $word in
      --full | --run | --debug | --devel | --docker) kind "${word#--}" ;;
      --upgrade)
        [ -z "$action" ] || refuse "ERR_NO:0x0004;ERR_DES:param need used with full/run/docker/upgrade/devel."
        action=Upgrade
        ;;
      --uninstall | --version | --check) alone=${word#--} ;;
      --install-for-all) for_all=yes ;;
      --install-path=*) path=${word#*=} path_given=y ;;
      --install-username=*) user=${word#*=} user_given=y ;;
      --install-usergroup=*) group=${word#*=} group_given=y ;;
      --quiet) quiet=y ;;
      --force) force=y ;;
      --norebuild | --repack) ;;
      *) usage "$word" ;;
    esac
    count=$((count + 1))
  done
  if fails 0x0002; then refuse "ERR_NO:0x0002;ERR_DES:input error, please input again!"; fi
  if [ -n "$alone" ]; then
    [ "$alone$force" != uninstally ] || count=$((count - 1))
    [ $count -eq 1 ] || refuse "ERR_NO:0x0004;ERR_DES:version/uninstall/check can't use with other parameters."
    return
  fi
  [ -n "$action" ] || refuse "ERR_NO:0x0004;ERR_DES:param need used with full/run/docker/upgrade/devel."
  [ "$for_all$type" != yesdocker ] || refuse "ERR_NO:0x0004;ERR_DES:install-for-all param need used with full/run/upgrade/devel."
  if [ "$action" = Upgrade ]; then
    [ -z "$path_given" ] || refuse "ERR_NO:0x0004;ERR_DES:install-path param need used with full/run/docker/devel."
    type=$(get "${label}_Install_Type")
    type=${type:-full}
  fi
  [ "$user_given" = "$group_given" ] || refuse "ERR_NO:0x0004;ERR_DES:Username and usergroup are not specified at the same time."
  [ -n "$path_given" ] || path=$(get "${label}_Install_Path_Param")
  path=${path:-/usr/local/Ascend}
  case $path in
    /*) ;;
    *) refuse "ERR_NO:0x0003;ERR_DES:install-path input error, install failed" ;;
  esac
}

check_user() {
  local old_user old_group
  old_user=$(get UserName)
  old_group=$(get UserGroup)
  if [ -n "$user_given" ] && [ -n "$old_user" ] && [ "$user:$group" != "$old_user:$old_group" ] || fails 0x0095; then
    refuse "ERR_NO:0x0095;ERR_DES:The user and group are not same with last installation,do not support overwriting installation"
  fi
  user=${old_user:-$user}
  group=${old_group:-$group}
  if ! getent passwd "$user" >/dev/null || fails 0x0091; then
    refuse "ERR_NO:0x0091;ERR_DES:$user not exists! Please add $user"
  fi
  getent group "$group" >/dev/null || refuse "ERR_NO:0x0091;ERR_DES:$group group not exists! Please add $group group"
  id -Gn "$user" | tr ' ' '\n' | grep -qx "$group" ||
    refuse "ERR_NO:0x0096;ERR_DES:$group not right! Please check the relatianship of $user and $group"
  tell "[INFO]set username and usergroup, $user:$group"
}

check_arch() {
  [ -z "$arch" ] || [ "$arch" = "$(uname -m)" ] || refuse "Arch mismatch, src package is $arch, cur os is $(uname -m) "
}

check_space() { # megabytes
  local free
  mkdir -p "$path"
  free=$(df -BM --output=avail "$path" | tail -n 1 | tr -dc 0-9)
  [ "$free" -gt "$1" ] || refuse "free space only ${free}M, cannot install ${label,,} package (greater than ${1}M), please make sure enough space under the installation path"
}

remember() { # the last installation, written down before anything is copied
  [ -n "$(get UserName)" ] || put UserName "$user"
  [ -n "$(get UserGroup)" ] || put UserGroup "$group"
  put "${label}_Install_Type" "$type"
  put "${label}_Install_Path_Param" "$path"
}

installed() { # the version in the installation path
  sed -n 's/^Version=//p' "$path/${label,,}/version.info" 2>/dev/null
}

overwrite() { # may an installed version go?
  local old
  old=$(installed)
  [ -n "$old" ] && [ "$action" = Install ] && [ -z "$quiet" ] || return 0
  say "[INFO]$label package has been installed on the path $path, the version is $old, and the version of this package is $version,do you want to continue?  [y/n] "
  ask
}

# Whether a version lies in one of "[low,high],[low,high]"; a high end with a dot at its end is a prefix.
within() { # version, ranges
  local low high
  while IFS=, read -r low high; do
    case $high in *.) case $1. in "$high"*) return 0 ;; esac ;; esac
    [ "$(printf '%s\n' "$low" "$1" | sort -V | head -n 1)" = "$low" ] &&
      [ "$(printf '%s\n' "$1" "$high" | sort -V | head -n 1)" = "$1" ] && return 0
  done < <(tr -d ' ' <<<"$2" | sed 's/\],\[/\n/g; s/[][]//g')
  return 1
}
