#!/bin/sh
# Installs the programs that the tests talk to, where they are missing. Debian
# and its derivatives only; elsewhere it says what is missing. No service is
# started: the tests start their own daemons, on their own addresses. npm's client
# of XenAPI goes to bin/npm, and the BMC made of go-ipmi to bin/goipmi-bmc.
set -eu

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# program, and the packages it comes with
peers='
cc                 gcc libc6-dev
corosync           corosync
cpio               cpio
crm                crmsh
crm_verify         pacemaker-cli-utils
depmod             kmod
fakebmc            python3-pyghmi
fence_legacy       pacemaker
fence_ipmilan      fence-agents
fence_xenapi       fence-agents
ip                 iproute2
ipmi_sim           openipmi
ipmitool           ipmitool
ld                 binutils
mandoc             mandoc
mke2fs             e2fsprogs
mmdebstrap         mmdebstrap
node               nodejs
npm                npm
pacemakerd         pacemaker
pcs                pcs
qemu-img           qemu-utils
qemu-system-x86_64 qemu-system-x86 seabios
shellcheck         shellcheck
ssh                openssh-client
ssh-add            openssh-client
ssh-keygen         openssh-client
sshd               openssh-server
stonith            cluster-glue
stonith_admin      pacemaker-cli-utils
sudo               sudo
visudo             sudo
xmllint            libxml2-utils
xz                 xz-utils
'

say() { echo "install-peers: $*"; }

fail() {
	say "error: $*" >&2
	exit 1
}

# missing prints the lines of peers whose program is not there.
missing() {
	echo "$peers" | while read -r program packages; do
		[ -z "$program" ] || command -v "$program" >/dev/null || echo "$program $packages"
	done
}

names() { echo "$1" | cut -d ' ' -f 1 | tr '\n' ' '; }

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 "$@"; }

update() {
	for try in 1 2 3; do
		apt -q update && return
		say "apt-get update: try $try of 3 failed" >&2
		[ "$try" -eq 3 ] || sleep $((try * 5))
	done
	fail 'apt-get update: no success'
}

# forbid_services makes invoke-rc.d start nothing while packages are installed.
# A policy that is there already is the administrator's, and stays.
policy=/usr/sbin/policy-rc.d
forbid_services() {
	if [ -e "$policy" ] || [ -L "$policy" ]; then
		return
	fi
	trap 'as_root rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	# shellcheck disable=SC2016 # the inner shell expands it
	as_root sh -c 'printf "#!/bin/sh\nexit 101\n" >"$1" && chmod 0755 "$1"' sh "$policy"
}

install_packages() {
	lacking=$(missing)
	[ -n "$lacking" ] || return 0
	say "missing: $(names "$lacking")"
	command -v apt-get >/dev/null || fail "this is no Debian system: install these programs yourself: $(names "$lacking")"
	[ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || fail 'needs root, and there is no sudo'

	forbid_services
	update
	# shellcheck disable=SC2046 # one word per package
	apt -q install -y --no-install-recommends $(echo "$lacking" | cut -d ' ' -f 2- | tr ' ' '\n' | sort -u)

	lacking=$(missing)
	[ -z "$lacking" ] || fail "still missing: $(names "$lacking")"
}

# install_modules has in bin/npm what the lock file says. The copy named installed
# tells that it is all there.
install_modules() {
	from=$(dirname "$0")/beds/pool/npm
	to=$(dirname "$0")/../bin/npm
	! cmp -s "$from/package-lock.json" "$to/installed" || return 0
	mkdir -p "$to"
	cp "$from/package.json" "$from/package-lock.json" "$to"
	for try in 1 2 3; do
		(cd "$to" && npm ci --ignore-scripts --no-audit --no-fund) && break
		say "npm ci: try $try of 3 failed" >&2
		[ "$try" -lt 3 ] || fail 'npm ci: no success'
		sleep $((try * 5))
	done
	cp "$from/package-lock.json" "$to/installed"
}

# build_bmc builds the BMC that is a module of its own: the machine of the end to end
# tests has no network to fetch what it needs.
build_bmc() {
	to=$(cd "$(dirname "$0")/.." && pwd)/bin
	for try in 1 2 3; do
		(cd "$(dirname "$0")/beds/goipmi" && CGO_ENABLED=0 "${GO:-go}" build -buildvcs=false -o "$to/goipmi-bmc" .) && break
		say "go build: try $try of 3 failed" >&2
		[ "$try" -lt 3 ] || fail 'go build: no success'
		sleep $((try * 5))
	done
}

install_packages
install_modules
build_bmc
