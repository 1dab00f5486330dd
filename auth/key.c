/* SPDX-License-Identifier: Apache-2.0 */
/* API keys and enrolment codes: making, recognising, digesting. */
#include "auth/key.h"

#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"

#define PREFIX_LEN(p) (sizeof(p) - 1)
#define TAIL_MIN 16
#define TAIL_MAX 120

static bool
is_wellformed(struct text t, const char *prefix)
{
	size_t skip = strlen(prefix);

	if (!text_starts_with(t, prefix) || t.len < skip + TAIL_MIN ||
	    t.len > skip + TAIL_MAX)
		return false;
	for (size_t i = skip; i < t.len; i++) {
		char c = t.at[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') &&
		    !(c >= 'A' && c <= 'Z'))
			return false;
	}
	return true;
}

void
key_new(char out[KEY_TEXT])
{
	memcpy(out, KEY_PREFIX, PREFIX_LEN(KEY_PREFIX));
	base62_random(out + PREFIX_LEN(KEY_PREFIX),
	    KEY_TEXT - 1 - PREFIX_LEN(KEY_PREFIX));
}

bool
key_is_wellformed(struct text t)
{
	return is_wellformed(t, KEY_PREFIX);
}

void
key_hint(struct text key, char out[KEY_HINT_TEXT])
{
	size_t len = key.len < KEY_HINT_TEXT - 1 ? key.len : KEY_HINT_TEXT - 1;

	memcpy(out, key.at, len);
	out[len] = '\0';
}

void
code_new(char out[CODE_TEXT])
{
	base62_random(out, CODE_TEXT - 1);
}

bool
code_is_wellformed(struct text t)
{
	return is_wellformed(t, "");
}

void
key_sha256(struct text t, uint8_t out[32])
{
	sha256(bytes_of(t.at, t.len), out);
}
