/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as PEM, and any bytes as the DER inside a well-formed PEM block.
 * A request that is accepted can be written and read again, and its key makes
 * a DID.
 */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

#include "auth/device.h"
#include "base/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct arena *a, struct text pem)
{
	struct ec_key *k, *again;
	char did[DEVICE_DID_TEXT];
	struct fault f;
	char *written;

	if (!csr_read(pem, &k, &f)) {
		if (f.kind != FAULT_CSR_INVALID)
			abort();
		return;
	}
	device_did(k, did);
	if (!text_is_did(text_of(did)))
		abort();
	written = csr_write(a, k, NULL);
	if (written != NULL && csr_read(text_of(written), &again, NULL))
		ec_key_free(&again);
	ec_key_free(&k);
}

/* In lines of 64 characters, as PEM readers want them. */
static char *
pem_of(struct arena *a, struct bytes der)
{
	char *base64 = arena_alloc(a, BASE64_SIZE(der.len));
	struct evbuffer *out = evbuffer_new();
	size_t len, left;
	char *pem;

	base64_encode(der, base64);
	len = strlen(base64);
	evbuffer_add_printf(out, "-----BEGIN CERTIFICATE REQUEST-----\n");
	for (size_t i = 0; i < len; i += 64) {
		left = len - i;
		evbuffer_add_printf(
		    out, "%.*s\n", (int)(left < 64 ? left : 64), base64 + i);
	}
	evbuffer_add_printf(out, "-----END CERTIFICATE REQUEST-----\n");
	len = evbuffer_get_length(out);
	pem = arena_copy(a, evbuffer_pullup(out, -1), len);
	evbuffer_free(out);
	return pem;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();

	check(a, (struct text){(const char *)data, size});
	if (size > 0 && size < 4096)
		check(a, text_of(pem_of(a, bytes_of(data, size))));
	arena_free(&a);
	return 0;
}
