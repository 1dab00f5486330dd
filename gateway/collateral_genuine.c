/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See collateral_genuine.h. One function a kind of name. A piece whose
 * issuer's certificate has ended was genuine once: that is not known here, and
 * its use will tell.
 */
#include "gateway/collateral_genuine.h"

#include <string.h>
#include <strings.h>

#include "attestation/eat.h"
#include "attestation/evidence.h"
#include "attestation/ocsp.h"
#include "attestation/rim.h"
#include "attestation/tdx_collateral.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/mem.h"

enum { KEYS_TRIED = 32 };

/* What is judged, and how. */
struct judging {
	struct collateral_issuers *by;
	const char *name;
	const char *rest; /* of the name, after the prefix of its kind */
	struct bytes body;
	int64_t now_ms;
	struct arena *a;
	struct fault *f;
};

static enum genuine
genuine_if(bool holds, const struct fault *f)
{
	if (holds)
		return GENUINE_YES;
	return f->kind == FAULT_EXPIRED || f->kind == FAULT_NOT_YET_VALID
		   ? GENUINE_UNKNOWN
		   : GENUINE_NO;
}

static struct text
text_of_body(const struct judging *j)
{
	return (struct text){(const char *)j->body.at, j->body.len};
}

/* ------------------------------------------------------------------- Intel */

/* The codes that tell forged from merely broken. */
static enum fault_kind
kind_of(enum verdict_code code)
{
	return code == CODE_TAMPERED	? FAULT_TAMPERED
	       : code == CODE_UNTRUSTED ? FAULT_UNTRUSTED
					: FAULT_INVALID;
}

static enum genuine
refused_by(const struct verdict *v, struct fault *f)
{
	fault_set(f, kind_of(v->code), "%s: %.120s",
	    v->failed != NULL ? v->failed : "", v->why != NULL ? v->why : "");
	return GENUINE_NO;
}

/* "<fmspc>" or "<fmspc>.processor" */
static bool
is_of_platform(const struct tdx_subject *s, const char *rest, struct fault *f)
{
	char hex[HEX_SIZE(6)];
	size_t len = 2 * sizeof(s->fmspc);

	hex_encode(bytes_of(s->fmspc, sizeof(s->fmspc)), hex);
	return (strncmp(rest, hex, len) == 0 &&
		   strcmp(rest + len, s->is_processor ? ".processor" : "") ==
		       0) ||
	       fault_set(f, FAULT_CONFLICT, "of platform %s and Intel's %s CA",
		   hex, s->is_processor ? "Processor" : "Platform");
}

static enum genuine
judge_tdx(struct judging *j)
{
	struct tdx_subject subject;
	struct tdx_source s;
	struct verdict v;

	verdict_init(&v, j->a, j->now_ms);
	if (!tdx_source_of_bundle(j->a, text_of_body(j), &s, j->f))
		return GENUINE_NO;
	if (!tdx_collateral_is_genuine(&s, j->by->anchors, &v, &subject))
		return refused_by(&v, j->f);
	return is_of_platform(&subject, j->rest, j->f) ? GENUINE_YES
						       : GENUINE_NO;
}

/* --------------------------------------------------------------------- AMD */

static const struct {
	enum anchor_kind ark, issuer[2]; /* of VCEK and VLEK leafs */
} amd[SNP_PRODUCTS] = {
    [SNP_MILAN] = {ANCHOR_AMD_ARK_MILAN,
	{ANCHOR_AMD_ASK_MILAN, ANCHOR_AMD_ASVK_MILAN}},
    [SNP_GENOA] = {ANCHOR_AMD_ARK_GENOA,
	{ANCHOR_AMD_ASK_GENOA, ANCHOR_AMD_ASVK_GENOA}},
    [SNP_TURIN] = {ANCHOR_AMD_ARK_TURIN,
	{ANCHOR_AMD_ASK_TURIN, ANCHOR_AMD_ASVK_TURIN}},
};

/* "<Product>/<vcek|vlek>" */
static bool
amd_read(const char *rest, enum snp_product *product, enum snp_key_kind *kind,
    struct fault *f)
{
	for (int p = 0; p < SNP_PRODUCTS; p++) {
		const char *name = snp_product_name((enum snp_product)p);
		size_t len = strlen(name);

		if (strncmp(rest, name, len) != 0 || rest[len] != '/')
			continue;
		*product = (enum snp_product)p;
		*kind = strcmp(rest + len, "/vlek") == 0 ? SNP_VLEK : SNP_VCEK;
		return *kind == SNP_VLEK || strcmp(rest + len, "/vcek") == 0 ||
		       fault_set(
			   f, FAULT_INVALID, "%.40s: no kind of key", rest);
	}
	return fault_set(f, FAULT_INVALID, "%.40s: no product of AMD's", rest);
}

static bool
list_is_by(struct bytes body, X509 *issuer, struct fault *f)
{
	struct window window;
	X509_CRL *list = NULL;
	bool holds = crl_read(body, &list, f) &&
		     crl_verify_untimed(list, issuer, &window, f);

	X509_CRL_free(list);
	return holds;
}

static enum genuine
judge_list_by(struct judging *j, enum anchor_kind kind)
{
	X509 *root = anchors_certificate(j->by->anchors, kind);
	enum genuine out = GENUINE_UNKNOWN;

	if (root != NULL)
		out = genuine_if(list_is_by(j->body, root, j->f), j->f);
	X509_free(root);
	return out;
}

/* Both kinds of list are the root's. */
static enum genuine
judge_amd_list(struct judging *j)
{
	enum snp_product product;
	enum snp_key_kind kind;

	return amd_read(j->rest, &product, &kind, j->f)
		   ? judge_list_by(j, amd[product].ark)
		   : GENUINE_NO;
}

static bool
amd_chain_holds(struct judging *j, enum snp_product p, enum snp_key_kind k)
{
	struct chain_blocks b;
	struct cert issuer, root;
	uint8_t spki[32];
	EVP_PKEY *key;
	bool holds;

	if (!chain_split_pem(j->a, text_of_body(j), &b, j->f))
		return false;
	if (b.count != 2)
		return fault_set(j->f, FAULT_INVALID,
		    "AMD chain of %zu certificates, not 2", b.count);
	if (!cert_read(b.at[0], &issuer, j->f) ||
	    !cert_read(b.at[1], &root, j->f))
		return false;
	key = cert_key(&root, NULL);
	holds =
	    cert_check_anchor(&root, key, j->by->anchors, amd[p].ark, j->f) &&
	    cert_check_link(&issuer, &root, key, 1, CHAIN_RSA_PSS, j->f);
	EVP_PKEY_free(key);
	if (!holds)
		return false;
	cert_spki_sha256(&issuer, spki);
	return anchors_trust(j->by->anchors, amd[p].issuer[k], spki) ||
	       fault_set(j->f, FAULT_UNTRUSTED,
		   "the issuer is not AMD's for such leafs");
}

static enum genuine
judge_amd_chain(struct judging *j)
{
	enum snp_product product;
	enum snp_key_kind kind;
	char **at;

	if (!amd_read(j->rest, &product, &kind, j->f) ||
	    !amd_chain_holds(j, product, kind))
		return GENUINE_NO;
	at = &j->by->amd[product][kind];
	mem_free(*at);
	*at = mem_array(j->body.len + 1, 1);
	memcpy(*at, j->body.at, j->body.len);
	return GENUINE_YES;
}

static bool
is_tcb(const struct snp_key *k, const char *hex)
{
	struct snp_tcb named;
	uint8_t raw[8];
	size_t len;

	if (!hex_decode(text_of(hex), raw, sizeof(raw), &len) ||
	    len != sizeof(raw))
		return false;
	named = snp_tcb_of(raw, k->product);
	return snp_tcb_reaches(named, k->tcb) && snp_tcb_reaches(k->tcb, named);
}

/* "<hwid>/<tcb>": of that chip at that version. */
static bool
is_of_chip(const struct snp_key *k, const char *rest, struct fault *f)
{
	char hex[HEX_SIZE(64)];
	size_t len = 2 * k->hwid_len;

	hex_encode(bytes_of(k->hwid, k->hwid_len), hex);
	if (len == 0 || strncmp(rest, hex, len) != 0 || rest[len] != '/')
		return fault_set(
		    f, FAULT_CONFLICT, "the certificate of another chip");
	return is_tcb(k, rest + len + 1) ||
	       fault_set(f, FAULT_CONFLICT,
		   "the chip's certificate of another version");
}

static enum genuine
judge_vcek(struct judging *j)
{
	struct snp_source s = {.leaf = j->body};
	struct snp_key *key = NULL;
	enum snp_product product;
	enum snp_key_kind kind;
	struct verdict v;
	bool holds;

	if (!snp_leaf_peek(j->body, &kind, &product, j->f))
		return GENUINE_NO;
	if (kind != SNP_VCEK || j->by->amd[product][kind] == NULL)
		return GENUINE_UNKNOWN;
	s.chain = text_of(j->by->amd[product][kind]);
	verdict_init(&v, j->a, j->now_ms);
	if (!snp_key_new(&s, j->by->anchors, false, &v, &key))
		return refused_by(&v, j->f);
	holds = is_of_chip(key, j->rest, j->f);
	snp_key_free(&key);
	return holds ? GENUINE_YES : GENUINE_NO;
}

/* ------------------------------------------------------------------ NVIDIA */

static bool
is_issuer_of(X509 *certificate, struct bytes body)
{
	X509_CRL *list = NULL;
	struct fault f;
	bool is = crl_read(body, &list, &f) &&
		  X509_NAME_cmp(X509_CRL_get_issuer(list),
		      X509_get_subject_name(certificate)) == 0;

	X509_CRL_free(list);
	return is;
}

/* "NVIDIA GH100 Identity" for "l2-gh100". Under which name the list of a
 * sibling is published ("GB102") nobody has said. */
static enum genuine
judge_chip(X509 *issuer, const char *list, struct fault *f)
{
	const char *chip = strncmp(list, "l2-", 3) == 0 ? list + 3 : "";
	size_t len = strlen(chip), family = 2;
	enum genuine out = GENUINE_NO;
	char name[128];

	if (!certificate_common_name(issuer, name, sizeof(name)))
		name[0] = '\0';
	for (const char *word = name; len > family && *word != '\0';) {
		size_t n = strcspn(word, " ");

		if (n == len && strncasecmp(word, chip, len) == 0)
			return GENUINE_YES;
		if (n > family && strncasecmp(word, chip, family) == 0)
			out = GENUINE_UNKNOWN;
		word += n + strspn(word + n, " ");
	}
	if (out == GENUINE_NO)
		fault_set(f, FAULT_CONFLICT, "the list of %.80s", name);
	return out;
}

/* A root's list by the root; others by those right below it. A name that two
 * of them bear is no reason to refuse while one of them holds. */
static enum genuine
judge_nvidia_list(struct judging *j)
{
	const struct nvidia_kept *seen = j->by->nvidia;
	enum genuine out = GENUINE_UNKNOWN;

	if (strcmp(j->rest, "l1-root") == 0)
		return judge_list_by(j, ANCHOR_NVIDIA_DEVICE);
	if (strcmp(j->rest, "l1-corim") == 0)
		return judge_list_by(j, ANCHOR_NVIDIA_RIM);
	for (size_t i = 0; i < NVIDIA_IDENTITIES_MAX; i++) {
		X509 *one = seen->identities[i];

		if (one == NULL || !is_issuer_of(one, j->body))
			continue;
		if (list_is_by(j->body, one, j->f))
			return judge_chip(one, j->rest, j->f);
		out = GENUINE_NO;
	}
	return out;
}

/* By that one of them whose name stands in the answer's; else unknown. */
static enum genuine
judge_answer_by(struct judging *j, X509 *const *issuers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool holds;

		if (issuers[i] == NULL)
			continue;
		holds = ocsp_is_genuine(
		    j->body, j->name, issuers[i], j->now_ms, j->f);
		if (holds || j->f->kind != FAULT_NOT_FOUND)
			return genuine_if(holds, j->f);
	}
	return GENUINE_UNKNOWN;
}

static enum genuine
judge_answer(struct judging *j)
{
	const struct nvidia_kept *seen = j->by->nvidia;
	enum genuine out = judge_answer_by(j, seen->asked, NVIDIA_ASKED_MAX);

	return out != GENUINE_UNKNOWN
		   ? out
		   : judge_answer_by(j, seen->signers, NVIDIA_SIGNERS_MAX);
}

/* The service's JSON, or the manifest itself. */
static bool
manifest_of(struct judging *j, struct bytes *xml)
{
	json_t *o = NULL;
	bool ok;

	*xml = j->body;
	if (j->body.len == 0 || j->body.at[0] != '{')
		return true;
	ok = json_read(text_of_body(j), (size_t)2 * RIM_BYTES_MAX, &o, j->f) &&
	     evidence_member(j->a, o, "rim", RIM_BYTES_MAX, xml, j->f);
	json_free(&o);
	return ok;
}

static bool
is_without_dots(const char *plain, const char *dotted)
{
	for (; *dotted != '\0'; dotted++)
		if (*dotted != '.' && strncasecmp(plain++, dotted, 1) != 0)
			return false;
	return *plain == '\0';
}

/* What stands in the manifest of what its name says, which for firmware is
 * the version: of which board, only the name knows. */
static bool
is_named(const struct rim *rim, const char *edition, bool driver,
    const char *version)
{
	return strcmp(rim->edition, edition) == 0 &&
	       (driver ? strcasecmp(rim->version, version) == 0
		       : is_without_dots(version, rim->version));
}

static bool
is_product(const struct rim *rim, const char *from, const char *to)
{
	size_t len = (size_t)(to - from);

	return strlen(rim->product) == len &&
	       strncasecmp(rim->product, from, len) == 0;
}

/* "<kind>…_<version>". A driver of Blackwell is named by the chip that the
 * report tells, and its manifest may bear that of the certificate. */
static enum genuine
judge_id(const struct rim *rim, const char *id, struct fault *f)
{
	static const struct {
		const char *prefix, *edition;
		bool driver;
		enum genuine of_another_chip;
	} all[] = {{"NV_GPU_DRIVER_", "GPU", true, GENUINE_NO},
	    {"NV_GPU_CC_DRIVER_", "GPU", true, GENUINE_UNKNOWN},
	    {"NV_GPU_VBIOS_", "GPU", false, GENUINE_YES},
	    {"NV_SWITCH_BIOS_", "SWITCH", false, GENUINE_YES}};
	const char *last = strrchr(id, '_');
	enum genuine out = GENUINE_NO;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		size_t len = strlen(all[i].prefix);

		if (strncmp(id, all[i].prefix, len) != 0 || last < id + len ||
		    !is_named(rim, all[i].edition, all[i].driver, last + 1))
			continue;
		out = is_product(rim, id + len, last) ? GENUINE_YES
						      : all[i].of_another_chip;
	}
	if (out == GENUINE_NO)
		fault_set(f, FAULT_CONFLICT, "the manifest of %s %s %s",
		    rim->edition, rim->product, rim->version);
	return out;
}

static enum genuine
judge_manifest(struct judging *j)
{
	const struct rim_rules rules = {j->by->anchors, NULL, j->now_ms};
	struct rim *rim = arena_alloc(j->a, sizeof(*rim));
	struct bytes xml;

	if (!manifest_of(j, &xml) || !rim_read(j->a, xml, &rules, rim, j->f))
		return genuine_if(false, j->f);
	return judge_id(rim, j->rest, j->f);
}

/* A set has no signature of its own; each key has its certificate. One that
 * stands is enough: a set may hold keys of other services. */
static enum genuine
judge_keys(struct judging *j)
{
	const struct eat_rules rules = {j->by->anchors, j->now_ms};
	enum genuine out = GENUINE_NO;
	struct eat_keys all;
	const json_t *one;
	size_t i;

	if (!eat_keys_read(text_of_body(j), &all, j->f)) {
		eat_keys_free(&all);
		return GENUINE_NO;
	}
	fault_set(j->f, FAULT_UNTRUSTED, "a key set without a key of NRAS's");
	json_array_foreach((json_t *)(uintptr_t)all.keys, i, one)
	{
		const char *id = json_string_value(json_object_get(one, "kid"));
		struct window window;
		EVP_PKEY *key = NULL;
		bool holds = id != NULL && eat_key_find(&all, id, &rules, &key,
					       &window, j->f);

		EVP_PKEY_free(key);
		if (holds || genuine_if(false, j->f) == GENUINE_UNKNOWN)
			out = holds ? GENUINE_YES : GENUINE_UNKNOWN;
		if (holds || i + 1 == KEYS_TRIED)
			break;
	}
	eat_keys_free(&all);
	return out;
}

/* -------------------------------------------------------------------- kinds */

static const struct {
	const char *prefix;
	enum genuine (*judge)(struct judging *j);
} kinds[] = {
    {"tdx/tcb/", judge_tdx},
    {"amd/crl/", judge_amd_list},
    {"amd/chain/", judge_amd_chain},
    {"amd/vcek/", judge_vcek},
    {"nvidia/crl/", judge_nvidia_list},
    {OCSP_NAME_PREFIX, judge_answer},
    {"nvidia/rim/", judge_manifest},
    {"nras/jwks", judge_keys},
};

enum genuine
collateral_judge(struct collateral_issuers *by, const char *name,
    struct bytes body, int64_t now_ms, struct fault *f)
{
	struct judging j = {
	    .by = by, .name = name, .body = body, .now_ms = now_ms, .f = f};
	enum genuine out = GENUINE_UNKNOWN;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		size_t len = strlen(kinds[i].prefix);

		if (strncmp(name, kinds[i].prefix, len) != 0)
			continue;
		j.rest = name + len;
		j.a = arena_new();
		out = kinds[i].judge(&j);
		arena_free(&j.a);
		break;
	}
	return out;
}

void
collateral_issuers_clear(struct collateral_issuers *by)
{
	for (int p = 0; p < SNP_PRODUCTS; p++)
		for (int k = 0; k < 2; k++) {
			mem_free(by->amd[p][k]);
			by->amd[p][k] = NULL;
		}
}
