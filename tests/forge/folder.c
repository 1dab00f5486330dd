/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and files of a forged platform's folder; see forge.h. */
#include "tests/forge/forge.h"

#include "base/codec.h"
#include "base/file.h"

#define STATE_MAX_BYTES ((size_t)1 << 20)

static void
must(bool ok, const struct fault *f, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "forge: %s: %s\n", what, f->why);
	exit(1);
}

void
forge_save(const char *folder, const char *name,
    const struct forged *const *all, size_t count)
{
	struct arena *a = arena_new();
	BIO *out = BIO_new(BIO_s_mem());
	struct fault f = {0};
	char *at;
	long len;

	for (size_t i = 0; i < count; i++) {
		PEM_write_bio_PrivateKey(
		    out, all[i]->key, NULL, NULL, 0, NULL, NULL);
		PEM_write_bio_X509(out, all[i]->x509);
	}
	len = BIO_get_mem_data(out, &at);
	must(folder_make(folder, 0700, &f), &f, folder);
	must(file_write(arena_printf(a, "%s/%s", folder, name), at, (size_t)len,
		 0600, &f),
	    &f, name);
	BIO_free(out);
	arena_free(&a);
}

void
forge_load(const char *folder, const char *name, struct forged *const *all,
    size_t count)
{
	struct arena *a = arena_new();
	struct fault f = {0};
	char *at;
	size_t len;
	BIO *in;

	must(file_read(arena_printf(a, "%s/%s", folder, name), STATE_MAX_BYTES,
		 &at, &len, &f),
	    &f, name);
	in = BIO_new_mem_buf(at, (int)len);
	for (size_t i = 0; i < count; i++) {
		forged_free(all[i]);
		all[i]->key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
		all[i]->x509 = PEM_read_bio_X509(in, NULL, NULL, NULL);
		forge_must(all[i]->key != NULL && all[i]->x509 != NULL);
	}
	BIO_free(in);
	mem_free(at);
	arena_free(&a);
}

void
forge_write(
    struct arena *a, const char *folder, const char *name, struct bytes body)
{
	char *path = arena_printf(a, "%s/%s", folder, name);
	char *parent = arena_string(a, path);
	struct fault f = {0};

	*strrchr(parent, '/') = '\0';
	must(folder_make(parent, 0755, &f), &f, parent);
	must(file_write(path, body.at, body.len, 0644, &f), &f, path);
}

void
forge_hex(const char *hex, uint8_t *out, size_t size)
{
	size_t len;

	forge_must(hex_decode(text_of(hex), out, size, &len) && len == size);
}

void
forge_print(struct arena *a, struct bytes b)
{
	char *hex = arena_alloc(a, HEX_SIZE(b.len));

	hex_encode(b, hex);
	puts(hex);
}

struct bytes
forge_published(struct arena *a, const struct forged *issuer, long serial,
    const struct publication *p)
{
	const struct forge_list_wish w = {serial, p->issued, p->next, 1};

	return forge_list_of(a, issuer, &w);
}
