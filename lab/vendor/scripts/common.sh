# What the vendor's installers share. Simulated packages: they install programs that talk to the npuforge twin.
# shellcheck shell=bash disable=SC2034  # variables of the scripts that source this
# NPUFORGE_TWIN_FACTORY=1: the machine is being built; nobody waits, and there are no chips yet.
umask 022
export LC_ALL=C
seclog=/var/log/ascend_seclog
log_file=$seclog/ascend_install.log
operation_log=$seclog/operation.log
info=/etc/ascend_install.info
factory=${NPUFORGE_TWIN_FACTORY:-}
# label, package, version, arch (empty: any)
. ./package.conf
run_file=$1
shift
words="$*"
started=$(date '+%Y-%m-%d %H:%M:%S')

now() { date '+%Y-%m-%d %H:%M:%S'; }
log() { echo "[$label] [$(now)] $1" >>"$log_file"; }
say() { echo "[$label] [$(now)] $1"; }
tell() {
  say "$1"
  log "$1"
}
stop() {
  tell "[INFO]End time: $(now)"
  exit "$1"
}
refuse() { # an error before anything was changed
  tell "[ERROR]$1"
  stop 1
}

need_root() {
  [ "$(id -u)" = 0 ] && [ "$(plan fails_with)" != 0x0093 ] && return
  say "[ERROR]ERR_NO:0x0093;ERR_DES:do not have root permission, operation failed, please use root permission!"
  exit 1
}

# What the machine has in store for this installation: one "key=value" a line, asked once.
orders=
plan() { # key
  if [ -z "$orders" ]; then
    if [ -n "$factory" ]; then
      orders=$'fails_with=none\nlies=no\nloaded=none\nchips=8\nmilliseconds=0'
    elif [ "$(id -u)" = 0 ]; then
      orders=$(./upgrade-tool --install "$package") || orders=none
    else
      orders=none
    fi
  fi
  sed -n "s/^$1=//p" <<<"$orders"
}
lies() { [ "$(plan lies)" = yes ]; }
fails() { [ "$(plan fails_with)" = "$1" ]; }

pause() { # share of the time of an installation, in percent
  local own
  own=$(plan milliseconds)
  own=$((${own:-0} * $1 / 100))
  [ "$own" -le 0 ] || sleep "$((own / 1000)).$(printf %03d $((own % 1000)))" 9>&-
}

get() { # key: what the last installation wrote down
  [ -f "$info" ] && sed -n "s/^$1=//p" "$info" | tail -n 1
}
put() { # key, value
  [ -f "$info" ] || install -m 644 /dev/null "$info"
  sed -i "/^$1=/d" "$info"
  echo "$1=$2" >>"$info"
}
forget() { # key...
  local key
  for key; do [ ! -f "$info" ] || sed -i "/^$key=/d" "$info"; done
}

record() { # Install|Upgrade|Uninstall, success|failed, install type
  local level
  case $1 in Install) level=SUGGESTION ;; Upgrade) level=MINOR ;; *) level=MAJOR ;; esac
  local kind=
  [ "$1" != Install ] || kind="install_type=$3; "
  echo "$1 $level root $started 127.0.0.1 $run_file $2 ${kind}cmdlist=$words." >>"$operation_log"
}

only_one() { # nobody else installs
  exec 9>/run/ascend_install.lock
  if ! flock -n 9 || fails 0x0094; then
    refuse "ERR_NO:0x0094;ERR_DES:There is already a process being executed,please do not execute multiple tasks at the same time"
  fi
}

ask() { # until y or n
  local answer
  while read -r answer; do
    case $answer in
      y) return 0 ;;
      n)
        say "[INFO]Stop installation!"
        stop 0
        ;;
      *) say "[ERROR]ERR_NO:0x0002;ERR_DES:input error, please input again!" ;;
    esac
  done
  stop 1
}

begin() {
  mkdir -p -m 750 "$seclog"
  touch "$log_file" "$operation_log"
  chmod 640 "$log_file" "$operation_log"
  tell "[INFO]Start time: $started"
  say "[INFO]LogFile: $log_file"
  say "[INFO]OperationLogFile: $operation_log"
  log "[INFO]UserCommand: $run_file $words"
}

copy() { # source tree, target: file by file; what breaks in the middle leaves halves
  local file total done=0
  total=$(find "$1" ! -type d | wc -l)
  while read -r file; do
    mkdir -p "$2/$(dirname "$file")"
    if [ $((done * 2)) -ge "$total" ]; then
      if fails killed; then kill -9 "$PPID" $$; fi
      if fails no_space; then
        head -c 4096 "$1/$file" >"$2/$file"
        echo "cp: error writing '$2/$file': No space left on device" >>"$log_file"
        return 1
      fi
    fi
    cp -df --remove-destination "$1/$file" "$2/$file" 2>>"$log_file" || return 1
    done=$((done + 1))
  done < <(cd "$1" && find . ! -type d | sed 's|^\./||' | sort)
}
