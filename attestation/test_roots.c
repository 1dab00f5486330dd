/* SPDX-License-Identifier: Apache-2.0 */
/* See test_roots.h. */
#include "attestation/test_roots.h"

#ifdef ASSAY_TEST_BUILD
#include <string.h>

#include "attestation/chain.h"

static const struct {
	const char *name;
	enum anchor_kind kind;
} makers[] = {
    {"Intel SGX Root CA", ANCHOR_INTEL_SGX_ROOT},
    {"ARK-Milan", ANCHOR_AMD_ARK_MILAN},
    {"ARK-Genoa", ANCHOR_AMD_ARK_GENOA},
    {"ARK-Turin", ANCHOR_AMD_ARK_TURIN},
    {"SEV-Milan", ANCHOR_AMD_ASK_MILAN},
    {"SEV-Genoa", ANCHOR_AMD_ASK_GENOA},
    {"SEV-Turin", ANCHOR_AMD_ASK_TURIN},
    {"SEV-VLEK-Milan", ANCHOR_AMD_ASVK_MILAN},
    {"SEV-VLEK-Genoa", ANCHOR_AMD_ASVK_GENOA},
    {"SEV-VLEK-Turin", ANCHOR_AMD_ASVK_TURIN},
    {"NVIDIA Device Identity CA", ANCHOR_NVIDIA_DEVICE},
    {"NVIDIA CoRIM signing Root CA", ANCHOR_NVIDIA_RIM},
    {"NVIDIA Attestation Service GPU Intermediate 004",
	ANCHOR_NRAS_INTERMEDIATE},
    {"Apple App Attestation Root CA", ANCHOR_APPLE_APP_ATTEST},
    {"Apple Enterprise Attestation Root CA", ANCHOR_APPLE_ENTERPRISE},
};

static bool
trust(struct anchors *a, X509 *root, struct fault *f)
{
	char name[64] = "";

	if (!certificate_common_name(root, name, sizeof(name)))
		return fault_set(f, FAULT_INVALID, "a test root has no name");
	for (size_t i = 0; i < sizeof(makers) / sizeof(*makers); i++) {
		if (strcmp(makers[i].name, name) != 0)
			continue;
		anchors_test_set(a, makers[i].kind, root);
		return true;
	}
	return fault_set(
	    f, FAULT_INVALID, "test root '%s' is nobody's namesake", name);
}

bool
test_roots_read(struct text pem, struct anchors **out, struct fault *f)
{
	struct chain c = {.count = 0};
	bool ok;

	ok = chain_read_pem(pem, &c, f);
	*out = anchors_test_new();
	for (size_t i = 0; ok && i < c.count; i++)
		ok = trust(*out, c.at[i], f);
	chain_free(&c);
	if (!ok)
		anchors_test_free(out);
	return ok;
}
#endif
