/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a credential to a principal. API keys are looked up by their SHA-256
 * and kept for a while, bounded in number; a NOTIFY makes one be read again
 * at once. With Postgres away, kept keys go on working, and an unknown one is
 * UPSTREAM_DEPENDENCY_UNAVAILABLE: an outage is never a 401.
 */
#ifndef GATEWAY_BUYER_H
#define GATEWAY_BUYER_H

#include "base/http.h"
#include "base/loop.h"
#include "base/pg.h"
#include "gateway/principal.h"

struct buyers;
struct buyers_settings {
	int64_t fresh_ms;  /* a kept key is believed for so long; 60 s */
	int64_t absent_ms; /* and an unknown one; 2 s */
	unsigned kept;	   /* at most; 100,000 */
};
struct buyers *buyers_new(
    struct loop *l, struct pg *pg, const struct buyers_settings *s);
void buyers_free(struct buyers **b);

/* Reads Authorization or x-api-key. The principal lives until fn returns. */
struct pending *buyer_ask(struct buyers *b, const struct http_fields *fs,
    void (*fn)(void *arg, const struct principal *p, const struct fault *f),
    void *arg);

/* Some key changed, or a change may have been missed: each is asked for again
 * at its next use. Where Postgres can not be asked, memory still serves. */
void buyers_doubt(struct buyers *b);

/* Pure: the credential in these fields. INVALID_CREDENTIAL where there is
 * none, several that differ, or one that no key can look like. */
bool credential_read(
    const struct http_fields *fs, const char **out, struct fault *f);

#endif
