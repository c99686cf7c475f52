#!/bin/sh
# Is this machine what the stack says (settings.env)? What cannot work is refused, all of it at once, on stderr; what
# this machine is follows as one line of JSON on stdout. It changes nothing.
# The judgement is here because a refusal must be no answer: Pulumi keeps an answer and asks again only when the
# question changes, while a command that failed is run again, by when the machine may be mended.
# Only figures that stay the same from run to run are in the answer.
set -eu
bundle=$1
root=${RAIBID_ROOT:-}
# shellcheck source=/dev/null
. "$bundle/settings.env"
refused=

refuse() {
  echo "nodes[$RAIBID_NODE]: $1" >&2
  refused=1
}

quoted() {
  printf '"%s"' "$(printf '%s' "$1" | tr -cd '[:alnum:] ._:-')"
}

# "number capacity" per core: the kernel's own figure for an unequal core (1024 = the fastest); 0 where it keeps none.
cores() {
  for directory in "$root"/sys/devices/system/cpu/cpu[0-9]*; do
    [ -d "$directory" ] || continue
    capacity=0
    [ ! -r "$directory/cpu_capacity" ] || capacity=$(cat "$directory/cpu_capacity")
    echo "${directory##*/cpu} $capacity"
  done | sort -n
}

missing() {
  for tool in awk base64 cmp curl getent install sha256sum sort systemctl sysctl tar timeout; do
    command -v "$tool" >/dev/null 2>&1 || printf ' %s' "$tool"
  done
}

release() {
  # shellcheck source=/dev/null
  [ ! -r "$root/etc/os-release" ] || (. "$root/etc/os-release" && printf '%s %s' "${ID:-}" "${VERSION_ID:-}")
}

arch() {
  case $(uname -m) in
  aarch64) echo arm64 ;;
  x86_64) echo amd64 ;;
  *) uname -m ;;
  esac
}

# What is stated of a size ($2, bytes) and what is there ($3).
at_least() {
  [ "$3" -ge "$2" ] ||
    refuse "$(awk -v name="$1" -v stated="$2" -v there="$3" 'BEGIN {
      printf "%s: the stack says %.1fGi, the machine has %.1fGi", name, stated / 2 ^ 30, there / 2 ^ 30 }')"
}

# What is wrong with the classes of cores; nothing where the kernel keeps no capacities to compare.
classes() {
  cores | awk -v fast="$RAIBID_PERFORMANCE" -v small="$RAIBID_EFFICIENCY" '
    { capacity[$1] = $2; seen = seen " " $1 ":" $2 }
    END {
      fasts = split(fast, fast_cpus, " ")
      smalls = split(small, small_cpus, " ")
      for (i = 1; i <= fasts; i++) if (!(fast_cpus[i] in capacity)) absent = absent " " fast_cpus[i]
      for (i = 1; i <= smalls; i++) if (!(small_cpus[i] in capacity)) absent = absent " " small_cpus[i]
      if (absent) { print "cores: the machine has no cpu" absent; exit }
      for (cpu in capacity) if (!capacity[cpu]) exit
      if (!fasts || !smalls) exit
      slowest = capacity[fast_cpus[1]]
      quickest = capacity[small_cpus[1]]
      for (i = 2; i <= fasts; i++) if (capacity[fast_cpus[i]] < slowest) slowest = capacity[fast_cpus[i]]
      for (i = 2; i <= smalls; i++) if (capacity[small_cpus[i]] > quickest) quickest = capacity[small_cpus[i]]
      if (slowest <= quickest)
        print "cores: a performance core is no faster than an efficiency core; by the kernel (cpu:capacity):" seen
    }'
}

# k3s will keep its data below /var/lib; until it does, the nearest directory above says which disk that is.
disk=$(df -Pk "$root/var/lib" | awk 'NR == 2 { printf "%.0f", $2 * 1024 }')
memory=$(awk '$1 == "MemTotal:" { printf "%.0f", $2 * 1024 }' "$root/proc/meminfo")
count=$(cores | wc -l)

[ "$(arch)" = "$RAIBID_ARCH" ] || refuse "arch: the stack says $RAIBID_ARCH, the machine is $(arch)"
[ "$((count * 1000))" -ge "$RAIBID_MILLICORES" ] ||
  refuse "cpu: the stack says $((RAIBID_MILLICORES / 1000)), the machine has $((count))"
at_least memory "$RAIBID_MEMORY" "$memory"
at_least disk "$RAIBID_DISK" "$disk"
wrong=$(classes)
[ -z "$wrong" ] || refuse "$wrong"
[ -e "$root/sys/fs/cgroup/cgroup.controllers" ] ||
  refuse "cgroup: v1; Kubernetes 1.35 and later refuse it: systemd.unified_cgroup_hierarchy=1"
lacking=$(missing)
[ -z "$lacking" ] || refuse "programs are missing:$lacking"

if [ -n "$refused" ]; then
  echo "raibid: correct the machine, or what Pulumi.<stack>.yaml says of it, and run it again; nothing was changed" >&2
  exit 1
fi
unknown=$(cores | awk '$2 == 0 { print "true"; exit }')
printf '{"os":%s,"address":%s,"page_size":%d,"capacities":%s}\n' \
  "$(quoted "$(release)")" "$(quoted "$(hostname -I | awk '{ print $1 }')")" "$(getconf PAGESIZE)" \
  "$([ -z "$unknown" ] && echo true || echo false)"
