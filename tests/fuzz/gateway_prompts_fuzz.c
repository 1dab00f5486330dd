/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/canary_answer: any bytes as an operator's file of prompts. Those
 * that are taken are lines of it, and make bodies that are JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/canary_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_body(const char *body)
{
	json_t *j = NULL;

	if (body == NULL || !json_read(text_of(body), 1 << 20, &j, NULL) ||
	    !json_is_string(json_object_get(j, "model")))
		abort();
	json_free(&j);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text file = {(const char *)at, len};
	struct canary_prompts own;
	struct arena *a = arena_new();
	struct fault f = {0};

	if (canary_prompts_read(file, a, &own, &f)) {
		for (size_t i = 0; i < own.count; i++)
			if (own.at[i][0] == '\0' ||
			    strchr(own.at[i], '\n') != NULL)
				abort();
		/* Three of four seeds take a prompt of these. */
		for (int64_t i = 0; i < 4; i++) {
			int64_t seed = (i << 56) + i;

			check_body(canary_body(seed, "chat", "m", &own, a));
			check_body(
			    canary_body(seed, "completion", "m", &own, a));
		}
	} else if (f.kind == FAULT_NONE) {
		abort();
	}
	arena_free(&a);
	return 0;
}
