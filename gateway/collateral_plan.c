/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See collateral_plan.h. Paths are those of Intel's PCS v4, AMD's KDS v1 and
 * NVIDIA's RIM and attestation services; OCSP by POST (RFC 6960 appendix A).
 */
#include "gateway/collateral_plan.h"

#include <string.h>

#include "attestation/ocsp.h"
#include "attestation/tdx_collateral.h"
#include "base/codec.h"
#include "base/json.h"

bool
collateral_name_is_sound(const char *name)
{
	bool begins = true; /* a part */
	size_t i;

	for (i = 0; name[i] != '\0'; i++) {
		unsigned char c = (unsigned char)name[i];
		bool letter = (c >= 'a' && c <= 'z') ||
			      (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

		if (begins ? !letter : !letter && strchr("._-/", c) == NULL)
			return false;
		begins = c == '/';
	}
	return i > 0 && i <= COLLATERAL_NAME_MAX && !begins;
}

static bool
is_hex(struct text t, size_t digits)
{
	uint8_t out[64];
	size_t len;

	return t.len == digits && hex_decode(t, out, sizeof(out), &len);
}

static bool
unsourced(const char *name, struct fault *f)
{
	return fault_set(f, FAULT_UNAVAILABLE,
	    "no source is configured for collateral %.80s", name);
}

/* "<fmspc>" or "<fmspc>.processor": the list of the CA that issued the PCK
 * certificate. */
static bool
plan_tdx(struct arena *a, const struct collateral_urls *u, const char *rest,
    struct collateral_plan *out)
{
	const char *dot = strchr(rest, '.');
	struct text fmspc = {
	    rest, dot != NULL ? (size_t)(dot - rest) : strlen(rest)};

	if (u->pcs == NULL || u->root_crl == NULL || !is_hex(fmspc, 12) ||
	    (dot != NULL && strcmp(dot, ".processor") != 0))
		return false;
	out->url[0] = arena_printf(a, "%s/tdx/certification/v4/tcb?fmspc=%.*s",
	    u->pcs, (int)fmspc.len, fmspc.at);
	out->url[1] =
	    arena_printf(a, "%s/tdx/certification/v4/qe/identity", u->pcs);
	out->url[2] =
	    arena_printf(a, "%s/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
		u->pcs, dot != NULL ? "processor" : "platform");
	out->url[3] = u->root_crl;
	out->count = 4;
	return true;
}

/* "<Product>/<vcek|vlek>" */
static bool
plan_amd_list(struct arena *a, const struct collateral_urls *u,
    const char *rest, const char *what, struct collateral_plan *out)
{
	static const char *const products[] = {"Milan", "Genoa", "Turin"};
	static const char *const kinds[] = {"vcek", "vlek"};

	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 2; k++)
			if (strcmp(rest, arena_printf(a, "%s/%s", products[i],
					     kinds[k])) == 0) {
				out->url[0] = arena_printf(a, "%s/%s/v1/%s/%s",
				    u->kds, kinds[k], products[i], what);
				out->count = 1;
				return true;
			}
	return false;
}

/* "<hwid>/<tcb>": Turin's id is 8 bytes and its version begins with the FMC;
 * Milan's and Genoa's do not tell themselves apart. */
static bool
plan_vcek(struct arena *a, const struct collateral_urls *u, const char *rest,
    struct collateral_plan *out)
{
	static const char *const elder[] = {"Milan", "Genoa"};
	const char *slash = strchr(rest, '/');
	struct text id = {rest, slash != NULL ? (size_t)(slash - rest) : 0};
	uint8_t tcb[8];
	size_t len;

	if (slash == NULL || !hex_decode(text_of(slash + 1), tcb, 8, &len) ||
	    len != 8 || (!is_hex(id, 16) && !is_hex(id, 128)))
		return false;
	if (id.len == 16) {
		out->url[0] = arena_printf(a,
		    "%s/vcek/v1/Turin/%.*s?fmcSPL=%u&blSPL=%u&teeSPL=%u"
		    "&snpSPL=%u&ucodeSPL=%u",
		    u->kds, (int)id.len, id.at, tcb[0], tcb[1], tcb[2], tcb[3],
		    tcb[7]);
		out->count = 1;
		return true;
	}
	for (size_t i = 0; i < 2; i++)
		out->url[i] = arena_printf(a,
		    "%s/vcek/v1/%s/%.*s?blSPL=%u&teeSPL=%u&snpSPL=%u"
		    "&ucodeSPL=%u",
		    u->kds, elder[i], (int)id.len, id.at, tcb[0], tcb[1],
		    tcb[6], tcb[7]);
	out->count = 2;
	out->is_choice = true;
	return true;
}

static const char *
after(const char *name, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(name, prefix, len) == 0 ? name + len : NULL;
}

static bool
plan_amd(struct arena *a, const struct collateral_urls *u, const char *name,
    struct collateral_plan *out)
{
	const char *rest;

	if (u->kds == NULL)
		return false;
	if ((rest = after(name, "amd/crl/")) != NULL)
		return plan_amd_list(a, u, rest, "crl", out);
	if ((rest = after(name, "amd/chain/")) != NULL)
		return plan_amd_list(a, u, rest, "cert_chain", out);
	rest = after(name, "amd/vcek/");
	return rest != NULL && plan_vcek(a, u, rest, out);
}

static bool
plan_nvidia(struct arena *a, const struct collateral_urls *u, const char *name,
    struct collateral_plan *out)
{
	const char *rest = after(name, "nvidia/rim/");
	const char *list = after(name, "nvidia/crl/");

	/* The list of the manifests' root has a folder beside the others' and
	 * no ending: so says the distribution point in the certificates. */
	if (list != NULL && strcmp(list, "l1-corim") == 0 &&
	    u->nvidia_crl != NULL)
		out->url[0] =
		    arena_printf(a, "%s-corim/%s", u->nvidia_crl, list);
	else if (list != NULL && strchr(list, '/') == NULL &&
		 u->nvidia_crl != NULL)
		out->url[0] = arena_printf(a, "%s/%s.crl", u->nvidia_crl, list);
	else if (rest != NULL && strchr(rest, '/') == NULL && u->rim != NULL)
		out->url[0] = arena_printf(a, "%s/v1/rim/%s", u->rim, rest);
	else if (strcmp(name, "nras/jwks") == 0 && u->nras != NULL)
		out->url[0] =
		    arena_printf(a, "%s/.well-known/jwks.json", u->nras);
	else
		return false;
	out->count = 1;
	return true;
}

/* The responder is the configured one, whatever the certificate says. */
static bool
plan_ocsp(struct arena *a, const struct collateral_urls *u, const char *name,
    struct collateral_plan *out)
{
	struct fault f;

	if (u->nvidia_ocsp == NULL || after(name, OCSP_NAME_PREFIX) == NULL ||
	    !ocsp_question(a, name, &out->question, &f))
		return false;
	out->question_type = "application/ocsp-request";
	out->url[0] = u->nvidia_ocsp;
	out->count = 1;
	return true;
}

bool
collateral_plan_make(struct arena *a, const struct collateral_urls *u,
    const char *name, struct collateral_plan *out, struct fault *f)
{
	const char *fmspc = after(name, "tdx/tcb/");

	memset(out, 0, sizeof(*out));
	if (!collateral_name_is_sound(name))
		return unsourced(name, f);
	return (fmspc != NULL && plan_tdx(a, u, fmspc, out)) ||
	       plan_amd(a, u, name, out) || plan_nvidia(a, u, name, out) ||
	       plan_ocsp(a, u, name, out) || unsourced(name, f);
}

void
collateral_refused(const char *url, int status, struct fault *out)
{
	enum fault_kind kind = status == 404 ? FAULT_NOT_FOUND
			       : status >= 300 && status < 400
				   ? FAULT_REFUSED
				   : FAULT_UNAVAILABLE;

	fault_set(out, kind, "%.120s answered %d%s", url, status,
	    kind == FAULT_REFUSED ? ", and redirects are not followed" : "");
}

/* --------------------------------------------------------------- assembling */

static char *
hex_of(struct arena *a, struct bytes b)
{
	char *out = arena_alloc(a, HEX_SIZE(b.len));

	hex_encode(b, out);
	return out;
}

static json_t *
text_json(struct text t)
{
	return json_stringn(t.at, t.len);
}

/* A PCCS gives the root's list as hex of its DER. */
static struct bytes
unhexed(struct arena *a, struct bytes b)
{
	struct text hex = {(const char *)b.at, b.len};
	uint8_t *out = arena_alloc(a, b.len / 2 + 1);
	size_t len;

	return hex_decode(hex, out, b.len / 2 + 1, &len) ? bytes_of(out, len)
							 : b;
}

static bool
assemble_tdx(struct arena *a, const struct collateral_answer_part *p,
    struct bytes *out, struct fault *f)
{
	struct tdx_answers in = {
	    .tcb = {(const char *)p[0].body.at, p[0].body.len},
	    .tcb_issuer_chain = text_of(p[0].chain),
	    .qe = {(const char *)p[1].body.at, p[1].body.len},
	    .qe_issuer_chain = text_of(p[1].chain),
	    .pck_crl = p[2].body,
	    .pck_crl_issuer_chain = text_of(p[2].chain),
	    .root_crl = unhexed(a, p[3].body)};
	struct tdx_source s;
	json_t *j;
	char *text;

	if (!tdx_source_of_answers(a, &in, &s, f))
		return false;
	j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:o}",
	    "tcb_info", text_json(s.tcb_info), "tcb_info_signature",
	    text_json(s.tcb_info_signature), "tcb_info_issuer_chain",
	    text_json(s.tcb_info_chain), "qe_identity",
	    text_json(s.qe_identity), "qe_identity_signature",
	    text_json(s.qe_identity_signature), "qe_identity_issuer_chain",
	    text_json(s.qe_identity_chain), "root_ca_crl",
	    hex_of(a, s.root_crl), "pck_crl", hex_of(a, s.pck_crl),
	    "pck_crl_issuer_chain", text_json(s.pck_crl_chain));
	if (j == NULL)
		return fault_set(f, FAULT_INVALID,
		    "TDX collateral: an answer that is not UTF-8");
	text = json_write(a, j);
	json_free(&j);
	*out = bytes_of(text, strlen(text));
	return true;
}

bool
collateral_assemble(struct arena *a, const char *name,
    const struct collateral_answer_part *parts, size_t count, struct bytes *out,
    struct fault *f)
{
	if (after(name, "tdx/tcb/") != NULL && count == 4)
		return assemble_tdx(a, parts, out, f);
	if (count != 1 || parts[0].body.len == 0)
		return fault_set(
		    f, FAULT_INVALID, "collateral %.80s: no body", name);
	*out = parts[0].body;
	return true;
}
