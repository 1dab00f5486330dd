/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making what a first start needs. A key is written and on the disk before
 * the certificate that speaks of it, so a crash between leaves a key that the
 * next start takes up.
 */
#include "auth/server/state.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "auth/device.h"
#include "auth/jwk.h"
#include "base/clock.h"
#include "base/file.h"

#define AUTHORITY_DAYS 3650
#define LEAF_DAYS 825

struct maker {
	const struct auth_settings *settings;
	struct arena *arena;
	int64_t now_ms;
	void (*on_made)(void *arg, const char *path);
	void *arg;
};

static char *
in_folder(const struct maker *m, const char *name)
{
	return arena_printf(m->arena, "%s/%s", m->settings->state_folder, name);
}

static void
tell(const struct maker *m, const char *path)
{
	if (m->on_made != NULL)
		m->on_made(m->arg, path);
}

/* ------------------------------------------------------------ signing keys */

static bool
has_key(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	bool found = false;

	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		found = len > 4 && strcmp(e->d_name + len - 4, ".pem") == 0;
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static bool
make_signing_key(const struct maker *m, const char *folder, struct fault *f)
{
	char kid[JWK_KID_TEXT];
	struct ec_key *k;
	char *path;
	bool ok;

	if (!folder_make(folder, 0700, f))
		return false;
	if (has_key(folder))
		return true;
	k = ec_key_generate();
	jwk_thumbprint(k, kid);
	path = arena_printf(m->arena, "%s/%s.pem", folder, kid);
	ok = ec_key_write_file(k, path, f);
	ec_key_free(&k);
	if (ok)
		tell(m, path);
	return ok;
}

/* ------------------------------------------------------------ certificates */

static bool
key_read_or_make(const struct maker *m, const char *path, struct ec_key **out,
    struct fault *f)
{
	if (access(path, F_OK) == 0)
		return ec_key_read_file(path, out, f);
	*out = ec_key_generate();
	if (ec_key_write_file(*out, path, f)) {
		tell(m, path);
		return true;
	}
	ec_key_free(out);
	return false;
}

static bool
certificate_write(
    const struct maker *m, X509 *c, const char *path, struct fault *f)
{
	char *pem = certificate_pem(m->arena, c);

	if (!file_write(path, pem, strlen(pem), 0644, f))
		return false;
	tell(m, path);
	return true;
}

static struct leaf
leaf_of(const struct maker *m, const char *common_name, int64_t days)
{
	struct leaf l = {.common_name = common_name,
	    .hosts = m->settings->listen_hosts.at,
	    .host_count = m->settings->listen_hosts.count,
	    .not_before_ms = m->now_ms - 300000,
	    .not_after_ms = m->now_ms + days * DAY_MS};

	random_bytes(l.serial, sizeof l.serial);
	return l;
}

static bool
make_authority(const struct maker *m, const char *common_name,
    const char *certificate, const char *key, struct fault *f)
{
	struct leaf l = leaf_of(m, common_name, AUTHORITY_DAYS);
	struct authority *a;
	struct ec_key *k;
	bool ok;

	if (access(certificate, F_OK) == 0)
		return true;
	if (!key_read_or_make(m, key, &k, f))
		return false;
	a = authority_make(&k, &l);
	ok = certificate_write(m, authority_certificate(a), certificate, f);
	authority_free(&a);
	return ok;
}

struct wanted {
	const char *common_name;
	const char *name; /* of the files */
	const char *ca;	  /* likewise */
	bool client;
	bool server;
};

static bool
make_leaf(const struct maker *m, const struct wanted *w, struct fault *f)
{
	char *certificate =
	    in_folder(m, arena_printf(m->arena, "%s.pem", w->name));
	char *key = in_folder(m, arena_printf(m->arena, "%s.key", w->name));
	char *ca = in_folder(m, arena_printf(m->arena, "%s.pem", w->ca));
	char *ca_key = in_folder(m, arena_printf(m->arena, "%s.key", w->ca));
	struct leaf l = leaf_of(m, w->common_name, LEAF_DAYS);
	struct authority *a = NULL;
	struct ec_key *k = NULL;
	X509 *c = NULL;
	bool ok;

	if (access(certificate, F_OK) == 0)
		return true;
	l.client = w->client;
	l.server = w->server;
	ok = authority_read(ca, ca_key, &a, f) &&
	     key_read_or_make(m, key, &k, f) &&
	     (c = authority_issue(a, k, &l, f)) != NULL &&
	     certificate_write(m, c, certificate, f);
	X509_free(c);
	ec_key_free(&k);
	authority_free(&a);
	return ok;
}

static bool
make_server(const struct maker *m, struct state_paths *p, struct fault *f)
{
	const struct wanted server = {
	    "assay-auth", "server", "server-ca", false, true};

	p->server_certificate = m->settings->listen_certificate;
	p->server_key = m->settings->listen_key;
	if (p->server_certificate != NULL)
		return true;
	p->server_certificate = in_folder(m, "server.pem");
	p->server_key = in_folder(m, "server.key");
	return make_authority(m, "Assay server CA",
		   in_folder(m, "server-ca.pem"), in_folder(m, "server-ca.key"),
		   f) &&
	       make_leaf(m, &server, f);
}

/* The operator's own gateway CA, or one made here with a certificate for the
 * mint and one for a gateway. */
static bool
make_gateway_side(const struct maker *m, struct state_paths *p, struct fault *f)
{
	const struct wanted mint = {
	    "assay-auth mint", "mint", "gateway-ca", false, true};
	const struct wanted gateway = {
	    "gateway", "gateway", "gateway-ca", true, true};
	const struct auth_settings *s = m->settings;
	char *ca = in_folder(m, "gateway-ca.pem");

	p->mint_gateway_ca = s->mint_gateway_ca;
	p->enrol_gateway_ca = s->enrol_gateway_ca;
	p->mint_certificate = s->mint_certificate;
	p->mint_key = s->mint_key;
	if (p->mint_gateway_ca != NULL && p->enrol_gateway_ca != NULL &&
	    p->mint_certificate != NULL)
		return true;
	if (p->mint_gateway_ca == NULL)
		p->mint_gateway_ca = ca;
	if (p->enrol_gateway_ca == NULL)
		p->enrol_gateway_ca = ca;
	if (p->mint_certificate == NULL) {
		p->mint_certificate = in_folder(m, "mint.pem");
		p->mint_key = in_folder(m, "mint.key");
	}
	return make_authority(m, "Assay gateway CA", ca,
		   in_folder(m, "gateway-ca.key"), f) &&
	       make_leaf(m, &mint, f) && make_leaf(m, &gateway, f);
}

bool
state_prepare(const struct auth_settings *s, int64_t now_ms, struct arena *a,
    void (*on_made)(void *arg, const char *path), void *arg,
    struct state_paths *out, struct fault *f)
{
	struct maker m = {s, a, now_ms, on_made, arg};

	memset(out, 0, sizeof *out);
	out->keys_folder = in_folder(&m, "keys");
	out->device_ca = in_folder(&m, "device-ca.pem");
	out->device_ca_key = in_folder(&m, "device-ca.key");
	return folder_make(s->state_folder, 0755, f) &&
	       make_signing_key(&m, out->keys_folder, f) &&
	       make_authority(&m, "Assay device CA", out->device_ca,
		   out->device_ca_key, f) &&
	       make_server(&m, out, f) && make_gateway_side(&m, out, f);
}
