/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state folder: the only place where private keys lie. What is missing is
 * made once, before any worker runs; what is there is never overwritten.
 *
 *	keys/KID.pem                      signing keys (0600)
 *	device-ca.pem, device-ca.key      the CA of devices
 *	server-ca.pem, server.pem …       public HTTPS, where none was given
 *	gateway-ca.pem, mint.pem …        mint listener, where none was given
 *	gateway.pem, gateway.key          a gateway's certificate under it
 */
#ifndef AUTH_SERVER_STATE_H
#define AUTH_SERVER_STATE_H

#include "auth/server/settings.h"
#include "base/fault.h"
#include "base/mem.h"

/* Files to use, whoever made them. */
struct state_paths {
	const char *keys_folder;
	const char *device_ca;
	const char *device_ca_key;
	const char *server_certificate;
	const char *server_key;
	const char *mint_certificate;
	const char *mint_key;
	const char *mint_gateway_ca;
	const char *enrol_gateway_ca;
};

/* Makes what is missing; on_made (may be NULL) is told each new file. Paths
 * live in the arena. */
bool state_prepare(const struct auth_settings *s, int64_t now_ms,
    struct arena *a, void (*on_made)(void *arg, const char *path), void *arg,
    struct state_paths *out, struct fault *f);

#endif
