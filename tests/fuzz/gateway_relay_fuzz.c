/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of a provider's refusal: no more than a fault comes
 * of it, and only what is polite counts as such. */
#include <stdlib.h>
#include <string.h>

#include "gateway/relay.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static const int statuses[] = {503, 500, 429};
	struct text t = {(const char *)at, len};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		struct fault f = {0};

		if (relay_refusal(statuses[i], t, &f) || f.why[0] == '\0')
			abort();
		if (f.kind == FAULT_PROVIDER_ERROR)
			continue;
		if (statuses[i] != 503 ||
		    strstr(f.why, fault_code(f.kind)) == NULL)
			abort();
	}
	return 0;
}
