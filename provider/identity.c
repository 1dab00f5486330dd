/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state folder. device.key and device.pem change together in a renewal:
 * the new key waits as next.key until its certificate has come, and the
 * chain is written after the key, so that a crash between the two leaves a
 * pair that does not fit, which the next start mends by renewing again.
 */
#include "provider/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define STATE_BYTES (256 * 1024)
#define TUNNELS_MAX 64
#define CERTIFICATES_MAX 64

static bool
json_file_read(const char *path, json_t **out, struct fault *f)
{
	char *text;
	size_t len;
	bool ok;

	if (!file_read(path, STATE_BYTES, &text, &len, f))
		return false;
	ok = json_read((struct text){text, len}, STATE_BYTES, out, f);
	mem_free(text);
	return ok;
}

static bool
get_time(const json_t *j, const char *name, int64_t *out, struct fault *f)
{
	const char *s;

	return json_get_string(j, name, 64, &s, FAULT_INVALID, f) &&
	       (time_of_rfc3339(text_of(s), out) ||
		   fault_set(
		       f, FAULT_INVALID, "%s is not an RFC 3339 time", name));
}

static bool
get_tunnels(
    struct arena *a, const json_t *j, struct identity *out, struct fault *f)
{
	const json_t *list, *one;
	size_t i;

	if (!json_get_array(j, "tunnels", TUNNELS_MAX, &list, FAULT_INVALID, f))
		return false;
	out->tunnels =
	    arena_alloc(a, (json_array_size(list) + 1) * sizeof *out->tunnels);
	json_array_foreach(list, i, one)
	{
		if (!json_is_string(one))
			return fault_set(f, FAULT_INVALID,
			    "tunnels[%zu] is not a host:port", i);
		out->tunnels[out->tunnel_count++] =
		    arena_string(a, json_string_value(one));
	}
	return true;
}

/* What the answer of auth and the file made of it have in common. */
static bool
read_members(
    struct arena *a, const json_t *j, struct identity *out, struct fault *f)
{
	const char *did, *issuer;

	if (!json_get_string(j, "did", 200, &did, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "issuer", 500, NULL, &issuer, FAULT_INVALID, f) ||
	    !get_time(j, "renew_after", &out->renew_after_ms, f) ||
	    !get_time(j, "expires_at", &out->expires_at_ms, f) ||
	    !get_tunnels(a, j, out, f))
		return false;
	out->did = arena_string(a, did);
	out->issuer = arena_string(a, issuer);
	return text_is_did(text_of(did)) ||
	       fault_set(f, FAULT_INVALID, "did is not a DID");
}

static const char *
in_folder(struct arena *a, const char *folder, const char *name)
{
	return arena_printf(a, "%s/%s", folder, name);
}

bool
identity_load(
    struct arena *a, const char *folder, struct identity *out, struct fault *f)
{
	const char *auth_url, *path;
	json_t *j = NULL;
	bool ok;

	memset(out, 0, sizeof *out);
	path = in_folder(a, folder, "identity.json");
	if (access(path, F_OK) != 0)
		return fault_set(f, FAULT_NOT_FOUND,
		    "%s has no identity: run `assay-provider enrol` first",
		    folder);
	if (!json_file_read(path, &j, f))
		return false;
	ok = json_get_string(j, "auth_url", 500, &auth_url, FAULT_INVALID, f) &&
	     read_members(a, j, out, f);
	if (ok)
		out->auth_url = arena_string(a, auth_url);
	json_free(&j);
	out->folder = arena_string(a, folder);
	out->key_file = in_folder(a, folder, "device.key");
	out->chain_file = in_folder(a, folder, "device.pem");
	out->gateway_ca_file = in_folder(a, folder, "gateway-ca.pem");
	path = in_folder(a, folder, "auth-ca.pem");
	out->auth_ca_file = access(path, R_OK) == 0 ? path : NULL;
	return ok;
}

bool
identity_key(
    const char *folder, bool next_key, struct ec_key **out, struct fault *f)
{
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", folder,
	    next_key ? "next.key" : "device.key");
	if (access(path, F_OK) == 0)
		return ec_key_read_file(path, out, f);
	*out = ec_key_generate();
	if (ec_key_write_file(*out, path, f))
		return true;
	ec_key_free(out);
	return false;
}

/* ------------------------------------------------------------ auth's answer
 */

static bool
get_certificates(
    const json_t *j, const char *name, STACK_OF(X509) * *out, struct fault *f)
{
	const char *pem;

	*out = NULL;
	return json_get_string(j, name, STATE_BYTES, &pem, FAULT_INVALID, f) &&
	       certificates_read_pem(text_of(pem), CERTIFICATES_MAX, out, f);
}

static bool
is_of(X509 *leaf, const char *did, struct fault *f)
{
	char named[201];

	return certificate_did(leaf, named, sizeof named, f) &&
	       (strcmp(named, did) == 0 ||
		   fault_set(f, FAULT_INVALID,
		       "the certificate names another device"));
}

static bool
read_certificates(const json_t *j, struct enrolment *out, struct fault *f)
{
	STACK_OF(X509) *cas = NULL;
	bool ok;

	ok = get_certificates(j, "gateway_ca", &cas, f) &&
	     get_certificates(j, "certificate_chain", &out->chain, f) &&
	     is_of(sk_X509_value(out->chain, 0), out->identity.did, f);
	sk_X509_pop_free(cas, X509_free);
	return ok;
}

void
enrolment_free(struct enrolment *x)
{
	sk_X509_pop_free(x->chain, X509_free);
	x->chain = NULL;
	json_free(&x->json);
}

bool
enrolment_read(
    struct arena *a, struct text t, struct enrolment *out, struct fault *f)
{
	memset(out, 0, sizeof *out);
	if (json_read(t, STATE_BYTES, &out->json, f) &&
	    read_members(a, out->json, &out->identity, f) &&
	    read_certificates(out->json, out, f))
		return true;
	enrolment_free(out);
	return false;
}

static bool
fits_key(const struct enrolment *x, const char *folder, bool next_key,
    struct fault *f)
{
	X509 *leaf = sk_X509_value(x->chain, 0);
	struct ec_key *key;
	bool ok;

	if (!identity_key(folder, next_key, &key, f))
		return false;
	ok = EVP_PKEY_eq(X509_get0_pubkey(leaf), ec_key_pkey(key)) == 1;
	ec_key_free(&key);
	return ok || fault_set(f, FAULT_INVALID,
			 "the certificate is for another key than ours");
}

/* ------------------------------------------------------------------ storing
 */

static bool
store_text(const char *folder, const char *name, const json_t *j,
    const char *member, struct fault *f)
{
	const char *text;
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return json_get_string(
		   j, member, STATE_BYTES, &text, FAULT_INVALID, f) &&
	       file_write(path, text, strlen(text), 0644, f);
}

static bool
take_next_key(const char *folder, struct fault *f)
{
	char from[4096], to[4096];

	snprintf(from, sizeof from, "%s/next.key", folder);
	snprintf(to, sizeof to, "%s/device.key", folder);
	if (rename(from, to) != 0)
		return fault_set(
		    f, FAULT_SYSTEM, "%s: %s", from, strerror(errno));
	return true;
}

static bool
copy_ca(const char *folder, const char *auth_ca, struct fault *f)
{
	char path[4096], *text;
	size_t len;
	bool ok;

	snprintf(path, sizeof path, "%s/auth-ca.pem", folder);
	if (auth_ca == NULL || strcmp(auth_ca, path) == 0)
		return true;
	if (!file_read(auth_ca, STATE_BYTES, &text, &len, f))
		return false;
	ok = file_write(path, text, len, 0644, f);
	mem_free(text);
	return ok;
}

/* The last of the files is the one that identity_load asks for. */
static bool
store_members(
    json_t *j, const char *folder, const char *auth_url, struct fault *f)
{
	struct arena *a = arena_new();
	const char *text;
	bool ok;

	json_object_del(j, "certificate_chain");
	json_object_del(j, "gateway_ca");
	json_object_set_new(j, "auth_url", json_string(auth_url));
	text = json_write(a, j);
	ok = file_write(
	    in_folder(a, folder, "identity.json"), text, strlen(text), 0644, f);
	arena_free(&a);
	return ok;
}

bool
identity_store(const char *folder, const char *answer, size_t len,
    const char *auth_url, const char *auth_ca, bool next_key, struct fault *f)
{
	struct arena *a = arena_new();
	struct enrolment x;
	bool ok;

	ok = enrolment_read(a, (struct text){answer, len}, &x, f) &&
	     fits_key(&x, folder, next_key, f) && copy_ca(folder, auth_ca, f) &&
	     (!next_key || take_next_key(folder, f)) &&
	     store_text(folder, "device.pem", x.json, "certificate_chain", f) &&
	     store_text(folder, "gateway-ca.pem", x.json, "gateway_ca", f) &&
	     store_members(x.json, folder, auth_url, f);
	enrolment_free(&x);
	arena_free(&a);
	return ok;
}
