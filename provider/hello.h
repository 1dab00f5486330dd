/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gateway says on a tunnel of ours beside requests, read: its hello,
 * and what it made of our statement. Pure. The gateway is ours, yet nothing it
 * says is kept without a bound.
 */
#ifndef PROVIDER_HELLO_H
#define PROVIDER_HELLO_H

#include "base/json.h"

struct hello {
	const char *nonce; /* at most 128 bytes */
	bool is_buyers;	   /* asked for a buyer, beside the gateway's own */
};
/* {"nonce", "purpose"?}; strings in the arena. */
bool hello_read(
    struct text t, struct arena *a, struct hello *out, struct fault *f);

struct admission {
	char session[64];  /* printable ASCII, cut to fit */
	char verified[64]; /* likewise: "<status> <reason>" */
	json_t *models;	   /* canonical -> {status, reason?}, all texts */
};
/* {"session", "models": [{"canonical", "status", "reason"}], "verified"}. A
 * model without name or status is passed over. */
bool admission_read(struct text t, struct admission *out, struct fault *f);
void admission_free(struct admission *x);

#endif
