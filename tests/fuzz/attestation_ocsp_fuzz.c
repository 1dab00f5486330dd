/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a responder's answer about a certificate whose issuer's key
 * nobody has kept: never accepted. The same bytes as a name of collateral:
 * a question comes out of exact names only.
 */
#include <stdlib.h>
#include <string.h>

#include "attestation/ocsp.h"
#include "tests/unit/attestation_forge.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
try_name(const uint8_t *at, size_t len)
{
	struct arena *a = arena_new();
	const char *name = arena_printf(a, "%.*s", (int)len, (const char *)at);
	struct fault f = {0};
	struct bytes der;

	if (ocsp_question(a, name, &der, &f) &&
	    (der.len == 0 || strlen(name) > 300))
		abort();
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	static struct forged issuer, subject;
	const struct ocsp_rules rules = {FORGE_NOW_MS, 86400, false};
	struct window w;
	struct ocsp_times times;
	struct fault f = {0};

	if (issuer.x509 == NULL) {
		forge(&issuer, NULL,
		    &(struct forge_wish){
			.name = "root", .curve = "P-384", .ca = true});
		forge(&subject, &issuer,
		    &(struct forge_wish){
			.name = "subject", .curve = "P-384", .serial = 7});
	}
	if (ocsp_verify(
		bytes_of(at, len), subject.x509, issuer.x509, &rules, &w, &f) ||
	    f.kind == FAULT_NONE || f.why[0] == '\0')
		abort();
	(void)ocsp_peek(bytes_of(at, len), &times, &f);
	if (len < 512)
		try_name(at, len);
	return 0;
}
