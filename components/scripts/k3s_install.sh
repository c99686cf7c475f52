#!/bin/sh
# Makes this machine run the k3s that the bundle describes, whether it runs none, another or the same one.
# The bundle (argument 1): settings.env, modes ("0644 etc/…" per line), files/<path on the host>, hosts (a fragment).
# The same bundle twice changes nothing the second time. Whatever can be refused is refused before the first change.
set -eu
umask 077

bundle=$1
root=${RAIBID_ROOT:-}
# shellcheck source=/dev/null
. "$bundle/settings.env"

binary=$root/usr/local/bin/k3s
next=$binary.raibid-next
# There from before the first change until k3s is ready again, a line per changed file: an interrupted run is finished
# by the next one, which must know what that one had changed.
pending=$root/var/lib/raibid/k3s-restart-pending
changed=

refuse() {
  echo "raibid: $1" >&2
  exit 1
}

begin() {
  mkdir -p "$(dirname "$pending")"
  echo "$1" >>"$pending"
}

note() {
  changed="${changed:+$changed,}\"$1\""
}

# --- what is there -------------------------------------------------------------------------------------------------
installed_version() {
  [ ! -x "$binary" ] || "$binary" --version | awk 'NR == 1 { print $3 }'
}

refuse_downgrade() {
  [ -n "$installed" ] && [ "$installed" != "$RAIBID_VERSION" ] || return 0
  newest=$(printf '%s\n%s\n' "$installed" "$RAIBID_VERSION" | sort -V | tail -n 1)
  [ "$newest" = "$RAIBID_VERSION" ] ||
    refuse "k3s $installed is newer than the wanted $RAIBID_VERSION; going back needs a snapshot (docs/host.md, Restore)"
}

# A server encrypts its own bootstrap data with the token it first saw: with another one it would not start again.
refuse_other_token() {
  known=$root/var/lib/rancher/k3s/server/token
  [ "$RAIBID_ROLE" = server ] && [ -r "$known" ] || return 0
  kept=$(cat "$known")
  [ "${kept##*:}" = "$(cat "$bundle/files/etc/rancher/k3s/token")" ] ||
    refuse "this k3s was set up with another token; change it first: k3s token rotate (docs/host.md, Token)"
}

refuse_broken_hosts() {
  begins=$(grep -c '^# raibid-ci begin' "$root/etc/hosts" || true)
  ends=$(grep -c '^# raibid-ci end' "$root/etc/hosts" || true)
  [ "$begins" = "$ends" ] || refuse "/etc/hosts: '# raibid-ci begin' without its end; mend it by hand"
}

# --- the binary ----------------------------------------------------------------------------------------------------
sha256() {
  sha256sum "$1" | cut -d' ' -f1
}

is_wanted() {
  [ "$installed" = "$RAIBID_VERSION" ] || return 1
  [ -z "$RAIBID_SHA256" ] || [ "$(sha256 "$binary")" = "$RAIBID_SHA256" ]
}

# Downloaded beside its place and renamed only when it is what its publisher, and the stack, say it is.
fetch() {
  mkdir -p "$(dirname "$binary")"
  stated=$(curl -fsSL --proto-redir =https --retry 3 "$RAIBID_DOWNLOAD/$RAIBID_SUMS" | awk -v file="$RAIBID_ASSET" '$2 == file { print $1 }')
  [ -n "$stated" ] ||
    refuse "$RAIBID_SUMS of k3s $RAIBID_VERSION cannot be read or does not name $RAIBID_ASSET; nothing was changed"
  curl -fsSL --proto-redir =https --retry 3 -o "$next" "$RAIBID_DOWNLOAD/$RAIBID_ASSET" ||
    refuse "cannot download $RAIBID_ASSET of k3s $RAIBID_VERSION; nothing was changed"
  actual=$(sha256 "$next")
  [ "$actual" = "$stated" ] ||
    refuse "$RAIBID_ASSET of k3s $RAIBID_VERSION: SHA-256 is $actual, the release states $stated; nothing was changed"
  [ -z "$RAIBID_SHA256" ] || [ "$actual" = "$RAIBID_SHA256" ] ||
    refuse "$RAIBID_ASSET of k3s $RAIBID_VERSION: SHA-256 is $actual, the stack's checksums say $RAIBID_SHA256; \
the release was changed or the pin is wrong; nothing was changed"
}

snapshot() {
  [ "$RAIBID_ROLE" = server ] && [ -n "$installed" ] && systemctl is-active --quiet "$RAIBID_SERVICE" || return 0
  "$binary" etcd-snapshot save --name "before-$(printf '%s' "$RAIBID_VERSION" | tr '+' '-')" >&2 ||
    refuse "no snapshot of k3s $installed could be taken, so it was not upgraded"
}

replace_binary() {
  begin usr/local/bin/k3s
  chmod 0755 "$next"
  [ ! -x "$binary" ] || cp -p "$binary" "$binary.previous"
  mv "$next" "$binary"
  note usr/local/bin/k3s
}

# --- files ---------------------------------------------------------------------------------------------------------
write_files() {
  while read -r mode path; do
    target=$root/$path
    if [ -f "$target" ] && cmp -s "$bundle/files/$path" "$target"; then
      chmod "$mode" "$target"
      continue
    fi
    begin "$path"
    (umask 022 && mkdir -p "$(dirname "$target")")
    install -m "$mode" "$bundle/files/$path" "$target.raibid-next"
    mv "$target.raibid-next" "$target"
    note "$path"
  done <"$bundle/modes"
}

# Other lines of /etc/hosts are somebody else's; no restart hangs on ours.
write_hosts() {
  hosts=$root/etc/hosts
  {
    awk '/^# raibid-ci begin/ { skip = 1 } !skip { print } /^# raibid-ci end/ { skip = 0 }' "$hosts"
    cat "$bundle/hosts"
  } >"$hosts.raibid-next"
  if cmp -s "$hosts.raibid-next" "$hosts"; then
    rm "$hosts.raibid-next"
    return
  fi
  chmod 0644 "$hosts.raibid-next"
  mv "$hosts.raibid-next" "$hosts"
  note etc/hosts
}

# --- running -------------------------------------------------------------------------------------------------------
restart() {
  systemctl daemon-reload
  systemctl enable --quiet "$RAIBID_SERVICE"
  if grep -q kubelet.conf.d "$pending"; then
    # The kubelet does not start when its checkpoint was made under another CPU policy.
    systemctl stop "$RAIBID_SERVICE"
    rm -f "$root/var/lib/kubelet/cpu_manager_state" "$root/var/lib/kubelet/memory_manager_state"
  fi
  # The unit is Type=notify: this returns when k3s says that it is up, or has failed.
  timeout "$RAIBID_PATIENCE" systemctl restart "$RAIBID_SERVICE" || explain "k3s did not start"
}

wait_until_ready() {
  [ "$RAIBID_ROLE" = server ] || return 0
  deadline=$(($(date +%s) + RAIBID_PATIENCE))
  until "$binary" kubectl get --raw=/readyz >/dev/null 2>&1; do
    [ "$(date +%s)" -lt "$deadline" ] || explain "k3s runs, but its API was not ready within $RAIBID_PATIENCE s"
    sleep 1
  done
  for condition in create condition=Ready; do
    "$binary" kubectl wait "--for=$condition" "node/$RAIBID_NODE" "--timeout=${RAIBID_PATIENCE}s" >&2 ||
      explain "node $RAIBID_NODE is not ready"
  done
}

explain() {
  journalctl -u "$RAIBID_SERVICE" -n 20 --no-pager >&2 || true
  refuse "$1; the next run tries again (before it: $binary.previous, docs/host.md)"
}

trap 'rm -f "$next"' EXIT
installed=$(installed_version)
refuse_downgrade
refuse_other_token
refuse_broken_hosts
if ! is_wanted; then
  fetch
  snapshot
  replace_binary
fi
write_files
write_hosts
sysctl -q -p "$root/etc/sysctl.d/90-k3s.conf"
restarted=false
if [ -e "$pending" ]; then
  restart
  restarted=true
fi
wait_until_ready
rm -f "$pending"

# The kubeconfig's digest: when k3s wrote a new one, the command that reads it has to run again.
kubeconfig=
[ "$RAIBID_ROLE" != server ] || kubeconfig=$(sha256 "$root/etc/rancher/k3s/k3s.yaml")
printf '{"version":"%s","changed":[%s],"restarted":%s,"kubeconfig":"%s"}\n' \
  "$RAIBID_VERSION" "$changed" "$restarted" "$kubeconfig"
