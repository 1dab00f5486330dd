/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who this device is: the key that never leaves it, the certificate chain it
 * was given, and where its gateway and auth are. All of it lives in the state
 * folder; every write is whole or not at all.
 */
#ifndef PROVIDER_IDENTITY_H
#define PROVIDER_IDENTITY_H

#include "base/crypto.h"
#include "base/json.h"
#include "base/tls.h"

struct identity {
	const char *folder;
	const char *did;
	const char *auth_url;
	const char *issuer;   /* iss of handoffs; NULL: auth did not say */
	const char **tunnels; /* host:port */
	size_t tunnel_count;
	int64_t renew_after_ms; /* Unix */
	int64_t expires_at_ms;
	const char *key_file; /* names of the files, for contexts */
	const char *chain_file;
	const char *gateway_ca_file;
	const char *auth_ca_file; /* kept from enrolment; NULL: the system's */
};

/* Fails NOT_FOUND with what to do where the folder holds none. */
bool identity_load(
    struct arena *a, const char *folder, struct identity *out, struct fault *f);

/* An answer of enrolment or renewal, read; pure. Its certificates are well
 * formed and the first names the DID; whether they are true is for TLS. */
struct enrolment {
	struct identity identity; /* in the arena; no files, no auth_url */
	STACK_OF(X509) * chain;	  /* leaf first */
	json_t *json;
};
bool enrolment_read(
    struct arena *a, struct text t, struct enrolment *out, struct fault *f);
void enrolment_free(struct enrolment *x);

/* The answer of enrolment or renewal (a JSON text, see docs) becomes the
 * identity in the folder; one that is not whole or not for the key changes
 * nothing there. auth_url and auth_ca are kept with it; auth_ca may
 * be NULL. next_key is true where a renewal's new key is to take the place of
 * the old one. */
bool identity_store(const char *folder, const char *answer, size_t len,
    const char *auth_url, const char *auth_ca, bool next_key, struct fault *f);

/* The key to enrol or renew with, made where it is missing: "device.key" or
 * "next.key" in the folder. */
bool identity_key(
    const char *folder, bool next_key, struct ec_key **out, struct fault *f);

#endif
