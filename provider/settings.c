/* SPDX-License-Identifier: Apache-2.0 */
/* The table from which values, --help and the docs come; alphabetical, so
 * that two people cannot add the same thing twice. */
#include "provider/settings.h"

#define S struct provider_settings

/* clang-format off */
const struct setting provider_settings_table[] = {
    SETTING_PATH("auth.ca", S, auth_ca, "",
	"PEM anchors for auth.url; unset: the system's."),
    SETTING_STRING("auth.url", S, auth_url, "",
	"https:// address of assay-auth; unset: the one enrolled with."),
    SETTING_LIST("direct.endpoints", S, direct_endpoints, "",
	"URLs under which buyers of the workspace reach direct.listen."),
    SETTING_ADDRESS("direct.listen", S, direct_listen, "",
	"Own HTTPS listener for workspace-direct requests; unset: none."),
    SETTING_DURATION("drain", S, drain_ms, "30s",
	"How long requests under way may take after SIGTERM."),
    SETTING_PATH("evidence.dstack", S, evidence_dstack, "",
	"Unix socket of dstack's guest agent; unset: not asked."),
    SETTING_PATH("evidence.nvml", S, evidence_nvml, "",
	"NVIDIA's libnvidia-ml.so.1, for evidence of GPUs; unset: none."),
    SETTING_PATH("evidence.tsm", S, evidence_tsm, "",
	"The report folder of configfs-tsm (TDX, SEV-SNP); unset: not asked."),
    SETTING_DURATION("evidence.within", S, evidence_within_ms, "20s",
	"How long the sources of evidence may take for one hello."),
    SETTING_PATH("gateway.ca", S, gateway_ca, "",
	"PEM anchors for gateway.url; unset: the system's."),
    SETTING_STRING("gateway.url", S, gateway_url, "",
	"https:// address of the buyers' API, where status reads the standing."),
    SETTING_DURATION("health.every", S, health_ms, "10s",
	"How often the runtime and the model files are looked at."),
    SETTING_STRING("issuer", S, issuer, "",
	"The iss claim handoffs must have; unset: as told at enrolment."),
    SETTING_DURATION("keys.refresh", S, keys_refresh_ms, "5m",
	"How often the handoff keys (JWKS) are fetched."),
    SETTING_LEVEL("log.level", S, log_level, "info",
	"debug, info, warn or error."),
    SETTING_PATH("offer.file", S, offer_file, "offer.json",
	"The JSON file with runtime, models and controls."),
    SETTING_INT("request.bytes", S, request_bytes, 1024, 268435456,
	"33554432", "Largest request body, in bytes."),
    SETTING_PATH("state.folder", S, state_folder, "/var/lib/assay-provider",
	"Device key, certificate, hash cache and status."),
    SETTING_LIST("tunnel.addresses", S, tunnel_addresses, "",
	"host:port list to dial; unset: as told at enrolment."),
    SETTING_INT("tunnel.count", S, tunnel_count, 1, 16, "2",
	"Tunnels to keep, spread over the addresses."),
};
/* clang-format on */
const size_t provider_settings_count =
    sizeof provider_settings_table / sizeof *provider_settings_table;
