#!/bin/bash
# Runs sshd and dockerd, starts either again if it ends, and stops dockerd in good order.
# On a bare server dockerd is started as soon as its package has been set up: in place of systemd,
# which a container does not have.
set -u

log=/var/log/dockerd.log
stopping=""

# Where the kernel has only the second cgroup version, inner containers need the controllers,
# and a group can hand them on only when it holds no process itself.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true
    sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers \
        > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
fi

# A kernel without nftables still has the older tables.
iptables -t nat -L -n >/dev/null 2>&1 \
    || update-alternatives --set iptables /usr/sbin/iptables-legacy >/dev/null

start_engine() {
    # The group is made after the files are there; an engine without it would keep its socket
    # to root.
    if [ ! -x /usr/sbin/dockerd ] || ! getent group docker > /dev/null; then
        sleep 1 &
        engine=$!
        return
    fi
    # A killed engine leaves its pid behind, and a later one may find another process there.
    rm -f /run/docker.pid /run/docker/containerd/containerd.pid
    dockerd >> "$log" 2>&1 &
    engine=$!
}

start_sshd() {
    mkdir -p /run/sshd
    # Tests kill sessions by the dozen and stop sshd itself; a newer one would ban us for a while.
    forgiving=(-o PerSourcePenalties=no)
    /usr/sbin/sshd -t "${forgiving[@]}" 2>/dev/null || forgiving=()
    /usr/sbin/sshd -D -e "${forgiving[@]}" &
    sshd=$!
}

stop() {
    stopping=yes
    kill -TERM "$engine" "$sshd" 2>/dev/null
}
trap stop TERM INT

start_engine
start_sshd
while [ -z "$stopping" ]; do
    wait -n
    [ -n "$stopping" ] && break
    kill -0 "$engine" 2>/dev/null || { sleep 1; start_engine; }
    kill -0 "$sshd" 2>/dev/null || { sleep 1; start_sshd; }
done
wait "$engine"
