/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in a dstack TD: log against registers, compose document against
 * log and MRCONFIGID, and the platform's statements against what the policy
 * pins. A log is worth what the registers below it are worth, so unpinned
 * base registers are refused unless the policy says otherwise.
 */
#include "attestation/dstack_evidence.h"

#include <string.h>

#include "attestation/dstack.h"
#include "base/codec.h"
#include "base/json.h"

enum { COMPOSE_MAX = 512 * 1024, IMAGES_MAX = 256, IMAGE_DIGEST = 64 };

static struct text
hex_text(struct verdict *v, struct bytes b)
{
	return text_of(verdict_hex(v, b));
}

static bool
log_judge(struct examination *x, const json_t *item, struct verdict *v,
    struct dstack_log *log)
{
	const json_t *list = json_object_get(item, "event_log");
	struct fault f = {0};
	bool ok;

	ok = json_is_string(list) ? dstack_log_read(v->arena,
					(struct text){json_string_value(list),
					    json_string_length(list)},
					log, &f)
				  : dstack_log_of_json(v->arena, list, log, &f);
	if (!verdict_check_fault(
		v, ok, "dstack.event_log", SOURCE_VERIFIER, &f))
		return false;
	ok = dstack_log_reaches(log, x->facts.rtmr, &f);
	return verdict_check_fault(
	    v, ok, "dstack.registers", SOURCE_HARDWARE, &f);
}

/* Registers of firmware, kernel and initrd: the TDX section pins them. */
static bool
base_judge(struct examination *x, struct verdict *v)
{
	const struct policy_tdx *t = &x->policy->tdx;
	bool pinned = t->mrtd.given && t->rtmr[0].given && t->rtmr[1].given &&
		      t->rtmr[2].given;
	struct check c = {"dstack.base_pinned", SOURCE_OPERATOR, CODE_POLICY,
	    pinned ? NULL : "MRTD and RTMR0-2 are not all pinned",
	    "pinned images"};

	if (!pinned && x->policy->dstack.allow_unpinned_base) {
		verdict_unknown(v, c);
		return true;
	}
	return verdict_check(v, pinned, c);
}

static bool
item_judge(struct verdict *v, const struct dstack_log *log,
    enum dstack_item item, const struct policy_texts *list, const char *name)
{
	struct bytes seen = log->item[item];

	if (list->given && seen.len == 0)
		return verdict_check(v, false,
		    (struct check){name, SOURCE_HARDWARE, CODE_MISSING,
			"the log does not say", dstack_item_name(item)});
	return policy_check_text(
	    v, list, name, SOURCE_HARDWARE, hex_text(v, seen));
}

/* {"name": "kms", "id": hex of the root key}: the payload of key-provider. */
static bool
kms_judge(
    struct examination *x, struct verdict *v, const struct dstack_log *log)
{
	struct bytes payload = log->item[DSTACK_KEY_PROVIDER];
	const char *name = "", *id = "";
	struct fault f = {0};
	json_t *o = NULL;
	bool ok;

	if (!x->policy->kms_roots.given)
		return true;
	ok = json_read((struct text){(const char *)payload.at, payload.len},
		 16384, &o, &f) &&
	     json_get_string(o, "name", 64, &name, FAULT_INVALID, &f) &&
	     json_get_string(o, "id", 4096, &id, FAULT_INVALID, &f);
	if (ok && strcmp(name, "kms") != 0)
		ok = fault_set(
		    &f, FAULT_REFUSED, "keys come from '%.20s'", name);
	ok = verdict_check_fault(
		 v, ok, "dstack.key_provider", SOURCE_HARDWARE, &f) &&
	     policy_check_text(v, &x->policy->kms_roots, "dstack.kms_root",
		 SOURCE_HARDWARE, text_of(id));
	json_free(&o);
	return ok;
}

/* An image that is not named by digest may be another one tomorrow. */
static bool
image_judge(struct examination *x, struct verdict *v, struct text line)
{
	static const char mark[] = "@sha256:";
	const char *at = memmem(line.at, line.len, mark, sizeof(mark) - 1);
	struct text digest = {NULL, 0};

	if (at != NULL) {
		digest.at = at + sizeof(mark) - 1;
		digest.len = line.len - (size_t)(digest.at - line.at);
		if (digest.len > IMAGE_DIGEST)
			digest.len = IMAGE_DIGEST;
	}
	return policy_check_text(v, &x->policy->image_digests,
	    "dstack.image_digest", SOURCE_HARDWARE,
	    digest.len == IMAGE_DIGEST ? digest : line);
}

/* Whether the text begins with the key "image", quoted or not. */
static bool
is_image_key(struct text t)
{
	static const char word[] = "image";
	size_t i = sizeof(word) - 1;

	if (!text_starts_with(t, word))
		return false;
	while (i < t.len && strchr(" \"'", t.at[i]) != NULL)
		i++;
	return i < t.len && t.at[i] == ':';
}

/* Takes the next line off *file, without its indent and list marks. */
static struct text
line_take(struct text *file)
{
	const char *end = memchr(file->at, '\n', file->len);
	struct text line = {
	    file->at, end != NULL ? (size_t)(end - file->at) : file->len};
	size_t used = line.len + (end != NULL);

	file->at += used;
	file->len -= used;
	while (line.len > 0 && strchr(" \t-\"'", *line.at) != NULL) {
		line.at++;
		line.len--;
	}
	return line;
}

/* A key "image" that does not begin its line stands in a flow mapping, which
 * is not read here and therefore not accepted. */
static bool
hides_image(struct text line)
{
	for (size_t i = 1; i < line.len; i++)
		if (is_image_key((struct text){line.at + i, line.len - i}))
			return true;
	return false;
}

/* Each line of the compose file whose key is "image". */
static bool
images_judge(struct examination *x, struct verdict *v, struct text file)
{
	size_t images = 0;
	bool ok = true, plain = true;

	while (file.len > 0 && images <= IMAGES_MAX) {
		struct text line = line_take(&file);

		plain &= !hides_image(line);
		if (!is_image_key(line))
			continue;
		images++;
		ok &= image_judge(x, v, line);
	}
	return verdict_check(v, plain && images > 0 && images <= IMAGES_MAX,
		   (struct check){"dstack.images", SOURCE_VERIFIER,
		       plain ? CODE_MISSING : CODE_UNSUPPORTED,
		       verdict_format(v, "%zu images%s", images,
			   plain ? "" : " and a flow mapping"),
		       "each on a line of its own, by digest"}) &&
	       ok;
}

static bool
compose_images_judge(
    struct examination *x, struct verdict *v, struct text compose)
{
	const char *file = "";
	struct fault f = {0};
	json_t *o = NULL;
	bool ok;

	if (!x->policy->image_digests.given)
		return true;
	ok = json_read(compose, COMPOSE_MAX, &o, &f) &&
	     json_get_string(o, "docker_compose_file", COMPOSE_MAX, &file,
		 FAULT_INVALID, &f);
	ok = verdict_check_fault(
		 v, ok, "dstack.compose_file", SOURCE_VERIFIER, &f) &&
	     images_judge(x, v, text_of(file));
	json_free(&o);
	return ok;
}

static bool
compose_judge(struct examination *x, const json_t *item, struct verdict *v,
    const struct dstack_log *log)
{
	const json_t *j = json_object_get(item, "app_compose");
	struct text compose = {json_string_value(j), json_string_length(j)};
	bool there = json_is_string(j) && compose.len <= COMPOSE_MAX;
	struct fault f = {0};
	bool ok;

	if (!verdict_check(v, there,
		(struct check){"dstack.compose", SOURCE_PROVIDER, CODE_MISSING,
		    there ? NULL : "no compose document", NULL}))
		return false;
	ok = dstack_compose_check(log, x->facts.mrconfigid, compose, &f);
	return verdict_check_fault(
		   v, ok, "dstack.compose", SOURCE_HARDWARE, &f) &&
	       compose_images_judge(x, v, compose);
}

static bool
policy_judge(
    struct examination *x, struct verdict *v, const struct dstack_log *log)
{
	const struct policy_dstack *p = &x->policy->dstack;
	bool ok;

	ok = item_judge(v, log, DSTACK_APP_ID, &p->app_ids, "dstack.app_id");
	ok &= item_judge(v, log, DSTACK_COMPOSE_HASH, &p->compose_hashes,
	    "dstack.compose_hash");
	ok &= item_judge(
	    v, log, DSTACK_OS_IMAGE_HASH, &p->os_images, "dstack.os_image");
	ok &= item_judge(v, log, DSTACK_KEY_PROVIDER, &p->key_providers,
	    "dstack.key_provider_accepted");
	ok &= kms_judge(x, v, log);
	return ok;
}

static bool
verify_dstack(struct examination *x, const json_t *item, struct verdict *v)
{
	bool quoted = x->facts.cpu && x->facts.is_tdx;
	struct dstack_log log;
	bool ok;

	if (!verdict_check(v, quoted,
		(struct check){"dstack.quote", SOURCE_HARDWARE, CODE_MISSING,
		    quoted ? NULL
			   : "no verified TDX quote to hold the log against",
		    NULL}) ||
	    !log_judge(x, item, v, &log))
		return false;
	ok = base_judge(x, v);
	ok &= compose_judge(x, item, v, &log);
	ok &= policy_judge(x, v, &log);
	return ok;
}

const struct verifier dstack_verifier = {"dstack", 2, verify_dstack};
