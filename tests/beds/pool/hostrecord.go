package pool

import (
	"strconv"
	"time"
)

// record has the fields that an xapi of 2026 prints of a host. Most are empty.
func (h *host) record() record {
	m := h.member
	var residents list
	for _, v := range m.db.vms {
		if v.resident == m {
			residents = append(residents, v.ref)
		}
	}
	return record{
		{"uuid", m.uuid},
		{"name_label", m.Name()},
		{"name_description", ""},
		{"memory_overhead", "0"},
		{"allowed_operations", listOf("VM.migrate", "provision", "VM.resume", "evacuate", "VM.start")},
		{"current_operations", record{}},
		{"API_version_major", "2"},
		{"API_version_minor", "21"},
		{"API_version_vendor", "XenSource"},
		{"API_version_vendor_implementation", record{}},
		{"enabled", !h.disabled},
		{"software_version", record{{"product_brand", "pool"}, {"product_version", "0"}}},
		{"other_config", record{{"agent_start_time", h.startTime()}, {"boot_time", h.startTime()}}},
		{"capabilities", listOf("xen-3.0-x86_64", "hvm-3.0-x86_64")},
		{"cpu_configuration", record{}},
		{"sched_policy", "credit"},
		{"supported_bootloaders", listOf("pygrub", "eliloader")},
		{"resident_VMs", append(list{}, residents...)},
		{"logging", record{}},
		{"PIFs", list{}},
		{"suspend_image_sr", nullRef},
		{"crash_dump_sr", nullRef},
		{"crashdumps", list{}},
		{"patches", list{}},
		{"updates", list{}},
		{"PBDs", list{}},
		{"host_CPUs", list{}},
		{"cpu_info", record{{"cpu_count", "4"}}},
		{"hostname", m.Name()},
		{"address", m.address},
		{"metrics", m.metrics},
		{"license_params", record{}},
		{"ha_statefiles", list{}},
		{"ha_network_peers", list{}},
		{"blobs", record{}},
		{"tags", list{}},
		{"external_auth_type", ""},
		{"external_auth_service_name", ""},
		{"external_auth_configuration", record{}},
		{"edition", "free"},
		{"license_server", record{}},
		{"bios_strings", record{}},
		{"power_on_mode", ""},
		{"power_on_config", record{}},
		{"local_cache_sr", nullRef},
		{"chipset_info", record{}},
		{"PCIs", list{}},
		{"PGPUs", list{}},
		{"PUSBs", list{}},
		{"ssl_legacy", false},
		{"guest_VCPUs_params", record{}},
		{"display", "enabled"},
		{"virtual_hardware_platform_versions", listOf("0", "1", "2")},
		{"control_domain", nullRef},
		{"updates_requiring_reboot", list{}},
		{"features", list{}},
		{"iscsi_iqn", ""},
		{"multipathing", false},
		{"uefi_certificates", ""},
		{"certificates", list{}},
		{"editions", list{}},
		{"pending_guidances", list{}},
		{"tls_verification_enabled", true},
		{"last_software_update", time.Unix(0, 0)},
		{"https_only", true},
		{"numa_affinity_policy", "default_policy"},
		{"latest_synced_updates_applied", "unknown"},
		{"pending_guidances_recommended", list{}},
		{"pending_guidances_full", list{}},
		{"last_update_hash", ""},
		{"ssh_enabled", true},
		{"ssh_enabled_timeout", "0"},
		{"ssh_expiry", time.Unix(0, 0)},
		{"console_idle_timeout", "0"},
		{"ssh_auto_mode", false},
		{"secure_boot", false},
		{"max_cstate", ""},
		{"ntp_mode", "ntp_mode_default"},
		{"ntp_custom_servers", list{}},
		{"timezone", "UTC"},
	}
}

// startTime is by the host's clock, and written as xapi does: seconds, and a dot.
func (h *host) startTime() string {
	if h.told != "" {
		return h.told
	}
	return strconv.FormatInt(h.started.Add(h.member.fast).Unix(), 10) + "."
}

func (h *host) metricsRecord() record {
	return record{
		{"uuid", h.member.uuid},
		{"memory_total", "8589934592"},
		{"memory_free", "4294967296"},
		{"live", h.live},
		{"last_updated", time.Unix(0, 0)},
		{"other_config", record{}},
	}
}

// record has the fields that an xapi of 2026 prints of a pool. Most are empty.
func (db *database) record() record {
	return record{
		{"uuid", db.uuid},
		{"name_label", ""},
		{"name_description", ""},
		{"master", db.master.refOrNull()},
		{"default_SR", nullRef},
		{"suspend_image_SR", nullRef},
		{"crash_dump_SR", nullRef},
		{"other_config", record{}},
		{"ha_enabled", db.ha},
		{"ha_configuration", record{}},
		{"ha_statefiles", list{}},
		{"ha_host_failures_to_tolerate", "0"},
		{"ha_plan_exists_for", "0"},
		{"ha_allow_overcommit", false},
		{"ha_overcommitted", false},
		{"blobs", record{}},
		{"tags", list{}},
		{"gui_config", record{}},
		{"health_check_config", record{}},
		{"wlb_url", ""},
		{"wlb_username", ""},
		{"wlb_enabled", false},
		{"wlb_verify_cert", false},
		{"redo_log_enabled", false},
		{"redo_log_vdi", nullRef},
		{"vswitch_controller", ""},
		{"restrictions", record{{"restrict_vswitch_controller", "false"}}},
		{"metadata_VDIs", list{}},
		{"ha_cluster_stack", "xhad"},
		{"allowed_operations", listOf("cluster_create", "ha_enable")},
		{"current_operations", record{}},
		{"guest_agent_config", record{}},
		{"cpu_info", record{{"cpu_count", "4"}}},
		{"policy_no_vendor_device", false},
		{"live_patching_disabled", false},
		{"igmp_snooping_enabled", false},
		{"uefi_certificates", ""},
		{"custom_uefi_certificates", ""},
		{"is_psr_pending", false},
		{"tls_verification_enabled", true},
		{"repositories", list{}},
		{"client_certificate_auth_enabled", false},
		{"client_certificate_auth_name", ""},
		{"repository_proxy_url", ""},
		{"repository_proxy_username", ""},
		{"repository_proxy_password", nullRef},
		{"migration_compression", false},
		{"coordinator_bias", true},
		{"local_auth_max_threads", "8"},
		{"ext_auth_max_threads", "1"},
		{"ext_auth_cache_enabled", false},
		{"ext_auth_cache_size", "50"},
		{"ext_auth_cache_expiry", "300"},
		{"telemetry_uuid", nullRef},
		{"telemetry_frequency", "weekly"},
		{"telemetry_next_collection", time.Unix(0, 0)},
		{"last_update_sync", time.Unix(0, 0)},
		{"update_sync_frequency", "weekly"},
		{"update_sync_day", "0"},
		{"update_sync_enabled", false},
		{"recommendations", record{}},
		{"license_server", record{}},
		{"ha_reboot_vm_on_internal_shutdown", true},
		{"limit_console_sessions", false},
		{"vm_console_idle_timeout", "0"},
	}
}
