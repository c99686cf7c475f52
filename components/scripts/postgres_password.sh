#!/bin/sh
# After each start of PostgreSQL: Gitea's role has the stack's password. The image sets it in an empty directory only,
# so a rotated one would otherwise lock Gitea out.
set -eu

# By TCP: while the image initialises the directory its server listens on the socket alone and must not be disturbed.
deadline=$(($(date +%s) + ${RAIBID_PATIENCE:-300}))
until pg_isready -q -h 127.0.0.1; do
  if [ "$(date +%s)" -ge "$deadline" ]; then
    echo "raibid: PostgreSQL does not answer" >&2
    exit 1
  fi
  sleep 1
done

# psql reads the file itself: no argument, no environment, and with log_statement off no log holds the password.
psql -q -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" <<'SQL'
SET log_statement TO 'none';
SET log_min_error_statement TO 'panic';
\set password `cat "$POSTGRES_PASSWORD_FILE"`
ALTER ROLE CURRENT_USER PASSWORD :'password';
SQL
