/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets that people carry: API keys and one-time enrolment codes. Both are
 * shown once and stored as the SHA-256 of their text; both are long and drawn
 * from random bytes, so that a plain digest is enough.
 */
#ifndef AUTH_KEY_H
#define AUTH_KEY_H

#include "base/text.h"

#define KEY_PREFIX "lv_live_"
#define KEY_TEXT 49	 /* prefix, 40 of base62, NUL */
#define KEY_HINT_TEXT 13 /* prefix, 4 characters, NUL */
#define CODE_TEXT 33	 /* 32 of base62, NUL */

void key_new(char out[KEY_TEXT]);
/* lv_live_ and 16 to 120 characters of base62; says nothing of its validity. */
bool key_is_wellformed(struct text t);
void key_hint(struct text key, char out[KEY_HINT_TEXT]);

void code_new(char out[CODE_TEXT]);
bool code_is_wellformed(struct text t);

/* Of the whole text, prefix included. */
void key_sha256(struct text t, uint8_t out[32]);

#endif
