/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See collateral_body.h. A service that answers with a page of its proxy, or
 * with half a document, must not push out what is held and sound.
 */
#include "gateway/collateral_body.h"

#include <openssl/x509v3.h>
#include <string.h>

#include "attestation/cert.h"
#include "attestation/chain.h"
#include "attestation/eat.h"
#include "attestation/ocsp.h"
#include "attestation/tdx_collateral.h"
#include "base/crypto.h"
#include "base/json.h"

#define RIM_MAX ((size_t)8 << 20)

static const struct {
	const char *prefix;
	enum collateral_source source;
} sources[] = {{"tdx/", COLLATERAL_INTEL}, {"amd/", COLLATERAL_AMD},
    {"nvidia/", COLLATERAL_NVIDIA}, {"nras/", COLLATERAL_NRAS}};

static bool
begins(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

enum collateral_source
collateral_source_of(const char *name)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (begins(name, sources[i].prefix))
			return sources[i].source;
	return COLLATERAL_SOURCES;
}

static void
meet(struct collateral_facts *out, int64_t next_update)
{
	if (next_update < out->next_update)
		out->next_update = next_update;
}

static void
number_add(struct collateral_facts *out, int64_t number, int64_t ms)
{
	uint8_t be[8];

	for (int i = 0; i < 8; i++)
		be[i] = (uint8_t)(number >> (56 - 8 * i));
	collateral_edition_add(&out->edition, bytes_of(be, sizeof(be)), ms);
}

/* A number below zero is none. */
static void
list_edition(X509_CRL *list, struct collateral_facts *out)
{
	ASN1_INTEGER *i =
	    X509_CRL_get_ext_d2i(list, NID_crl_number, NULL, NULL);
	struct bytes number = bytes_of(NULL, 0);
	int64_t issued = 0;

	if (i != NULL && ASN1_STRING_type(i) == V_ASN1_INTEGER)
		number = bytes_of(
		    ASN1_STRING_get0_data(i), (size_t)ASN1_STRING_length(i));
	if (!time_of_asn1(X509_CRL_get0_lastUpdate(list), &issued))
		issued = 0;
	collateral_edition_add(&out->edition, number, issued);
	ASN1_INTEGER_free(i);
}

static bool
list_read(struct bytes body, struct collateral_facts *out, struct fault *f)
{
	X509_CRL *list = NULL;
	int64_t next;

	if (!crl_read(body, &list, f))
		return false;
	if (time_of_asn1(X509_CRL_get0_nextUpdate(list), &next))
		meet(out, next);
	list_edition(list, out);
	X509_CRL_free(list);
	return true;
}

/* A list by itself: its issuer's name counts too. */
static bool
list_alone_read(
    struct bytes body, struct collateral_facts *out, struct fault *f)
{
	X509_CRL *list = NULL;
	const unsigned char *name;
	size_t len;

	if (!list_read(body, out, f) || !crl_read(body, &list, f))
		return false;
	if (X509_NAME_get0_der(X509_CRL_get_issuer(list), &name, &len) == 1)
		sha256(bytes_of(name, len), out->issuer);
	X509_CRL_free(list);
	return true;
}

static bool
ocsp_read(struct bytes body, struct collateral_facts *out, struct fault *f)
{
	struct ocsp_times t;

	if (!ocsp_peek(body, &t, f))
		return false;
	meet(out, t.next_update);
	number_add(out, t.this_update, t.produced);
	return true;
}

static bool
tdx_read(struct arena *a, struct bytes body, struct collateral_facts *out,
    struct fault *f)
{
	struct tdx_source s;
	struct tdx_tcb_info tcb;
	struct tdx_qe_identity qe;

	if (!tdx_source_of_bundle(
		a, (struct text){(const char *)body.at, body.len}, &s, f) ||
	    !tdx_tcb_info_read(a, s.tcb_info, &tcb, f) ||
	    !tdx_qe_identity_read(a, s.qe_identity, &qe, f))
		return false;
	meet(out, tcb.next_update);
	meet(out, qe.next_update);
	number_add(out, tcb.evaluation, tcb.issued);
	number_add(out, qe.evaluation, qe.issued);
	return list_read(s.root_crl, out, f) && list_read(s.pck_crl, out, f);
}

/* AMD's pair: the intermediate, then the root. */
static bool
chain_read(struct arena *a, struct bytes body, struct fault *f)
{
	struct chain_blocks b;
	struct cert one;

	if (!chain_split_pem(
		a, (struct text){(const char *)body.at, body.len}, &b, f))
		return false;
	return (b.count == 2 && cert_read(b.at[0], &one, f) &&
		   cert_read(b.at[1], &one, f)) ||
	       fault_set(f, FAULT_INVALID,
		   "not a chain of two readable certificates");
}

/* The service's JSON, or a file with the manifest itself. */
static bool
rim_read_form(struct bytes body, struct fault *f)
{
	json_t *o = NULL;
	bool ok;

	if (body.at[0] == '<')
		return true;
	if (!json_read(
		(struct text){(const char *)body.at, body.len}, RIM_MAX, &o, f))
		return false;
	ok = json_string_length(json_object_get(o, "rim")) > 0;
	json_free(&o);
	return ok || fault_set(f, FAULT_INVALID, "an answer without a rim");
}

static bool
keys_read(struct bytes body, struct fault *f)
{
	struct eat_keys keys;
	bool ok;

	ok = eat_keys_read(
	    (struct text){(const char *)body.at, body.len}, &keys, f);
	eat_keys_free(&keys);
	return ok;
}

static bool
body_read(struct arena *a, const char *name, struct bytes body,
    struct collateral_facts *out, struct fault *f)
{
	struct cert leaf;

	if (begins(name, "tdx/tcb/"))
		return tdx_read(a, body, out, f);
	if (begins(name, "amd/crl/") || begins(name, "nvidia/crl/"))
		return list_alone_read(body, out, f);
	if (begins(name, OCSP_NAME_PREFIX))
		return ocsp_read(body, out, f);
	if (begins(name, "amd/chain/"))
		return chain_read(a, body, f);
	if (begins(name, "amd/vcek/"))
		return cert_read(body, &leaf, f);
	if (begins(name, "nvidia/rim/"))
		return rim_read_form(body, f);
	if (strcmp(name, "nras/jwks") == 0)
		return keys_read(body, f);
	return fault_set(f, FAULT_INVALID, "no known form");
}

bool
collateral_body_read(const char *name, struct bytes body,
    struct collateral_facts *out, struct fault *f)
{
	struct arena *a;
	bool ok;

	memset(out, 0, sizeof(*out));
	out->next_update = COLLATERAL_NO_UPDATE;
	if (body.len == 0)
		return fault_set(f, FAULT_INVALID, "no body");
	a = arena_new();
	ok = body_read(a, name, body, out, f);
	arena_free(&a);
	return ok;
}
