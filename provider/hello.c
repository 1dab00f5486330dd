/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See hello.h. What is cut is made printable first: half a character would
 * keep the whole from being written as JSON.
 */
#include "provider/hello.h"

#include <string.h>

#include "provider/offer.h"

#define HELLO_BYTES 4096
#define ADMITTED_BYTES (64 * 1024)

bool
hello_read(struct text t, struct arena *a, struct hello *out, struct fault *f)
{
	const char *purpose;
	json_t *j = NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = json_read(t, HELLO_BYTES, &j, f) &&
	     json_get_string(
		 j, "nonce", 128, &out->nonce, FAULT_INVALID_JSON, f) &&
	     json_get_string_or(
		 j, "purpose", 40, "", &purpose, FAULT_INVALID_JSON, f);
	if (ok) {
		out->nonce = arena_string(a, out->nonce);
		out->is_buyers = strcmp(purpose, "buyer") == 0;
	}
	json_free(&j);
	return ok;
}

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void
read_models(const json_t *models, json_t *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach(models, i, one)
	{
		const char *canonical = member(one, "canonical");
		const char *status = member(one, "status");

		if (canonical != NULL && status != NULL)
			json_object_set_new(out, canonical,
			    json_pack("{s:s, s:s?}", "status", status, "reason",
				member(one, "reason")));
	}
}

static void
read_verified(const json_t *verified, struct admission *out)
{
	const char *status = member(verified, "status");
	const char *reason = member(verified, "reason");
	struct arena *a = arena_new();

	text_escape(
	    text_of(arena_printf(a, "%s %s", status != NULL ? status : "",
		reason != NULL ? reason : "")),
	    out->verified, sizeof(out->verified));
	arena_free(&a);
}

bool
admission_read(struct text t, struct admission *out, struct fault *f)
{
	const json_t *models;
	json_t *j = NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = json_read(t, ADMITTED_BYTES, &j, f) &&
	     json_get_array(
		 j, "models", OFFER_MODELS, &models, FAULT_INVALID_JSON, f);
	if (ok) {
		text_escape(text_of(member(j, "session")), out->session,
		    sizeof(out->session));
		read_verified(json_object_get(j, "verified"), out);
		out->models = json_object();
		read_models(models, out->models);
	}
	json_free(&j);
	return ok;
}

void
admission_free(struct admission *x)
{
	json_free(&x->models);
}
