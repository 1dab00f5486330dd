/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service's answer, step by step. The overall token vouches for the
 * device tokens by their digests, so both ways are checked: each digest has
 * its token, each token its digest, and as many as there are devices.
 */
#include "attestation/nras.h"

#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

enum { UEID_MAX = 128 };

struct session {
	struct verdict *v;
	const struct nras_rules *r;
	struct eat_keys keys;
	/* The key of the last token: an answer's tokens share it. */
	char kid[128];
	EVP_PKEY *key;
	struct window window;
	const char *ueid[NRAS_DEVICES_MAX]; /* in the verdict's arena */
	size_t devices;
};

static const char *
string_claim(const struct eat *e, const char *name)
{
	const char *s = json_string_value(json_object_get(e->claims, name));

	return s != NULL ? s : "";
}

static bool
key_of(struct session *s, const char *kid, struct fault *f)
{
	const struct eat_rules rules = {s->r->anchors, s->r->now_ms};

	if (s->key != NULL && strcmp(s->kid, kid) == 0)
		return true;
	EVP_PKEY_free(s->key);
	s->key = NULL;
	s->window = WINDOW_ALWAYS;
	return eat_key_find(&s->keys, kid, &rules, &s->key, &s->window, f) &&
	       text_store(text_of(kid), s->kid, sizeof(s->kid));
}

static bool
kept_digest(EVP_PKEY *key, struct text compact, uint8_t out[32])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);
	struct bytes parts[2];

	if (len <= 0)
		return false;
	parts[0] = bytes_of(der, (size_t)len);
	parts[1] = bytes_of(compact.at, compact.len);
	sha256_parts(parts, 2, out);
	OPENSSL_free(der);
	return true;
}

static bool
is_kept(const struct nras_kept *k, const uint8_t digest[32])
{
	size_t n = k->count < NRAS_KEPT_MAX ? k->count : NRAS_KEPT_MAX;

	for (size_t i = 0; i < n; i++)
		if (memcmp(k->digest[i], digest, 32) == 0)
			return true;
	return false;
}

static bool
signature_holds(
    const struct session *s, struct text compact, const struct eat *e)
{
	struct nras_kept *k = s->r->kept;
	uint8_t digest[32];

	if (k == NULL || !kept_digest(s->key, compact, digest))
		return eat_holds(e, s->key);
	if (is_kept(k, digest))
		return true;
	if (!eat_holds(e, s->key))
		return false;
	memcpy(k->digest[k->count++ % NRAS_KEPT_MAX], digest, 32);
	return true;
}

static bool
token_verified(struct session *s, struct text compact, struct eat *out)
{
	struct fault f = {0};
	bool ok = eat_read(compact, out, &f);

	if (!verdict_check_fault(s->v, ok, "nras.token", SOURCE_VERIFIER, &f))
		return false;
	ok = key_of(s, out->kid, &f);
	if (!verdict_check_fault(s->v, ok, "nras.key", SOURCE_VERIFIER, &f))
		return false;
	s->v->test_root |=
	    anchors_is_test(s->r->anchors, ANCHOR_NRAS_INTERMEDIATE);
	verdict_until(s->v, s->window.until);
	ok = signature_holds(s, compact, out);
	return verdict_check(s->v, ok,
	    (struct check){"nras.signature", SOURCE_VERIFIER, CODE_TAMPERED,
		ok ? NULL : "it does not hold under the key of its kid",
		"ES384"});
}

static bool
issuer_judge(struct session *s, const struct eat *e)
{
	const struct policy_texts *list = s->r->issuers;
	const char *seen = string_claim(e, "iss");
	bool ok = list != NULL && list->count > 0
		      ? policy_texts_have(list, text_of(seen))
		      : strcmp(seen, NRAS_ISSUER) == 0;

	return verdict_check(s->v, ok,
	    (struct check){"nras.issuer", SOURCE_VERIFIER, CODE_UNTRUSTED,
		verdict_text(s->v, text_of(seen)), NRAS_ISSUER});
}

static bool
instant(const struct eat *e, const char *name, int64_t *ms)
{
	const json_t *j = json_object_get(e->claims, name);
	json_int_t v = json_integer_value(j);

	if (!json_is_integer(j) || v < 0 || v > INT64_MAX / 2000)
		return false;
	*ms = v * 1000;
	return true;
}

/* RFC 7519 4.1.4 to 4.1.6: exp is the first instant that is too late. */
static bool
time_judge(struct session *s, const struct eat *e)
{
	int64_t now = s->r->now_ms, iat, nbf, exp, oldest = INT64_MIN;
	struct check c = {"nras.time", SOURCE_VERIFIER, CODE_MALFORMED,
	    "iat, nbf or exp is missing", NULL};

	if (!instant(e, "iat", &iat) || !instant(e, "nbf", &nbf) ||
	    !instant(e, "exp", &exp) || exp <= nbf)
		return verdict_check(s->v, false, c);
	if (s->r->max_age_s > 0)
		oldest = now - s->r->max_age_s * 1000;
	c.code = now >= exp	? CODE_EXPIRED
		 : iat < oldest ? CODE_STALE
				: CODE_NOT_YET_VALID;
	c.seen = verdict_format(s->v, "iat %s, nbf %s, exp %s",
	    verdict_time(s->v, iat), verdict_time(s->v, nbf),
	    verdict_time(s->v, exp));
	c.wanted = verdict_time(s->v, now);
	verdict_until(s->v, exp - 1);
	return verdict_check(
	    s->v, iat <= now && nbf <= now && now < exp && iat >= oldest, c);
}

static bool
nonce_judge(struct session *s, const struct eat *e)
{
	const char *seen = string_claim(e, "eat_nonce");
	uint8_t raw[32];
	size_t len = 0;
	bool ok = hex_decode(text_of(seen), raw, sizeof(raw), &len) &&
		  len == sizeof(raw) &&
		  bytes_equal(bytes_of(raw, len), s->r->nonce);

	return verdict_check(s->v, ok,
	    (struct check){"nras.nonce", SOURCE_VERIFIER, CODE_NONCE,
		verdict_text(s->v, text_of(seen)),
		verdict_hex(s->v, s->r->nonce)});
}

/* What is the same for the overall token and for each device's. */
static bool
token_judge(struct session *s, struct text compact, struct eat *out)
{
	bool ok;

	memset(out, 0, sizeof(*out));
	if (!token_verified(s, compact, out))
		return false;
	ok = issuer_judge(s, out);
	ok &= time_judge(s, out);
	return ok;
}

/* Everything that the service claims to have checked; a claim that is not
 * there was not checked. */
static bool
claims_judge(struct session *s, const struct eat *e)
{
	static const char *const must_be_true[] = {
	    "secboot",
	    "x-nvidia-gpu-arch-check",
	    "x-nvidia-gpu-attestation-report-parsed",
	    "x-nvidia-gpu-attestation-report-nonce-match",
	    "x-nvidia-gpu-attestation-report-signature-verified",
	    "x-nvidia-gpu-attestation-report-cert-chain-validated",
	    "x-nvidia-gpu-driver-rim-fetched",
	    "x-nvidia-gpu-driver-rim-schema-validated",
	    "x-nvidia-gpu-driver-rim-signature-verified",
	    "x-nvidia-gpu-driver-rim-cert-validated",
	    "x-nvidia-gpu-driver-rim-measurements-available",
	    "x-nvidia-gpu-vbios-rim-fetched",
	    "x-nvidia-gpu-vbios-rim-schema-validated",
	    "x-nvidia-gpu-vbios-rim-signature-verified",
	    "x-nvidia-gpu-vbios-rim-cert-validated",
	    "x-nvidia-gpu-vbios-rim-measurements-available",
	    "x-nvidia-gpu-vbios-index-no-conflict",
	};
	struct check c = {"nras.claims", SOURCE_VERIFIER, CODE_MEASUREMENT,
	    NULL, "every step done, measurements matching, debug disabled"};

	for (size_t i = 0; i < sizeof(must_be_true) / sizeof(char *); i++)
		if (!json_is_true(
			json_object_get(e->claims, must_be_true[i]))) {
			c.seen = verdict_format(
			    s->v, "%s is not true", must_be_true[i]);
			return verdict_check(s->v, false, c);
		}
	if (strcmp(string_claim(e, "dbgstat"), "disabled") != 0) {
		c.code = CODE_DEBUG;
		c.seen = "dbgstat is not disabled";
		return verdict_check(s->v, false, c);
	}
	c.seen = verdict_text(s->v, text_of(string_claim(e, "measres")));
	return verdict_check(
	    s->v, strcmp(string_claim(e, "measres"), "success") == 0, c);
}

/* Eight tokens must be eight devices. */
static bool
ueid_judge(struct session *s, const struct eat *e)
{
	const char *ueid = string_claim(e, "ueid");
	bool ok = *ueid != '\0' && strlen(ueid) <= UEID_MAX;

	for (size_t i = 0; i < s->devices; i++)
		ok = ok && strcmp(s->ueid[i], ueid) != 0;
	if (ok)
		s->ueid[s->devices++] = arena_string(s->v->arena, ueid);
	return verdict_check(s->v, ok,
	    (struct check){"nras.device_distinct", SOURCE_VERIFIER,
		CODE_MISMATCH, verdict_text(s->v, text_of(ueid)),
		"an id of its own"});
}

static bool
device_judge(struct session *s, const char *name, struct text compact)
{
	struct eat e;
	bool ok;

	s->v->subject = verdict_text(s->v, text_of(name));
	ok = token_judge(s, compact, &e) && nonce_judge(s, &e) &&
	     claims_judge(s, &e) && ueid_judge(s, &e);
	eat_free(&e);
	s->v->subject = NULL;
	return ok;
}

/* ["DIGEST", ["SHA-256", hex]] against the compact token. */
static bool
digest_is(const json_t *listed, struct text compact)
{
	const json_t *pair = json_array_get(listed, 1);
	const char *kind = json_string_value(json_array_get(listed, 0));
	const char *hash = json_string_value(json_array_get(pair, 0));
	const char *hex = json_string_value(json_array_get(pair, 1));
	uint8_t seen[32], wanted[32];
	size_t len;

	if (json_array_size(listed) != 2 || json_array_size(pair) != 2 ||
	    kind == NULL || hash == NULL || hex == NULL ||
	    strcmp(kind, "DIGEST") != 0 || strcmp(hash, "SHA-256") != 0 ||
	    !hex_decode(text_of(hex), wanted, sizeof(wanted), &len) ||
	    len != sizeof(wanted))
		return false;
	sha256(bytes_of(compact.at, compact.len), seen);
	return memcmp(seen, wanted, sizeof(seen)) == 0;
}

static bool
coverage_judge(struct session *s, const json_t *submods, const json_t *tokens)
{
	size_t listed = json_object_size(submods);
	size_t given = json_object_size(tokens);
	const char *name;
	const json_t *token;
	struct check c = {"nras.devices", SOURCE_VERIFIER, CODE_MISMATCH, NULL,
	    "each listed device token, by its digest, and no other"};
	bool ok = listed == given && given > 0 && given <= NRAS_DEVICES_MAX &&
		  (s->r->devices < 0 || (size_t)s->r->devices == given);

	c.seen = verdict_format(s->v, "%zu listed, %zu given", listed, given);
	if (!ok)
		return verdict_check(s->v, false, c);
	json_object_foreach((json_t *)(uintptr_t)tokens, name, token)
	{
		const json_t *digest = json_object_get(submods, name);

		if (json_is_string(token) && digest != NULL &&
		    digest_is(digest, (struct text){json_string_value(token),
					  json_string_length(token)}))
			continue;
		c.code = CODE_TAMPERED;
		c.seen = verdict_format(s->v, "%.20s is not as listed", name);
		return verdict_check(s->v, false, c);
	}
	return verdict_check(s->v, true, c);
}

static bool
devices_judge(struct session *s, const json_t *tokens)
{
	const char *name;
	const json_t *token;
	bool ok = true;

	json_object_foreach((json_t *)(uintptr_t)tokens, name,
	    token) ok &= device_judge(s, name,
	    (struct text){json_string_value(token), json_string_length(token)});
	return ok;
}

static bool
overall_judge(struct session *s, const char *overall, const json_t *tokens)
{
	struct eat e;
	bool ok;

	ok = token_judge(s, text_of(overall), &e) && nonce_judge(s, &e) &&
	     verdict_check(s->v,
		 json_is_true(
		     json_object_get(e.claims, "x-nvidia-overall-att-result")),
		 (struct check){"nras.result", SOURCE_VERIFIER,
		     CODE_MEASUREMENT, "the service says no", "true"}) &&
	     coverage_judge(s, json_object_get(e.claims, "submods"), tokens);
	eat_free(&e);
	return ok && devices_judge(s, tokens);
}

bool
nras_judge(struct verdict *v, const struct nras_rules *r, const json_t *answer,
    struct text jwks)
{
	struct session s = {.v = v, .r = r};
	const json_t *pair = json_array_get(answer, 0);
	const json_t *tokens = json_array_get(answer, 1);
	const char *kind = json_string_value(json_array_get(pair, 0));
	const char *overall = json_string_value(json_array_get(pair, 1));
	struct fault f = {0};
	bool ok;

	ok = json_array_size(answer) == 2 && json_array_size(pair) == 2 &&
	     kind != NULL && strcmp(kind, "JWT") == 0 && overall != NULL &&
	     json_is_object(tokens);
	if (!verdict_check(v, ok,
		(struct check){"nras.answer", SOURCE_PROVIDER, CODE_MALFORMED,
		    "not an overall token and device tokens", NULL}))
		return false;
	ok = eat_keys_read(jwks, &s.keys, &f);
	if (verdict_need_fault(v, ok, "nras.keys", SOURCE_VERIFIER, &f))
		ok = overall_judge(&s, overall, tokens);
	EVP_PKEY_free(s.key);
	eat_keys_free(&s.keys);
	return ok;
}
