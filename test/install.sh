#!/bin/bash
#
# What README says of a lab host, in the test machine without the module: `make kmod`, `make kmod install`, a dump and a
# restore, `make kmod uninstall`. Compiling takes an emulated machine minutes. Argument: the kernel's build directory.

set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."
modules=/lib/modules/$(uname -r)
# The test machine has the kernel's modules read-only.
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay -o "lowerdir=$modules,upperdir=/mnt/upper,workdir=/mnt/work" overlay "$modules"
[[ -e $modules/build ]] || ln -s "$1" "$modules/build"

fail() {
	echo "install: $*" >&2
	exit 1
}
step() { printf '\n== %s\n' "$*"; }
crctl() { node dist/bin/crctl.js "$@"; }

step 'before: no module'
if crctl check; then fail 'crctl check should fail without the module'; fi

step 'make kmod'
make --no-print-directory kmod
step 'make kmod install'
make --no-print-directory kmod install
[[ -e /sys/module/crctl ]] || fail 'the module is not loaded'
[[ $(</etc/modules-load.d/crctl.conf) == *crctl* ]] || fail 'the module will not be loaded at boot'
dkms status crctl | grep -q ': installed' || fail 'DKMS does not have it'
[[ $(modinfo -F filename crctl) == */updates/dkms/* ]] || fail 'modprobe would take another one'
crctl check

step 'a dump and a restore'
work=$(mktemp -d)
setsid sleep 1000 </dev/null >/dev/null 2>&1 &
pid=$!
disown
crctl dump -t $pid -D "$work/image"
[[ ! -e /proc/$pid ]] || fail 'the task is still there'
crctl restore -d -D "$work/image"
[[ $(</proc/$pid/comm) == sleep ]] || fail 'the task is not back'
kill $pid

step 'make kmod install, again, over itself'
make --no-print-directory kmod install
[[ -e /sys/module/crctl ]] || fail 'the module is not loaded'

step 'make kmod uninstall'
make --no-print-directory kmod uninstall
[[ ! -e /sys/module/crctl ]] || fail 'the module is still loaded'
for left in /usr/src/crctl-* /etc/modules-load.d/crctl.conf /etc/modprobe.d/crctl.conf; do
	[[ ! -e $left ]] || fail "$left is still there"
done
if modinfo crctl >/dev/null 2>&1; then fail 'modprobe still knows the module'; fi
echo '1 passed, 0 failed'
