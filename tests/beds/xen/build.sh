#!/bin/bash
# build.sh DIR: makes in DIR what QEMU needs to be a Xen host, from Debian packages only: xen (the
# hypervisor), vmlinux and initrd.gz (Dom0's kernel), root.img (Dom0's disk), root_key and host_key.
# Needs root, and a network if the packages are not in DIR yet. Does nothing if DIR is up to date.
set -euo pipefail

suite=bookworm
abi=4.17
packages=xen-utils-$abi,xen-utils-common,openssh-server,sudo,busybox-static,kmod,iproute2,procps
disk_modules="virtio_pci virtio_blk ext4 crc32c_generic"
dom0_modules="$disk_modules virtio_net af_packet xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs"

fail() {
	echo "build.sh: error: $*" >&2
	exit 1
}

say() { echo "build.sh: $SECONDS s: $*"; }

[ $# -eq 1 ] || fail 'usage: build.sh DIR'
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")"

# Built already? The inputs are the files here; what is in the packages changes with the suite only.
inputs=$(find . -type f ! -name '*.go' ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum | sha256sum)
[ "$(cat "$out/inputs" 2>/dev/null)" != "$inputs" ] || exit 0
[ "$(id -u)" -eq 0 ] || fail 'needs root'
rm -f "$out/inputs"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT

# mirrors prints the addresses that this machine's apt uses.
# shellcheck disable=SC2016 # apt expands it
mirrors() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's#/$##' | sort -u; }

# packages_of_dom0 makes Dom0's file system with all its packages, and /kernel with those of the
# hypervisor and the kernel, as they are.
packages_of_dom0() {
	local main security
	main=$(mirrors | grep -v security | head -n 1 || true)
	security=$(mirrors | grep security | head -n 1 || true)
	[ -n "$main" ] || fail 'apt has no mirror'
	# shellcheck disable=SC2016 # mmdebstrap's shell expands it
	mmdebstrap --quiet --mode=root --format=tar --variant=minbase \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/info/*' --include="$packages" \
		--customize-hook='mkdir "$1/kernel"' \
		--customize-hook='export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; cd "$1/kernel"; kernel=$(apt-cache depends linux-image-amd64 | sed -n "s/^ *Depends: *//p" | head -n 1); apt-get -qq -o APT::Sandbox::User=root download xen-hypervisor-'"$abi"'-amd64 "$kernel"' \
		"$suite" "$1" "deb $main $suite main" ${security:+"deb $security $suite-security main"} >&2
}

# modules prints the files of kernel modules and of all that they need, in the order of loading.
modules() {
	local module
	for module; do
		modprobe -d "$work/kernel" -S "$kernel" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# unpack_kernel prints the kernel of a bzImage as ELF: unpacked under emulation it would take long.
# Linux's Documentation/arch/x86/boot.rst has the fields; the last 4 bytes are the size.
unpack_kernel() {
	local sectors offset length
	number() { od -A n -t "u$2" -j "$1" -N "$2" "$image" | tr -d ' '; }
	local image=$1
	sectors=$(number $((0x1f1)) 1)
	offset=$(number $((0x248)) 4)
	length=$(number $((0x24c)) 4)
	dd if="$image" bs=1M iflag=skip_bytes,count_bytes skip=$(((sectors + 1) * 512 + offset)) count=$((length - 4)) status=none |
		xz -dc --single-stream
}

# pack makes an initrd of a directory.
pack() { (cd "$1" && find . | sort | cpio --quiet -o -H newc -R 0:0 | gzip -1); }

tar=$out/packages-$(echo "$suite $packages" | sha256sum | head -c 12).tar
if [ ! -e "$tar" ]; then
	rm -f "$out"/packages-*.tar
	packages_of_dom0 "$work/packages.tar"
	mv "$work/packages.tar" "$tar"
	say "packages of Dom0"
fi

root=$work/root
mkdir "$root"
tar -C "$root" -xf "$tar"
for package in "$root"/kernel/*.deb; do
	dpkg -x "$package" "$work/kernel"
done
rm -rf "$root/kernel"
kernel=$(ls "$work/kernel/lib/modules")
depmod -b "$work/kernel" "$kernel"
gzip -dc "$work/kernel/boot/xen-$abi-amd64.gz" >"$out/xen"
unpack_kernel "$work/kernel/boot/vmlinuz-$kernel" >"$out/vmlinux"
say "hypervisor and kernel $kernel"

# Dom0's initrd: enough to reach the disk.
mkdir -p "$work"/initrd/{bin,dev,proc,sys,mnt,modules}
cp "$root/bin/busybox" "$work/initrd/bin/"
ln -s busybox "$work/initrd/bin/sh"
install -m 0755 dom0-init "$work/initrd/init"
# shellcheck disable=SC2086 # words
modules $disk_modules | awk '{ printf "%s %02d\n", $1, NR }' | while read -r file number; do
	cp "$file" "$work/initrd/modules/$number-${file##*/}"
done
pack "$work/initrd" >"$out/initrd.gz"

# The guests: Linux with busybox, and a stub without an operating system.
mkdir -p "$work"/guest/{bin,sbin,dev,proc,sys,tmp}
cp "$root/bin/busybox" "$work/guest/bin/"
ln -s busybox "$work/guest/bin/sh"
for program in poweroff reboot; do
	printf '#!/bin/sh\nexec /bin/busybox %s -f\n' $program >"$work/guest/sbin/$program"
	chmod 0755 "$work/guest/sbin/$program"
done
install -m 0755 guest/init "$work/guest/init"
mkdir "$root/guest"
pack "$work/guest" >"$root/guest/initrd.gz"
cp "$out/vmlinux" "$root/guest/"
gcc -c -o "$work/stub.o" guest/stub.S
ld -nostdlib -static -z max-page-size=4096 --no-warn-rwx-segments --build-id=none -T guest/stub.ld -o "$root/guest/stub.elf" "$work/stub.o"

# Dom0's disk.
# shellcheck disable=SC2086 # words
modules $dom0_modules | while read -r file; do
	install -D -m 0644 "$file" "$root${file#"$work/kernel"}"
done
cp "$work/kernel/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$kernel/"
depmod -b "$root" "$kernel"
cp -R --preserve=mode dom0/. "$root/"
rm -rf "$root"/var/cache/* "$root"/var/lib/apt/lists/* "$root"/etc/ssh/ssh_host_*
for key in root_key host_key; do
	rm -f "$out/$key" "$out/$key.pub"
	ssh-keygen -q -t ed25519 -N '' -C "$key" -f "$out/$key"
done
install -D -m 0600 "$out/root_key.pub" "$root/root/.ssh/authorized_keys"
install -m 0600 "$out/host_key" "$root/etc/ssh/ssh_host_ed25519_key"
chown -R 0:0 "$root/root" "$root/etc/ssh" "$root/usr/local"
# Room for what Dom0 writes, and three images of a guest.
kib=$(du -sk "$root" | cut -f 1)
rm -f "$out/root.img"
mke2fs -q -t ext4 -O ^has_journal -m 0 -d "$root" "$out/root.img" $((kib * 5 / 4 + 65536 + 3 * 102400))k >/dev/null
# Whoever has the checkout can remove it.
chown -R --reference="$out/.." "$out"
echo "$inputs" >"$out/inputs"
say "all of it"
