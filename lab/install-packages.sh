#!/bin/sh
# Installs the Debian packages that the lab needs, and only those that are missing.
set -eu

wanted="docker.io docker-cli debootstrap debian-archive-keyring iptables openssh-client
        python3-venv git curl"
PATH="$PATH:/usr/sbin:/sbin"

have() {
    command -v "$1" >/dev/null 2>&1
}

# A program that is already there counts, whoever packaged it.
present() {
    case "$1" in
        docker.io) have dockerd ;;
        docker-cli) have docker ;;
        debian-archive-keyring) [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] ;;
        openssh-client) have ssh && have ssh-keygen ;;
        python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
        *) have "$1" ;;
    esac
}

missing=""
for package in $wanted; do
    present "$package" || missing="$missing $package"
done

if [ -z "$missing" ]; then
    echo "Every package that the lab needs is installed."
    exit 0
fi

if [ "$(id -u)" -ne 0 ]; then
    echo "Missing packages:$missing. Run this as root." >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
known=""
for package in $missing; do
    # Only newer releases have docker's client in a package of its own.
    if apt-cache show "$package" >/dev/null 2>&1; then
        known="$known $package"
    elif [ "$package" != docker-cli ]; then
        echo "apt knows no package $package." >&2
        exit 1
    fi
done
echo "Installing:$known"
# Word splitting is wanted: one argument for each package.
# shellcheck disable=SC2086
apt-get install -y -qq --no-install-recommends $known
