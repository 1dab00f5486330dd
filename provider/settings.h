/* SPDX-License-Identifier: Apache-2.0 */
/* What assay-provider can be told. Models and controls stand in a JSON file
 * of their own (offer.h), since they have structure. */
#ifndef PROVIDER_SETTINGS_H
#define PROVIDER_SETTINGS_H

#include "base/settings.h"

struct provider_settings {
	const char *auth_ca;
	const char *auth_url;
	const char *direct_listen;
	struct setting_list direct_endpoints;
	int64_t drain_ms;
	const char *evidence_dstack;
	const char *evidence_nvml;
	const char *evidence_tsm;
	int64_t evidence_within_ms;
	const char *gateway_ca;
	const char *gateway_url;
	int64_t health_ms;
	const char *issuer;
	int64_t keys_refresh_ms;
	enum log_level log_level;
	const char *offer_file;
	int64_t request_bytes;
	const char *state_folder;
	struct setting_list tunnel_addresses;
	int64_t tunnel_count;
};

extern const struct setting provider_settings_table[];
extern const size_t provider_settings_count;

#endif
