/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A provider that asks about itself shows its device certificate in the place
 * of a key: part of the step BUYER. Such a principal reads its own standing
 * and nothing else. What TLS has verified is held against the devices anew at
 * each request, so that a revocation counts at once.
 */
#include <string.h>

#include "auth/scope.h"
#include "base/clock.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "gateway/exchange_priv.h"
#include "gateway/identity.h"

bool
device_asks(const struct exchange *x)
{
	const struct http_request *r = client_request(x->client);

	return x->endpoint->kind == ENDPOINT_PROVIDER && r->peer != NULL &&
	       http_fields_find(&r->fields, "authorization") == NULL &&
	       http_fields_find(&r->fields, "x-api-key") == NULL;
}

/* What the buyers' API has a code for. */
static enum fault_kind
kind_of(enum fault_kind kind)
{
	if (kind == FAULT_DEVICE_REVOKED || kind == FAULT_DEVICE_UNKNOWN)
		return kind;
	if (kind == FAULT_UNAVAILABLE)
		return FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE;
	return FAULT_INVALID_CREDENTIAL;
}

/* It has no API key; its limits go by a name made of its DID. */
static void
name_key(const char *did, char out[UUID_TEXT])
{
	char hex[HEX_SIZE(32)];
	uint8_t sha[32];

	sha256(bytes_of(did, strlen(did)), sha);
	hex_encode(bytes_of(sha, sizeof(sha)), hex);
	memcpy(out, hex, UUID_TEXT - 1);
	out[UUID_TEXT - 1] = '\0';
}

static bool
know(struct exchange *x, struct fault *f)
{
	struct principal *p = &x->principal;
	struct identity device = {0};

	if (!identity_read(client_request(x->client)->peer,
		catalogs_now(x->house->catalogs), clock_unix_ms(), &device,
		f)) {
		f->kind = kind_of(f->kind);
		return false;
	}
	if (strcmp(device.did, x->variable) != 0)
		return fault_set(f, FAULT_INSUFFICIENT_SCOPES,
		    "a device certificate reads its own device's standing");
	memcpy(p->workspace, device.workspace, sizeof(p->workspace));
	name_key(device.did, p->key);
	p->scopes = SCOPE_CATALOG_READ;
	return true;
}

enum step
device_know(struct exchange *x)
{
	x->is_known = know(x, &x->fault);
	return BUYER_KNOWN;
}
