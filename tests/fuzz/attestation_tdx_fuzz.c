/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers on the way of a TDX quote: the first byte chooses which. None of
 * them may do more than refuse, whatever comes.
 */
#include "attestation/tdx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_source(struct arena *a, const struct tdx_source *s)
{
	struct tdx_collateral *c = NULL;
	struct verdict v;

	verdict_init(&v, a, 1768435200000);
	if (tdx_collateral_new(s, anchors_pinned(), true, &v, &c))
		tdx_collateral_free(&c);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a;
	struct bytes b;
	struct text t;
	struct tdx_quote q;
	struct tdx_tcb_info tcb;
	struct tdx_qe_identity qe;
	struct tdx_source source;
	struct tdx_answers answers = {.root_crl = {NULL, 0}};
	struct cert_list list;
	const struct cert nobody = {.serial = {NULL, 0}};
	uint8_t fmspc[6];
	struct fault f;

	if (size == 0)
		return 0;
	a = arena_new();
	b = bytes_of(data + 1, size - 1);
	t = (struct text){(const char *)data + 1, size - 1};
	switch (data[0] % 6) {
	case 0:
		tdx_quote_read(b, &q, &f);
		tdx_quote_fmspc(b, fmspc, &f);
		break;
	case 1:
		tdx_tcb_info_read(a, t, &tcb, &f);
		break;
	case 2:
		tdx_qe_identity_read(a, t, &qe, &f);
		break;
	case 3:
		if (tdx_source_of_bundle(a, t, &source, &f))
			read_source(a, &source);
		break;
	case 4:
		if (cert_list_read(a, b, &list, &f))
			cert_list_has(&list, &nobody);
		break;
	default:
		answers.tcb = answers.qe = t;
		answers.tcb_issuer_chain = answers.qe_issuer_chain = t;
		answers.pck_crl_issuer_chain = t;
		answers.root_crl = answers.pck_crl = b;
		if (tdx_source_of_answers(a, &answers, &source, &f))
			read_source(a, &source);
		break;
	}
	arena_free(&a);
	return 0;
}
