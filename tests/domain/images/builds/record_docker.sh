#!/usr/bin/env bash
# Build an image, push it to a registry on this machine with a Docker Engine of its own (dockerd; needs root, curl, and
# docker-registry), and keep the outputs of docker: record_docker.sh FOLDER
#
# docker-registry.json contains the digest of the image according to the registry.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
image=localhost:$port/acme/detector:1.2
trap 'kill "${engine:-}" "${registry:-}" 2> /dev/null; wait; rm -rf "$work"' EXIT

cat > "$work/registry.yml" <<CONFIGURATION
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
CONFIGURATION
docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 &
registry=$!
dockerd --iptables=false --ip6tables=false --bridge=none --storage-driver=vfs --data-root "$work/data" \
    --exec-root "$work/exec" --pidfile "$work/dockerd.pid" --host "unix://$work/docker.sock" > "$work/dockerd.log" 2>&1 &
engine=$!
export DOCKER_HOST=unix://$work/docker.sock DOCKER_BUILDKIT=0
until docker version > /dev/null 2>&1; do kill -0 "$engine"; done

mkdir "$work/context"
echo 'def predict(text): ...' > "$work/context/predict.py"
printf 'FROM scratch\nCOPY predict.py /app/predict.py\n' > "$work/context/Dockerfile"

docker build --quiet --iidfile "$folder/docker.iidfile" --tag "$image" "$work/context" > "$folder/docker-build-q.txt"
docker image inspect "$image" > "$folder/docker-inspect-not-pushed.json"
docker push "$image" > "$folder/docker-push.txt"
curl --silent --fail --unix-socket "$work/docker.sock" --request POST --header "X-Registry-Auth: e30=" \
    "http://docker/v1.41/images/${image%:*}/push?tag=${image##*:}" > "$folder/docker-push.jsonl"
curl --silent --unix-socket "$work/docker.sock" --request POST --header "X-Registry-Auth: e30=" \
    "http://docker/v1.41/images/${image%:*}/push?tag=lost" > "$folder/docker-push-failed.jsonl"
docker image inspect "$image" > "$folder/docker-inspect.json"
docker image inspect --format '{{.RepoDigests}}' "$image" > "$folder/docker-repodigests.txt"
docker image inspect --format '{{json .RepoDigests}}' "$image" > "$folder/docker-repodigests.json"
docker save --output "$folder/docker-save.tar" "$image"

python3 - "$port" > "$folder/docker-registry.json" <<'PYTHON'
import json, sys, urllib.request

url = f"http://localhost:{sys.argv[1]}/v2/acme/detector/manifests/1.2"
accept = "application/vnd.docker.distribution.manifest.v2+json"
with urllib.request.urlopen(urllib.request.Request(url, method="HEAD", headers={"accept": accept})) as response:
    print(json.dumps({"1.2": response.headers["docker-content-digest"]}))
PYTHON
docker version --format 'docker engine {{.Server.Version}}' > "$folder/docker-made-by.txt"
