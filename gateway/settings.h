/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gateway's settings: filled once from the table in settings.c, const
 * from then on, and handed down by pointer. Durations are milliseconds.
 */
#ifndef GATEWAY_SETTINGS_H
#define GATEWAY_SETTINGS_H

#include "base/settings.h"
#include "gateway/query.h"

struct settings {
	const char *admin_listen;
	const char *attestation_folder;
	const char *attestation_kds;
	const char *attestation_nras;
	const char *attestation_nvidia_crl;
	const char *attestation_nvidia_ocsp;
	const char *attestation_pcs;
	const char *attestation_pcs_root;
	int64_t attestation_refresh;
	const char *attestation_rim;
#ifdef ASSAY_TEST_BUILD
	const char *attestation_test_root;
#endif
	int64_t attestation_within;
	const char *auth_ca;
	const char *auth_certificate;
	const char *auth_key;
	const char *auth_mint;
	const char *auth_name;
	const char *database_listen_url;
	int64_t canary_per_day;
	const char *canary_prompts;
	const char *database_url;
	int64_t database_connections;
	const char *gateway_id;
	const char *gateway_instance;
	int64_t gateway_instances;
	int64_t keys_fresh;
	int64_t keys_kept;
	int64_t ledger_batch;
	int64_t ledger_flush;
	size_t limits_body;
	int64_t limits_concurrency;
	int64_t limits_connections;
	int64_t limits_key_concurrency;
	int64_t limits_key_rate;
	int64_t limits_tries;
	const char *listen_certificate;
	const char *listen_http;
	const char *listen_https;
	const char *listen_key;
	enum log_level log_level;
	size_t private_held;
	const char *redis_address;
	int64_t route_newcomer_permille;
	int64_t route_newcomer_samples;
	const char *state_folder;
	int64_t timeout_auth;
	int64_t timeout_body;
	int64_t timeout_drain;
	int64_t timeout_first_byte;
	int64_t timeout_first_byte_most;
	int64_t timeout_first_byte_whole;
	int64_t timeout_head;
	int64_t timeout_hello;
	int64_t timeout_idle;
	int64_t timeout_keepalive;
	int64_t timeout_mint;
	int64_t timeout_stall;
	int64_t timeout_stall_most;
	int64_t timeout_total;
	int64_t timeout_total_most;
	const char *tunnel_ca;
	const char *tunnel_certificate;
	const char *tunnel_key;
	const char *tunnel_listen;
	int64_t tunnel_links;
	const char *tunnel_proxy_from;
	int64_t tunnel_reprobe_least;
	int64_t tunnel_reprobe_most;
	int64_t workers;
};

extern const struct setting settings_table[];
extern const size_t settings_count;

/* What the table alone can not hold: settings that need one another. */
bool settings_check(const struct settings *s, struct fault *f);
/* The bounds that a buyer's timeouts are held to. */
struct query_bounds settings_bounds(const struct settings *s);

#endif
