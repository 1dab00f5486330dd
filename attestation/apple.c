/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared outer shape of App Attest and Managed Device Attestation
 * objects. Senders leave Apple's root out, so the pinned certificate closes
 * the chain.
 */
#include "attestation/apple.h"

#include <openssl/core_names.h>
#include <string.h>

#include "attestation/cbor_read.h"

static bool
x5c_read(struct bytes *in, struct apple_object *out)
{
	struct cbor_read_item list, der;

	if (!cbor_read_kind(in, CBOR_READ_ARRAY, &list) ||
	    list.number > APPLE_CHAIN_MAX)
		return false;
	while (out->certificates < list.number) {
		if (!cbor_read_kind(in, CBOR_READ_BYTES, &der))
			return false;
		out->x5c[out->certificates++] = der.content;
	}
	return true;
}

static bool
statement_read(struct bytes *in, struct apple_object *out)
{
	struct cbor_read_item map, key, value;
	bool chain = false, receipt = false;

	if (!cbor_read_kind(in, CBOR_READ_MAP, &map) || map.number > 2)
		return false;
	for (uint64_t i = 0; i < map.number; i++) {
		if (!cbor_read_kind(in, CBOR_READ_TEXT, &key))
			return false;
		if (!chain && cbor_read_is(&key, "x5c")) {
			chain = x5c_read(in, out);
			if (!chain)
				return false;
		} else if (!receipt && cbor_read_is(&key, "receipt")) {
			receipt = cbor_read_kind(in, CBOR_READ_BYTES, &value);
			if (!receipt)
				return false;
			out->receipt = value.content;
		} else {
			return false;
		}
	}
	return chain;
}

static bool
member_read(struct bytes *in, struct apple_object *out, bool *statement)
{
	struct cbor_read_item key, value;

	if (!cbor_read_kind(in, CBOR_READ_TEXT, &key))
		return false;
	if (cbor_read_is(&key, "fmt") && out->format.at == NULL) {
		if (!cbor_read_kind(in, CBOR_READ_TEXT, &value))
			return false;
		out->format = (struct text){
		    (const char *)value.content.at, value.content.len};
		return true;
	}
	if (cbor_read_is(&key, "attStmt") && !*statement) {
		*statement = true;
		return statement_read(in, out);
	}
	if (cbor_read_is(&key, "authData") && out->auth_data.at == NULL) {
		if (!cbor_read_kind(in, CBOR_READ_BYTES, &value))
			return false;
		out->auth_data = value.content;
		return true;
	}
	return false;
}

bool
apple_object_read(struct bytes raw, struct apple_object *out, struct fault *f)
{
	struct bytes in = raw;
	struct cbor_read_item map;
	bool statement = false;

	memset(out, 0, sizeof(*out));
	if (raw.len > APPLE_OBJECT_MAX)
		return fault_set(f, FAULT_INVALID,
		    "attestation object of %zu bytes", raw.len);
	if (!cbor_read_kind(&in, CBOR_READ_MAP, &map) || map.number > 3)
		return fault_set(f, FAULT_INVALID,
		    "attestation object is not a small CBOR map");
	for (uint64_t i = 0; i < map.number; i++)
		if (!member_read(&in, out, &statement))
			return fault_set(f, FAULT_INVALID,
			    "attestation object: member %u is broken, "
			    "repeated or unknown",
			    (unsigned)i + 1);
	if (in.len > 0)
		return fault_set(f, FAULT_INVALID,
		    "attestation object: %zu bytes after it", in.len);
	if (out->format.at == NULL || !statement)
		return fault_set(f, FAULT_INVALID,
		    "attestation object without fmt or attStmt");
	return true;
}

static bool
chain_build(const struct apple_object *o, const struct apple_chain_rules *r,
    struct chain *c, struct fault *f)
{
	X509 *root;
	bool ok;

	for (size_t i = 0; i < o->certificates; i++)
		if (!chain_add_der(c, o->x5c[i], f))
			return false;
	if (c->count == 0)
		return fault_set(f, FAULT_INVALID, "x5c holds no certificate");
	root = anchors_certificate(r->anchors, r->anchor);
	ok = root != NULL && chain_add(c, root);
	X509_free(root);
	return ok || fault_set(f, FAULT_NOT_FOUND, "no pinned %s",
			 anchor_name(r->anchor));
}

bool
apple_chain_judge(struct verdict *v, const struct apple_object *o,
    const struct apple_chain_rules *r, X509 **leaf)
{
	const struct chain_rules rules = {
	    .anchors = r->anchors,
	    .anchor = r->anchor,
	    .signing = CHAIN_ECDSA,
	    .now_ms = r->now_ms,
	};
	struct chain c = {.count = 0};
	struct window window;
	struct fault f = {0};
	bool ok =
	    chain_build(o, r, &c, &f) && chain_walk(&c, &rules, &window, &f);

	*leaf = NULL;
	if (ok) {
		v->test_root |= anchors_is_test(r->anchors, r->anchor);
		X509_up_ref(c.at[0]);
		*leaf = c.at[0];
	}
	chain_free(&c);
	return verdict_check_fault(v, ok, r->check, SOURCE_HARDWARE, &f);
}

bool
apple_point(X509 *leaf, uint8_t out[65])
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	size_t len = 0;

	return key_is_curve(key, "P-256") &&
	       EVP_PKEY_get_octet_string_param(
		   key, OSSL_PKEY_PARAM_PUB_KEY, out, 65, &len) &&
	       len == 65 && out[0] == 4;
}
