/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collateral in its two written forms, brought to one. What is signed is text,
 * so the text is carried along byte for byte and never written anew.
 */
#include <string.h>

#include "attestation/tdx_collateral.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/scan.h"

/* A string member of the bundle, copied; texts are bounded by the bundle. */
static bool
bundle_text(struct arena *a, const json_t *o, const char *name,
    struct text *out, struct fault *f)
{
	const json_t *j = json_object_get(o, name);
	size_t len = json_string_length(j);

	if (!json_is_string(j))
		return fault_set(
		    f, FAULT_INVALID, "TDX collateral: no text %s", name);
	*out = (struct text){arena_copy(a, json_string_value(j), len), len};
	return true;
}

static bool
bundle_hex(struct arena *a, const json_t *o, const char *name,
    struct bytes *out, struct fault *f)
{
	const json_t *j = json_object_get(o, name);
	size_t len, hex = json_string_length(j);
	uint8_t *at;

	if (!json_is_string(j))
		return fault_set(
		    f, FAULT_INVALID, "TDX collateral: no text %s", name);
	at = arena_alloc(a, hex / 2 + 1);
	if (!hex_decode((struct text){json_string_value(j), hex}, at,
		hex / 2 + 1, &len))
		return fault_set(
		    f, FAULT_INVALID, "TDX collateral: %s is not hex", name);
	*out = bytes_of(at, len);
	return true;
}

bool
tdx_source_of_bundle(
    struct arena *a, struct text json, struct tdx_source *out, struct fault *f)
{
	json_t *o = NULL;
	bool read;

	if (!json_read(json, TDX_BUNDLE_MAX, &o, f))
		return false;
	read =
	    bundle_text(a, o, "tcb_info", &out->tcb_info, f) &&
	    bundle_text(
		a, o, "tcb_info_signature", &out->tcb_info_signature, f) &&
	    bundle_text(
		a, o, "tcb_info_issuer_chain", &out->tcb_info_chain, f) &&
	    bundle_text(a, o, "qe_identity", &out->qe_identity, f) &&
	    bundle_text(a, o, "qe_identity_signature",
		&out->qe_identity_signature, f) &&
	    bundle_text(
		a, o, "qe_identity_issuer_chain", &out->qe_identity_chain, f) &&
	    bundle_hex(a, o, "root_ca_crl", &out->root_crl, f) &&
	    bundle_hex(a, o, "pck_crl", &out->pck_crl, f) &&
	    bundle_text(a, o, "pck_crl_issuer_chain", &out->pck_crl_chain, f);
	json_free(&o);
	return read;
}

/* The raw inner object and the signature of an answer's body. */
static bool
split_answer(struct arena *a, struct text body, const char *name,
    struct text *inner, struct text *signature, struct fault *f)
{
	struct scan_member m[] = {{.name = name}, {.name = "signature"}};
	char hex[256];

	if (body.len > TDX_TEXT_MAX)
		return fault_set(f, FAULT_INVALID,
		    "TDX collateral: an answer of %zu bytes", body.len);
	if (!scan_object(body, 32, m, 2, f))
		return false;
	if (m[0].value.len == 0 || m[0].value.at[0] != '{' ||
	    m[1].value.len == 0)
		return fault_set(f, FAULT_INVALID,
		    "TDX collateral: an answer without %s or signature", name);
	if (!scan_string(m[1].value, hex, sizeof(hex), f))
		return false;
	*inner = m[0].value;
	*signature = text_of(arena_string(a, hex));
	return true;
}

static bool
decode_chain(
    struct arena *a, struct text header, struct text *out, struct fault *f)
{
	char *at;
	size_t len;

	if (header.len > 3 * CHAIN_PEM_MAX)
		return fault_set(f, FAULT_INVALID,
		    "TDX collateral: issuer chain of %zu bytes", header.len);
	at = arena_alloc(a, header.len + 1);
	if (!percent_decode(header, at, header.len + 1, &len))
		return fault_set(f, FAULT_INVALID,
		    "TDX collateral: issuer chain is not percent-encoded");
	*out = (struct text){at, len};
	return true;
}

bool
tdx_source_of_answers(struct arena *a, const struct tdx_answers *in,
    struct tdx_source *out, struct fault *f)
{
	out->root_crl = in->root_crl;
	out->pck_crl = in->pck_crl;
	return split_answer(a, in->tcb, "tcbInfo", &out->tcb_info,
		   &out->tcb_info_signature, f) &&
	       split_answer(a, in->qe, "enclaveIdentity", &out->qe_identity,
		   &out->qe_identity_signature, f) &&
	       decode_chain(a, in->tcb_issuer_chain, &out->tcb_info_chain, f) &&
	       decode_chain(
		   a, in->qe_issuer_chain, &out->qe_identity_chain, f) &&
	       decode_chain(
		   a, in->pck_crl_issuer_chain, &out->pck_crl_chain, f);
}
