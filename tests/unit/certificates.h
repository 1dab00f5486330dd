/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates for tests, made afresh with OpenSSL: a CA and leaves under it,
 * as PEM files in a folder of their own that goes with them.
 */
#ifndef TESTS_UNIT_CERTIFICATES_H
#define TESTS_UNIT_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct certificate {
	EVP_PKEY *key;
	X509 *x509;
	char folder[64];
	char file[128];	    /* the certificate */
	char key_file[128]; /* its key */
};

struct certificate_wish {
	const char *name;  /* common name */
	const char *san;   /* "DNS:localhost,IP:127.0.0.1", or NULL */
	const char *usage; /* "clientAuth", "serverAuth", or NULL */
	long from_s;	   /* validity, relative to now; */
	long until_s;	   /* both 0: from an hour ago for a day */
	bool ca;
};

static inline void
certificate_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *e;

	X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (e == NULL || X509_add_ext(x, e, -1) != 1)
		abort();
	X509_EXTENSION_free(e);
}

static inline void
certificate_write(struct certificate *c)
{
	FILE *f;

	snprintf(c->folder, sizeof c->folder, "/tmp/assay-test-XXXXXX");
	if (mkdtemp(c->folder) == NULL)
		abort();
	snprintf(c->file, sizeof c->file, "%s/certificate.pem", c->folder);
	snprintf(c->key_file, sizeof c->key_file, "%s/key.pem", c->folder);
	f = fopen(c->file, "w");
	if (f == NULL || PEM_write_X509(f, c->x509) != 1)
		abort();
	fclose(f);
	f = fopen(c->key_file, "w");
	if (f == NULL ||
	    PEM_write_PrivateKey(f, c->key, NULL, NULL, 0, NULL, NULL) != 1)
		abort();
	fclose(f);
}

/* issuer NULL: signed by itself. Free with certificate_done. */
static inline void
certificate_make(struct certificate *c, const struct certificate *issuer,
    const struct certificate_wish *w)
{
	bool given = w->from_s != 0 || w->until_s != 0;
	X509_NAME *name;
	BIGNUM *serial = BN_new();

	c->key = EVP_EC_gen("P-256");
	c->x509 = X509_new();
	if (c->key == NULL || c->x509 == NULL || serial == NULL ||
	    BN_rand(serial, 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1)
		abort();
	X509_set_version(c->x509, 2);
	BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(c->x509));
	BN_free(serial);
	X509_gmtime_adj(
	    X509_getm_notBefore(c->x509), given ? w->from_s : -3600);
	X509_gmtime_adj(
	    X509_getm_notAfter(c->x509), given ? w->until_s : 86400);
	name = X509_get_subject_name(c->x509);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)w->name, -1, -1, 0);
	X509_set_issuer_name(c->x509,
	    issuer == NULL ? name : X509_get_subject_name(issuer->x509));
	X509_set_pubkey(c->x509, c->key);
	certificate_extend(c->x509, issuer == NULL ? c->x509 : issuer->x509,
	    NID_basic_constraints,
	    w->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	if (w->usage != NULL)
		certificate_extend(
		    c->x509, c->x509, NID_ext_key_usage, w->usage);
	if (w->san != NULL)
		certificate_extend(
		    c->x509, c->x509, NID_subject_alt_name, w->san);
	if (X509_sign(c->x509, issuer == NULL ? c->key : issuer->key,
		EVP_sha256()) == 0)
		abort();
	certificate_write(c);
}

static inline void
certificate_done(struct certificate *c)
{
	unlink(c->file);
	unlink(c->key_file);
	rmdir(c->folder);
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
	memset(c, 0, sizeof *c);
}

#endif
