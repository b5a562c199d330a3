#!/usr/bin/env bash
# Runs a program on several hosts that this machine emulates: a network namespace per host, all on one bridge, each behind
# a card with a rate and a time per packet (tc tbf, whose overhead is charged per packet). Ranks of one host share memory,
# ranks of different hosts speak TCP. The kernel cannot delay packets (netem is not in it), so links have no latency.
# usage: scripts/emulated_hosts.sh [--check] HOSTS RANKS_PER_HOST BYTES_PER_S PACKET_S PROGRAM [ARGS...]
# Leaves nothing behind. Exit code 77 and a reason where this machine does not allow it; else mpirun's.
set -euo pipefail

MTU=9000  # jumbo frames
NAME=mo$$  # of interfaces, which may have 15 characters
NETWORK=10.213.77
# Messages of up to 4 MiB leave at once, whatever their size, without a handshake that waits in the same queues.
EAGER=(--mca btl_tcp_eager_limit 4194304 --mca btl_tcp_rndv_eager_limit 4194304 --mca btl_tcp_max_send_size 4194304)

skip() {
  echo "emulated_hosts: skipped: $*" >&2
  exit 77
}

check() {
  ((EUID == 0)) || skip "network namespaces need root"
  local tool
  for tool in ip tc mpirun unshare; do command -v "$tool" >/dev/null || skip "$tool is not installed"; done
  ip netns add "$NAME-try" 2>/dev/null || skip "this machine does not allow network namespaces"
  local works=0
  ip -n "$NAME-try" link add "$NAME-a" type veth peer name "$NAME-b" 2>/dev/null &&
    ip -n "$NAME-try" link add "$NAME-c" type bridge 2>/dev/null &&
    tc -n "$NAME-try" qdisc add dev "$NAME-a" root tbf rate 1mbit burst 100000 latency 1s overhead 1000 2>/dev/null &&
    works=1
  ip netns del "$NAME-try"
  ((works)) || skip "this kernel lacks veth, bridge or tbf"
}

# The bucket holds one packet, so the first after a pause passes free, and larger segments of TCP are cut before it.
card() { # NAMESPACE INTERFACE
  local overhead
  overhead=$(awk -v r="$BYTES_PER_S" -v s="$PACKET_S" 'BEGIN { printf "%d", r * s }')
  ((overhead <= 65535)) || skip "a packet may cost at most 65535 bytes at the rate, not $overhead"
  tc -n "$1" qdisc add dev "$2" root tbf rate "$(awk -v r="$BYTES_PER_S" 'BEGIN { printf "%d", 8 * r }')bit" \
    burst $((MTU + 14)) limit 100000000 overhead "$overhead"
}

build() {
  ip netns add "$NAME-net"
  ip -n "$NAME-net" link add bridge type bridge
  ip -n "$NAME-net" link set bridge mtu $MTU up
  local host
  for ((host = 0; host < HOSTS; ++host)); do
    ip netns add "$NAME-$host"
    ip link add card netns "$NAME-$host" mtu $MTU type veth peer name "port$host" netns "$NAME-net"
    ip -n "$NAME-net" link set "port$host" mtu $MTU master bridge up
    ip -n "$NAME-$host" addr add "$NETWORK.$((host + 1))/24" dev card
    ip -n "$NAME-$host" link set card up
    ip -n "$NAME-$host" link set lo up
    card "$NAME-$host" card        # out of the host
    card "$NAME-net" "port$host"   # into the host
    echo "$NETWORK.$((host + 1)) slots=$RANKS" >>"$FOLDER/hosts"
  done
}

# What mpirun calls instead of ssh: its arguments are options, a host and a command.
write_agent() {
  cat >"$FOLDER/agent" <<AGENT
#!/usr/bin/env bash
while [[ \$1 == -* ]]; do shift; done
host=\$((\${1##*.} - 1))
shift
exec ip netns exec "$NAME-\$host" unshare --uts bash -c "hostname $NAME-\$host; \$*"
AGENT
  chmod +x "$FOLDER/agent"
}

clean() {
  local host
  for ((host = 0; host < HOSTS; ++host)); do ip netns del "$NAME-$host" 2>/dev/null || true; done
  ip netns del "$NAME-net" 2>/dev/null || true
  rm -rf "$FOLDER"
}

main() {
  if [[ ${1:-} == --check ]]; then
    check
    return
  fi
  (($# >= 5)) || {
    sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}"
    exit 2
  }
  HOSTS=$1 RANKS=$2 BYTES_PER_S=$3 PACKET_S=$4
  shift 4
  check
  FOLDER=$(mktemp -d)
  trap clean EXIT
  trap 'exit 130' INT TERM
  build
  write_agent
  # mpirun itself stands in the first host; its own traffic passes the cards as well, before and after the program runs.
  # shellcheck disable=SC2016  # the inner shell expands them
  ip netns exec "$NAME-0" unshare --uts bash -c 'hostname "$0"; exec "$@"' "$NAME-0" \
    mpirun --allow-run-as-root --oversubscribe --bind-to none --hostfile "$FOLDER/hosts" --map-by slot \
    --mca plm_rsh_agent "$FOLDER/agent" --mca plm_rsh_no_tree_spawn 1 \
    --mca oob_tcp_if_include "$NETWORK.0/24" --mca btl_tcp_if_include "$NETWORK.0/24" \
    --mca pml ob1 --mca btl self,vader,tcp --mca mpi_yield_when_idle 1 "${EAGER[@]}" -x OMP_NUM_THREADS=1 \
    -np $((HOSTS * RANKS)) "$@"
}

main "$@"
