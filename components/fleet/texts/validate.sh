#!/usr/bin/env bash
# The gate of this repository: what Flux or the API server would refuse is refused here, with the file's name.
# Needs bash, git, kubectl; with kubeconform on PATH, schemas are checked too. Changes nothing.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
command -v kubectl >/dev/null || { echo "kubectl is missing: nothing can be built" >&2; exit 2; }

failed=0
fail() {
    printf '%s: %s\n' "$1" "$2" >&2
    failed=1
}

mapfile -d '' -t files < <(find . -path ./.git -prune -o -type f \( -name '*.yaml' -o -name '*.yml' \) -print0 | sort -z)

for file in "${files[@]}"; do
    if grep -q '^<<<<<<< ' "$file"; then fail "$file" "an unresolved merge conflict"; fi
    if grep -q 'AGE-SECRET-KEY-' "$file"; then fail "$file" "a private age key: take it out of the history, then rotate"; fi
    if grep -q '^kind: Secret$' "$file" && ! grep -q '^sops:' "$file"; then
        fail "$file" "a Secret in clear: sops encrypt --in-place $file"
    fi
    if [[ $file == *.enc.y*ml ]] && ! grep -q 'ENC\[AES256_GCM,' "$file"; then
        fail "$file" "named as encrypted, but nothing in it is"
    fi
    if grep -nE '^[[:space:]-]*image:[[:space:]]*"?[^"[:space:]]+:latest"?[[:space:]]*$' "$file" >&2; then
        fail "$file" "an image :latest: name a fixed tag"
    fi
done

# Every directory that Flux builds: the entry of each cluster, and what its Kustomizations name as their path.
mapfile -t roots < <(
    for cluster in clusters/*/; do printf '%s\n' "${cluster%/}"; done
    grep -hoE '^[[:space:]]+path:[[:space:]]*\./[^[:space:]]+' -r clusters 2>/dev/null | sed -E 's/.*\.\///' | sort -u
)
for root in "${roots[@]}"; do
    # A directory without a kustomization.yaml of its own is one that Flux generates the file for.
    [[ -f $root/kustomization.yaml ]] || { [[ -d $root ]] || fail "$root" "named as a path, but there is no such directory"; continue; }
    if ! built=$(kubectl kustomize "$root" 2>&1); then
        fail "$root" "$built"
    elif command -v kubeconform >/dev/null; then
        kubeconform -strict -ignore-missing-schemas <<<"$built" >&2 || fail "$root" "does not match its schemas"
    fi
done

if ((failed)); then exit 1; fi
echo "${#files[@]} files, ${#roots[@]} overlays: good"
