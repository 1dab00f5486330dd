/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying collateral: each statement is signed by a chain that ends at the
 * pinned Intel root; each certificate plays the part its name says; lists are
 * issued by whom they speak for. A flat column of needs.
 */
#include "attestation/tdx_collateral.h"

#include <openssl/x509.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"

#define TCB_SIGNING "Intel SGX TCB Signing"

static bool
need(struct verdict *v, bool holds, const char *name, const struct fault *f)
{
	return verdict_need_fault(v, holds, name, SOURCE_VERIFIER, f);
}

static bool
is_named(X509 *c, const char *name)
{
	char seen[64];

	return certificate_common_name(c, seen, sizeof(seen)) &&
	       strcmp(seen, name) == 0;
}

/* Two certificates, the second being the root; what is equal to what is kept
 * already is not read or verified twice. */
static bool
read_chain(struct tdx_collateral *c, struct text pem, X509 **leaf,
    struct bytes *leaf_der, struct fault *f)
{
	struct chain_blocks b;
	struct chain chain = {0};
	struct chain_rules rules = {.anchors = c->anchors,
	    .anchor = ANCHOR_INTEL_SGX_ROOT,
	    .signing = CHAIN_ECDSA,
	    .leaf_may_be_ca = leaf_der != NULL};
	struct window window;
	bool held;

	if (!chain_split_pem(c->arena, pem, &b, f))
		return false;
	if (b.count != 2)
		return fault_set(f, FAULT_INVALID,
		    "issuer chain of %zu certificates, not 2", b.count);
	if (!chain_add_der(&chain, b.at[0], f))
		return false;
	if (c->root != NULL && bytes_equal(c->root_der, b.at[1]))
		held = chain_add(&chain, c->root);
	else
		held = chain_add_der(&chain, b.at[1], f);
	held = held && chain_walk_untimed(&chain, &rules, &window, f);
	if (held) {
		c->chain_window = window_meet(c->chain_window, window);
		X509_up_ref(*leaf = chain.at[0]);
		if (leaf_der != NULL)
			*leaf_der = b.at[0];
		if (c->root == NULL) {
			X509_up_ref(c->root = chain.at[1]);
			c->root_der = b.at[1];
		}
	}
	chain_free(&chain);
	return held;
}

static bool
signature_of(
    X509 *signer, struct text message, struct text hex, struct fault *f)
{
	uint8_t rs[64];
	size_t len;

	if (!hex_decode(hex, rs, sizeof(rs), &len) || len != sizeof(rs))
		return fault_set(
		    f, FAULT_INVALID, "a signature is not 64 bytes in hex");
	if (!signature_p256(X509_get0_pubkey(signer),
		bytes_of(message.at, message.len), rs))
		return fault_set(
		    f, FAULT_TAMPERED, "a signature of Intel's does not hold");
	return true;
}

static bool
role(struct verdict *v, X509 *c, const char *check, const char *wanted)
{
	char seen[64];

	if (!certificate_common_name(c, seen, sizeof(seen)))
		seen[0] = '\0';
	return verdict_need(v, strcmp(seen, wanted) == 0,
	    (struct check){check, SOURCE_VERIFIER, CODE_UNTRUSTED,
		verdict_text(v, text_of(seen)), wanted});
}

/* 4.1.2.3: TCB info. */
static bool
verify_tcb_info(
    struct tdx_collateral *c, const struct tdx_source *s, struct verdict *v)
{
	struct fault f = {0};

	return need(v,
		   read_chain(c, s->tcb_info_chain, &c->tcb_signing, NULL, &f),
		   "tdx.tcb_info_chain", &f) &&
	       role(v, c->tcb_signing, "tdx.tcb_info_signer", TCB_SIGNING) &&
	       need(v,
		   signature_of(
		       c->tcb_signing, s->tcb_info, s->tcb_info_signature, &f),
		   "tdx.tcb_info_signature", &f) &&
	       need(v, tdx_tcb_info_read(c->arena, s->tcb_info, &c->tcb, &f),
		   "tdx.tcb_info", &f);
}

/* 4.1.2.9: identity of the quoting enclave. */
static bool
verify_qe_identity(
    struct tdx_collateral *c, const struct tdx_source *s, struct verdict *v)
{
	struct fault f = {0};
	bool held = true;

	if (text_equal(s->qe_identity_chain, s->tcb_info_chain))
		X509_up_ref(c->qe_signing = c->tcb_signing);
	else
		held = read_chain(
		    c, s->qe_identity_chain, &c->qe_signing, NULL, &f);
	return need(v, held, "tdx.qe_identity_chain", &f) &&
	       role(v, c->qe_signing, "tdx.qe_identity_signer", TCB_SIGNING) &&
	       need(v,
		   signature_of(c->qe_signing, s->qe_identity,
		       s->qe_identity_signature, &f),
		   "tdx.qe_identity_signature", &f) &&
	       need(v,
		   tdx_qe_identity_read(c->arena, s->qe_identity, &c->qe, &f),
		   "tdx.qe_identity", &f);
}

/* 4.1.2.2: revocation lists of the root and of the CA of PCK certificates. */
static bool
verify_lists(
    struct tdx_collateral *c, const struct tdx_source *s, struct verdict *v)
{
	struct fault f = {0};
	bool is_ca;

	if (!need(v,
		read_chain(c, s->pck_crl_chain, &c->pck_ca, &c->pck_ca_der, &f),
		"tdx.pck_crl_chain", &f))
		return false;
	is_ca = is_named(c->pck_ca, "Intel SGX PCK Platform CA") ||
		is_named(c->pck_ca, "Intel SGX PCK Processor CA");
	if (!verdict_need(v, is_ca,
		(struct check){"tdx.pck_crl_signer", SOURCE_VERIFIER,
		    CODE_UNTRUSTED, "another name",
		    "Intel SGX PCK Platform or Processor CA"}))
		return false;
	return need(v,
		   crl_read(s->root_crl, &c->root_crl, &f) &&
		       crl_verify_untimed(
			   c->root_crl, c->root, &c->root_crl_window, &f),
		   "tdx.root_crl", &f) &&
	       need(v,
		   crl_read(s->pck_crl, &c->pck_crl, &f) &&
		       crl_verify_untimed(
			   c->pck_crl, c->pck_ca, &c->pck_crl_window, &f),
		   "tdx.pck_crl", &f);
}

/* The root list speaks about everything that the root signed. */
static bool
verify_unrevoked(struct tdx_collateral *c, struct verdict *v)
{
	return verdict_need(v,
		   !crl_lists(c->root_crl, c->tcb_signing) &&
		       !crl_lists(c->root_crl, c->qe_signing),
		   (struct check){"tdx.tcb_signing_revoked", SOURCE_VERIFIER,
		       CODE_REVOKED, NULL, NULL}) &&
	       verdict_need(v, !crl_lists(c->root_crl, c->pck_ca),
		   (struct check){"tdx.pck_ca_revoked", SOURCE_VERIFIER,
		       CODE_REVOKED, NULL, NULL});
}

static struct bytes
kept_spki(struct tdx_collateral *c, X509 *certificate)
{
	uint8_t *at = arena_alloc(c->arena, 32);

	spki_sha256(certificate, at);
	return bytes_of(at, 32);
}

bool
tdx_collateral_new(const struct tdx_source *s, const struct anchors *anchors,
    bool revocation, struct verdict *v, struct tdx_collateral **out)
{
	struct tdx_collateral *c = mem_new(sizeof(*c));
	bool held;

	c->arena = arena_new();
	c->anchors = anchors;
	c->chain_window = c->root_crl_window = c->pck_crl_window =
	    WINDOW_ALWAYS;
	held =
	    verify_tcb_info(c, s, v) && verify_qe_identity(c, s, v) &&
	    (!revocation || (verify_lists(c, s, v) && verify_unrevoked(c, v)));
	if (!held) {
		tdx_collateral_free(&c);
		return false;
	}
	c->root_spki = kept_spki(c, c->root);
	if (c->pck_ca != NULL)
		c->pck_ca_spki = kept_spki(c, c->pck_ca);
	*out = c;
	return true;
}

void
tdx_collateral_free(struct tdx_collateral **at)
{
	struct tdx_collateral *c = *at;

	if (c == NULL)
		return;
	X509_free(c->root);
	X509_free(c->tcb_signing);
	X509_free(c->qe_signing);
	X509_free(c->pck_ca);
	X509_CRL_free(c->root_crl);
	X509_CRL_free(c->pck_crl);
	arena_free(&c->arena);
	mem_free(c);
	*at = NULL;
}
