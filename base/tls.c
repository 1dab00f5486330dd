/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts and what is read off a certificate. A context is strict from
 * the start: chains are verified, the extended key usage must be stated and
 * right, and a peer that does not agree to the protocol name is refused
 * inside the handshake.
 */
#include "base/tls.h"

#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/crypto.h"

enum { CHAIN_BYTES = 64 * 1024, ALPN_MAX = 32 };

/* Hangs on the SSL_CTX as ex_data: the ALPN name as the wire has it. */
struct alpn {
	unsigned char wire[ALPN_MAX];
	unsigned len;
	bool demanded;
};

static void
alpn_free(void *parent, void *at, CRYPTO_EX_DATA *ad, int index, long argl,
    void *argp)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	mem_free(at);
}

static int
alpn_index(void)
{
	static int index = -1; /* a constant of the process, once known */

	if (index < 0)
		index =
		    SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, alpn_free);
	return index;
}

void
tls_why(char *out, size_t size)
{
	const char *data = "";
	int flags = 0;
	unsigned long e = ERR_get_error_all(NULL, NULL, NULL, &data, &flags);
	const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);

	if (reason == NULL)
		reason = "no reason given";
	if ((flags & ERR_TXT_STRING) != 0 && data[0] != '\0')
		snprintf(out, size, "%s (%s)", reason, data);
	else
		snprintf(out, size, "%s", reason);
	ERR_clear_error();
}

bool
tls_fault_of(struct bufferevent *bev, struct fault *f)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	unsigned long e = bufferevent_get_openssl_error(bev);
	const char *reason = e == 0 ? NULL : ERR_reason_error_string(e);
	long verify = ssl == NULL ? X509_V_OK : SSL_get_verify_result(ssl);

	if (ssl == NULL || reason == NULL)
		return false;
	while (bufferevent_get_openssl_error(bev) != 0)
		;
	ERR_clear_error();
	if (verify != X509_V_OK)
		fault_set(f, FAULT_UNTRUSTED, "TLS: %s: %s", reason,
		    X509_verify_cert_error_string(verify));
	else if (ERR_GET_REASON(e) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		fault_set(f, FAULT_UNTRUSTED, "TLS: %s", reason);
	else
		fault_set(f, FAULT_REFUSED, "TLS: %s", reason);
	return true;
}

static bool
fault_of_openssl(
    struct fault *f, enum fault_kind kind, const char *what, const char *name)
{
	char why[120];

	tls_why(why, sizeof why);
	return fault_set(f, kind, "%s %s: %s", what, name, why);
}

/* RFC 5280 4.2.1.12. OpenSSL takes a leaf without the extension for any
 * purpose; we want it said. */
static int
on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(
	    store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *leaf = X509_STORE_CTX_get_current_cert(store);
	uint32_t wanted;

	if (!ok || X509_STORE_CTX_get_error_depth(store) != 0)
		return ok;
	wanted = SSL_is_server(ssl) ? XKU_SSL_CLIENT : XKU_SSL_SERVER;
	if ((X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) != 0 &&
	    (X509_get_extended_key_usage(leaf) & wanted) != 0)
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_INVALID_PURPOSE);
	return 0;
}

static int
on_alpn_select(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const struct alpn *a = arg;

	(void)ssl;
	for (unsigned i = 0; i < in_len; i += in[i] + 1U) {
		if (in[i] + 1U > in_len - i)
			break;
		if (in[i] + 1U == a->len &&
		    memcmp(in + i, a->wire, a->len) == 0) {
			*out = in + i + 1;
			*out_len = in[i];
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* The select callback is not called when the client offers nothing. */
static int
on_client_hello(SSL *ssl, int *alert, void *arg)
{
	const unsigned char *at;
	size_t len;

	(void)arg;
	if (SSL_client_hello_get0_ext(ssl,
		TLSEXT_TYPE_application_layer_protocol_negotiation, &at, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static bool
set_alpn(SSL_CTX *ctx, const struct tls_settings *s, struct fault *f)
{
	size_t len = strlen(s->alpn);
	struct alpn *a;

	if (len == 0 || len + 1 > ALPN_MAX)
		return fault_set(
		    f, FAULT_INVALID, "ALPN name of %zu bytes", len);
	a = mem_new(sizeof *a);
	a->wire[0] = (unsigned char)len;
	memcpy(a->wire + 1, s->alpn, len);
	a->len = (unsigned)len + 1;
	/* Plain HTTPS clients may leave ALPN out (RFC 9112 section 9.7). */
	a->demanded = strcmp(s->alpn, "http/1.1") != 0;
	if (!SSL_CTX_set_ex_data(ctx, alpn_index(), a)) {
		mem_free(a);
		return fault_set(f, FAULT_INTERNAL, "no room for ALPN");
	}
	if (!s->server)
		return SSL_CTX_set_alpn_protos(ctx, a->wire, a->len) == 0 ||
		       fault_set(f, FAULT_INTERNAL, "ALPN name not taken");
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn_select, a);
	if (a->demanded)
		SSL_CTX_set_client_hello_cb(ctx, on_client_hello, NULL);
	return true;
}

bool
tls_alpn_agreed(SSL *ssl)
{
	const struct alpn *a =
	    SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), alpn_index());
	const unsigned char *at = NULL;
	unsigned len = 0;

	if (a == NULL)
		return true;
	SSL_get0_alpn_selected(ssl, &at, &len);
	if (len == 0)
		return !a->demanded;
	return len + 1 == a->len && memcmp(at, a->wire + 1, len) == 0;
}

static bool
set_own_certificate(SSL_CTX *ctx, const struct tls_settings *s, struct fault *f)
{
	if (s->certificate_file == NULL)
		return !s->server || fault_set(f, FAULT_INVALID,
					 "a TLS server needs a certificate");
	if (s->key_file == NULL)
		return fault_set(
		    f, FAULT_INVALID, "no key for %s", s->certificate_file);
	if (SSL_CTX_use_certificate_chain_file(ctx, s->certificate_file) != 1)
		return fault_of_openssl(
		    f, FAULT_INVALID, "certificate", s->certificate_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, s->key_file, SSL_FILETYPE_PEM) !=
	    1)
		return fault_of_openssl(f, FAULT_INVALID, "key", s->key_file);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return fault_of_openssl(f, FAULT_INVALID, "key", s->key_file);
	return true;
}

static bool
set_anchors(SSL_CTX *ctx, const struct tls_settings *s, struct fault *f)
{
	STACK_OF(X509_NAME) * names;

	if (s->ca_file == NULL) {
		if (s->server)
			return fault_set(f, FAULT_INVALID,
			    "client certificates need a ca_file");
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ||
		       fault_of_openssl(
			   f, FAULT_INVALID, "anchors", "(system)");
	}
	if (SSL_CTX_load_verify_file(ctx, s->ca_file) != 1)
		return fault_of_openssl(
		    f, FAULT_INVALID, "anchors", s->ca_file);
	/* Whatever the file names is trusted, be it a root or not. */
	X509_VERIFY_PARAM_set_flags(
	    SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	if (!s->server)
		return true;
	names = SSL_load_client_CA_file(s->ca_file);
	if (names == NULL)
		return fault_of_openssl(
		    f, FAULT_INVALID, "anchors", s->ca_file);
	SSL_CTX_set_client_CA_list(ctx, names); /* takes */
	return true;
}

static bool
set_verify(SSL_CTX *ctx, const struct tls_settings *s, struct fault *f)
{
	int mode = SSL_VERIFY_PEER;

	if (s->verify == TLS_VERIFY_NONE) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
		return s->server || fault_set(f, FAULT_INVALID,
					"a TLS client verifies its server");
	}
	if (s->server && s->verify == TLS_VERIFY_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, on_verify);
	return set_anchors(ctx, s, f);
}

static void
set_sessions(SSL_CTX *ctx, const struct tls_settings *s)
{
	static const unsigned char id[] = "assay";

	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1);
	if (s->session_tickets)
		return;
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
}

static void
set_protocol(SSL_CTX *ctx, const struct tls_settings *s)
{
	SSL_CTX_set_min_proto_version(
	    ctx, s->tls12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
				     SSL_OP_NO_COMPRESSION |
				     SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Never SSL_MODE_ENABLE_PARTIAL_WRITE: bufferevent_openssl would go on
	 * with its next piece after half of one. */
	SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_max_cert_list(ctx, CHAIN_BYTES);
}

bool
tls_context_new(const struct tls_settings *s, SSL_CTX **out, struct fault *f)
{
	SSL_CTX *ctx =
	    SSL_CTX_new(s->server ? TLS_server_method() : TLS_client_method());

	*out = NULL;
	ERR_clear_error();
	if (ctx == NULL)
		return fault_of_openssl(f, FAULT_INTERNAL, "TLS", "context");
	set_protocol(ctx, s);
	set_sessions(ctx, s);
	if (!set_own_certificate(ctx, s, f) || !set_verify(ctx, s, f) ||
	    (s->alpn != NULL && !set_alpn(ctx, s, f))) {
		SSL_CTX_free(ctx);
		return false;
	}
	*out = ctx;
	return true;
}

static bool
did_of_names(
    const GENERAL_NAMES *names, char *out, size_t size, struct fault *f)
{
	const ASN1_IA5STRING *uri = NULL;
	struct text t;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);

		if (n->type != GEN_URI)
			continue;
		if (uri != NULL)
			return fault_set(f, FAULT_UNTRUSTED,
			    "certificate names several URIs");
		uri = n->d.uniformResourceIdentifier;
	}
	if (uri == NULL)
		return fault_set(
		    f, FAULT_UNTRUSTED, "certificate names no URI");
	t.at = (const char *)ASN1_STRING_get0_data(uri);
	t.len = (size_t)ASN1_STRING_length(uri);
	if (!text_is_did(t))
		return fault_set(f, FAULT_UNTRUSTED,
		    "certificate's URI of %zu bytes is no DID", t.len);
	return text_store(t, out, size) ||
	       fault_set(
		   f, FAULT_LIMIT, "DID of %zu bytes does not fit", t.len);
}

bool
certificate_did(X509 *certificate, char *out, size_t size, struct fault *f)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	bool ok;

	if (names == NULL) {
		ERR_clear_error();
		return fault_set(f, FAULT_UNTRUSTED,
		    "certificate has no readable subject alternative name");
	}
	ok = did_of_names(names, out, size, f);
	GENERAL_NAMES_free(names);
	return ok;
}

bool
certificate_serial(X509 *certificate, char *out, size_t size)
{
	BIGNUM *n =
	    ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
	char *hex = n == NULL ? NULL : BN_bn2hex(n);
	bool ok =
	    hex != NULL && hex[0] != '-' && text_store(text_of(hex), out, size);

	OPENSSL_free(hex);
	BN_free(n);
	return ok;
}

static bool
unix_ms_of(const ASN1_TIME *t, int64_t *out)
{
	struct tm tm;

	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	*out = (int64_t)timegm(&tm) * 1000;
	return true;
}

bool
certificate_times(
    X509 *certificate, int64_t *not_before_ms, int64_t *not_after_ms)
{
	return unix_ms_of(X509_get0_notBefore(certificate), not_before_ms) &&
	       unix_ms_of(X509_get0_notAfter(certificate), not_after_ms);
}

void
certificate_sha256(X509 *certificate, uint8_t out[32])
{
	unsigned len = 32;

	X509_digest(certificate, EVP_sha256(), out, &len);
}

bool
certificates_read_pem(
    struct text pem, size_t max, STACK_OF(X509) * *out, struct fault *f)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *bio =
	    pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.at, (int)pem.len);
	X509 *one;
	bool ok = true;

	*out = NULL;
	ERR_clear_error();
	while (ok && bio != NULL &&
	       (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if ((size_t)sk_X509_num(all) < max && sk_X509_push(all, one))
			continue;
		X509_free(one);
		ok = fault_set(
		    f, FAULT_LIMIT, "more than %zu certificates", max);
	}
	/* The end of the text is "no start line"; all else is damage. */
	if (ok && bio != NULL &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		ok = fault_of_openssl(f, FAULT_INVALID, "PEM", "certificate");
	else if (ok && sk_X509_num(all) == 0)
		ok = fault_set(f, FAULT_INVALID, "no PEM certificate");
	ERR_clear_error();
	BIO_free(bio);
	if (ok)
		*out = all;
	else
		sk_X509_pop_free(all, X509_free);
	return ok;
}
