#!/usr/bin/env bash
# Build images, push them to a registry on this machine with tools from Debian (buildah, podman, skopeo, umoci,
# docker-registry), and keep the outputs of each tool: record.sh FOLDER
#
# registry.json contains the digest of each image according to the registry. It must be found in the other files.
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
work=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
repository=localhost:$port/acme/detector
trap '[ -z "${registry:-}" ] || kill "$registry"; rm -rf "$work"' EXIT

export STORAGE_DRIVER=vfs BUILDAH_ISOLATION=chroot
echo '{"default": [{"type": "insecureAcceptAnything"}]}' > "$work/policy.json"
storage=(--root "$work/storage" --runroot "$work/run")
policy=(--signature-policy "$work/policy.json")

cat > "$work/registry.yml" <<CONFIGURATION
version: 0.1
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
CONFIGURATION
docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 &
registry=$!
until python3 -c "import socket; socket.create_connection(('127.0.0.1', $port)).close()" 2> /dev/null; do
    kill -0 "$registry"
done

mkdir "$work/context"
echo 'def predict(text): ...' > "$work/context/predict.py"
cat > "$work/context/Containerfile" <<CONTAINERFILE
FROM scratch
COPY predict.py /app/predict.py
ENTRYPOINT ["python", "/app/predict.py"]
CONTAINERFILE

build() { buildah "${storage[@]}" "${policy[@]}" build "$@" "$work/context" > /dev/null 2>> "$work/log"; }
quietly() { "$@" > /dev/null 2>> "$work/log" || { cat "$work/log" >&2; return 1; }; }

# One image. Its iidfile holds the digest of its config, which is not the image's.
build --iidfile "$folder/buildah.iidfile" --tag "$repository:1.2"
quietly buildah "${storage[@]}" "${policy[@]}" push --tls-verify=false \
    --digestfile "$folder/buildah.digestfile" "$repository:1.2"
quietly podman "${storage[@]}" push "${policy[@]}" --tls-verify=false \
    --digestfile "$folder/podman.digestfile" "$repository:1.2" "docker://$repository:podman"
quietly skopeo --policy "$work/policy.json" copy --src-tls-verify=false --dest-tls-verify=false \
    --digestfile "$folder/skopeo.digestfile" "docker://$repository:1.2" "docker://$repository:skopeo"
quietly skopeo --policy "$work/policy.json" copy --src-tls-verify=false "docker://$repository:1.2" \
    "oci:$folder/skopeo.layout:1.2"
quietly podman "${storage[@]}" save "${policy[@]}" --format oci-dir --output "$folder/podman.layout" "$repository:1.2"


# The tools' descriptions of the image, and archives of it.
skopeo inspect --tls-verify=false "docker://$repository:1.2" > "$folder/skopeo-inspect.json"
podman "${storage[@]}" image inspect "$repository:1.2" \
    | python3 -c 'import json, sys; images = json.load(sys.stdin); del images[0]["GraphDriver"]; json.dump(images, sys.stdout, indent=1)' \
    > "$folder/podman-inspect.json"
podman "${storage[@]}" image inspect --format '{{json .RepoDigests}}' "$repository:1.2" > "$folder/podman-repodigests.json"
buildah "${storage[@]}" images --json "$repository:1.2" > "$folder/buildah-images.json"
quietly buildah "${storage[@]}" tag "$repository:1.2" localhost/acme/detector:1.2
driver=$(buildah "${storage[@]}" info --format '{{.store.GraphDriverName}}')
skopeo --policy "$work/policy.json" inspect \
    "containers-storage:[$driver@$work/storage+$work/run]localhost/acme/detector:1.2" > "$folder/skopeo-inspect-local.json"
quietly skopeo --policy "$work/policy.json" copy --src-tls-verify=false "docker://$repository:1.2" \
    "oci-archive:$folder/skopeo.oci.tar:1.2"
gzip --no-name < "$folder/skopeo.oci.tar" > "$folder/skopeo.oci.tar.gz"
quietly podman "${storage[@]}" save "${policy[@]}" --format oci-archive --output "$folder/podman.oci.tar" "$repository:1.2"
quietly podman "${storage[@]}" save "${policy[@]}" --format docker-archive --output "$folder/podman.docker.tar" \
    "$repository:1.2"
quietly podman "${storage[@]}" save "${policy[@]}" --format oci-dir --uncompressed \
    --output "$folder/podman-uncompressed.layout" "$repository:1.2"

# One image for two platforms.
quietly buildah "${storage[@]}" manifest create platforms
for architecture in amd64 arm64; do
    build --arch "$architecture" --manifest platforms
done
quietly buildah "${storage[@]}" "${policy[@]}" manifest push --all --tls-verify=false \
    --digestfile "$folder/buildah-platforms.digestfile" platforms "docker://$repository:platforms"
skopeo inspect --raw --tls-verify=false "docker://$repository:platforms" > "$folder/skopeo-raw-index.json"

# Both images in one layout, and a layout with an image that was never pushed.
quietly skopeo --policy "$work/policy.json" copy --src-tls-verify=false "docker://$repository:1.2" \
    "oci:$folder/skopeo-two.layout:1.2"
quietly skopeo --policy "$work/policy.json" copy --all --src-tls-verify=false "docker://$repository:platforms" \
    "oci:$folder/skopeo-two.layout:platforms"
quietly umoci init --layout "$folder/umoci.layout"
quietly umoci new --image "$folder/umoci.layout:latest"

python3 - "$port" > "$folder/registry.json" <<'PYTHON'
import json, sys, urllib.request

kinds = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
digests = {}
for tag in ("1.2", "podman", "skopeo", "platforms"):
    url = f"http://localhost:{sys.argv[1]}/v2/acme/detector/manifests/{tag}"
    with urllib.request.urlopen(urllib.request.Request(url, method="HEAD", headers={"accept": kinds})) as response:
        digests[tag] = response.headers["docker-content-digest"]
print(json.dumps(digests, indent=2))
PYTHON

for tool in buildah podman skopeo umoci docker-registry; do
    echo "$tool $($tool --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+' | head -n 1)"
done > "$folder/made-by.txt"
