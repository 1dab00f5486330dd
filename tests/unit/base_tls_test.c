/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts: what is refused when one is made, and what one refuses in a
 * handshake over memory; certificates as they are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/tls.h"
#include "tests/unit/certificates.h"

struct world {
	struct certificate ca, server, client;
};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof *w);

	certificate_make(
	    &w->ca, NULL, &(struct certificate_wish){.name = "CA", .ca = true});
	certificate_make(&w->server, &w->ca,
	    &(struct certificate_wish){.name = "server",
		.san = "DNS:localhost",
		.usage = "serverAuth"});
	certificate_make(&w->client, &w->ca,
	    &(struct certificate_wish){.name = "client",
		.san = "DNS:x,URI:did:assay:zAbc",
		.usage = "clientAuth"});
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	certificate_done(&w->ca);
	certificate_done(&w->server);
	certificate_done(&w->client);
	free(w);
	return 0;
}

static SSL_CTX *
make(const struct tls_settings *s)
{
	SSL_CTX *out;
	struct fault f;

	if (!tls_context_new(s, &out, &f))
		fail_msg("%s", f.why);
	return out;
}

static SSL_CTX *
server_context(struct world *w, const char *alpn, bool tls12)
{
	return make(&(struct tls_settings){.server = true,
	    .verify = TLS_VERIFY_OPTIONAL,
	    .certificate_file = w->server.file,
	    .key_file = w->server.key_file,
	    .ca_file = w->ca.file,
	    .alpn = alpn,
	    .tls12 = tls12});
}

static SSL_CTX *
client_context(
    struct world *w, bool with_certificate, const char *alpn, bool tls12)
{
	return make(&(struct tls_settings){.verify = TLS_VERIFY_REQUIRED,
	    .certificate_file = with_certificate ? w->client.file : NULL,
	    .key_file = with_certificate ? w->client.key_file : NULL,
	    .ca_file = w->ca.file,
	    .alpn = alpn,
	    .tls12 = tls12});
}

struct pair {
	SSL *server, *client;
};

/* A handshake in memory; takes both contexts. True: both ends are done. */
static bool
shake(struct pair *p, SSL_CTX *server, SSL_CTX *client)
{
	BIO *a, *b;
	bool up = false;

	p->server = SSL_new(server);
	p->client = SSL_new(client);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	BIO_new_bio_pair(&a, 0, &b, 0);
	SSL_set_bio(p->server, a, a);
	SSL_set_bio(p->client, b, b);
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	for (int i = 0; i < 10 && !up; i++) {
		int c = SSL_do_handshake(p->client);
		int s = SSL_do_handshake(p->server);

		up = c == 1 && s == 1;
	}
	return up;
}

static void
part(struct pair *p)
{
	SSL_free(p->server);
	SSL_free(p->client);
}

static void
test_handshake(void **state)
{
	struct world *w = *state;
	struct pair p;
	X509 *peer;

	assert_true(shake(&p, server_context(w, "rh2", false),
	    client_context(w, true, "rh2", false)));
	assert_string_equal(SSL_get_version(p.server), "TLSv1.3");
	assert_true(tls_alpn_agreed(p.server));
	assert_true(tls_alpn_agreed(p.client));
	assert_int_equal(SSL_get_verify_result(p.server), X509_V_OK);
	peer = SSL_get1_peer_certificate(p.server);
	assert_non_null(peer);
	X509_free(peer);
	/* no tickets, as nobody asked for them */
	assert_int_equal(SSL_get_num_tickets(p.server), 0);
	part(&p);
	/* one may come without a certificate where it is optional */
	assert_true(shake(&p, server_context(w, NULL, false),
	    client_context(w, false, NULL, false)));
	part(&p);
}

static void
test_alpn(void **state)
{
	static const struct {
		const char *server, *client;
		bool up, agreed;
	} table[] = {
	    {"rh2", "rh2", true, true},
	    {"rh2", "h2", false, false},
	    {"rh2", NULL, false, false},
	    {"http/1.1", NULL, true, true},
	    {"http/1.1", "http/1.1", true, true},
	    {"http/1.1", "h2", false, false},
	    {NULL, "h2", true, false}, /* the client must ask */
	    {NULL, NULL, true, true},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
		struct pair p;
		bool up = shake(&p, server_context(w, table[i].server, false),
		    client_context(w, true, table[i].client, false));

		assert_int_equal(up, table[i].up);
		if (up)
			assert_int_equal(
			    tls_alpn_agreed(p.client), table[i].agreed);
		part(&p);
	}
}

static void
test_versions(void **state)
{
	struct world *w = *state;
	SSL_CTX *old = client_context(w, true, NULL, true);
	struct pair p;

	SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
	assert_false(shake(&p, server_context(w, NULL, false), old));
	part(&p);
	old = client_context(w, true, NULL, true);
	SSL_CTX_set_max_proto_version(old, TLS1_2_VERSION);
	assert_true(shake(&p, server_context(w, NULL, true), old));
	assert_string_equal(SSL_get_version(p.server), "TLSv1.2");
	part(&p);
}

static void
refused(const struct tls_settings *s, const char *why)
{
	SSL_CTX *out;
	struct fault f;

	assert_false(tls_context_new(s, &out, &f));
	assert_null(out);
	if (strstr(f.why, why) == NULL)
		fail_msg("%s", f.why);
}

static void
test_settings_refused(void **state)
{
	struct world *w = *state;

	refused(&(struct tls_settings){.server = true},
	    "a TLS server needs a certificate");
	refused(&(struct tls_settings){0}, "a TLS client verifies its server");
	refused(&(struct tls_settings){.server = true,
		    .certificate_file = w->server.file},
	    "no key for ");
	refused(&(struct tls_settings){.server = true,
		    .certificate_file = w->server.file,
		    .key_file = w->client.key_file},
	    "key values mismatch");
	refused(&(struct tls_settings){.server = true,
		    .certificate_file = w->server.file,
		    .key_file = w->server.file},
	    "key ");
	refused(&(struct tls_settings){.server = true,
		    .certificate_file = "/nowhere/c.pem",
		    .key_file = w->server.key_file},
	    "/nowhere/c.pem");
	refused(&(struct tls_settings){.server = true,
		    .verify = TLS_VERIFY_REQUIRED,
		    .certificate_file = w->server.file,
		    .key_file = w->server.key_file},
	    "client certificates need a ca_file");
	refused(&(struct tls_settings){.verify = TLS_VERIFY_REQUIRED,
		    .ca_file = "/nowhere/ca.pem"},
	    "/nowhere/ca.pem");
}

/* ----------------------------------------------------------- certificates */

static void
did_of(const char *san, const char *did, const char *why)
{
	struct certificate c;
	char out[200];
	struct fault f;
	bool fine;

	certificate_make(
	    &c, NULL, &(struct certificate_wish){.name = "x", .san = san});
	fine = certificate_did(c.x509, out, sizeof out, &f);
	if (did != NULL) {
		assert_true(fine);
		assert_string_equal(out, did);
	} else {
		assert_false(fine);
		assert_int_equal(f.kind, FAULT_UNTRUSTED);
		assert_string_equal(f.why, why);
	}
	certificate_done(&c);
}

static void
test_did(void **state)
{
	(void)state;
	did_of("URI:did:assay:zAbc", "did:assay:zAbc", NULL);
	did_of("DNS:x,URI:did:assay:zAbc", "did:assay:zAbc", NULL);
	did_of("URI:did:assay:a,URI:did:assay:b", NULL,
	    "certificate names several URIs");
	did_of("DNS:did.assay", NULL, "certificate names no URI");
	did_of("URI:https://x", NULL, "certificate's URI of 9 bytes is no DID");
	did_of(
	    NULL, NULL, "certificate has no readable subject alternative name");
}

static void
test_did_with_a_nul(void **state)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *n = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();
	X509 *x = X509_new();
	char out[200];
	struct fault f;

	(void)state;
	ASN1_STRING_set(s, "did:assay:zAbc\0evil", 19);
	GENERAL_NAME_set0_value(n, GEN_URI, s);
	sk_GENERAL_NAME_push(names, n);
	assert_int_equal(X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0,
			     X509V3_ADD_DEFAULT),
	    1);
	assert_false(certificate_did(x, out, sizeof out, &f));
	assert_int_equal(f.kind, FAULT_UNTRUSTED);
	GENERAL_NAMES_free(names);
	X509_free(x);
}

static void
test_serial_and_times(void **state)
{
	struct world *w = *state;
	X509 *x = X509_new();
	char serial[64];
	int64_t from, until;
	BIGNUM *n = NULL;

	BN_hex2bn(&n, "0ABCDEF0123");
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	assert_true(certificate_serial(x, serial, sizeof serial));
	assert_string_equal(serial, "ABCDEF0123");
	assert_false(certificate_serial(x, serial, 5));
	BN_set_negative(n, 1);
	BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	assert_false(certificate_serial(x, serial, sizeof serial));
	BN_free(n);
	ASN1_TIME_set_string(X509_getm_notBefore(x), "20260102030405Z");
	ASN1_TIME_set_string(X509_getm_notAfter(x), "20270102030405Z");
	assert_true(certificate_times(x, &from, &until));
	assert_int_equal(from, 1767323045000);
	assert_int_equal(until, 1798859045000);
	X509_free(x);
	assert_true(certificate_times(w->ca.x509, &from, &until));
	assert_int_equal(until - from, 90000 * 1000);
}

static char *
pem_of(const struct certificate *a, const struct certificate *b, size_t *len)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *at, *copy;

	PEM_write_bio_X509(out, a->x509);
	if (b != NULL)
		PEM_write_bio_X509(out, b->x509);
	*len = (size_t)BIO_get_mem_data(out, &at);
	copy = malloc(*len);
	memcpy(copy, at, *len);
	BIO_free(out);
	return copy;
}

static void
test_reading_pem(void **state)
{
	struct world *w = *state;
	size_t len;
	char *pem = pem_of(&w->server, &w->ca, &len);
	STACK_OF(X509) * all;
	struct fault f;

	assert_true(
	    certificates_read_pem((struct text){pem, len}, 2, &all, &f));
	assert_int_equal(sk_X509_num(all), 2);
	assert_int_equal(X509_cmp(sk_X509_value(all, 0), w->server.x509), 0);
	sk_X509_pop_free(all, X509_free);
	assert_false(
	    certificates_read_pem((struct text){pem, len}, 1, &all, &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	assert_null(all);
	assert_false(
	    certificates_read_pem((struct text){pem, len - 60}, 2, &all, &f));
	pem[100] = '*';
	assert_false(
	    certificates_read_pem((struct text){pem, len}, 2, &all, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_false(certificates_read_pem(text_of("hello"), 2, &all, &f));
	assert_string_equal(f.why, "no PEM certificate");
	free(pem);
}

static void
test_digest(void **state)
{
	struct world *w = *state;
	uint8_t a[32], b[32];

	certificate_sha256(w->server.x509, a);
	certificate_sha256(w->client.x509, b);
	assert_memory_not_equal(a, b, 32);
	certificate_sha256(w->client.x509, a);
	assert_memory_equal(a, b, 32);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    TEST(test_handshake),
	    TEST(test_alpn),
	    TEST(test_versions),
	    TEST(test_settings_refused),
	    TEST(test_did),
	    TEST(test_did_with_a_nul),
	    TEST(test_serial_and_times),
	    TEST(test_reading_pem),
	    TEST(test_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
