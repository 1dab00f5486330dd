/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A manifest is judged in this order: bounded parsing without DTD or network;
 * the exact tree NVIDIA writes and no other (so that nothing unsigned can
 * stand beside what is signed); the signer's chain; the signature over the
 * whole document through xmlsec; and only then the values.
 */
#include "attestation/rim.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xmlsec/xmlsec.h>

#include <xmlsec/errors.h>
#include <xmlsec/openssl/app.h>
#include <xmlsec/openssl/crypto.h>
#include <xmlsec/openssl/evp.h>
#include <xmlsec/xmldsig.h>

#include "base/codec.h"

#define SWID_NS "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
#define DSIG_NS "http://www.w3.org/2000/09/xmldsig#"
#define SHA384_NS "http://www.w3.org/2001/04/xmlenc#sha384"
#define C14N11 "http://www.w3.org/2006/12/xml-c14n11"
#define ENVELOPED DSIG_NS "enveloped-signature"
#define ECDSA_SHA384 "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
#define SHA384 "http://www.w3.org/2001/04/xmldsig-more#sha384"

enum { RESOURCES_MAX = 512 };

/* xmlsec keeps tables of its own that must be made once per process; they are
 * never changed afterwards. */
static pthread_once_t xmlsec_once = PTHREAD_ONCE_INIT;

static void
xmlsec_start(void)
{
	if (xmlSecInit() < 0 || xmlSecOpenSSLAppInit(NULL) < 0 ||
	    xmlSecOpenSSLInit() < 0)
		abort();
	xmlSecErrorsDefaultCallbackEnableOutput(0);
}

static bool
is(const xmlNode *n, const char *ns, const char *name)
{
	return n != NULL && n->ns != NULL && n->ns->href != NULL &&
	       strcmp((const char *)n->ns->href, ns) == 0 &&
	       strcmp((const char *)n->name, name) == 0;
}

/* The first element at or after n. */
static xmlNode *
element(xmlNode *n)
{
	while (n != NULL && n->type != XML_ELEMENT_NODE)
		n = n->next;
	return n;
}

static bool
is_leaf(xmlNode *n)
{
	return element(n->children) == NULL;
}

/* The value of a plain attribute, exactly once in XML anyway. */
static bool
attribute(xmlNode *n, const char *name, char *out, size_t size)
{
	xmlChar *value = xmlGetNoNsProp(n, (const xmlChar *)name);
	bool ok = value != NULL &&
		  text_store(text_of((const char *)value), out, size);

	xmlFree(value);
	return ok;
}

static bool
attribute_is(xmlNode *n, const char *name, const char *wanted)
{
	char value[128];

	return attribute(n, name, value, sizeof(value)) &&
	       strcmp(value, wanted) == 0;
}

/* An element without element children whose Algorithm is the one wanted. */
static bool
is_algorithm(xmlNode *n, const char *name, const char *algorithm)
{
	return is(n, DSIG_NS, name) && is_leaf(n) &&
	       attribute_is(n, "Algorithm", algorithm);
}

/* Exactly two transforms: without the signature, then canonical. */
static bool
transforms_are_ours(xmlNode *n)
{
	xmlNode *first, *second;

	if (!is(n, DSIG_NS, "Transforms"))
		return false;
	first = element(n->children);
	second = first != NULL ? element(first->next) : NULL;
	return is_algorithm(first, "Transform", ENVELOPED) &&
	       is_algorithm(second, "Transform", C14N11) &&
	       element(second->next) == NULL;
}

/* The one reference must be to the whole document: anything narrower would
 * let unsigned entries stand beside it ("wrapping"). */
static bool
reference_is_whole(xmlNode *n)
{
	xmlNode *transforms, *method, *value;

	if (!is(n, DSIG_NS, "Reference") || !attribute_is(n, "URI", ""))
		return false;
	transforms = element(n->children);
	if (!transforms_are_ours(transforms))
		return false;
	method = element(transforms->next);
	if (!is_algorithm(method, "DigestMethod", SHA384))
		return false;
	value = element(method->next);
	return is(value, DSIG_NS, "DigestValue") && is_leaf(value) &&
	       element(value->next) == NULL;
}

static bool
signed_info_is_ours(xmlNode *n)
{
	xmlNode *canonical, *method, *reference;

	if (!is(n, DSIG_NS, "SignedInfo"))
		return false;
	canonical = element(n->children);
	if (!is_algorithm(canonical, "CanonicalizationMethod", C14N11))
		return false;
	method = element(canonical->next);
	if (!is_algorithm(method, "SignatureMethod", ECDSA_SHA384))
		return false;
	reference = element(method->next);
	return reference_is_whole(reference) &&
	       element(reference->next) == NULL;
}

/* SignedInfo, SignatureValue, KeyInfo with one X509Data; nothing else. */
static bool
signature_shape(xmlNode *signature, xmlNode **certificates, struct fault *f)
{
	xmlNode *info = element(signature->children), *value, *keys, *data;

	if (!signed_info_is_ours(info))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "manifest: signed otherwise than over the whole document "
		    "with C14N 1.1, SHA-384 and ECDSA");
	value = element(info->next);
	keys = value != NULL ? element(value->next) : NULL;
	data = keys != NULL ? element(keys->children) : NULL;
	if (!is(value, DSIG_NS, "SignatureValue") || !is_leaf(value) ||
	    !is(keys, DSIG_NS, "KeyInfo") || element(keys->next) != NULL ||
	    !is(data, DSIG_NS, "X509Data") || element(data->next) != NULL)
		return fault_set(f, FAULT_INVALID,
		    "manifest: signature without value or certificates");
	*certificates = element(data->children);
	return true;
}

static bool
certificate_take(struct chain *c, xmlNode *n, struct fault *f)
{
	xmlChar *raw = xmlNodeGetContent(n);
	char text[BASE64_SIZE(CERTIFICATE_DER_MAX)];
	uint8_t der[CERTIFICATE_DER_MAX];
	size_t len = 0, bytes = 0;
	bool ok = raw != NULL && is_leaf(n);

	for (const xmlChar *at = raw; ok && *at != 0; at++) {
		if (*at == '\n' || *at == '\r' || *at == ' ' || *at == '\t')
			continue;
		ok = len < sizeof(text);
		if (ok)
			text[len++] = (char)*at;
	}
	xmlFree(raw);
	if (!ok ||
	    !base64_decode((struct text){text, len}, der, sizeof(der), &bytes))
		return fault_set(f, FAULT_INVALID,
		    "manifest: a signer certificate is not base64");
	return chain_add_der(c, bytes_of(der, bytes), f);
}

static bool
signer_read(xmlNode *n, struct chain *c, struct fault *f)
{
	for (; n != NULL; n = element(n->next)) {
		if (!is(n, DSIG_NS, "X509Certificate"))
			return fault_set(f, FAULT_INVALID,
			    "manifest: X509Data holds more than "
			    "certificates");
		if (!certificate_take(c, n, f))
			return false;
	}
	return true;
}

static bool
signer_trusted(const struct chain *c, const struct rim_rules *r,
    struct rim *out, struct fault *f)
{
	const struct chain_rules rules = {
	    .anchors = r->anchors,
	    .anchor = ANCHOR_NVIDIA_RIM,
	    .signing = CHAIN_ECDSA,
	    .now_ms = r->now_ms,
	};

	if (!chain_walk(c, &rules, &out->window, f) ||
	    !chain_check_root(c, &rules, f))
		return false;
	out->signer = out->window;
	return rim_signer_ask(c, r, out, f);
}

bool
rim_signer_ask(const struct chain *signer, const struct rim_rules *r,
    struct rim *rim, struct fault *f)
{
	rim->window = rim->signer;
	rim->covered = false;
	return r->revocation == NULL ||
	       revocation_ask(r->revocation, signer, r->now_ms, &rim->window,
		   &rim->covered, f);
}

/* Takes a reference to the leaf's key; whatever KeyInfo says besides is not
 * looked at, because the key is given. */
static bool
context_limit(xmlSecDSigCtxPtr ctx, X509 *leaf)
{
	EVP_PKEY *key = X509_get_pubkey(leaf);
	xmlSecKeyDataPtr data =
	    key != NULL ? xmlSecOpenSSLEvpKeyAdopt(key) : NULL;

	if (data == NULL) {
		EVP_PKEY_free(key);
		return false;
	}
	ctx->signKey = xmlSecKeyCreate();
	if (ctx->signKey == NULL || xmlSecKeySetValue(ctx->signKey, data) < 0) {
		xmlSecKeyDataDestroy(data);
		return false;
	}
	ctx->enabledReferenceUris = xmlSecTransformUriTypeEmpty;
	return xmlSecDSigCtxEnableReferenceTransform(
		   ctx, xmlSecTransformEnvelopedId) >= 0 &&
	       xmlSecDSigCtxEnableReferenceTransform(
		   ctx, xmlSecTransformInclC14N11Id) >= 0 &&
	       xmlSecDSigCtxEnableReferenceTransform(
		   ctx, xmlSecOpenSSLTransformSha384Id) >= 0 &&
	       xmlSecDSigCtxEnableSignatureTransform(
		   ctx, xmlSecTransformInclC14N11Id) >= 0 &&
	       xmlSecDSigCtxEnableSignatureTransform(
		   ctx, xmlSecOpenSSLTransformEcdsaSha384Id) >= 0;
}

static bool
signature_holds(xmlNode *signature, X509 *leaf, struct fault *f)
{
	xmlSecDSigCtxPtr ctx = xmlSecDSigCtxCreate(NULL);
	bool ok = ctx != NULL && context_limit(ctx, leaf) &&
		  xmlSecDSigCtxVerify(ctx, signature) == 0 &&
		  ctx->status == xmlSecDSigStatusSucceeded;

	if (ctx != NULL)
		xmlSecDSigCtxDestroy(ctx);
	ERR_clear_error();
	if (!ok)
		return fault_set(f, FAULT_TAMPERED,
		    "manifest: the XML signature does not hold");
	return true;
}

static bool
meta_read(xmlNode *meta, struct rim *out, struct fault *f)
{
	if (!is_leaf(meta) ||
	    !attribute(meta, "colloquialVersion", out->version,
		sizeof(out->version)) ||
	    !attribute(meta, "edition", out->edition, sizeof(out->edition)) ||
	    !attribute(meta, "product", out->product, sizeof(out->product)))
		return fault_set(f, FAULT_INVALID,
		    "manifest: Meta without version, edition or product");
	return true;
}

static bool
number(xmlNode *n, const char *name, uint64_t max, unsigned *out)
{
	char text[8];
	uint64_t v;

	if (!attribute(n, name, text, sizeof(text)) ||
	    !text_to_u64(text_of(text), &v) || v > max)
		return false;
	*out = (unsigned)v;
	return true;
}

/* Hash0 to HashN-1 must all be there, HashN must not. */
static bool
digests_read(struct arena *a, xmlNode *n, struct rim_entry *e, struct fault *f)
{
	uint8_t(*value)[RIM_DIGEST] =
	    arena_alloc(a, e->alternatives * sizeof(*value));

	for (unsigned i = 0; i <= e->alternatives; i++) {
		char name[16] = "Hash";
		xmlChar *hex;
		bool ok;

		snprintf(name + 4, sizeof(name) - 4, "%u", i);
		hex = xmlGetNsProp(
		    n, (const xmlChar *)name, (const xmlChar *)SHA384_NS);
		if (i == e->alternatives)
			ok = hex == NULL;
		else
			ok = hex != NULL && xmlStrlen(hex) == 2 * RIM_DIGEST &&
			     hex_decode(text_of((const char *)hex), value[i],
				 RIM_DIGEST, NULL);
		xmlFree(hex);
		if (!ok)
			return fault_set(f, FAULT_INVALID,
			    "manifest: an entry has not as many digests as "
			    "alternatives");
	}
	e->value = (const uint8_t(*)[RIM_DIGEST])value;
	return true;
}

static bool
resource_read(struct arena *a, xmlNode *n, struct rim *out, struct fault *f)
{
	struct rim_entry e = {.listed = true};
	unsigned index;

	if (!is(n, SWID_NS, "Resource") || !is_leaf(n) ||
	    !attribute_is(n, "type", "Measurement"))
		return fault_set(f, FAULT_INVALID,
		    "manifest: Payload holds more than measurements");
	if (!number(n, "index", RIM_INDEX_MAX, &index) ||
	    !number(n, "alternatives", RIM_ALTERNATIVES_MAX, &e.alternatives) ||
	    e.alternatives == 0 || !attribute_is(n, "size", "48"))
		return fault_set(f, FAULT_INVALID,
		    "manifest: an entry without sound index, alternatives "
		    "or size");
	if (out->entry[index].listed)
		return fault_set(
		    f, FAULT_INVALID, "manifest: index %u stands twice", index);
	e.active = attribute_is(n, "active", "True");
	if (!e.active && !attribute_is(n, "active", "False"))
		return fault_set(f, FAULT_INVALID,
		    "manifest: index %u is neither active nor not", index);
	if (!digests_read(a, n, &e, f))
		return false;
	out->entry[index] = e;
	out->active += e.active;
	return true;
}

static bool
payload_read(
    struct arena *a, xmlNode *payload, struct rim *out, struct fault *f)
{
	unsigned count = 0;

	for (xmlNode *n = element(payload->children); n != NULL;
	     n = element(n->next)) {
		if (++count > RESOURCES_MAX)
			return fault_set(f, FAULT_LIMIT,
			    "manifest: more than %d entries", RESOURCES_MAX);
		if (!resource_read(a, n, out, f))
			return false;
	}
	if (out->active == 0)
		return fault_set(
		    f, FAULT_INVALID, "manifest: no active measurement");
	return true;
}

struct parts {
	xmlNode *meta;
	xmlNode *payload;
	xmlNode *signature;
};

/* The children of the root: Entity and Link as often as they like, the others
 * once. */
static bool
parts_find(xmlNode *root, struct parts *p, struct fault *f)
{
	const struct {
		const char *ns;
		const char *name;
		xmlNode **at;
	} known[] = {
	    {SWID_NS, "Meta", &p->meta},
	    {SWID_NS, "Payload", &p->payload},
	    {DSIG_NS, "Signature", &p->signature},
	};

	if (!is(root, SWID_NS, "SoftwareIdentity"))
		return fault_set(
		    f, FAULT_INVALID, "manifest: not a SoftwareIdentity");
	for (xmlNode *n = element(root->children); n != NULL;
	     n = element(n->next)) {
		size_t i = 0;

		if (is_leaf(n) &&
		    (is(n, SWID_NS, "Entity") || is(n, SWID_NS, "Link")))
			continue;
		while (i < 3 && !is(n, known[i].ns, known[i].name))
			i++;
		if (i == 3 || *known[i].at != NULL)
			return fault_set(f, FAULT_INVALID,
			    "manifest: element '%.30s' is unknown or stands "
			    "twice",
			    (const char *)n->name);
		*known[i].at = n;
	}
	if (p->meta == NULL || p->payload == NULL)
		return fault_set(
		    f, FAULT_INVALID, "manifest: no Meta or no Payload");
	if (p->signature == NULL)
		return fault_set(
		    f, FAULT_TAMPERED, "manifest: it is not signed");
	return true;
}

static bool
document_judge(struct arena *a, xmlDoc *doc, const struct rim_rules *r,
    struct rim *out, struct chain *signer, struct fault *f)
{
	struct parts p = {NULL, NULL, NULL};
	xmlNode *certificates = NULL;
	bool ok;

	if (doc->intSubset != NULL || doc->extSubset != NULL)
		return fault_set(f, FAULT_INVALID,
		    "manifest: a document type is not allowed");
	ok = parts_find(xmlDocGetRootElement(doc), &p, f) &&
	     signature_shape(p.signature, &certificates, f) &&
	     signer_read(certificates, signer, f) &&
	     signer_trusted(signer, r, out, f) &&
	     signature_holds(p.signature, signer->at[0], f) &&
	     meta_read(p.meta, out, f) && payload_read(a, p.payload, out, f);
	if (!ok)
		chain_free(signer);
	return ok;
}

/* Refused before the parser sees it, so that no entity is ever declared. */
static bool
has_document_type(struct bytes xml)
{
	return memmem(xml.at, xml.len, "<!DOCTYPE", 9) != NULL ||
	       memmem(xml.at, xml.len, "<!ENTITY", 8) != NULL;
}

static bool
document_read(struct bytes xml, xmlDoc **out, struct fault *f)
{
	if (xml.len == 0 || xml.len > RIM_BYTES_MAX)
		return fault_set(
		    f, FAULT_INVALID, "manifest of %zu bytes", xml.len);
	if (!text_is_utf8((struct text){(const char *)xml.at, xml.len}) ||
	    memchr(xml.at, 0, xml.len) != NULL || has_document_type(xml))
		return fault_set(f, FAULT_INVALID,
		    "manifest: not UTF-8, or with a document type");
	pthread_once(&xmlsec_once, xmlsec_start);
	*out = xmlReadMemory((const char *)xml.at, (int)xml.len, "manifest",
	    "UTF-8", XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	return *out != NULL || fault_set(f, FAULT_INVALID, "manifest: not XML");
}

bool
rim_signer_peek(struct bytes xml, struct chain *signer, struct fault *f)
{
	struct parts p = {NULL, NULL, NULL};
	xmlNode *certificates = NULL;
	xmlDoc *doc = NULL;
	bool ok;

	memset(signer, 0, sizeof(*signer));
	if (!document_read(xml, &doc, f))
		return false;
	ok = parts_find(xmlDocGetRootElement(doc), &p, f) &&
	     signature_shape(p.signature, &certificates, f) &&
	     signer_read(certificates, signer, f);
	xmlFreeDoc(doc);
	if (!ok)
		chain_free(signer);
	return ok;
}

bool
rim_read_signed(struct arena *a, struct bytes xml, const struct rim_rules *r,
    struct rim *out, struct chain *signer, struct fault *f)
{
	xmlDoc *doc = NULL;
	bool ok;

	memset(out, 0, sizeof(*out));
	memset(signer, 0, sizeof(*signer));
	if (!document_read(xml, &doc, f))
		return false;
	ok = document_judge(a, doc, r, out, signer, f);
	xmlFreeDoc(doc);
	return ok;
}

bool
rim_read(struct arena *a, struct bytes xml, const struct rim_rules *r,
    struct rim *out, struct fault *f)
{
	struct chain signer;
	bool ok = rim_read_signed(a, xml, r, out, &signer, f);

	if (ok)
		chain_free(&signer);
	return ok;
}
