/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a GPU report: what is read borrows from the input only, and
 * what is accepted fills it to the last byte.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/spdm.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct spdm_report r;
	struct fault f = {0};
	char text[64];
	uint8_t sum = 0;

	if (!spdm_report_read(bytes_of(at, len), &r, &f)) {
		if (f.kind == FAULT_NONE || f.why[0] == '\0')
			abort();
		return 0;
	}
	if (r.signed_part.at != at || r.signed_part.len + 96 != len ||
	    r.signature != at + len - 96 || r.nonce.len != SPDM_NONCE)
		abort();
	for (unsigned i = 0; i <= SPDM_INDEX_MAX; i++)
		for (unsigned j = 0; r.block[i] != NULL && j < SPDM_DIGEST; j++)
			sum ^= r.block[i][j];
	for (unsigned i = 0; i < SPDM_OPAQUE_TYPES; i++)
		for (size_t j = 0; j < r.opaque[i].len; j++)
			sum ^= r.opaque[i].at[j];
	(void)spdm_opaque_text(&r, OPAQUE_DRIVER_VERSION, text, sizeof(text));
	return sum == 0 && len == 1;
}
