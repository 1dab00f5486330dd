/* SPDX-License-Identifier: Apache-2.0 */
/* assay-auth's settings: filled once by base/settings, const from then on. */
#ifndef AUTH_SERVER_SETTINGS_H
#define AUTH_SERVER_SETTINGS_H

#include "base/settings.h"

struct auth_settings {
	const char *admin_listen;
	int64_t database_connections;
	const char *database_listen_url;
	const char *database_url;
	int64_t device_life;
	const char *enrol_gateway_ca;
	struct setting_list enrol_tunnels;
	const char *issuer;
	const char *listen_address;
	const char *listen_certificate;
	struct setting_list listen_hosts;
	const char *listen_key;
	enum log_level log_level;
	const char *mint_certificate;
	const char *mint_gateway_ca;
	const char *mint_key;
	const char *mint_listen;
	size_t spool_bytes;
	const char *state_folder;
	int64_t timeout_body;
	int64_t timeout_drain;
	int64_t timeout_head;
	int64_t workers;
};

extern const struct setting auth_settings_table[];
extern const size_t auth_settings_count;

/* What no single row can say; fails INVALID_OPTION. */
bool auth_settings_check(const struct auth_settings *s, struct fault *f);

#endif
