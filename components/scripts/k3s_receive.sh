#!/bin/sh
# Takes a bundle on stdin (tar, base64) and runs its main.sh as root; the bundle's directory is its argument.
# Nothing secret may be in this text: Pulumi repeats the whole command when it fails. What is on stdin it does not.
set -eu
umask 077

bundle=$(mktemp -d)
trap 'rm -rf "$bundle"' EXIT
base64 -d | tar -xf - -C "$bundle"

if [ "$(id -u)" -eq 0 ]; then
  sh "$bundle/main.sh" "$bundle"
elif sudo -n true 2>/dev/null; then
  sudo -n sh "$bundle/main.sh" "$bundle"
else
  echo "raibid: $(id -un) is not root and sudo asks for a password; allow it without one (sudoers: NOPASSWD)" >&2
  exit 1
fi
