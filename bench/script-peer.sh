#!/bin/sh
# The peer of `sbx apply` on fakes: a network namespace, N VMMs in it, and for each the calls that bring a VM up, all VMs
# at once, with curl. No plan, no state, no checks. Arguments: N, folder (with bin/cloud-hypervisor and vmlinuz).
set -eu
count=$1
folder=$2
base=http://localhost/api/v1

unshare --net sleep 600 &
holder=$!
trap 'kill "$holder"' EXIT
until [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do :; done

bring_up() {
  socket=$folder/$1.sock
  nsenter --target "$holder" --net "$folder/bin/cloud-hypervisor" --api-socket "path=$socket" \
    --event-monitor "path=$folder/$1.events" >"$folder/$1.log" 2>&1 &
  until [ -S "$socket" ]; do sleep 0.01; done
  curl -sf --unix-socket "$socket" -o "$folder/$1.ping" "$base/vmm.ping"
  curl -sf --unix-socket "$socket" -X PUT -H 'Content-Type: application/json' -d "$2" "$base/vm.create"
  curl -sf --unix-socket "$socket" -X PUT "$base/vm.boot"
}

calls=''
i=0
while [ "$i" -lt "$count" ]; do
  bring_up "$i" "{\"cpus\":{\"boot_vcpus\":1,\"max_vcpus\":1},\"memory\":{\"size\":268435456},\"payload\":{\"kernel\":\"$folder/vmlinuz\",\"cmdline\":\"console=ttyS0\"},\"rng\":{\"src\":\"/dev/urandom\"},\"serial\":{\"mode\":\"File\",\"file\":\"$folder/$i.serial\"},\"console\":{\"mode\":\"Off\"},\"vsock\":{\"cid\":$((i + 3)),\"socket\":\"$folder/$i.vsock\"}}" &
  calls="$calls $!"
  i=$((i + 1))
done
for call in $calls; do wait "$call"; done
