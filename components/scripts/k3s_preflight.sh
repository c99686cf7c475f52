#!/bin/sh
# What this machine is, as one JSON object on stdout. It reads and decides nothing: components/host/preflight.py judges.
# Only figures that stay the same from run to run are in it (the size of the disk, not what is free on it).
set -eu
root=${RAIBID_ROOT:-}

quoted() {
  printf '"%s"' "$(printf '%s' "$1" | tr -cd '[:alnum:] ._:-')"
}

# Capacity is the kernel's own figure for an unequal core (1024 = the fastest); 0 where it keeps none.
cores() {
  separator=
  for directory in "$root"/sys/devices/system/cpu/cpu[0-9]*; do
    [ -d "$directory" ] || continue
    capacity=0
    [ ! -r "$directory/cpu_capacity" ] || capacity=$(cat "$directory/cpu_capacity")
    printf '%s{"cpu":%d,"capacity":%d}' "$separator" "${directory##*/cpu}" "$capacity"
    separator=,
  done
}

missing() {
  separator=
  for tool in awk base64 cmp curl getent install sha256sum systemctl sysctl tar timeout; do
    command -v "$tool" >/dev/null 2>&1 && continue
    printf '%s"%s"' "$separator" "$tool"
    separator=,
  done
}

release() {
  # shellcheck source=/dev/null
  [ ! -r "$root/etc/os-release" ] || (. "$root/etc/os-release" && printf '%s %s' "${ID:-}" "${VERSION_ID:-}")
}

# k3s will keep its data below /var/lib; until it does, the nearest directory above says which disk that is.
disk=$(df -Pk "$root/var/lib" | awk 'NR == 2 { printf "%.0f", $2 * 1024 }')
memory=$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' "$root/proc/meminfo")
if [ -e "$root/sys/fs/cgroup/cgroup.controllers" ]; then cgroup=2; else cgroup=1; fi
address=$(hostname -I | awk '{ print $1 }')

printf '{"arch":%s,"os":%s,"address":%s,"memory":%d,"disk":%d,"page_size":%d,"cgroup":%d,"cores":[%s],"missing":[%s]}\n' \
  "$(quoted "$(uname -m)")" "$(quoted "$(release)")" "$(quoted "$address")" \
  "$memory" "$disk" "$(getconf PAGESIZE)" "$cgroup" "$(cores)" "$(missing)"
