#!/bin/sh
# The holder of a sandbox: two small processes that outlive sbx.
#   holder.sh keep  HOME INSTANCE RUN          inside new namespaces: sets them up, then becomes `held`
#   holder.sh held  HOME INSTANCE RUN          keeps the namespaces by existing
#   holder.sh watch HOME INSTANCE RUN LOGS COMMAND… outside: starts COMMAND when the lease in RUN/lease has run out, and keeps
#                                              the logs in the folder LOGS within bounds
# HOME and INSTANCE are there to be read in /proc. Everything is in functions, so that a newer file does not disturb a running one.

# Where Debian keeps ip for everybody, and what an ordinary user's PATH leaves out.
PATH=$PATH:/usr/sbin:/sbin

say() {
  echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) holder: $*"
}

# A setting that this kernel does not have needs no change.
set_sysctl() {
  [ ! -e "/proc/sys/net/$1" ] || echo "$2" >"/proc/sys/net/$1"
}

keep() {
  ip link set lo up || exit 1
  set_sysctl ipv4/ip_forward 1 || exit 1
  # No IPv6 in the namespace itself; guests have it among each other.
  set_sysctl ipv6/conf/default/disable_ipv6 1
  set_sysctl ipv6/conf/all/disable_ipv6 1
  # Frames within one bridge are no business of the packet filter.
  set_sysctl bridge/bridge-nf-call-iptables 0
  set_sysctl bridge/bridge-nf-call-ip6tables 0
  # Lets sbx read the links as files; where the mount is refused it asks `ip`.
  mount -t sysfs -o ro sbx /sys 2>/dev/null
  exec /bin/sh "$0" held "$@"
}

held() {
  fifo="$3/keep"
  # Whatever else is there makes way; the folder may have gone since it was made.
  [ -p "$fifo" ] || { rm -rf "$fifo" && mkdir -p -m 700 "$3" && mkfifo -m 600 "$fifo"; } || exit 1
  # Open at both ends, a FIFO never ends: this waits for ever, with no second process and no timer.
  exec 3<>"$fifo"
  while :; do read -r _ <&3; done
}

# Waits until the time is over or a signal came; SIGCONT says that the lease was written.
pause() {
  sleep "$1" &
  sleeper=$!
  wait "$sleeper" || kill "$sleeper" 2>/dev/null
  sleeper=
}

# The end of the lease as sbx wrote it last, and whether a file that says nothing was told of. A file that is damaged or gone
# ends no lease and makes none endless: the end that was read last counts on. Only a whole line that is empty says "no end".
known=
told=

read_lease() {
  lease=
  if [ -f "$1" ] && { read -r lease <"$1" || [ -n "$lease" ]; } 2>/dev/null; then
    case $lease in
      *[!0-9]* | ?????????????*) ;;
      *)
        known=$lease
        told=
        return
        ;;
    esac
  fi
  lease=$known
  [ -z "$told" ] || return 0
  told=yes
  say "the lease in $1 cannot be read; what counts is the end read before: ${known:-none}"
}

# Seconds until the lease ends, at most 30: the wall clock may jump, so it is looked at again and again.
remaining() {
  read_lease "$1"
  case $lease in
    '') left=30 ;;
    *)
      now=$(date +%s)
      case $now in
        # A `date` that was killed, or could not start, tells nothing: asked again soon.
        '' | *[!0-9]*) left=5 ;;
        *) left=$((lease - now)) ;;
      esac
      [ "$left" -le 30 ] || left=30
      ;;
  esac
}

# A log of more than 16 MiB keeps its last 8: what is before becomes a hole, so that whoever writes it or reads it goes on as
# before. Where a file system knows no holes it is emptied. `du` counts what a file takes, not what its length says.
trim_log='
  size=$(wc -c <"$1") && used=$(du -k "$1") && used=${used%%[!0-9]*} && [ "$used" -gt 16384 ] || exit 0
  fallocate --punch-hole --offset 0 --length $((size - 8388608)) "$1" 2>/dev/null || : >"$1"
  echo trimmed
'

# While a guest writes without end its logs are looked at more often.
trim_logs() {
  trimmed=$(find "$1" -type f -name "*.log*" -size +16384k -exec /bin/sh -c "$trim_log" sh {} \; 2>/dev/null)
  [ -z "$trimmed" ] || [ "$left" -le 3 ] || left=3
}

# The command ends this process as its last act, so it must not be waited for in a way that holds it up.
expire() {
  say "the lease has run out: $*"
  "$@" </dev/null &
  wait $!
  code=$?
  say "the command ended with $code"
}

watch() {
  run=$3
  logs=$4
  shift 4
  sleeper=
  trap '[ -z "$sleeper" ] || kill "$sleeper"; exit 0' TERM INT HUP
  trap : CONT
  delay=5
  while :; do
    remaining "$run/lease"
    if [ "$left" -gt 0 ]; then
      delay=5
      trim_logs "$logs"
      pause "$left"
    else
      expire "$@"
      [ -d "$run" ] || exit 0
      remaining "$run/lease"
      if [ "$left" -le 0 ]; then
        pause "$delay"
        delay=$((delay * 2))
        [ "$delay" -le 300 ] || delay=300
      fi
    fi
  done
}

case $1 in
  keep | held | watch) "$@" ;;
  *) exit 64 ;;
esac
exit
