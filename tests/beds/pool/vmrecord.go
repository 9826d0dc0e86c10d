package pool

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// record has all fields that an xapi of 2026 prints, in its order. Many are empty,
// which is what a client must be able to read.
func (v *vm) record() record {
	return record{
		{"uuid", v.uuid},
		{"allowed_operations", v.allowed()},
		{"current_operations", texts(v.current)},
		{"name_label", v.name},
		{"name_description", ""},
		{"power_state", v.power},
		{"user_version", "1"},
		{"is_a_template", v.template},
		{"is_default_template", v.defaultTemplate},
		{"suspend_VDI", nullRef},
		{"resident_on", v.resident.refOrNull()},
		{"scheduled_to_be_resident_on", v.scheduled.refOrNull()},
		{"affinity", v.home.refOrNull()},
		{"memory_overhead", "5242880"},
		{"memory_target", "0"},
		{"memory_static_max", "268435456"},
		{"memory_dynamic_max", "268435456"},
		{"memory_dynamic_min", "268435456"},
		{"memory_static_min", "134217728"},
		{"VCPUs_params", record{}},
		{"VCPUs_max", "1"},
		{"VCPUs_at_startup", "1"},
		{"actions_after_softreboot", "soft_reboot"},
		{"actions_after_shutdown", "destroy"},
		{"actions_after_reboot", "restart"},
		{"actions_after_crash", "restart"},
		{"consoles", list{}},
		{"VIFs", list{}},
		{"VBDs", list{}},
		{"VUSBs", list{}},
		{"crash_dumps", list{}},
		{"VTPMs", list{}},
		{"PV_bootloader", ""},
		{"PV_kernel", ""},
		{"PV_ramdisk", ""},
		{"PV_args", ""},
		{"PV_bootloader_args", ""},
		{"PV_legacy_args", ""},
		{"HVM_boot_policy", ""},
		{"HVM_boot_params", record{}},
		{"HVM_shadow_multiplier", float64(1)},
		{"platform", record{{"vcpu-unrestricted", "true"}}},
		{"PCI_bus", ""},
		{"other_config", record{{"mac_seed", v.uuid}}},
		{"domid", strconv.Itoa(v.domid)},
		{"domarch", ""},
		{"last_boot_CPU_flags", record{{"vendor", "unknown"}, {"features", ""}}},
		{"is_control_domain", v.control},
		{"metrics", nullRef},
		{"guest_metrics", nullRef},
		{"last_booted_record", ""},
		{"recommendations", ""},
		{"xenstore_data", record{}},
		{"ha_always_run", v.always},
		{"ha_restart_priority", v.priority},
		{"is_a_snapshot", v.snapshot},
		{"snapshot_of", cmp.Or(v.snapshotOf, nullRef)},
		{"snapshots", list{}},
		{"snapshot_time", time.Unix(0, 0)},
		{"transportable_snapshot_id", ""},
		{"blobs", record{}},
		{"tags", list{}},
		{"blocked_operations", texts(v.blocked)},
		{"snapshot_info", record{}},
		{"snapshot_metadata", ""},
		{"parent", nullRef},
		{"children", list{}},
		{"bios_strings", biosStrings()},
		{"protection_policy", nullRef},
		{"is_snapshot_from_vmpp", false},
		{"snapshot_schedule", nullRef},
		{"is_vmss_snapshot", false},
		{"appliance", nullRef},
		{"start_delay", "0"},
		{"shutdown_delay", strconv.Itoa(int((v.shutdownDelay + time.Second - 1) / time.Second))},
		{"order", "0"},
		{"VGPUs", list{}},
		{"attached_PCIs", list{}},
		{"suspend_SR", nullRef},
		{"version", "0"},
		{"generation_id", ""},
		{"hardware_platform_version", "2"},
		{"has_vendor_device", true},
		{"requires_reboot", false},
		{"reference_label", ""},
		{"domain_type", "pv"},
		{"NVRAM", record{}},
		{"pending_guidances", list{}},
		{"pending_guidances_recommended", list{}},
		{"pending_guidances_full", list{}},
		{"groups", list{}},
		{"secureboot_certificates_state", "ok"},
	}
}

func biosStrings() record {
	return record{
		{"bios-vendor", "Xen"},
		{"bios-version", ""},
		{"system-manufacturer", "Xen"},
		{"system-product-name", "HVM domU"},
		{"system-version", ""},
		{"system-serial-number", ""},
		{"baseboard-manufacturer", ""},
		{"baseboard-product-name", ""},
		{"baseboard-version", ""},
		{"baseboard-serial-number", ""},
		{"baseboard-asset-tag", ""},
		{"baseboard-location-in-chassis", ""},
		{"enclosure-asset-tag", ""},
		{"hp-rombios", ""},
		{"oem-1", "Xen"},
		{"oem-2", "MS_VM_CERT/SHA1/bdbeb6e0a816d43fa6d3fe8aaef04c2bad9d3e3d"},
	}
}

// allowed are the operations that are possible now, of those which are known here.
func (v *vm) allowed() list {
	all := list{}
	if v.control || v.template || len(v.current) > 0 {
		return all
	}
	for _, op := range []operation{opStart, opUnpause, opCleanShutdown, opHardReboot, opHardShutdown} {
		if slices.Contains(op.from, strings.ToLower(v.power)) {
			all = append(all, op.name)
		}
	}
	return all
}

func (m *Member) refOrNull() string {
	if m == nil {
		return nullRef
	}
	return m.ref
}
