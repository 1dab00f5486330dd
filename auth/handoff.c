/* SPDX-License-Identifier: Apache-2.0 */
/* Claims in, token out; token in, claims or one reason out. */
#include "auth/handoff.h"

#include <string.h>

#include "base/codec.h"

#define NAME_TEXT_MAX 200
#define TIME_MAX 253402300799 /* the year 9999 */

/* ------------------------------------------------------------------ making */

/* Printable ASCII without blanks: these names go into headers and logs. */
static bool
name_check(const char *which, const char *s, struct fault *f)
{
	size_t len = s == NULL ? 0 : strnlen(s, NAME_TEXT_MAX + 1);

	if (len == 0 || len > NAME_TEXT_MAX)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "'%s' has not 1 to %d characters", which, NAME_TEXT_MAX);
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return fault_set(f, FAULT_INVALID_REQUEST,
			    "'%s' has a character at %zu that is not printable "
			    "ASCII",
			    which, i);
	return true;
}

static bool
uuid_check(const char *which, const char *s, struct fault *f)
{
	return text_is_uuid(text_of(s)) ||
	       fault_set(f, FAULT_INVALID_REQUEST,
		   "'%s' is not a lower-case UUID", which);
}

static bool
cnf_is_wellformed(const char *s)
{
	uint8_t digest[32];
	size_t len;

	return base64url_decode(text_of(s), digest, 32, &len) && len == 32;
}

bool
handoff_claims_check(const struct handoff_claims *c, struct fault *f)
{
	if (!text_is_did(text_of(c->aud)))
		return fault_set(
		    f, FAULT_INVALID_REQUEST, "'aud' is not a DID");
	if (c->pool == NULL || (strcmp(c->pool, "workspace") != 0 &&
				   strcmp(c->pool, "marketplace") != 0))
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "'pool' is neither workspace nor marketplace");
	if (c->iat <= 0 || c->iat > TIME_MAX)
		return fault_set(f, FAULT_INVALID_REQUEST, "'iat' is no time");
	if (c->cnf_x5t_s256 != NULL && !cnf_is_wellformed(c->cnf_x5t_s256))
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "'cnf' is not the base64url of a SHA-256");
	return name_check("iss", c->iss, f) && uuid_check("sub", c->sub, f) &&
	       uuid_check("workspace", c->workspace, f) &&
	       name_check("task", c->task, f) &&
	       name_check("model", c->model, f) &&
	       uuid_check("request_id", c->request_id, f) &&
	       uuid_check("jti", c->jti, f);
}

static void
set(json_t *o, const char *name, const char *value)
{
	json_object_set_new(o, name, json_string(value));
}

static json_t *
claims_write(const struct handoff_claims *c)
{
	json_t *o = json_object();

	set(o, "iss", c->iss);
	set(o, "aud", c->aud);
	set(o, "sub", c->sub);
	set(o, "workspace", c->workspace);
	set(o, "task", c->task);
	set(o, "model", c->model);
	json_object_set_new(o, "iat", json_integer(c->iat));
	json_object_set_new(o, "nbf", json_integer(c->iat));
	json_object_set_new(o, "exp", json_integer(c->iat + HANDOFF_LIFE_S));
	set(o, "jti", c->jti);
	set(o, "pool", c->pool);
	set(o, "request_id", c->request_id);
	if (c->cnf_x5t_s256 != NULL) {
		json_t *cnf = json_object();

		set(cnf, "x5t#S256", c->cnf_x5t_s256);
		json_object_set_new(o, "cnf", cnf);
	}
	return o;
}

bool
handoff_make(struct arena *a, const struct jwt_signer *s,
    const struct handoff_claims *c, char **token, struct fault *f)
{
	json_t *o;
	bool ok;

	*token = NULL;
	if (!handoff_claims_check(c, f))
		return false;
	o = claims_write(c);
	ok = jwt_sign(a, s, HANDOFF_TYP, json_write(a, o), token, f);
	json_free(&o);
	return ok;
}

/* ---------------------------------------------------------------- checking */

struct times {
	int64_t nbf;
	int64_t exp;
};

static bool
get(struct arena *a, const json_t *o, const char *name, const char **out,
    struct fault *f)
{
	const char *s;

	if (!json_get_string(
		o, name, NAME_TEXT_MAX, &s, FAULT_TOKEN_MALFORMED, f))
		return false;
	*out = arena_string(a, s);
	return true;
}

static bool
get_time(const json_t *o, const char *name, int64_t *out, struct fault *f)
{
	return json_get_int(
	    o, name, 1, TIME_MAX, out, FAULT_TOKEN_MALFORMED, f);
}

static bool
get_cnf(struct arena *a, const json_t *o, const char **out, struct fault *f)
{
	const json_t *cnf;

	*out = NULL;
	if (!json_get_object_or(o, "cnf", &cnf, FAULT_TOKEN_MALFORMED, f))
		return false;
	/* A way of holding that we do not know is not a way past us. */
	return cnf == NULL || get(a, cnf, "x5t#S256", out, f);
}

static bool
claims_read(struct arena *a, const json_t *o, struct handoff_claims *c,
    struct times *t, struct fault *f)
{
	struct fault inner;

	if (!get(a, o, "iss", &c->iss, f) || !get(a, o, "aud", &c->aud, f) ||
	    !get(a, o, "sub", &c->sub, f) ||
	    !get(a, o, "workspace", &c->workspace, f) ||
	    !get(a, o, "task", &c->task, f) ||
	    !get(a, o, "model", &c->model, f) ||
	    !get(a, o, "pool", &c->pool, f) ||
	    !get(a, o, "request_id", &c->request_id, f) ||
	    !get(a, o, "jti", &c->jti, f) ||
	    !get_cnf(a, o, &c->cnf_x5t_s256, f) ||
	    !get_time(o, "iat", &c->iat, f) ||
	    !get_time(o, "nbf", &t->nbf, f) || !get_time(o, "exp", &t->exp, f))
		return false;
	if (!handoff_claims_check(c, &inner))
		return fault_set(
		    f, FAULT_TOKEN_MALFORMED, "claim %s", inner.why);
	if (t->exp <= c->iat || t->exp > c->iat + HANDOFF_LIFE_S)
		return fault_set(f, FAULT_TOKEN_MALFORMED,
		    "token lives %lld s, not 1 to %d",
		    (long long)(t->exp - c->iat), HANDOFF_LIFE_S);
	return true;
}

static bool
check_issuer(const struct handoff_claims *c, const struct handoff_rules *r,
    struct fault *f)
{
	if (r->iss == NULL || strcmp(c->iss, r->iss) == 0)
		return true;
	return fault_set(
	    f, FAULT_TOKEN_MALFORMED, "token of issuer '%s'", c->iss);
}

/* RFC 8705 section 3. */
static bool
check_holder(const struct handoff_claims *c, const struct handoff_rules *r,
    struct fault *f)
{
	uint8_t wanted[32];
	size_t len;

	if (c->cnf_x5t_s256 == NULL || !r->holder_seen)
		return true;
	if (r->holder_sha256 == NULL)
		return fault_set(f, FAULT_TOKEN_SIGNATURE,
		    "token is bound to a certificate, and none was presented");
	if (base64url_decode(text_of(c->cnf_x5t_s256), wanted, 32, &len) &&
	    memcmp(wanted, r->holder_sha256, 32) == 0)
		return true;
	return fault_set(f, FAULT_TOKEN_SIGNATURE,
	    "token is bound to another certificate than the one presented");
}

static bool
check_audience(const struct handoff_claims *c, const struct handoff_rules *r,
    struct fault *f)
{
	if (strcmp(c->aud, r->aud) == 0)
		return true;
	return fault_set(
	    f, FAULT_TOKEN_WRONG_AUDIENCE, "token is for %.100s", c->aud);
}

/* A minter's clock may run 5 s ahead of ours. One that runs behind only
 * shortens a token's life: more than 60 s old by our clock is expired. */
static bool
check_times(const struct handoff_claims *c, const struct times *t,
    int64_t now_ms, struct fault *f)
{
	int64_t latest = now_ms + HANDOFF_SKEW_S * 1000;

	if (c->iat * 1000 > latest || t->nbf * 1000 > latest)
		return fault_set(f, FAULT_TOKEN_NOT_YET_VALID,
		    "token begins %lld ms from now",
		    (long long)((t->nbf > c->iat ? t->nbf : c->iat) * 1000 -
				now_ms));
	if (now_ms > t->exp * 1000)
		return fault_set(f, FAULT_TOKEN_EXPIRED,
		    "token ended %lld ms ago",
		    (long long)(now_ms - t->exp * 1000));
	return true;
}

static bool
check_advertised(const struct handoff_claims *c, const struct handoff_rules *r,
    struct fault *f)
{
	if (r->task != NULL && strcmp(c->task, r->task) != 0)
		return fault_set(f, FAULT_TOKEN_NOT_ADVERTISED,
		    "token is for task %.60s, asked for is %.60s", c->task,
		    r->task);
	if (r->model != NULL && strcmp(c->model, r->model) != 0)
		return fault_set(f, FAULT_TOKEN_NOT_ADVERTISED,
		    "token is for model %.60s, asked for is %.60s", c->model,
		    r->model);
	if (r->advertised(r->arg, c->task, c->model))
		return true;
	return fault_set(f, FAULT_TOKEN_NOT_ADVERTISED,
	    "task %.60s with model %.60s is not offered now", c->task,
	    c->model);
}

bool
handoff_check(struct arena *a, struct text token, const struct handoff_rules *r,
    struct handoff_claims *out, struct fault *f)
{
	json_t *claims = NULL;
	struct times t;
	bool ok;

	memset(out, 0, sizeof *out);
	ok = jwt_verify(token, HANDOFF_TYP, r->keys, &claims, f) &&
	     claims_read(a, claims, out, &t, f) && check_issuer(out, r, f) &&
	     check_holder(out, r, f) && check_audience(out, r, f) &&
	     check_times(out, &t, r->now_ms, f) &&
	     check_advertised(out, r, f) &&
	     replay_use(r->replay, out->jti, t.exp * 1000, r->now_ms, f);
	json_free(&claims);
	return ok;
}
