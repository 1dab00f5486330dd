/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collateral in its two written forms, brought to one. What is signed is text,
 * so the text is carried along byte for byte and never written anew.
 */
#include <string.h>

#include "attestation/tdx_collateral.h"
#include "base/codec.h"
#include "base/scan.h"

/* In the order of struct tdx_source. */
enum {
	M_TCB_INFO,
	M_TCB_SIGNATURE,
	M_TCB_CHAIN,
	M_QE,
	M_QE_SIGNATURE,
	M_QE_CHAIN,
	M_ROOT_CRL,
	M_PCK_CRL,
	M_PCK_CHAIN,
	M_COUNT
};

/* What a backslash and this character stand for; 0 for the long forms. */
static char
short_escape(char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : '\0';
}

/* A string that scan_object has found well-formed, un-escaped in runs: these
 * are long and hold few escapes. Fails on a long form. */
static bool
unescape(struct text in, char *out)
{
	const char *end = in.at + in.len, *at = in.at, *slash;

	while ((slash = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		memcpy(out, at, (size_t)(slash - at));
		out += slash - at;
		*out = short_escape(slash[1]);
		if (*out++ == '\0')
			return false;
		at = slash + 2;
	}
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = '\0';
	return true;
}

static bool
member_text(struct arena *a, const struct scan_member *m, struct text *out,
    struct fault *f)
{
	struct text inside;
	char *at;

	if (m->value.len < 2 || m->value.at[0] != '"')
		return fault_set(
		    f, FAULT_INVALID, "TDX collateral: no text %s", m->name);
	inside = (struct text){m->value.at + 1, m->value.len - 2};
	at = arena_alloc(a, m->value.len + 1);
	if (!unescape(inside, at) &&
	    !scan_string(m->value, at, m->value.len + 1, f))
		return false;
	*out = text_of(at);
	return true;
}

static bool
member_hex(struct arena *a, const struct scan_member *m, struct bytes *out,
    struct fault *f)
{
	struct text hex;
	size_t len;
	uint8_t *at;

	if (!member_text(a, m, &hex, f))
		return false;
	at = arena_alloc(a, hex.len / 2 + 1);
	if (!hex_decode(hex, at, hex.len / 2 + 1, &len))
		return fault_set(
		    f, FAULT_INVALID, "TDX collateral: %s is not hex", m->name);
	*out = bytes_of(at, len);
	return true;
}

bool
tdx_source_of_bundle(
    struct arena *a, struct text json, struct tdx_source *out, struct fault *f)
{
	struct scan_member m[M_COUNT] = {
	    [M_TCB_INFO] = {.name = "tcb_info"},
	    [M_TCB_SIGNATURE] = {.name = "tcb_info_signature"},
	    [M_TCB_CHAIN] = {.name = "tcb_info_issuer_chain"},
	    [M_QE] = {.name = "qe_identity"},
	    [M_QE_SIGNATURE] = {.name = "qe_identity_signature"},
	    [M_QE_CHAIN] = {.name = "qe_identity_issuer_chain"},
	    [M_ROOT_CRL] = {.name = "root_ca_crl"},
	    [M_PCK_CRL] = {.name = "pck_crl"},
	    [M_PCK_CHAIN] = {.name = "pck_crl_issuer_chain"},
	};

	if (json.len > TDX_BUNDLE_MAX)
		return fault_set(
		    f, FAULT_INVALID, "TDX collateral of %zu bytes", json.len);
	return scan_object(json, 32, m, M_COUNT, f) &&
	       member_text(a, &m[M_TCB_INFO], &out->tcb_info, f) &&
	       member_text(
		   a, &m[M_TCB_SIGNATURE], &out->tcb_info_signature, f) &&
	       member_text(a, &m[M_TCB_CHAIN], &out->tcb_info_chain, f) &&
	       member_text(a, &m[M_QE], &out->qe_identity, f) &&
	       member_text(
		   a, &m[M_QE_SIGNATURE], &out->qe_identity_signature, f) &&
	       member_text(a, &m[M_QE_CHAIN], &out->qe_identity_chain, f) &&
	       member_hex(a, &m[M_ROOT_CRL], &out->root_crl, f) &&
	       member_hex(a, &m[M_PCK_CRL], &out->pck_crl, f) &&
	       member_text(a, &m[M_PCK_CHAIN], &out->pck_crl_chain, f);
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
