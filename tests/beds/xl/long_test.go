//go:build linux

package main

// recordedLong is xl list -l of a real host with a guest of id 16.
const recordedLong = `[
    {
        "domid": 0,
        "config": {
            "c_info": {
                "type": "pv",
                "name": "Domain-0"
            },
            "b_info": {
                "max_memkb": 524288,
                "target_memkb": 524287,
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
    },
    {
        "domid": 16,
        "config": {
            "c_info": {
                "type": "pv",
                "name": "alpha",
                "domid": 4294967295,
                "uuid": "9e8b58c8-81e2-4411-b8fc-f2ab88b5627c",
                "run_hotplug_scripts": "True"
            },
            "b_info": {
                "max_vcpus": 1,
                "avail_vcpus": [
                    0
                ],
                "max_memkb": 131072,
                "target_memkb": 131072,
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
            },
            "on_reboot": "restart",
            "on_soft_reset": "soft_reset"
        }
    }
]

`
