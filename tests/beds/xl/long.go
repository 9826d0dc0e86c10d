//go:build linux

package main

// long0 is Domain-0 in list -l; to fill in: maximum and target memory.
const long0 = `    {
        "domid": 0,
        "config": {
            "c_info": {
                "type": "pv",
                "name": "Domain-0"
            },
            "b_info": {
                "max_memkb": %d,
                "target_memkb": %d,
                "sched_params": {
                    "sched": "credit2",
                    "weight": 256,
                    "cap": 0
                },
                "type.pv": {

                },
                "arch_arm": {

                },
                "arch_x86": {

                }
            }
        }
    }`

// longGuest is a guest in list -l; to fill in: id, name, UUID, maximum and
// target memory, policy lines. The inner domid is never the right one.
const longGuest = `    {
        "domid": %d,
        "config": {
            "c_info": {
                "type": "pv",
                "name": %s,
                "domid": 4294967295,
                "uuid": %s,
                "run_hotplug_scripts": "True"
            },
            "b_info": {
                "max_vcpus": 1,
                "avail_vcpus": [
                    0
                ],
                "max_memkb": %d,
                "target_memkb": %d,
                "video_memkb": 0,
                "sched_params": {
                    "sched": "credit2",
                    "weight": 256,
                    "cap": 0
                },
                "claim_mode": "True",
                "kernel": "/guest/vmlinux",
                "cmdline": "console=hvc0 quiet mitigations=off mode=idle",
                "ramdisk": "/guest/initrd.gz",
                "type.pv": {

                },
                "arch_arm": {

                },
                "arch_x86": {
                    "msr_relaxed": "False"
                }
            }%s
        }
    }`
