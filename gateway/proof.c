/* SPDX-License-Identifier: Apache-2.0 */
/* See proof.h. */
#include "gateway/proof.h"

#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "base/text.h"

void
proof_know(struct proof *p, X509 *peer)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(peer), &der);

	if (len <= 0)
		return; /* then nothing can be bound to it */
	mem_free(p->spki);
	p->spki = mem_copy(der, (size_t)len);
	p->spki_len = (size_t)len;
	OPENSSL_free(der);
}

void
proof_heard(struct proof *p, const char *nonce, int64_t now_ms)
{
	size_t len;

	if (!hex_decode(text_of(nonce), p->nonce, sizeof(p->nonce), &len) ||
	    len != sizeof(p->nonce))
		memset(p->nonce, 0, sizeof(p->nonce));
	p->heard_at = now_ms;
}

void
proof_conclude(struct proof *p, const char *status, const char *reason)
{
	p->status = status;
	p->reason = reason;
	p->until = 0;
	p->renew_at = 0;
	p->signing_address[0] = p->image_digest[0] = '\0';
}

void
proof_need(struct proof *p, const char *const *names, size_t count)
{
	char *at;

	mem_free(p->needs);
	p->needs = NULL;
	p->needs_len = 0;
	p->at_hand = 0;
	for (size_t i = 0; i < count; i++)
		p->needs_len += strlen(names[i]) + 1;
	if (p->needs_len == 0)
		return;
	at = p->needs = mem_new(p->needs_len);
	for (size_t i = 0; i < count; i++) {
		memcpy(at, names[i], strlen(names[i]) + 1);
		at += strlen(names[i]) + 1;
	}
}

size_t
proof_needs(const struct proof *p, const char **out, size_t most)
{
	const char *end = p->needs + p->needs_len;
	size_t count = 0;

	for (const char *at = p->needs; at < end && count < most;
	     at += strlen(at) + 1)
		out[count++] = at;
	return count;
}

void
proof_free(struct proof *p)
{
	if (p->writer != NULL)
		*p->writer = NULL;
	mem_free(p->spki);
	mem_free(p->needs);
	memset(p, 0, sizeof(*p));
}
