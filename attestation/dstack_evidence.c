/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs in a dstack TD: log against registers, compose document against
 * log and MRCONFIGID, and the platform's statements against what the policy
 * pins. A log is worth what the registers below it are worth, so unpinned
 * base registers are refused unless the policy says otherwise.
 */
#include "attestation/dstack_evidence.h"

#include <string.h>
#include <strings.h>

#include "attestation/compose.h"
#include "attestation/dstack.h"
#include "base/codec.h"
#include "base/json.h"

enum { COMPOSE_MAX = 512 * 1024 };

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
image_judge(struct examination *x, struct verdict *v, struct text image)
{
	static const char name[] = "dstack.image_digest";
	struct text digest;

	if (!compose_image_digest(image, &digest))
		return verdict_check(v, false,
		    (struct check){name, SOURCE_HARDWARE, CODE_POLICY,
			verdict_text(v, image), "name@sha256:digest"});
	return policy_check_text(
	    v, &x->policy->image_digests, name, SOURCE_HARDWARE, digest);
}

/* Each image of the compose file, and that there is nothing else to run. */
static bool
images_judge(struct examination *x, struct verdict *v, struct text file)
{
	struct compose *c = arena_alloc(v->arena, sizeof(*c));
	struct fault f = {0};
	bool ok = compose_read(v->arena, file, c, &f);

	if (!verdict_check_fault(v, ok, "dstack.images", SOURCE_VERIFIER, &f))
		return false;
	for (size_t i = 0; i < c->images; i++)
		ok &= image_judge(x, v, c->image[i]);
	return ok;
}

/* Variables that the operator sets later and that choose another compose
 * file, another project or another engine. */
static bool
steers_compose(const char *name)
{
	return name == NULL || strncasecmp(name, "COMPOSE_", 8) == 0 ||
	       strncasecmp(name, "DOCKER_", 7) == 0;
}

static bool
environment_check(const json_t *compose, struct fault *f)
{
	const json_t *list = json_object_get(compose, "allowed_envs");
	const json_t *one;
	size_t i;

	if (list == NULL || json_is_null(list))
		return true;
	if (!json_is_array(list))
		return fault_set(
		    f, FAULT_INVALID, "allowed_envs is not an array");
	json_array_foreach(list, i, one)
	{
		const char *name = json_string_value(one);

		if (steers_compose(name))
			return fault_set(f, FAULT_UNSUPPORTED,
			    "the operator may set %.40s",
			    name != NULL ? name : "what is no name");
	}
	return true;
}

static bool
script_check(const json_t *compose, const char *name, struct fault *f)
{
	const json_t *script = json_object_get(compose, name);

	if (script == NULL || json_is_null(script) ||
	    (json_is_string(script) && json_string_length(script) == 0))
		return true;
	return fault_set(f, FAULT_UNSUPPORTED,
	    "%s runs outside every image; only compose_hashes can pin it",
	    name);
}

/* Beside the compose file stands what runs before it or in its place. */
static bool
runner_check(struct examination *x, const json_t *compose, struct fault *f)
{
	static const char *const scripts[] = {
	    "pre_launch_script", "init_script", "bash_script"};
	const json_t *runner = json_object_get(compose, "runner");
	const char *name = json_string_value(runner);

	if (runner != NULL &&
	    (name == NULL || strcmp(name, "docker-compose") != 0))
		return fault_set(
		    f, FAULT_UNSUPPORTED, "the runner is not docker-compose");
	if (!environment_check(compose, f))
		return false;
	if (x->policy->dstack.compose_hashes.given)
		return true;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++)
		if (!script_check(compose, scripts[i], f))
			return false;
	return true;
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
		 FAULT_INVALID, &f) &&
	     runner_check(x, o, &f);
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
