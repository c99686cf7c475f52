#!/bin/sh
# Removes k3s from this machine: the service, its pods, its state. Runs only where the stack says cluster.uninstall.
# The pods' volumes (/var/lib/rancher/k3s/storage) stay: nothing here deletes what somebody stored.
set -eu
root=${RAIBID_ROOT:-}

if [ "$(id -u)" -ne 0 ]; then
  echo "raibid: must run as root" >&2
  exit 1
fi

for service in k3s k3s-agent; do
  [ -e "$root/etc/systemd/system/$service.service" ] || continue
  systemctl disable --now --quiet "$service"
  rm -f "$root/etc/systemd/system/$service.service"
done
systemctl daemon-reload

# KillMode=process leaves the pods running when k3s stops; their containers live in these slices.
systemctl stop kubepods.slice kubepods-burstable.slice kubepods-besteffort.slice 2>/dev/null || true

mounts() {
  awk '$2 ~ "^/(run/k3s|run/netns/cni-|var/lib/kubelet/|var/lib/rancher/k3s/agent/)" { print $2 }' \
    "$root/proc/self/mounts"
}

# Deepest first, so that nothing is busy.
mounts | sort -r | while read -r mount; do umount "$mount" || true; done
# A volume is bind-mounted below /var/lib/kubelet: removing that directory with it still there would remove the data.
if [ -n "$(mounts)" ]; then
  echo "raibid: still mounted, so nothing was removed; restart the machine and run it again:" >&2
  mounts >&2
  exit 1
fi

for link in cni0 flannel.1 flannel-v6.1 kube-ipvs0; do
  if ip link show "$link" >/dev/null 2>&1; then ip link delete "$link"; fi
done

for entry in "$root"/var/lib/rancher/k3s/* "$root"/var/lib/rancher/k3s/.[!.]*; do
  [ "${entry##*/}" != storage ] || continue
  rm -rf "$entry"
done
rm -rf "$root/etc/rancher/k3s" "$root/run/k3s" "$root/run/flannel" "$root/var/lib/kubelet" "$root/var/lib/raibid"
rm -f "$root/usr/local/bin/k3s" "$root/usr/local/bin/k3s.previous" "$root/etc/sysctl.d/90-k3s.conf"

hosts=$root/etc/hosts
if grep -q '^# raibid-ci begin' "$hosts" && grep -q '^# raibid-ci end' "$hosts"; then
  awk '/^# raibid-ci begin/ { skip = 1 } !skip { print } /^# raibid-ci end/ { skip = 0 }' "$hosts" >"$hosts.raibid-next"
  chmod 0644 "$hosts.raibid-next"
  mv "$hosts.raibid-next" "$hosts"
fi
echo '{"uninstalled":true}'
