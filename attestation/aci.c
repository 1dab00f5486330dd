/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is signed is never the text that came but the canonical form of what
 * was read, so that nothing a reader sees can differ from what was signed.
 */
#include "attestation/aci.h"

#include <stdio.h>
#include <string.h>

#include "attestation/eip191.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "base/json.h"

#define DIGEST_PREFIX "sha256:"

static const char *
canonical_of(struct arena *a, const json_t *j, struct fault *f)
{
	const char *text = json_write_canonical(a, j);

	if (text == NULL)
		fault_set(f, FAULT_INVALID,
		    "document holds a number that is not an integer");
	return text;
}

const char *
aci_canonical(struct arena *a, struct text json, struct fault *f)
{
	json_t *j = NULL;
	const char *text;

	if (!json_read(json, ACI_DOCUMENT_MAX, &j, f))
		return NULL;
	text = canonical_of(a, j, f);
	json_free(&j);
	return text;
}

bool
aci_digest(struct text json, uint8_t out[32], struct fault *f)
{
	struct arena *a = arena_new();
	const char *text = aci_canonical(a, json, f);

	if (text != NULL)
		sha256(bytes_of(text, strlen(text)), out);
	arena_free(&a);
	return text != NULL;
}

static void
digest_text(const uint8_t digest[32], char out[sizeof(DIGEST_PREFIX) + 2 * 32])
{
	memcpy(out, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1);
	hex_encode(bytes_of(digest, 32), out + sizeof(DIGEST_PREFIX) - 1);
}

void
aci_report_data(
    const uint8_t keyset_digest[32], struct text nonce, uint8_t out[64])
{
	struct arena *a = arena_new();
	char digest[sizeof(DIGEST_PREFIX) + 2 * 32];
	json_t *j;
	const char *text;

	digest_text(keyset_digest, digest);
	j = json_pack("{s:s, s:o, s:s}", "keyset_digest", digest, "nonce",
	    nonce.len > 0 ? json_stringn(nonce.at, nonce.len) : json_null(),
	    "purpose", "aci.report_data.v1");
	text = j != NULL ? json_write_canonical(a, j) : NULL;
	memset(out, 0, 64);
	if (text != NULL)
		sha256(bytes_of(text, strlen(text)), out);
	json_free(&j);
	arena_free(&a);
}

/* "sha256:" and 64 lower-case digits. */
static bool
digest_read(const char *t, uint8_t out[32])
{
	char again[sizeof(DIGEST_PREFIX) + 2 * 32];

	if (strlen(t) != sizeof(again) - 1 ||
	    strncmp(t, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) != 0 ||
	    !hex_decode(text_of(t + sizeof(DIGEST_PREFIX) - 1), out, 32, NULL))
		return false;
	digest_text(out, again);
	return strcmp(again, t) == 0;
}

static bool
keyset_judge(const json_t *receipt, const json_t *keyset, struct fault *f)
{
	struct arena *a = arena_new();
	const char *text = canonical_of(a, keyset, f), *said;
	uint8_t digest[32];
	char wanted[sizeof(DIGEST_PREFIX) + 2 * 32];
	int64_t not_after, served_at;
	bool ok;

	if (text != NULL) {
		sha256(bytes_of(text, strlen(text)), digest);
		digest_text(digest, wanted);
	}
	ok = text != NULL &&
	     json_get_string(receipt, "workload_keyset_digest", 128, &said,
		 FAULT_INVALID, f) &&
	     json_get_int(keyset, "not_after", 0, INT64_MAX, &not_after,
		 FAULT_INVALID, f) &&
	     json_get_int(receipt, "served_at", 0, INT64_MAX, &served_at,
		 FAULT_INVALID, f);
	if (ok && strcmp(said, wanted) != 0)
		ok = fault_set(
		    f, FAULT_CONFLICT, "receipt: it names another key set");
	if (ok && served_at > not_after)
		ok = fault_set(f, FAULT_EXPIRED,
		    "receipt: served after the end of its key set");
	arena_free(&a);
	return ok;
}

static const char *
key_find(const json_t *keyset, const char *id, struct fault *f)
{
	const json_t *keys = NULL, *key;
	const char *found = NULL, *key_id, *algorithm, *public_key;
	size_t i;

	if (!json_get_array(
		keyset, "receipt_signing_keys", 64, &keys, FAULT_INVALID, f))
		return NULL;
	json_array_foreach((json_t *)(uintptr_t)keys, i, key)
	{
		if (!json_get_string(
			key, "key_id", 128, &key_id, FAULT_INVALID, f) ||
		    !json_get_string(
			key, "algo", 32, &algorithm, FAULT_INVALID, f) ||
		    !json_get_string(
			key, "public_key", 256, &public_key, FAULT_INVALID, f))
			return NULL;
		if (strcmp(key_id, id) != 0)
			continue;
		if (found != NULL || strcmp(algorithm, "ed25519") != 0) {
			fault_set(f, FAULT_CONFLICT,
			    "key set: key '%.40s' is there twice or not for "
			    "Ed25519",
			    id);
			return NULL;
		}
		found = public_key;
	}
	if (found == NULL)
		fault_set(f, FAULT_NOT_FOUND, "key set: no key '%.40s'", id);
	return found;
}

/* The signature is over the receipt without it. */
static bool
signature_judge(json_t *receipt, const json_t *keyset, struct fault *f)
{
	struct arena *a = arena_new();
	const char *id, *signature, *key, *text, *kept;
	bool ok;

	ok = json_get_string(receipt, "key_id", 128, &id, FAULT_INVALID, f) &&
	     json_get_string(
		 receipt, "signature", 128, &signature, FAULT_INVALID, f) &&
	     (key = key_find(keyset, id, f)) != NULL;
	if (ok) {
		kept = arena_string(a, signature);
		json_object_del(receipt, "signature");
		text = canonical_of(a, receipt, f);
		ok = text != NULL &&
		     ed25519_verify_text(bytes_of(text, strlen(text)),
			 text_of(kept), text_of(key), f);
	}
	arena_free(&a);
	return ok;
}

/* Which events must be there, once, and where their hashes go. */
static bool
event_read(const json_t *event, struct aci_receipt *out, bool seen[3],
    struct arena *a, struct fault *f)
{
	const char *type, *hash, *result, *session;

	if (!json_get_string(event, "type", 64, &type, FAULT_INVALID, f) ||
	    !json_get_string_or(
		event, "body_hash", 128, "", &hash, FAULT_INVALID, f) ||
	    !json_get_string_or(
		event, "result", 64, "", &result, FAULT_INVALID, f) ||
	    !json_get_string_or(
		event, "session_id", 128, "", &session, FAULT_INVALID, f))
		return false;
	if (strcmp(type, "request.received") == 0 && !seen[0])
		return (seen[0] = digest_read(hash, out->request)) ||
		       fault_set(f, FAULT_INVALID, "receipt: no request hash");
	if (strcmp(type, "response.returned") == 0 && !seen[1])
		return (seen[1] = digest_read(hash, out->response)) ||
		       fault_set(f, FAULT_INVALID, "receipt: no response hash");
	if (strcmp(type, "upstream.verified") == 0 && !seen[2]) {
		seen[2] = true;
		out->upstream_verified = strcmp(result, "verified") == 0;
		out->session_id = arena_string(a, session);
		return true;
	}
	if (strcmp(type, "request.received") == 0 ||
	    strcmp(type, "response.returned") == 0 ||
	    strcmp(type, "upstream.verified") == 0)
		return fault_set(
		    f, FAULT_CONFLICT, "receipt: event %s stands twice", type);
	return true;
}

static bool
facts_read(struct arena *a, const json_t *receipt, struct aci_receipt *out,
    struct fault *f)
{
	const json_t *events, *event;
	const char *chat, *model, *id;
	bool seen[3] = {false};
	size_t i;

	if (!json_get_string_or(
		receipt, "chat_id", 200, "", &chat, FAULT_INVALID, f) ||
	    !json_get_string_or(
		receipt, "model", 200, "", &model, FAULT_INVALID, f) ||
	    !json_get_string_or(
		receipt, "receipt_id", 200, "", &id, FAULT_INVALID, f) ||
	    !json_get_int(receipt, "served_at", 0, INT64_MAX, &out->served_at,
		FAULT_INVALID, f) ||
	    !json_get_array(receipt, "event_log", ACI_EVENTS_MAX, &events,
		FAULT_INVALID, f))
		return false;
	out->chat_id = arena_string(a, chat);
	out->model = arena_string(a, model);
	out->receipt_id = arena_string(a, id);
	out->session_id = "";
	json_array_foreach((json_t *)(uintptr_t)events, i,
	    event) if (!event_read(event, out, seen, a, f)) return false;
	if (!seen[0] || !seen[1])
		return fault_set(f, FAULT_INVALID,
		    "receipt: it names no request or no response");
	return true;
}

bool
aci_receipt_read(struct arena *a, struct text receipt, struct text keyset,
    struct aci_receipt *out, struct fault *f)
{
	json_t *r = NULL, *k = NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	ok = json_read(receipt, ACI_DOCUMENT_MAX, &r, f) &&
	     json_read(keyset, ACI_DOCUMENT_MAX, &k, f) &&
	     keyset_judge(r, k, f) && signature_judge(r, k, f) &&
	     facts_read(a, r, out, f);
	json_free(&r);
	json_free(&k);
	return ok;
}
