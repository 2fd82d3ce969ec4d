#!/usr/bin/env bash
# Release an image: migrate, wait for that, roll out. Nothing is rolled out when the migration failed.
#
#   bash deploy/kubernetes/rollout.sh registry.example.com/taskman@sha256:...
#
# It needs kubectl, its context set, and kustomize. ROLLOUT_TIMEOUT bounds the migration and the rollout, in seconds.
set -euo pipefail
image=${1:?name the image}
limit=${ROLLOUT_TIMEOUT:-2100} # longer than the Job's activeDeadlineSeconds
job=job/taskman-migrate

# In a copy: a release leaves no change in the checkout.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R "$(dirname "$0")/migrate" "$(dirname "$0")/app" "$work"
for part in migrate app; do
  (cd "$work/$part" && kustomize edit set image "taskman=$image")
done

# A Job's template cannot be changed. Should the old one still run, it gets SIGTERM and rolls its step back.
kubectl delete "$job" --ignore-not-found --cascade=foreground --wait --timeout="${limit}s"
kubectl apply --kustomize "$work/migrate"

# `kubectl wait` knows one condition: waiting for "complete" alone would sit out the time limit after a failure.
until kubectl wait --for=condition=complete --timeout=5s "$job" 2>/dev/null; do
  if kubectl wait --for=condition=failed --timeout=0 "$job" 2>/dev/null || [ "$SECONDS" -ge "$limit" ]; then
    echo 'The migration did not succeed, and nothing was rolled out. Its log:' >&2
    kubectl logs --selector=app.kubernetes.io/name=taskman-migrate --tail=-1 --prefix >&2 || true
    exit 1
  fi
done

kubectl apply --kustomize "$work/app"
kubectl rollout status deployment/taskman --timeout="${limit}s"
