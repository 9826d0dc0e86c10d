//go:build linux

package main

import "fmt"

// subcommands are all that xl 4.17 has, since each may be abbreviated if that
// fits no other one.
const subcommands = `
create config-update list destroy shutdown reboot pci-attach pci-detach pci-list pci-assignable-add
pci-assignable-remove pci-assignable-list pause unpause console vncviewer save migrate restore
migrate-receive dump-core cd-insert cd-eject mem-max mem-set button-press vcpu-list vcpu-pin
vcpu-set vm-list info sharing sched-credit sched-credit2 sched-rtds domid domname rename trigger
sysrq debug-keys set-parameters dmesg top network-attach network-list network-detach channel-list
block-attach block-list block-detach vtpm-attach vtpm-list vtpm-detach vkb-attach vkb-list
vkb-detach vdispl-attach vdispl-list vdispl-detach vsnd-attach vsnd-list vsnd-detach uptime claims
cpupool-create cpupool-list cpupool-destroy cpupool-rename cpupool-cpu-add cpupool-cpu-remove
cpupool-migrate cpupool-numa-split getenforce setenforce loadpolicy remus devd psr-hwinfo
psr-cmt-attach psr-cmt-detach psr-cmt-show psr-cat-set psr-cat-show psr-mba-set psr-mba-show
usbctrl-attach usbctrl-detach usbdev-attach usbdev-detach usb-list qemu-monitor-command
`

const listUsage = `Usage: xl [-vtT] list [options] [Domain]


List information about all/some domains.

Options:

-l, --long              Output all VM details
-v, --verbose           Prints out UUIDs and security context
-Z, --context           Prints out security context
-c, --cpupool           Prints the cpupool the domain is in
-n, --numa              Prints out NUMA node affinity
`

const destroyUsage = `Usage: xl [-vtTf] destroy [options] <Domain>


Terminate a domain immediately.

Options:

-f                      Permit destroying domain 0, which will only succeed
                        when run from disaggregated toolstack domain with a
                        hardware domain distinct from domain 0.
`

// usage is the help text of a subcommand; only two are those of the real xl.
func usage(name string) string {
	switch name {
	case "list":
		return listUsage
	case "destroy":
		return destroyUsage
	default:
		return fmt.Sprintf("Usage: xl [-vtT] %s ...\n\n", name)
	}
}
