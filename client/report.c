/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Report files brought into bundles. Members are hostile: sizes are bounded
 * before anything is decoded, and what a form needs and does not find is said
 * by name. The first step of `assay verify`; judge.c is the next.
 */
#include "client/report.h"

#include <string.h>

#include "attestation/binding.h"
#include "attestation/tdx_quote.h"
#include "base/codec.h"
#include "base/json.h"

enum { PAYLOAD_MAX = 2 << 20, SPKI_MAX = 4096, BODY_MAX = 16 << 20 };

static const char *
member(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

/* Hex of exactly that many bytes, where it is there. */
static bool
hex_member(struct arena *a, const json_t *o, const char *name, size_t width,
    struct bytes *out, struct fault *f)
{
	const char *hex;
	uint8_t *at;
	size_t len;

	if (!json_get_string_or(
		o, name, 2 * width, NULL, &hex, FAULT_INVALID, f))
		return false;
	if (hex == NULL)
		return true;
	at = arena_alloc(a, width);
	if (!hex_decode(text_of(hex), at, width, &len) || len != width)
		return fault_set(f, FAULT_INVALID,
		    "report: %s is not %zu bytes in hex", name, width);
	*out = bytes_of(at, len);
	return true;
}

static bool
read_signing(
    struct arena *a, const json_t *o, struct report_node *n, struct fault *f)
{
	char hex[HEX_SIZE(sizeof(((struct binding_key *)0)->at))];
	struct binding_key *key;
	const char *algorithm, *address;

	if (!json_get_string_or(
		o, "signing_address", 130, NULL, &address, FAULT_INVALID, f) ||
	    !json_get_string_or(
		o, "signing_algo", 16, "ecdsa", &algorithm, FAULT_INVALID, f))
		return false;
	if (address == NULL)
		return true;
	key = arena_alloc(a, sizeof *key);
	if (!binding_key_read(text_of(algorithm), text_of(address), key, f))
		return false;
	n->bound.signing_key = bytes_of(key->at, key->len);
	hex_encode(n->bound.signing_key, hex);
	n->signing_address =
	    arena_printf(a, "%s%s", key->len == 20 ? "0x" : "", hex);
	return true;
}

static struct report_node *
node_add(struct report *r, const char *name, json_t *bundle)
{
	struct report_node *n;

	if (r->count == REPORT_NODES_MAX)
		return NULL;
	n = &r->nodes[r->count++];
	*n = (struct report_node){.name = name, .bundle = bundle};
	return n;
}

/* ----------------------------------------------------- our own two forms */

static bool
read_bound(
    struct arena *a, const json_t *o, struct report_node *n, struct fault *f)
{
	const char *did;

	if (!json_get_string_or(o, "did", 200, NULL, &did, FAULT_INVALID, f) ||
	    !hex_member(a, o, "nonce", 32, &n->bound.nonce, f) ||
	    !hex_member(
		a, o, "statement_sha256", 32, &n->bound.statement_sha256, f) ||
	    !read_signing(a, o, n, f))
		return false;
	n->bound.did = text_of(arena_string(a, did));
	return member(o, "tls_spki") == NULL ||
	       evidence_member(
		   a, o, "tls_spki", SPKI_MAX, &n->bound.tls_spki, f);
}

static bool
read_collateral(
    struct arena *a, const json_t *all, struct report *r, struct fault *f)
{
	const char *name, *at;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)all, name, one)
	{
		struct collateral_item *item;

		if (r->collateral_count == REPORT_COLLATERAL_MAX)
			return fault_set(f, FAULT_INVALID,
			    "report: more than %d pieces of collateral",
			    REPORT_COLLATERAL_MAX);
		item = &r->collateral[r->collateral_count];
		if (!evidence_member(
			a, one, "base64", BODY_MAX, &item->body, f) ||
		    !json_get_string(
			one, "fetched_at", 40, &at, FAULT_INVALID, f))
			return false;
		if (!time_of_rfc3339(text_of(at), &item->fetched_at))
			return fault_set(f, FAULT_INVALID,
			    "report: fetched_at of %.100s is no time", name);
		item->name = arena_string(a, name);
		r->collateral_count++;
	}
	return true;
}

static bool
read_kept(struct arena *a, const json_t *doc, const char *name,
    struct report *r, struct fault *f)
{
	struct report_node *n =
	    node_add(r, name, json_object_get(doc, "evidence"));
	const json_t *bound, *collateral;

	if (n == NULL)
		return fault_set(f, FAULT_INVALID, "report: more than %d nodes",
		    REPORT_NODES_MAX);
	if (!json_is_object(n->bundle))
		return fault_set(
		    f, FAULT_INVALID, "report: evidence is not an object");
	if (!json_get_object_or(doc, "bound", &bound, FAULT_INVALID, f) ||
	    !json_get_object_or(
		doc, "collateral", &collateral, FAULT_INVALID, f))
		return false;
	return (bound == NULL ? read_signing(a, n->bundle, n, f)
			      : read_bound(a, bound, n, f)) &&
	       (collateral == NULL || read_collateral(a, collateral, r, f));
}

/* ------------------------------------------------- answers of services */

static bool
add_quote(struct arena *a, const json_t *node, json_t *items, struct fault *f)
{
	const char *hex;
	uint8_t *quote;
	char *text;
	size_t len;

	if (!json_get_string(
		node, "intel_quote", 2 * TDX_QUOTE_MAX, &hex, FAULT_INVALID, f))
		return false;
	quote = arena_alloc(a, TDX_QUOTE_MAX);
	if (!hex_decode(text_of(hex), quote, TDX_QUOTE_MAX, &len))
		return fault_set(
		    f, FAULT_INVALID, "report: intel_quote is not hex");
	text = arena_alloc(a, BASE64_SIZE(len));
	base64_encode(bytes_of(quote, len), text);
	json_array_append_new(
	    items, json_pack("{s:s, s:s}", "kind", "tdx", "quote", text));
	return true;
}

/* An object, or its text as dstack's own agent writes it. */
static json_t *
tcb_info_of(const json_t *node)
{
	json_t *o = json_object_get(json_object_get(node, "info"), "tcb_info");
	json_t *read = NULL;
	struct fault f;

	if (!json_is_string(o))
		return json_incref(o);
	json_read((struct text){json_string_value(o), json_string_length(o)},
	    PAYLOAD_MAX, &read, &f);
	return read;
}

static void
add_log(const json_t *node, json_t *items)
{
	json_t *tcb = tcb_info_of(node);
	json_t *log = json_object_get(node, "event_log");
	json_t *compose = json_object_get(tcb, "app_compose");

	if (log != NULL && json_is_string(compose))
		json_array_append_new(
		    items, json_pack("{s:s, s:O, s:O}", "kind", "dstack",
			       "event_log", log, "app_compose", compose));
	json_decref(tcb);
}

static bool
add_gpus(const json_t *node, json_t *items, struct fault *f)
{
	const char *text = member(node, "nvidia_payload");
	json_t *payload = NULL;

	if (text == NULL)
		return true;
	if (!json_read(text_of(text), PAYLOAD_MAX, &payload, f))
		return false;
	json_object_set_new(payload, "kind", json_string("nvidia"));
	json_array_append_new(items, payload);
	return true;
}

static bool
read_nonce(struct arena *a, const json_t *node, struct report_node *n,
    char hex[HEX_SIZE(BINDING_NONCE)], struct fault *f)
{
	const char *said = member(node, "request_nonce");
	uint8_t *nonce = arena_alloc(a, BINDING_NONCE);

	if (said == NULL)
		said = member(node, "nonce");
	if (said == NULL)
		return fault_set(f, FAULT_INVALID, "report: no request_nonce");
	if (!binding_nonce_read(text_of(said), nonce, f))
		return false;
	n->bound.nonce = bytes_of(nonce, BINDING_NONCE);
	hex_encode(n->bound.nonce, hex);
	return true;
}

static bool
read_service(struct arena *a, const json_t *node, const char *name,
    struct report *r, struct fault *f)
{
	bool tls = member(node, "tls_cert_fingerprint") != NULL;
	char hex[HEX_SIZE(BINDING_NONCE)];
	struct report_node *n = node_add(r, name, json_object());
	json_t *items = json_array();

	if (n == NULL) {
		json_decref(items);
		return fault_set(f, FAULT_INVALID, "report: more than %d nodes",
		    REPORT_NODES_MAX);
	}
	json_array_append_new(r->made, n->bundle);
	json_object_set_new(n->bundle, "items", items);
	if (!hex_member(a, node, "tls_cert_fingerprint", 32,
		&n->bound.tls_spki_sha256, f) ||
	    !read_nonce(a, node, n, hex, f) || !read_signing(a, node, n, f) ||
	    !add_quote(a, node, items, f) || !add_gpus(node, items, f))
		return false;
	add_log(node, items);
	json_object_set_new(
	    n->bundle, "binding", json_string(tls ? "dstack-tls" : "dstack"));
	json_object_set_new(n->bundle, "nonce", json_string(hex));
	if (json_object_get(node, "compose_manager_attestation") != NULL)
		n->left_out = "compose_manager_attestation";
	return true;
}

static bool
read_node(struct arena *a, const json_t *node, const char *name,
    struct report *r, struct fault *f)
{
	return json_object_get(node, "evidence") != NULL
		   ? read_kept(a, node, name, r, f)
		   : read_service(a, node, name, r, f);
}

static bool
read_answer(
    struct arena *a, const json_t *doc, struct report *r, struct fault *f)
{
	const json_t *gateway = json_object_get(doc, "gateway_attestation");
	const json_t *list = json_object_get(doc, "model_attestations");
	const json_t *collateral;
	size_t i;

	if (!json_get_object_or(
		doc, "collateral", &collateral, FAULT_INVALID, f) ||
	    (collateral != NULL && !read_collateral(a, collateral, r, f)))
		return false;
	if (json_is_object(gateway) && !read_node(a, gateway, "gateway", r, f))
		return false;
	if (member(doc, "intel_quote") != NULL)
		return read_service(a, doc, "node", r, f);
	if (json_array_size(list) > REPORT_NODES_MAX)
		return fault_set(f, FAULT_INVALID, "report: more than %d nodes",
		    REPORT_NODES_MAX);
	for (i = 0; i < json_array_size(list); i++)
		if (!read_node(a, json_array_get(list, i),
			arena_printf(a, "model %zu", i), r, f))
			return false;
	return r->count > 0 ||
	       fault_set(f, FAULT_INVALID,
		   "report: neither a bundle (items), nor a kept verdict "
		   "(evidence), nor a service's answer (intel_quote, "
		   "model_attestations)");
}

bool
report_read(
    struct arena *a, struct text file, struct report *out, struct fault *f)
{
	json_t *doc;

	memset(out, 0, sizeof *out);
	if (!json_read(file, REPORT_BYTES_MAX, &doc, f))
		return false;
	out->document = doc;
	out->made = json_array();
	if (json_object_get(doc, "items") != NULL)
		return read_signing(a, doc, node_add(out, "node", doc), f);
	if (json_object_get(doc, "evidence") != NULL)
		return read_kept(a, doc, "node", out, f);
	return read_answer(a, doc, out, f);
}

void
report_free(struct report *r)
{
	json_free(&r->document);
	json_free(&r->made);
	r->count = r->collateral_count = 0;
}

bool
report_node_find(const struct report *r, const char *name,
    const struct report_node **out, struct fault *f)
{
	*out = r->nodes;
	if (name == NULL)
		return r->count == 1 ||
		       fault_set(f, FAULT_INVALID_OPTION,
			   "the report is of %zu nodes: which one? --node "
			   "\"%s\", for example",
			   r->count, r->nodes[0].name);
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->nodes[i].name, name) == 0) {
			*out = &r->nodes[i];
			return true;
		}
	return fault_set(
	    f, FAULT_INVALID_OPTION, "the report has no node \"%.60s\"", name);
}
