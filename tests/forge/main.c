/* SPDX-License-Identifier: Apache-2.0 */
/*
 * forge: a TDX platform under a test root, for tests through the real
 * programs. Everything is made around the time at which it runs.
 *
 *   forge new FOLDER
 *	makes keys and certificates: root.pem (what a test build is told to
 *	trust), state.pem, and sound collateral
 *	in FOLDER/collateral/tdx/tcb/c0ffee000001.
 *   forge collateral FOLDER [sound | revoked | stale | old]
 *	writes the collateral anew: the PCK certificate on its list, lists
 *	past their update, or a platform that has become OutOfDate.
 *   forge quote FOLDER HEX [debug | old-module] [config=HEX] [rtmr3=HEX]
 *	prints a quote in hex with those 64 bytes of report data.
 */
#include <stdint.h>
#include <stdio.h>

static int64_t forge_now;
#define FORGE_NOW forge_now

#include "base/clock.h"
#include "base/file.h"
#include "tests/unit/attestation_tdx_forge.h"

#define STATE_MAX_BYTES ((size_t)1 << 20)

static void
must(bool ok, const struct fault *f, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "forge: %s: %s\n", what, f->why);
	exit(1);
}

static const struct forged *
member(const struct tdx_forge *t, int i)
{
	const struct forged *const all[] = {&t->root, &t->tcb, &t->ca, &t->pck};

	return all[i];
}

static void
save(struct tdx_forge *t, const char *folder)
{
	BIO *out = BIO_new(BIO_s_mem());
	struct fault f = {0};
	struct text root = forged_pem(t->a, &t->root, 1);
	char *at;
	long len;
	int i;

	for (i = 0; i < 4; i++) {
		PEM_write_bio_PrivateKey(
		    out, member(t, i)->key, NULL, NULL, 0, NULL, NULL);
		PEM_write_bio_X509(out, member(t, i)->x509);
	}
	PEM_write_bio_PrivateKey(out, t->ak, NULL, NULL, 0, NULL, NULL);
	len = BIO_get_mem_data(out, &at);
	must(folder_make(folder, 0700, &f), &f, folder);
	must(file_write(arena_printf(t->a, "%s/state.pem", folder), at,
		 (size_t)len, 0600, &f),
	    &f, "state.pem");
	must(file_write(arena_printf(t->a, "%s/root.pem", folder), root.at,
		 root.len, 0644, &f),
	    &f, "root.pem");
	BIO_free(out);
}

static void
take(BIO *in, struct forged *out)
{
	EVP_PKEY_free(out->key);
	X509_free(out->x509);
	out->key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	out->x509 = PEM_read_bio_X509(in, NULL, NULL, NULL);
	forge_must(out->key != NULL && out->x509 != NULL);
}

/* A platform as tdx_forge_start makes it, with the keys of the folder. */
static void
load(struct tdx_forge *t, const char *folder)
{
	struct fault f = {0};
	char *at;
	size_t len;
	BIO *in;

	tdx_forge_start(t);
	must(file_read(arena_printf(t->a, "%s/state.pem", folder),
		 STATE_MAX_BYTES, &at, &len, &f),
	    &f, "state.pem");
	in = BIO_new_mem_buf(at, (int)len);
	take(in, &t->root);
	take(in, &t->tcb);
	take(in, &t->ca);
	take(in, &t->pck);
	EVP_PKEY_free(t->ak);
	t->ak = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	forge_must(t->ak != NULL);
	BIO_free(in);
	mem_free(at);
}

/* The texts of tdx_forge speak of January 2026: moved to now. */
static char *
moved(struct tdx_forge *t, const char *text, int64_t next)
{
	static const char issued[] = "2026-01-01T00:00:00Z";
	static const char update[] = "2026-01-31T00:00:00Z";
	char *out = arena_string(t->a, text), day[RFC3339_TEXT];

	time_to_rfc3339((FORGE_NOW - FORGE_DAY) * 1000, day);
	memcpy(strstr(out, issued), day, sizeof(issued) - 1);
	time_to_rfc3339(next * 1000, day);
	memcpy(strstr(out, update), day, sizeof(update) - 1);
	return out;
}

static void
collateral(struct tdx_forge *t, const char *folder, const char *kind)
{
	bool stale = strcmp(kind, "stale") == 0;
	bool old = strcmp(kind, "old") == 0;
	int64_t next = FORGE_NOW + (stale ? -3600 : 10 * FORGE_DAY);
	const char *levels =
	    tdx_forge_level(t->a, 8, 13, 3, old ? "OutOfDate" : "UpToDate");
	char *path = arena_printf(t->a, "%s/collateral/tdx/tcb", folder);
	struct fault f = {0};
	char *bundle;

	t->tcb_info = moved(
	    t, tdx_forge_tcb_info(t->a, levels), FORGE_NOW + 20 * FORGE_DAY);
	t->qe_identity =
	    moved(t, tdx_forge_sound_qe(), FORGE_NOW + 20 * FORGE_DAY);
	t->root_crl = forge_list(t->a, &t->root, 0, next);
	t->pck_crl = forge_list(
	    t->a, &t->ca, strcmp(kind, "revoked") == 0 ? 14 : 0, next);
	bundle = tdx_forge_bundle(t);
	must(folder_make(path, 0755, &f), &f, path);
	must(file_write(arena_printf(t->a, "%s/c0ffee000001", path), bundle,
		 strlen(bundle), 0644, &f),
	    &f, path);
}

static void
put_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t len;

	forge_must(hex_decode(text_of(hex), out, size, &len));
}

static void
wish(struct tdx_forge *t, const char *word)
{
	if (strcmp(word, "debug") == 0)
		t->body[TDX_FORGE_ATTRIBUTES] |= 1;
	else if (strcmp(word, "old-module") == 0)
		t->body[TDX_FORGE_SVN] = 4;
	else if (strncmp(word, "config=", 7) == 0)
		put_hex(word + 7, t->body + TDX_FORGE_CONFIG, 48);
	else if (strncmp(word, "rtmr3=", 6) == 0)
		put_hex(word + 6, t->body + TDX_FORGE_RTMR0 + 3 * 48, 48);
	else
		forge_must(false);
}

static void
quote(struct tdx_forge *t)
{
	struct bytes q = tdx_forge_quote(t);
	char *hex = arena_alloc(t->a, HEX_SIZE(q.len));

	hex_encode(q, hex);
	puts(hex);
}

int
main(int argc, char **argv)
{
	struct tdx_forge t;
	int i;

	forge_now = clock_unix_ms() / 1000;
	if (argc == 3 && strcmp(argv[1], "new") == 0) {
		tdx_forge_start(&t);
		save(&t, argv[2]);
		collateral(&t, argv[2], "sound");
	} else if ((argc == 3 || argc == 4) &&
		   strcmp(argv[1], "collateral") == 0) {
		load(&t, argv[2]);
		collateral(&t, argv[2], argc == 4 ? argv[3] : "sound");
	} else if (argc >= 4 && strcmp(argv[1], "quote") == 0) {
		load(&t, argv[2]);
		put_hex(argv[3], t.body + TDX_FORGE_REPORT_DATA, 64);
		for (i = 4; i < argc; i++)
			wish(&t, argv[i]);
		quote(&t);
	} else {
		fprintf(stderr,
		    "usage: forge new FOLDER\n"
		    "       forge collateral FOLDER [sound|revoked|stale|old]\n"
		    "       forge quote FOLDER HEX [debug|old-module] "
		    "[config=HEX] [rtmr3=HEX]\n");
		return 2;
	}
	tdx_forge_end(&t);
	return 0;
}
