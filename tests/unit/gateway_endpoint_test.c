/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/endpoint, event, trace, limits, presence: the small nouns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/codec.h"
#include "base/mem.h"
#include "gateway/endpoint.h"
#include "gateway/event.h"
#include "gateway/limits.h"
#include "gateway/presence.h"
#include "gateway/trace.h"

static void
test_endpoints(void **state)
{
	static const struct {
		const char *method, *path, *name, *variable;
		enum fault_kind kind;
	} rows[] = {
	    {"POST", "/v1/chat/completions", "chat/completions", "", 0},
	    {"POST", "/v1/tasks/rank", "tasks", "rank", 0},
	    {"GET", "/v1/models", "models", "", 0},
	    {"HEAD", "/v1/models", "models", "", 0},
	    {"HEAD", "/v1/chat/completions", NULL, "",
		FAULT_METHOD_NOT_ALLOWED},
	    {"GET", "/v1/models/a:b/c", "models/id", "a:b/c", 0},
	    {"GET", "/v1/models/a%3Ab", "models/id", "a:b", 0},
	    {"GET", "/v1/providers/did:assay:z1", "providers", "did:assay:z1",
		0},
	    {"GET", "/v1/chat/completions", NULL, "", FAULT_METHOD_NOT_ALLOWED},
	    {"POST", "/v1/tasks/", NULL, "", FAULT_NOT_FOUND},
	    {"POST", "/v1/tasks/a/b", NULL, "", FAULT_NOT_FOUND},
	    {"POST", "/v1/tasks/%00", NULL, "", FAULT_NOT_FOUND},
	    {"POST", "/v1/chat/completions/", NULL, "", FAULT_NOT_FOUND},
	    {"GET", "/", NULL, "", FAULT_NOT_FOUND},
	    {"GET", "/v1/../v1/models", NULL, "", FAULT_NOT_FOUND},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct endpoint *e;
		struct fault f = {0};
		const char *allow;
		char variable[64];

		e = endpoint_find(rows[i].method, rows[i].path, variable,
		    sizeof(variable), &allow, &f);
		assert_int_equal(f.kind, rows[i].kind);
		if (rows[i].name == NULL) {
			assert_null(e);
			continue;
		}
		assert_string_equal(e->name, rows[i].name);
		assert_string_equal(variable, rows[i].variable);
	}
}

static void
test_events(void **state)
{
	struct event_line e;
	struct fault f;

	(void)state;
	assert_true(event_read(text_of("{\"event\":\"models\"}"), &e, &f));
	assert_int_equal(e.kind, EVENT_MODELS);
	assert_true(event_read(
	    text_of("{\"event\":\"load\",\"active\":3,\"queued\":1}"), &e, &f));
	assert_int_equal(e.kind, EVENT_LOAD);
	assert_int_equal(e.active, 3);
	assert_true(event_read(
	    text_of("{\"event\":\"window\",\"open\":false}"), &e, &f));
	assert_false(e.is_open);
	assert_true(event_read(text_of("{\"event\":\"new\"}"), &e, &f));
	assert_int_equal(e.kind, EVENT_UNKNOWN);
	assert_false(event_read(text_of("{\"event\":\"window\"}"), &e, &f));
	assert_string_equal(
	    f.why, "a window event without open: true or false");
	assert_false(
	    event_read(text_of("{\"event\":\"load\",\"active\":-1}"), &e, &f));
	assert_false(event_read(text_of("[1]"), &e, &f));
	assert_false(event_read(text_of("nonsense"), &e, &f));
}

static void
test_trace(void **state)
{
	const char *good =
	    "00-0123456789abcdef0123456789abcdef-0123456789abcdef-00";
	uint8_t random[24];
	char out[TRACEPARENT];

	(void)state;
	memset(random, 0xab, sizeof(random));
	trace_next(good, random, out);
	assert_string_equal(
	    out, "00-0123456789abcdef0123456789abcdef-abababababababab-00");
	trace_next("00-0123456789ABCDEF0123456789abcdef-0123456789abcdef-00",
	    random, out);
	assert_string_equal(
	    out, "00-abababababababababababababababab-abababababababab-01");
	trace_next(NULL, random, out);
	assert_int_equal(strlen(out), 55);
}

static void
test_limits(void **state)
{
	struct limits_settings s = {60, 2, 4};
	struct limits *l = limits_new(&s);
	struct principal p = {.key = "k1"};
	struct fault f;
	int64_t wait;

	(void)state;
	assert_true(limits_enter(l, &p, 0, &wait, &f));
	assert_true(limits_enter(l, &p, 0, &wait, &f));
	assert_false(limits_enter(l, &p, 0, &wait, &f));
	assert_int_equal(f.kind, FAULT_RATE_LIMITED);
	assert_string_equal(
	    f.why, "this key has 2 requests under way, its limit");
	limits_leave(l, "k1");
	limits_leave(l, "k1");
	for (int i = 0; i < 9; i++) { /* burst: a sixth of a minute and one */
		assert_true(limits_enter(l, &p, 0, &wait, &f));
		limits_leave(l, "k1");
	}
	assert_false(limits_enter(l, &p, 0, &wait, &f));
	assert_string_equal(f.why, "this key may make 60 requests a minute");
	assert_int_equal(wait, 1000);
	assert_true(limits_enter(l, &p, 1000, &wait, &f));
	for (int i = 0; i < 10; i++) { /* more keys than are kept */
		snprintf(p.key, sizeof(p.key), "k%d", i + 2);
		assert_true(limits_enter(l, &p, 1000, &wait, &f));
		limits_leave(l, p.key);
	}
	limits_free(&l);
	assert_null(l);
}

static struct path *ended;

static void
on_end(struct path *p, const struct fault *why)
{
	ended = p;
	assert_string_equal(
	    why->why, "a newer tunnel of this device took slot 1");
}

static void
enter(struct presence *p, const char *session, int64_t slot, struct path *path)
{
	struct presence_entry e = {
	    .slot = slot, .path = path, .on_end = on_end};

	snprintf(e.did, sizeof(e.did), "did:assay:z1");
	snprintf(e.session, sizeof(e.session), "%s", session);
	presence_enter(p, &e);
}

static void
test_presence(void **state)
{
	struct presence *p = presence_new();
	struct path one = {NULL}, two = {NULL}, three = {NULL};

	(void)state;
	enter(p, "s1", 1, &one);
	enter(p, "s2", 2, &two);
	assert_null(ended);
	assert_ptr_equal(presence_find(p, "s1"), &one);
	enter(p, "s3", 1, &three);
	assert_ptr_equal(ended, &one);
	assert_null(presence_find(p, "s1"));
	assert_ptr_equal(presence_find(p, "s3"), &three);
	assert_int_equal(presence_count(p), 2);
	presence_leave(p, "s1"); /* no longer there: nothing happens */
	presence_leave(p, "s2");
	assert_int_equal(presence_count(p), 1);
	presence_free(&p);
	assert_null(p);
}

/* One that does not fit is not found, and leaves no half of itself. */
static void
test_long_variable(void **state)
{
	char variable[8], path[64];
	const char *allow;
	struct fault f;

	(void)state;
	memset(variable, 'x', sizeof(variable));
	snprintf(path, sizeof(path), "/v1/models/%s", "1234567");
	assert_non_null(
	    endpoint_find("GET", path, variable, sizeof(variable), &allow, &f));
	assert_string_equal(variable, "1234567");
	memset(variable, 'x', sizeof(variable));
	snprintf(path, sizeof(path), "/v1/models/%s", "12345678");
	assert_null(
	    endpoint_find("GET", path, variable, sizeof(variable), &allow, &f));
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
	assert_string_equal(variable, "");
}

static void
test_parameters(void **state)
{
	static const struct {
		const char *query, *value; /* of the parameter a */
	} cases[] = {
	    {NULL, NULL},
	    {"", NULL},
	    {"a", NULL},
	    {"a=", ""},
	    {"a=1", "1"},
	    {"aa=1&a=2&a=3", "2"},
	    {"b=a=1", NULL},
	    {"b&a=x%20y", "x y"},
	    {"a=%2", NULL},
	    {"a=%zz&a=1", NULL},
	    {"a=1%00", NULL},
	    {"&&a=&", ""},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *value = endpoint_parameter(cases[i].query, "a", a);

		if (cases[i].value == NULL)
			assert_null(value);
		else
			assert_string_equal(value, cases[i].value);
	}
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_endpoints),
	    cmocka_unit_test(test_long_variable),
	    cmocka_unit_test(test_parameters),
	    cmocka_unit_test(test_events),
	    cmocka_unit_test(test_trace),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_presence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
