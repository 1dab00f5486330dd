/* SPDX-License-Identifier: Apache-2.0 */
/* A Mac and its app under roots of our own. See forge.h. */
#include "tests/forge/forge.h"

#include "base/codec.h"
#include "base/crypto.h"

#define APP "TEAM000001.org.example.agent"
#define OID "1.2.840.113635.100.8."

struct writer {
	uint8_t at[8192];
	size_t len;
};

struct maker {
	struct arena *a;
	struct forged app_root, mda_root, app_ca, mda_ca;
};

static void
raw(struct writer *w, const void *at, size_t len)
{
	forge_must(w->len + len <= sizeof(w->at));
	memcpy(w->at + w->len, at, len);
	w->len += len;
}

static void
head(struct writer *w, unsigned major, size_t n)
{
	uint8_t b[3] = {
	    (uint8_t)(major << 5 | 25), (uint8_t)(n >> 8), (uint8_t)n};

	raw(w, b, 3);
}

static void
text(struct writer *w, const char *s)
{
	head(w, 3, strlen(s));
	raw(w, s, strlen(s));
}

static void
bytes(struct writer *w, struct bytes b)
{
	head(w, 2, b.len);
	raw(w, b.at, b.len);
}

static void
end(struct maker *m)
{
	forged_free(&m->app_root);
	forged_free(&m->mda_root);
	forged_free(&m->app_ca);
	forged_free(&m->mda_ca);
	arena_free(&m->a);
}

static void
load(struct maker *m, const char *folder)
{
	memset(m, 0, sizeof(*m));
	m->a = arena_new();
	forge_load(folder, "apple.pem",
	    (struct forged *const[]){
		&m->app_root, &m->mda_root, &m->app_ca, &m->mda_ca},
	    4);
}

static void
authority(struct forged *out, const struct forged *issuer, const char *name)
{
	forge(out, issuer,
	    &(struct forge_wish){.name = name, .curve = "P-384", .ca = true});
}

void
forge_apple_new(const char *folder, struct roots *r)
{
	struct maker m = {.a = arena_new()};

	authority(&m.app_root, NULL, "Apple App Attestation Root CA");
	authority(&m.mda_root, NULL, "Apple Enterprise Attestation Root CA");
	authority(&m.app_ca, &m.app_root, "Apple App Attestation CA 1");
	authority(&m.mda_ca, &m.mda_root, "Apple Enterprise Attestation CA");
	forge_save(folder, "apple.pem",
	    (const struct forged *const[]){
		&m.app_root, &m.mda_root, &m.app_ca, &m.mda_ca},
	    4);
	r->at[r->count++] = m.app_root;
	r->at[r->count++] = m.mda_root;
	m.app_root = m.mda_root = (struct forged){NULL, NULL};
	end(&m);
}

/* {"fmt", "attStmt": {"x5c" …}[, "authData"]} */
static void
print_object(struct maker *m, const char *format, const struct forged *leaf,
    const struct forged *ca, const struct writer *auth)
{
	struct writer *w = arena_alloc(m->a, sizeof(*w));

	w->len = 0;
	head(w, 5, auth != NULL ? 3 : 2);
	text(w, "fmt");
	text(w, format);
	text(w, "attStmt");
	head(w, 5, auth != NULL ? 2 : 1);
	text(w, "x5c");
	head(w, 4, 2);
	bytes(w, forged_der(m->a, leaf->x509));
	bytes(w, forged_der(m->a, ca->x509));
	if (auth != NULL) {
		text(w, "receipt");
		bytes(w, bytes_of("r", 1));
		text(w, "authData");
		bytes(w, bytes_of(auth->at, auth->len));
	}
	forge_print(m->a, bytes_of(w->at, w->len));
}

/* forge mda FOLDER FRESHNESS [sip-off] [serial=TEXT] */
void
forge_apple_mda(const char *folder, int argc, char **argv)
{
	const char *serial = "SYN1", *boot = "Full Security";
	uint8_t sip[] = {2, 1, 0}, freshness[32];
	static const uint8_t kexts[] = {2, 1, 0};
	struct forged leaf = {NULL, NULL};
	struct maker m;

	load(&m, folder);
	forge_hex(argv[0], freshness, sizeof(freshness));
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "sip-off") == 0)
			sip[2] = 1;
		else if (strncmp(argv[i], "serial=", 7) == 0)
			serial = argv[i] + 7;
		else
			forge_must(false);
	}
	forge(&leaf, &m.mda_ca,
	    &(struct forge_wish){.name = "leaf",
		.curve = "P-384",
		.extension = {{OID "9.1", bytes_of(serial, strlen(serial))},
		    {OID "13.2", bytes_of(boot, strlen(boot))},
		    {OID "11.1", bytes_of(freshness, 32)},
		    {OID "13.1", bytes_of(sip, 3)},
		    {OID "13.3", bytes_of(kexts, 3)}}});
	print_object(&m, "apple", &leaf, &m.mda_ca, NULL);
	forged_free(&leaf);
	end(&m);
}

/* rpIdHash, flags, counter, AAGUID, credential id, COSE key. */
static void
auth_data(struct writer *w, EVP_PKEY *key, const char *aaguid, uint8_t id[32])
{
	static const uint8_t cose[] = {
	    0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20};
	uint8_t point[97], rp[32], guid[16] = {0};

	forge_must(forged_point(key, point) == 65);
	sha256(bytes_of(point, 65), id);
	sha256(bytes_of(APP, strlen(APP)), rp);
	memcpy(guid, aaguid, strlen(aaguid));
	raw(w, rp, 32);
	raw(w, "\x40\0\0\0\0", 5);
	raw(w, guid, 16);
	raw(w, "\0\x20", 2);
	raw(w, id, 32);
	raw(w, cose, sizeof(cose));
	raw(w, point + 1, 32);
	raw(w, "\x22\x58\x20", 3);
	raw(w, point + 33, 32);
}

/* forge app FOLDER NONCE [develop]: the key's id, then the object */
void
forge_apple_app(const char *folder, int argc, char **argv)
{
	uint8_t nonce[32], hash[32], id[32];
	uint8_t stated[38] = {0x30, 0x24, 0xa1, 0x22, 0x04, 0x20};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct forged leaf = {NULL, NULL};
	struct writer auth = {.len = 0};
	struct maker m;

	load(&m, folder);
	forge_hex(argv[0], nonce, sizeof(nonce));
	sha256(bytes_of(nonce, 32), hash);
	auth_data(&auth, key, argc > 1 ? "appattestdevelop" : "appattest", id);
	sha256_parts((const struct bytes[]){bytes_of(auth.at, auth.len),
			 bytes_of(hash, 32)},
	    2, stated + 6);
	forge(&leaf, &m.app_ca,
	    &(struct forge_wish){.name = "leaf",
		.curve = "P-256",
		.extension = {{OID "2", bytes_of(stated, 38)}}});
	/* forge() makes its own key: put this one in and sign again. */
	X509_set_pubkey(leaf.x509, key);
	forge_must(X509_sign(leaf.x509, m.app_ca.key, EVP_sha384()) > 0);
	forge_print(m.a, bytes_of(id, 32));
	print_object(&m, "apple-appattest", &leaf, &m.app_ca, &auth);
	forged_free(&leaf);
	EVP_PKEY_free(key);
	end(&m);
}
