#!/bin/sh
# world.sh UID COMMAND…: runs COMMAND as UID on a small host of its own: a network namespace with loopback and one
# link to an "outside" with a server (192.0.2.2:8000, tcp and udp). Ports taken inside are nobody else's, and no process
# outlives it, however it ends: it has its own process numbers, too.
# Root makes it for anybody, and /dev/net/tun may then be opened by everybody, as on any distribution. An ordinary user makes it
# for this very user, and has /dev/net/tun as it is.
set -eu
if [ "${SBX_TEST_WORLD:-}" = "" ]; then
  SBX_TEST_WORLD=root
  own=
  if [ "$(id -u)" != 0 ]; then
    SBX_TEST_WORLD=user
    own="-U -r"
  fi
  SBX_TEST_GID=$(id -g)
  export SBX_TEST_WORLD SBX_TEST_GID
  exec unshare $own -n -m -p --fork --kill-child --mount-proc -- /bin/sh "$0" "$@"
fi
uid=$1
shift
gid=$(id -g "$uid" 2>/dev/null) || gid=$uid
# The runner's own loader writes where an ordinary user may not.
unset NODE_OPTIONS
here=$(dirname "$0")
PATH=$PATH:/usr/sbin:/sbin

if [ "$SBX_TEST_WORLD" = root ]; then
  node_folder=$(mktemp -d /tmp/sbx-tun-XXXXXX)
  mknod "$node_folder/tun" c 10 200
  chmod 0666 "$node_folder/tun"
  mount --bind "$node_folder/tun" /dev/net/tun
  rm -r "$node_folder"
fi

ip link set lo up
unshare -n -- sleep 7200 &
outside=$!
while [ "$(readlink /proc/$outside/ns/net)" = "$(readlink /proc/$$/ns/net)" ]; do sleep 0.01; done
ip link add wan0 type veth peer name wan0 netns "$outside"
ip addr add 192.0.2.1/24 dev wan0
ip link set wan0 up
ip route add default via 192.0.2.2
nsenter -t "$outside" -n ip addr add 192.0.2.2/24 dev wan0
nsenter -t "$outside" -n ip link set wan0 up
for protocol in tcp udp; do
  nsenter -t "$outside" -n node "$here/echo-server.mjs" "$protocol" 192.0.2.2 8000 outside >/dev/null &
  # Port 8000, as the kernel writes it.
  while ! grep -q ':1F40 ' "/proc/$outside/net/$protocol"; do sleep 0.01; done
done

code=0
if [ "$SBX_TEST_WORLD" = root ]; then
  setpriv --reuid "$uid" --regid "$gid" --clear-groups --inh-caps=-all -- "$@" || code=$?
else
  unshare -U --map-user="$uid" --map-group="$SBX_TEST_GID" -- "$@" || code=$?
fi
exit "$code"
