/* SPDX-License-Identifier: Apache-2.0 */
/* dstack cases: event logs, compose documents, actions of a compose manager. */
#include "attestation/dstack.h"

#include <string.h>

#include "attestation/binding.h"
#include "base/codec.h"
#include "base/json.h"
#include "tests/vectors/vectors.h"

static bool
register_read(struct vector *x, const char *name, uint8_t out[48])
{
	const char *hex = vector_string(x, name);

	return hex != NULL && strlen(hex) == 96 &&
	       hex_decode(text_of(hex), out, 48, NULL);
}

/* The registers that the case gives; own logs give RTMR3 alone. */
static bool
registers_judge(struct vector *x, const struct dstack_log *log, struct fault *f)
{
	bool any = false;

	for (unsigned i = 0; i < DSTACK_REGISTERS; i++) {
		char name[8] = "rtmr0";
		uint8_t seen[48];

		name[4] = (char)('0' + i);
		if (!register_read(x, name, seen))
			continue;
		any = true;
		if (!dstack_register_reached(log, i, seen, f))
			return false;
	}
	return any || fault_set(f, FAULT_NOT_FOUND, "no register");
}

/* The last sentence of the reason: what a verifier must not take. */
static bool
never_used(struct vector *x, const struct dstack_log *log)
{
	const char *never = vector_string(x, "never_use");
	char hex[HEX_SIZE(64)];

	if (never == NULL)
		return true;
	for (unsigned i = 0; i < DSTACK_ITEMS; i++) {
		if (log->item[i].len > 64)
			continue;
		hex_encode(log->item[i], hex);
		if (strcmp(hex, never) == 0)
			return vector_fail(x, "%s is the workload's",
			    dstack_item_name((enum dstack_item)i));
	}
	return true;
}

static bool
is_event(const struct dstack_event *e, const json_t *said)
{
	const char *name = json_string_value(json_object_get(said, "event"));
	const char *payload =
	    json_string_value(json_object_get(said, "payload"));
	size_t size = 2 * e->payload.len + 1;
	char *hex = mem_new(size);
	bool is;

	hex_encode(e->payload, hex);
	is = name != NULL && payload != NULL && text_is(e->name, name) &&
	     strcmp(hex, payload) == 0;
	mem_free(hex);
	return is;
}

/* What the case says that the runtime events are, one by one. */
static bool
same_events(struct vector *x, const struct dstack_log *log)
{
	const json_t *list = json_object_get(x->c, "runtime_events");
	size_t i, seen = 0;

	if (list == NULL)
		return true;
	for (i = 0; i < log->events; i++)
		if (log->event[i].type == DSTACK_RUNTIME_EVENT &&
		    !is_event(&log->event[i], json_array_get(list, seen++)))
			return vector_fail(
			    x, "runtime event %zu is another", seen - 1);
	return seen == json_array_size(list) ||
	       vector_fail(x, "%zu runtime events", seen);
}

static bool
compose_judge(struct vector *x, const struct dstack_log *log, struct verdict *v)
{
	const char *path = vector_string(x, "app_compose");
	struct fault f = {0};
	struct bytes text;
	uint8_t mr_config[48];

	if (path == NULL)
		return true;
	if (!vector_file(x, path, &text) ||
	    !register_read(x, "mr_config_id", mr_config))
		return vector_fail(x, "no compose document or register");
	verdict_check_fault(v,
	    dstack_compose_check(log, mr_config,
		(struct text){(const char *)text.at, text.len}, &f),
	    "dstack.compose", SOURCE_HARDWARE, &f);
	return true;
}

bool
vector_dstack(struct vector *x)
{
	struct dstack_log log;
	struct fault f = {0};
	struct verdict v;
	struct bytes raw;
	bool ok;

	if (!vector_member_file(x, "event_log", &raw))
		return false;
	verdict_init(&v, x->a, 0);
	ok = dstack_log_read(
	    x->a, (struct text){(const char *)raw.at, raw.len}, &log, &f);
	if (verdict_check_fault(
		&v, ok, "dstack.event_log", SOURCE_VERIFIER, &f)) {
		ok = registers_judge(x, &log, &f);
		verdict_check_fault(
		    &v, ok, "dstack.registers", SOURCE_HARDWARE, &f);
		if (!never_used(x, &log) || !same_events(x, &log) ||
		    !compose_judge(x, &log, &v))
			return false;
	}
	verdict_conclude(&v);
	return vector_expect(x, &v, vector_string(x, "expect"));
}

bool
vector_dstack_compose(struct vector *x)
{
	struct fault f = {0};
	uint8_t mr_config[48];
	bool ok;

	if (!register_read(x, "mr_config_id", mr_config))
		return vector_malformed(x, "dstack.register");
	ok = dstack_mr_config_compose(
	    mr_config, text_of(vector_string(x, "app_compose_text")), &f);
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f),
	    "dstack.compose", vector_string(x, "expect"));
}

/* The nonce that was asked for, or else the one that is there. */
static bool
actions_hold(struct vector *x, const char *text, struct fault *f)
{
	struct text report = text_of(vector_string(x, "report_data"));
	struct text asked = text_of(vector_string(x, "nonce"));
	struct text said = text_of(vector_string(x, "actions_hash"));
	uint8_t seen[64], nonce[BINDING_NONCE], hash[32];

	if (text == NULL || report.len != 2 * sizeof(seen) ||
	    !hex_decode(report, seen, sizeof(seen), NULL))
		return fault_set(f, FAULT_INVALID, "no actions or report data");
	if (said.len > 0 && (said.len != 2 * sizeof(hash) ||
				!hex_decode(said, hash, sizeof(hash), NULL) ||
				memcmp(hash, seen, sizeof(hash)) != 0))
		return fault_set(f, FAULT_CONFLICT, "another hash is said");
	memcpy(nonce, seen + 32, sizeof(nonce));
	return (asked.len == 0 || binding_nonce_read(asked, nonce, f)) &&
	       binding_actions_hold(seen, text_of(text), nonce, f);
}

bool
vector_dstack_actions(struct vector *x)
{
	char *text = json_dumps(json_object_get(x->c, "actions"), JSON_COMPACT);
	struct fault f = {0};
	bool ok = actions_hold(x, text, &f);

	free(text);
	return vector_expect_plain(x, ok, verdict_code_of_fault(&f),
	    "dstack.actions", vector_string(x, "expect"));
}
