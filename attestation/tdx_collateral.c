/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying collateral: each statement is signed by a chain that ends at the
 * pinned Intel root; each certificate plays the part its name says; lists are
 * issued by whom they speak for. A flat column of needs.
 */
#include "attestation/tdx_collateral.h"

#include <string.h>

#include "base/codec.h"

#define TCB_SIGNING "Intel SGX TCB Signing"

static bool
need(struct verdict *v, bool holds, const char *name, const struct fault *f)
{
	return verdict_need_fault(v, holds, name, SOURCE_VERIFIER, f);
}

/* Another certificate of the pinned key is as good as the first: the later
 * views only ask for its name. */
static bool
take_root(struct tdx_collateral *c, struct bytes der, struct cert *out,
    struct fault *f)
{
	if (!cert_read(der, out, f))
		return false;
	if (c->root_key == NULL)
		c->root_key = cert_key(out, NULL);
	if (!cert_check_anchor(
		out, c->root_key, c->anchors, ANCHOR_INTEL_SGX_ROOT, f))
		return false;
	c->root = *out;
	return true;
}

/* Two certificates, the second being the root, whose key is kept from the
 * first chain on. */
static bool
read_chain(struct tdx_collateral *c, struct text pem, struct cert *leaf,
    EVP_PKEY **key, struct fault *f)
{
	struct chain_blocks b;
	struct cert root;

	if (!chain_split_pem(c->arena, pem, &b, f))
		return false;
	if (b.count != 2)
		return fault_set(f, FAULT_INVALID,
		    "issuer chain of %zu certificates, not 2", b.count);
	if (c->root_key != NULL && bytes_equal(b.at[1], c->root.der))
		root = c->root;
	else if (!take_root(c, b.at[1], &root, f))
		return false;
	if (!cert_read(b.at[0], leaf, f) ||
	    !cert_check_link(leaf, &root, c->root_key, 0, CHAIN_ECDSA, f))
		return false;
	c->chain_window = window_meet(
	    c->chain_window, window_meet(leaf->window, root.window));
	*key = cert_key(leaf, c->root_key);
	return *key != NULL || fault_set(f, FAULT_INVALID,
				   "issuer chain: a key is not on its curve");
}

static bool
signature_of(
    EVP_PKEY *signer, struct text message, struct text hex, struct fault *f)
{
	uint8_t rs[64];
	size_t len;

	if (!hex_decode(hex, rs, sizeof(rs), &len) || len != sizeof(rs))
		return fault_set(
		    f, FAULT_INVALID, "a signature is not 64 bytes in hex");
	if (!signature_p256(signer, bytes_of(message.at, message.len), rs))
		return fault_set(
		    f, FAULT_TAMPERED, "a signature of Intel's does not hold");
	return true;
}

static bool
signer(struct verdict *v, const struct cert *c, const char *check)
{
	struct text seen = {NULL, 0};
	bool is =
	    cert_common_name(c, &seen) && text_is(seen, TCB_SIGNING) && !c->ca;

	return verdict_need(v, is,
	    (struct check){check, SOURCE_VERIFIER, CODE_UNTRUSTED,
		verdict_text(v, seen), TCB_SIGNING});
}

/* 4.1.2.3: TCB info. */
static bool
verify_tcb_info(
    struct tdx_collateral *c, const struct tdx_source *s, struct verdict *v)
{
	struct fault f = {0};

	return need(v,
		   read_chain(c, s->tcb_info_chain, &c->tcb_signing,
		       &c->tcb_key, &f) &&
		       cert_check_leaf(&c->tcb_signing, &f),
		   "tdx.tcb_info_chain", &f) &&
	       signer(v, &c->tcb_signing, "tdx.tcb_info_signer") &&
	       need(v,
		   signature_of(
		       c->tcb_key, s->tcb_info, s->tcb_info_signature, &f),
		   "tdx.tcb_info_signature", &f) &&
	       need(v, tdx_tcb_info_read(c->arena, s->tcb_info, &c->tcb, &f),
		   "tdx.tcb_info", &f);
}

static bool
read_qe_chain(
    struct tdx_collateral *c, const struct tdx_source *s, struct fault *f)
{
	/* Usually the same text, and then already verified. */
	if (text_equal(s->qe_identity_chain, s->tcb_info_chain)) {
		c->qe_signing = c->tcb_signing;
		EVP_PKEY_up_ref(c->qe_key = c->tcb_key);
		return true;
	}
	return read_chain(
		   c, s->qe_identity_chain, &c->qe_signing, &c->qe_key, f) &&
	       cert_check_leaf(&c->qe_signing, f);
}

/* 4.1.2.9: identity of the quoting enclave. */
static bool
verify_qe_identity(
    struct tdx_collateral *c, const struct tdx_source *s, struct verdict *v)
{
	struct fault f = {0};

	return need(v, read_qe_chain(c, s, &f), "tdx.qe_identity_chain", &f) &&
	       signer(v, &c->qe_signing, "tdx.qe_identity_signer") &&
	       need(v,
		   signature_of(
		       c->qe_key, s->qe_identity, s->qe_identity_signature, &f),
		   "tdx.qe_identity_signature", &f) &&
	       need(v,
		   tdx_qe_identity_read(c->arena, s->qe_identity, &c->qe, &f),
		   "tdx.qe_identity", &f);
}

/* Views on bytes that live as long as the collateral. */
static bool
read_list(struct tdx_collateral *c, struct bytes der, struct cert_list *out,
    struct fault *f)
{
	if (der.len <= CRL_DER_MAX)
		der.at = (const uint8_t *)arena_copy(c->arena, der.at, der.len);
	return cert_list_read(c->arena, der, out, f);
}

/* 4.1.2.2: revocation lists of the root and of the CA of PCK certificates. */
static bool
verify_lists(
    struct tdx_collateral *c, const struct tdx_source *s, struct verdict *v)
{
	struct fault f = {0};
	bool is_ca;

	if (!need(v,
		read_chain(c, s->pck_crl_chain, &c->pck_ca, &c->pck_ca_key, &f),
		"tdx.pck_crl_chain", &f))
		return false;
	is_ca = cert_is_named(&c->pck_ca, "Intel SGX PCK Platform CA") ||
		cert_is_named(&c->pck_ca, "Intel SGX PCK Processor CA");
	if (!verdict_need(v, is_ca && c->pck_ca.ca,
		(struct check){"tdx.pck_crl_signer", SOURCE_VERIFIER,
		    CODE_UNTRUSTED, NULL,
		    "Intel SGX PCK Platform or Processor CA"}))
		return false;
	if (!need(v,
		read_list(c, s->root_crl, &c->root_crl, &f) &&
		    cert_list_check(&c->root_crl, &c->root, c->root_key, &f),
		"tdx.root_crl", &f) ||
	    !need(v,
		read_list(c, s->pck_crl, &c->pck_crl, &f) &&
		    cert_list_check(&c->pck_crl, &c->pck_ca, c->pck_ca_key, &f),
		"tdx.pck_crl", &f))
		return false;
	c->root_crl_window = c->root_crl.window;
	c->pck_crl_window = c->pck_crl.window;
	c->has_lists = true;
	return true;
}

/* The root list speaks about everything that the root signed, itself too: a
 * root that lists itself has been given up. */
static bool
verify_unrevoked(struct tdx_collateral *c, struct verdict *v)
{
	return verdict_need(v, !cert_list_has(&c->root_crl, &c->root),
		   (struct check){"tdx.root_revoked", SOURCE_VERIFIER,
		       CODE_REVOKED, NULL, NULL}) &&
	       verdict_need(v,
		   !cert_list_has(&c->root_crl, &c->tcb_signing) &&
		       !cert_list_has(&c->root_crl, &c->qe_signing),
		   (struct check){"tdx.tcb_signing_revoked", SOURCE_VERIFIER,
		       CODE_REVOKED, NULL, NULL}) &&
	       verdict_need(v, !cert_list_has(&c->root_crl, &c->pck_ca),
		   (struct check){"tdx.pck_ca_revoked", SOURCE_VERIFIER,
		       CODE_REVOKED, NULL, NULL});
}

static struct tdx_collateral *
begun(const struct anchors *anchors)
{
	struct tdx_collateral *c = mem_new(sizeof(*c));

	c->arena = arena_new();
	c->anchors = anchors;
	c->chain_window = c->root_crl_window = c->pck_crl_window =
	    WINDOW_ALWAYS;
	return c;
}

static bool
verify_signed(struct tdx_collateral *c, const struct tdx_source *s, bool lists,
    struct verdict *v)
{
	return verify_tcb_info(c, s, v) && verify_qe_identity(c, s, v) &&
	       (!lists || verify_lists(c, s, v));
}

bool
tdx_collateral_new(const struct tdx_source *s, const struct anchors *anchors,
    bool revocation, struct verdict *v, struct tdx_collateral **out)
{
	struct tdx_collateral *c = begun(anchors);
	bool held = verify_signed(c, s, revocation, v) &&
		    (!revocation || verify_unrevoked(c, v));

	if (!held) {
		tdx_collateral_free(&c);
		return false;
	}
	*out = c;
	return true;
}

bool
tdx_collateral_is_genuine(const struct tdx_source *s,
    const struct anchors *anchors, struct verdict *v, struct tdx_subject *out)
{
	struct tdx_collateral *c = begun(anchors);
	bool held = verify_signed(c, s, true, v);

	if (held) {
		memcpy(out->fmspc, c->tcb.fmspc, sizeof(out->fmspc));
		out->is_processor =
		    cert_is_named(&c->pck_ca, "Intel SGX PCK Processor CA");
	}
	tdx_collateral_free(&c);
	return held;
}

void
tdx_collateral_free(struct tdx_collateral **at)
{
	struct tdx_collateral *c = *at;

	if (c == NULL)
		return;
	EVP_PKEY_free(c->root_key);
	EVP_PKEY_free(c->tcb_key);
	EVP_PKEY_free(c->qe_key);
	EVP_PKEY_free(c->pck_ca_key);
	arena_free(&c->arena);
	mem_free(c);
	*at = NULL;
}
