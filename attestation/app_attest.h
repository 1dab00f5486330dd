/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apple App Attest: a Secure Enclave key bound to one app on a genuine
 * device (Apple, "Validating apps that connect to your server"). Verified
 * once at enrolment; afterwards the key signs assertions with a counter that
 * only rises. The caller keeps key and counter.
 */
#ifndef ATTESTATION_APP_ATTEST_H
#define ATTESTATION_APP_ATTEST_H

#include "attestation/apple.h"

struct app_attest_rules {
	const struct anchors *anchors;
	struct text app_id;  /* TEAM.bundle.id */
	struct bytes key_id; /* 32 bytes; empty: the leaf's own is taken */
	/* As it enters the nonce: SHA-256 of the challenge by convention,
	 * but never computed here. */
	struct bytes client_data_hash;
	bool allow_production;
	bool allow_development;
	int64_t now_ms;
};

struct app_attest_facts {
	uint8_t point[65]; /* the key of the leaf, X9.62 */
	uint8_t key_id[32];
	bool development;
};

/* Checks: app_attest.object, .fmt, .chain, .nonce, .key_id, .auth_data,
 * .flags, .app_id, .counter, .environment, .credential_id, .cose_key. */
bool app_attest_judge(struct verdict *v, const struct app_attest_rules *r,
    struct bytes object, struct app_attest_facts *out);

struct app_assertion_rules {
	struct text app_id;
	struct bytes client_data_hash;
	const uint8_t *point;	   /* 65 bytes, kept from the attestation */
	uint32_t previous_counter; /* 0 after the attestation */
};

/* Checks: app_assertion.object, .app_id, .signature, .counter. *counter is
 * what to keep. */
bool app_assertion_judge(struct verdict *v, const struct app_assertion_rules *r,
    struct bytes assertion, uint32_t *counter);

#endif
