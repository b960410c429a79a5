#!/bin/sh
# Installs arkmeter from this archive, upgrades it, or removes it (`install.sh --remove`). Run it as root.
#
# It does what the packages do, with the same scripts: nothing is enabled or started, and /etc/arkmeter and /var/lib/arkmeter are kept.
set -eu
here=$(dirname "$(realpath "$0")")

fail() {
    echo "install.sh: $*" >&2
    exit 1
}

[ "$(id -u)" = 0 ] || fail "run it as root"
if dpkg-query --status arkmeter >/dev/null 2>&1 || rpm --query arkmeter >/dev/null 2>&1; then
    fail "arkmeter is installed as a package; use apt, dnf or rpm for it"
fi
command -v systemd-sysusers >/dev/null ||
    fail "this machine has no systemd. Copy usr/bin/arkmeter yourself, and see \"Without systemd\" in install.md"
"$here/usr/bin/arkmeter" --version >/dev/null 2>&1 ||
    fail "the program does not run here: is $(basename "$here") the archive for this processor ($(uname -m))?"

cd "$here"
case "${1-}" in
"")
    # install replaces a running program without changing the file that runs.
    find usr -type f | while read -r file; do
        if [ -x "$file" ]; then mode=755; else mode=644; fi
        install -D -m "$mode" "$file" "/$file"
    done
    scripts/postinstall configure
    ;;
--remove)
    scripts/preremove remove
    find usr -type f | while read -r file; do rm -f "/$file"; done
    scripts/postremove remove
    ;;
*) fail "unknown argument $1: nothing, or --remove" ;;
esac
