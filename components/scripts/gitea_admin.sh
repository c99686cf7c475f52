#!/bin/sh
# After each start of Gitea: its administrator exists and has the stack's password, a rotated one too.
# `gitea admin user create --password` would show that password to everybody who lists the host's processes. So the user
# gets a random one that nobody sees, a token of its own sets the right one, and curl reads both from its stdin.
set -eu
umask 077

admin=$RAIBID_ADMIN
password=$(cat "$RAIBID_ADMIN_PASSWORD_FILE")
base=${RAIBID_GITEA:-http://127.0.0.1:3000}
token_name=raibid-bootstrap-$(date +%s)-$$

# Answers the HTTP status; options with secrets come on stdin, in curl's own format.
ask() {
  curl -sS -o /dev/null -w '%{http_code}' --config - "$@"
}

as_admin() {
  printf 'user = "%s:%s"\n' "$admin" "$password"
}

refuse() {
  echo "raibid: $1" >&2
  exit 1
}

deadline=$(($(date +%s) + ${RAIBID_PATIENCE:-300}))
until curl -fsS -o /dev/null "$base/api/healthz" 2>/dev/null; do
  [ "$(date +%s)" -lt "$deadline" ] || refuse "Gitea does not answer at $base"
  sleep 1
done

[ "$(as_admin | ask "$base/api/v1/user")" != 200 ] || exit 0

if ! gitea admin user list | awk -v name="$admin" '$2 == name { found = 1 } END { exit !found }'; then
  gitea admin user create --admin --username "$admin" --email "$admin@$RAIBID_DOMAIN" --random-password \
    --must-change-password=false >/dev/null
fi
# Gitea's own log shares stdout and is written aside: under load a line of it came after the token (seen once).
said=$(gitea admin user generate-access-token --username "$admin" --token-name "$token_name" --scopes write:admin --raw)
token=$(printf '%s\n' "$said" | sed -n '/^[0-9a-f]\{40\}$/p')
[ -n "$token" ] || refuse "Gitea printed no token for its administrator"
status=$(printf '%s\n' \
  "header = \"Authorization: token $token\"" \
  'header = "Content-Type: application/json"' \
  "data = \"{\\\"login_name\\\":\\\"$admin\\\",\\\"source_id\\\":0,\\\"password\\\":\\\"$password\\\",\\\"must_change_password\\\":false}\"" |
  ask -X PATCH "$base/api/v1/admin/users/$admin")
[ "$status" = 200 ] || refuse "the administrator's password could not be set: HTTP $status"
status=$(as_admin | ask -X DELETE "$base/api/v1/users/$admin/tokens/$token_name")
[ "$status" = 204 ] || refuse "the bootstrap token could not be removed: HTTP $status"
