/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ties evidence to a question and to a key: the 64 bytes of report data
 * that a TD or SNP guest had signed. Each form computes what they ought to
 * be; the caller compares that with the report of verified evidence. The form
 * is named by the caller, never guessed from the bytes.
 */
#ifndef ATTESTATION_BINDING_H
#define ATTESTATION_BINDING_H

#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

enum { REPORT_DATA = 64, BINDING_NONCE = 32 };

/* Assay's own form: SHA-512(nonce ‖ DID ‖ DER SubjectPublicKeyInfo of the
 * tunnel's certificate ‖ SHA-256 of the statement without its evidence ‖
 * signing key). DID and key are those of the live connection's certificate,
 * so where one part ends and the next begins is not the sender's to choose. */
struct binding_tunnel {
	uint8_t nonce[BINDING_NONCE];
	struct text did;
	struct bytes spki;
	uint8_t statement[32];
	struct bytes signing_key; /* address of 20 bytes, key of 32, or none */
};
void binding_tunnel(const struct binding_tunnel *b, uint8_t out[REPORT_DATA]);

/* A signing key in the forms that dstack and NEAR workers bind. */
struct binding_key {
	uint8_t at[32];
	size_t len; /* 20: Ethereum address; 32: Ed25519 key */
};
/* algorithm is "ecdsa" or "ed25519". Fails INVALID. */
bool binding_key_read(struct text algorithm, struct text address,
    struct binding_key *out, struct fault *f);
/* Key, zeros to 32 ‖ nonce. */
void binding_address(const struct binding_key *k,
    const uint8_t nonce[BINDING_NONCE], uint8_t out[REPORT_DATA]);
/* SHA-256(key ‖ SHA-256 of the TLS key's SubjectPublicKeyInfo) ‖ nonce. The
 * fingerprint must be that of the live connection. */
void binding_address_tls(const struct binding_key *k,
    const uint8_t tls_spki_sha256[32], const uint8_t nonce[BINDING_NONCE],
    uint8_t out[REPORT_DATA]);

/* Chutes: first half SHA-256(nonce as hex text ‖ key as base64 text). The
 * second half is the service's own. */
void binding_text_key(
    struct text nonce_hex, struct text key_base64, uint8_t out[32]);

/* Tinfoil v3: SHA-256 of the fields in this order, absent ones left out ‖ 32
 * zeros. */
struct binding_tinfoil {
	struct bytes tls_key_fp;
	struct bytes hpke_key;
	struct bytes nonce;
	struct bytes gpu_evidence_hash;
	struct bytes nvswitch_evidence_hash;
};
void binding_tinfoil(const struct binding_tinfoil *b, uint8_t out[REPORT_DATA]);

/* Contrast: SHA-256(nonce ‖ transition digest ‖ SHA-256(root CA) ‖
 * SHA-256(mesh CA)) ‖ 32 zeros; its aTLS: SHA-512(public key ‖ nonce). */
struct binding_contrast {
	struct bytes nonce;
	struct bytes transition;
	struct bytes root_ca;
	struct bytes mesh_ca;
};
void binding_contrast(
    const struct binding_contrast *b, uint8_t out[REPORT_DATA]);
void binding_contrast_tls(
    struct bytes public_key, struct bytes nonce, uint8_t out[REPORT_DATA]);

/* Compose manager: SHA-256 of the actions as compact JSON ‖ nonce. Managers
 * before June 2026 sort the members of each action; later ones keep the order
 * in which they write them, and so in which they came. Fails INVALID where
 * the text is no JSON array. */
enum binding_order { BINDING_SORTED, BINDING_AS_WRITTEN };
bool binding_actions(struct text actions, enum binding_order order,
    const uint8_t nonce[BINDING_NONCE], uint8_t out[REPORT_DATA],
    struct fault *f);
/* The report data are those of the actions in one of the two forms. */
bool binding_actions_hold(const uint8_t seen[REPORT_DATA], struct text actions,
    const uint8_t nonce[BINDING_NONCE], struct fault *f);

/* Equal in all of `wanted` (32 or 64 bytes). Fails CONFLICT. */
bool binding_holds(
    const uint8_t seen[REPORT_DATA], struct bytes wanted, struct fault *f);

/* A nonce as asked (hex of 16 to 32 bytes) and as services fill it: zeros on
 * the right to 32. Fails INVALID. */
bool binding_nonce_read(
    struct text hex, uint8_t out[BINDING_NONCE], struct fault *f);
/* The answer carries the nonce that was asked, filled. Fails CONFLICT. */
bool binding_nonce_answers(
    struct text asked, struct text answer, struct fault *f);

#endif
