/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See signature.h. The text is compared with what was seen here before the
 * signer is recovered: a good signature over something else is worth nothing.
 */
#include "gateway/signature.h"

#include <string.h>

#include "attestation/eip191.h"
#include "base/codec.h"
#include "base/json.h"
#include "base/scan.h"

#define DEPTH 64

static bool
check_text(struct text t, const struct signature_wish *w, struct fault *f)
{
	struct chat_text said;
	struct fault why;

	if (!chat_text_read(t, &said, &why))
		return fault_set(f, FAULT_SIGNATURE_INVALID, "%s", why.why);
	if (!text_equal(said.model, text_of(w->model)))
		return fault_set(f, FAULT_SIGNATURE_INVALID,
		    "the text signed names another model");
	if (memcmp(said.request, w->request, 32) != 0)
		return fault_set(f, FAULT_SIGNATURE_INVALID,
		    "the text signed is about another request");
	if (memcmp(said.response, w->response, 32) != 0)
		return fault_set(f, FAULT_SIGNATURE_INVALID,
		    "the text signed is about another answer");
	return true;
}

static bool
check_signer(
    const struct chat_signature *s, const char *wanted, struct fault *f)
{
	uint8_t address[EIP191_ADDRESS];
	struct chat_text ignored;
	struct fault why;

	if (!text_is(s->algorithm, "ecdsa"))
		return fault_set(f, FAULT_SIGNATURE_INVALID,
		    "the algorithm is not the one bound");
	if (!eip191_address_read(text_of(wanted), address, &why) ||
	    !eip191_verify(bytes_of(s->text.at, s->text.len), s->signature,
		address, &why) ||
	    !chat_signature_verify(s, &ignored, &why))
		return fault_set(f, FAULT_SIGNATURE_INVALID, "%s", why.why);
	return true;
}

bool
signature_read(struct text json, const struct signature_wish *w,
    struct arena *a, struct signature_row *out, struct fault *f)
{
	struct chat_signature s;
	json_t *j = NULL;
	bool ok;

	ok = json_read(json, SIGNATURE_ANSWER_MAX, &j, f) &&
	     json_get_string(j, "text", 1024, &out->text, FAULT_INVALID, f) &&
	     json_get_string(
		 j, "signature", 200, &out->signature, FAULT_INVALID, f) &&
	     json_get_string(
		 j, "signing_address", 64, &out->address, FAULT_INVALID, f) &&
	     json_get_string(
		 j, "signing_algo", 16, &out->algorithm, FAULT_INVALID, f);
	if (ok) {
		out->text = arena_string(a, out->text);
		out->signature = arena_string(a, out->signature);
		out->address = arena_string(a, out->address);
		out->algorithm = arena_string(a, out->algorithm);
		s = (struct chat_signature){text_of(out->text),
		    text_of(out->signature), text_of(out->address),
		    text_of(out->algorithm)};
		ok =
		    check_text(s.text, w, f) && check_signer(&s, w->address, f);
	}
	json_free(&j);
	if (!ok && f != NULL)
		f->kind = FAULT_SIGNATURE_INVALID;
	return ok;
}

/* ------------------------------------------------------------------ chat id */

/* What stands after the first "data:" that begins a line. */
static bool
first_event(struct text head, struct text *out)
{
	const char *end = head.at + head.len;

	for (const char *at = head.at; at < end;) {
		const char *lf = memchr(at, '\n', (size_t)(end - at));

		if (lf == NULL)
			return false;
		*out = (struct text){at, (size_t)(lf - at)};
		if (text_starts_with(*out, "data:")) {
			out->at += 5;
			out->len -= 5;
			return true;
		}
		at = lf + 1;
	}
	return false;
}

/* Printable, so that it can stand in a path and a log; and no UUID, which is
 * what a request of ours is called. */
static bool
is_askable(const char *id)
{
	if (id[0] == '\0' || text_is_uuid(text_of(id)))
		return false;
	for (const char *c = id; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			return false;
	return true;
}

bool
signature_chat_id(
    struct text head, bool is_stream, char out[SIGNATURE_CHAT_ID_MAX + 1])
{
	struct scan_member id = {.name = "id"};

	if (is_stream && !first_event(head, &head))
		return false;
	return scan_object(head, DEPTH, &id, 1, NULL) && id.value.len > 0 &&
	       *id.value.at == '"' &&
	       scan_string(id.value, out, SIGNATURE_CHAT_ID_MAX + 1, NULL) &&
	       is_askable(out);
}
