/* SPDX-License-Identifier: Apache-2.0 */
/* An SNP report, or what claims to be the certificates that belong to it. */
#include "attestation/snp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;
	struct bytes b;
	struct snp_report r;
	struct snp_source s = {.leaf = {NULL, 0}};
	struct snp_key *k = NULL;
	enum snp_key_kind kind;
	enum snp_product product;
	struct verdict v;
	struct fault f;

	if (size == 0)
		return 0;
	a = arena_new();
	b = bytes_of(data + 1, size - 1);
	if (data[0] % 2 == 0) {
		snp_report_read(b, &r, &f);
	} else {
		snp_leaf_peek(b, &kind, &product, &f);
		s.leaf = s.crl = b;
		s.chain = (struct text){(const char *)b.at, b.len};
		verdict_init(&v, a, 1768435200000);
		snp_key_new(&s, anchors_pinned(), true, &v, &k);
		snp_key_free(&k);
	}
	arena_free(&a);
	return 0;
}
