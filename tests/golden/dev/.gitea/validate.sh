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

scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT || exit 2
printf 'resources: [it.yaml]\n' >"$scratch/kustomization.yaml"

# Whether kustomize's output, on stdin, has a Secret that SOPS did not encrypt. It writes every spelling the same way.
has_clear_secret() {
    awk '/^---$/ { bad = bad || secret && !(sops && sealed); secret = sops = sealed = 0 }
         /^kind: Secret$/ { secret = 1 }
         /^sops:/ { sops = 1 }
         /ENC\[AES256_GCM,/ { sealed = 1 }
         END { exit !(bad || secret && !(sops && sealed)) }'
}

# The same of a file. What kustomize cannot read is judged by its text, as widely as YAML and JSON can spell it.
is_clear_secret() {
    [[ ${1##*/} != kustomization.y*ml ]] || return 1 # what it builds is judged below
    grep -q Secret "$1" && cp "$1" "$scratch/it.yaml" || return 1
    if built=$(kubectl kustomize "$scratch" 2>/dev/null); then
        has_clear_secret <<<"$built"
        return
    fi
    grep -zqE "kind[\"']?[[:space:]]*:[[:space:]]*(![^[:space:]]*[[:space:]]+)?[\"']?Secret(List)?\b" "$1" &&
        grep -qE "(data|stringData)[\"']?[[:space:]]*:" "$1"
}

mapfile -d '' -t files < <(
    find . -path ./.git -prune -o -type f \( -name '*.yaml' -o -name '*.yml' -o -name '*.json' \) -print0 | sort -z
)

for file in "${files[@]}"; do
    if grep -q '^<<<<<<< ' "$file"; then fail "$file" "an unresolved merge conflict"; fi
    if grep -q 'AGE-SECRET-KEY-' "$file"; then fail "$file" "a private age key: take it out of the history, then rotate"; fi
    if is_clear_secret "$file"; then
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
        continue
    fi
    if has_clear_secret <<<"$built"; then fail "$root" "what it builds has a Secret in clear"; fi
    if command -v kubeconform >/dev/null; then
        kubeconform -strict -ignore-missing-schemas <<<"$built" >&2 || fail "$root" "does not match its schemas"
    fi
done

if ((failed)); then exit 1; fi
echo "${#files[@]} files, ${#roots[@]} overlays: good"
