/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apple cases. Each names the checks that fail, computed by another
 * implementation, so a refusal here must come from one of them.
 */
#include <string.h>

#include "attestation/app_attest.h"
#include "attestation/apple_mda.h"
#include "base/codec.h"
#include "tests/vectors/vectors.h"

enum { FIELD_MAX = 4096 };

/* Our name of a check, and the names the index has for the same. */
static const struct {
	const char *ours;
	const char *theirs[5];
} same[] = {
    {".object", {"x5c-count", "trailing", "unreadable", "x5c", NULL}},
    {".chain", {"chain", "ca", "time", "x5c", "x5c-count"}},
    {".auth_data", {"unreadable", "cose-key", NULL}},
    {".environment", {"environment", "aaguid", NULL}},
    {".key_id", {"key-id", NULL}},
    {".app_id", {"app-id", NULL}},
    {".credential_id", {"credential-id", NULL}},
    {".cose_key", {"cose-key", NULL}},
    {".sip", {"posture 13.1", NULL}},
    {".secure_boot", {"posture 13.2", NULL}},
    {".kexts", {"posture 13.3", NULL}},
    {".fmt", {"fmt", NULL}},
    {".nonce", {"nonce", NULL}},
    {".flags", {"flags", NULL}},
    {".counter", {"counter", NULL}},
    {".signature", {"signature", NULL}},
    {".freshness", {"freshness", NULL}},
    {".device", {"device", NULL}},
};

static bool
listed(const struct vector *x, const char *name)
{
	const json_t *list = json_object_get(x->c, "failed_checks");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *one = json_string_value(json_array_get(list, i));

		if (one != NULL && strncmp(one, name, strlen(name)) == 0)
			return true;
	}
	return false;
}

/* The first refusal must be among those the index computed. */
static bool
reason_fits(struct vector *x, const struct verdict *v)
{
	const char *dot = v->failed != NULL ? strchr(v->failed, '.') : NULL;
	const json_t *list = json_object_get(x->c, "failed_checks");

	if (v->code == CODE_OK || json_array_size(list) == 0)
		return true;
	for (size_t i = 0; dot != NULL && i < sizeof(same) / sizeof(same[0]);
	     i++) {
		if (strcmp(same[i].ours, dot) != 0)
			continue;
		for (size_t j = 0; j < 5 && same[i].theirs[j] != NULL; j++)
			if (listed(x, same[i].theirs[j]))
				return true;
	}
	return vector_fail(x, "refused by %s, which the case does not list",
	    v->failed != NULL ? v->failed : "nothing");
}

static bool
finish(struct vector *x, struct verdict *v)
{
	verdict_conclude(v);
	return vector_expect(x, v, vector_string(x, "expect")) &&
	       reason_fits(x, v);
}

/* A hexadecimal or base64 member; empty where absent. */
static bool
field(struct vector *x, const json_t *o, const char *name, bool is_hex,
    struct bytes *out)
{
	const char *t = json_string_value(json_object_get(o, name));
	uint8_t *at = arena_alloc(x->a, FIELD_MAX);
	size_t len = 0;

	*out = (struct bytes){NULL, 0};
	if (t == NULL)
		return true;
	if (is_hex ? !hex_decode(text_of(t), at, FIELD_MAX, &len)
		   : !base64_decode(text_of(t), at, FIELD_MAX, &len))
		return vector_fail(x, "%s cannot be decoded", name);
	*out = bytes_of(at, len);
	return true;
}

static bool
decodes(struct vector *x, const char *name, bool is_hex)
{
	struct bytes out;

	return field(x, x->c, name, is_hex, &out);
}

static bool
app_attest(struct vector *x, struct anchors *anchors)
{
	const char *environment = vector_string(x, "environment");
	struct app_attest_rules r = {
	    .anchors = anchors, .app_id = text_of(vector_string(x, "app_id"))};
	struct app_attest_facts facts;
	struct bytes object;
	struct verdict v;

	if (environment == NULL)
		return vector_fail(x, "the case names no environment");
	if (!decodes(x, "key_id", false) ||
	    !decodes(x, "client_data_hash", true))
		return vector_malformed(x, "app_attest.asked");
	r.allow_production = strcmp(environment, "production") == 0;
	r.allow_development = strcmp(environment, "development") == 0;
	if (!vector_anchor(x, anchors, ANCHOR_APPLE_APP_ATTEST,
		vector_string(x, "root")) ||
	    !vector_member_file(x, "attestation", &object) ||
	    !vector_time(x, &r.now_ms) ||
	    !field(x, x->c, "key_id", false, &r.key_id) ||
	    !field(x, x->c, "client_data_hash", true, &r.client_data_hash))
		return false;
	verdict_init(&v, x->a, r.now_ms);
	app_attest_judge(&v, &r, object, &facts);
	return finish(x, &v);
}

static bool
assertion(struct vector *x)
{
	struct app_assertion_rules r = {
	    .app_id = text_of(vector_string(x, "app_id")),
	    .previous_counter = (uint32_t)json_integer_value(
		json_object_get(x->c, "previous_counter")),
	};
	struct bytes raw, point;
	struct verdict v;
	uint32_t counter;
	json_int_t wanted =
	    json_integer_value(json_object_get(x->c, "counter"));

	if (!vector_member_file(x, "assertion", &raw) ||
	    !field(x, x->c, "public_key", true, &point) ||
	    !field(x, x->c, "client_data_hash", true, &r.client_data_hash))
		return false;
	if (point.len != 65)
		return vector_malformed(x, "app_assertion.key");
	r.point = point.at;
	verdict_init(&v, x->a, 0);
	if (app_assertion_judge(&v, &r, raw, &counter) && counter != wanted)
		return vector_fail(x, "counter %u", counter);
	return finish(x, &v);
}

static bool
rules_of_mda(
    struct vector *x, struct anchors *anchors, struct apple_mda_rules *r)
{
	const json_t *policy = json_object_get(x->c, "policy");

	*r = (struct apple_mda_rules){.anchors = anchors,
	    .device = text_of(vector_string(x, "device")),
	    .secure_boot = text_of(
		json_string_value(json_object_get(policy, "secure_boot")))};
	return vector_anchor(x, anchors, ANCHOR_APPLE_ENTERPRISE,
		   vector_string(x, "root")) &&
	       vector_time(x, &r->now_ms) &&
	       field(x, x->c, "freshness", true, &r->freshness) &&
	       field(x, policy, "sip", true, &r->sip) &&
	       field(x, policy, "kext", true, &r->kexts);
}

static bool
mda(struct vector *x, struct anchors *anchors)
{
	struct apple_mda_rules r;
	struct apple_mda_facts facts;
	struct bytes object;
	struct verdict v;

	if (!rules_of_mda(x, anchors, &r) ||
	    !vector_member_file(x, "statement", &object))
		return false;
	verdict_init(&v, x->a, r.now_ms);
	apple_mda_judge(&v, &r, object, &facts);
	return finish(x, &v);
}

static bool
mda_chain(struct vector *x, struct anchors *anchors)
{
	const json_t *list = json_object_get(x->c, "chain");
	struct bytes der[APPLE_CHAIN_MAX];
	struct apple_mda_rules r;
	struct apple_mda_facts facts;
	struct verdict v;
	size_t count = json_array_size(list);

	if (!rules_of_mda(x, anchors, &r))
		return false;
	for (size_t i = 0; i < count && i < APPLE_CHAIN_MAX; i++)
		if (!vector_file(
			x, json_string_value(json_array_get(list, i)), &der[i]))
			return false;
	verdict_init(&v, x->a, r.now_ms);
	apple_mda_certificates_judge(&v, &r, der, count, &facts);
	return finish(x, &v);
}

static bool
fact_is(struct vector *x, const json_t *fields, const char *name, bool is_hex,
    struct bytes seen)
{
	const char *wanted = json_string_value(json_object_get(fields, name));
	char hex[HEX_SIZE(64)];

	if (is_hex && seen.len <= 64) {
		hex_encode(seen, hex);
		seen = bytes_of(hex, strlen(hex));
	}
	return (wanted != NULL &&
		   text_is((struct text){(const char *)seen.at, seen.len},
		       wanted)) ||
	       vector_fail(x, "fact %s differs", name);
}

static bool
mda_leaf(struct vector *x)
{
	const json_t *o = json_object_get(x->c, "fields");
	struct apple_mda_facts facts;
	struct fault f = {0};
	struct bytes der;
	X509 *leaf;

	if (!vector_member_file(x, "certificate", &der))
		return false;
	if (!certificate_read_der(der, &leaf, &f))
		return vector_fail(x, "%s", f.why);
	apple_mda_facts_read(x->a, leaf, &facts);
	X509_free(leaf);
	return fact_is(x, o, "serial", false, facts.serial) &&
	       fact_is(x, o, "udid", false, facts.udid) &&
	       fact_is(x, o, "os_version", false, facts.os_version) &&
	       fact_is(x, o, "sepos_version", false, facts.sepos_version) &&
	       fact_is(x, o, "llb_version", false, facts.llb_version) &&
	       fact_is(x, o, "freshness", true, facts.freshness) &&
	       fact_is(x, o, "sip", true, facts.sip) &&
	       fact_is(x, o, "secure_boot", false, facts.secure_boot) &&
	       fact_is(x, o, "kext", true, facts.kexts);
}

static bool
mda_freshness(struct vector *x)
{
	struct bytes wanted;
	uint8_t seen[32];

	if (!field(x, x->c, "freshness", true, &wanted))
		return false;
	apple_mda_freshness_of(text_of(vector_string(x, "key_text")), seen);
	return vector_expect_plain(x,
	    bytes_equal(wanted, bytes_of(seen, sizeof(seen))), CODE_NONCE,
	    "apple_mda.freshness", vector_string(x, "expect"));
}

bool
vector_apple(struct vector *x)
{
	const char *kind = vector_string(x, "kind");
	struct anchors *anchors = anchors_test_new();
	bool ok;

	if (kind == NULL)
		kind = "none";
	if (strcmp(kind, "app-attest") == 0)
		ok = app_attest(x, anchors);
	else if (strcmp(kind, "assertion") == 0)
		ok = assertion(x);
	else if (strcmp(kind, "mda") == 0)
		ok = mda(x, anchors);
	else if (strcmp(kind, "mda-chain") == 0)
		ok = mda_chain(x, anchors);
	else if (strcmp(kind, "mda-leaf") == 0)
		ok = mda_leaf(x);
	else if (strcmp(kind, "mda-freshness") == 0)
		ok = mda_freshness(x);
	else
		ok = vector_fail(x, "unknown kind %s", kind);
	anchors_test_free(&anchors);
	return ok;
}
