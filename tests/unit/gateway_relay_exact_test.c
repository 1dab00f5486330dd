/* SPDX-License-Identifier: Apache-2.0 */
/* gateway/relay: replies of which the buyer gets each byte and no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/gateway_relay_scene.h"

static void
on_sent(void *arg, const void *at, size_t len)
{
	struct scene *s = arg;

	strncat(s->sent, at, len);
}

static void
begin_exact(struct scene *s, enum relay_form form)
{
	begin(s);
	s->order.is_exact = true;
	s->order.on_sent = on_sent;
	s->order.form = form;
	s->order.keepalive_ms = 5;
	ask(s);
}

/* Each byte as it came, what follows the end too; the end is held back. */
static void
test_exact_stream(void **state)
{
	struct scene s;

	(void)state;
	begin_exact(&s, RELAY_EVENTS);
	fake_path_head(&s.path, 200, "text/event-stream");
	fake_path_body(&s.path, ": hi\r\n\r\ndata: 1\n\ndata: [DO");
	run_for(s.loop, 20); /* no keep-alive */
	fake_path_body(&s.path, "NE]\r\n\r\n: more\n");
	fake_path_body(&s.path, "\n");
	assert_string_equal(
	    fake_buyer_text(&s.buyer), ": hi\r\n\r\ndata: 1\n\n");
	assert_string_equal(s.sent, fake_buyer_text(&s.buyer));
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.result.end, RELAY_WHOLE);
	assert_string_equal(s.held, "data: [DONE]\r\n\r\n: more\n\n");
	end(&s);
}

static void
test_exact_document_is_held_whole(void **state)
{
	struct scene s;

	(void)state;
	begin_exact(&s, RELAY_OBJECT);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_body(&s.path, "{\"a\":");
	fake_path_body(&s.path, "1}");
	assert_int_equal(s.path.credited, 7);
	fake_path_end(&s.path, NULL);
	assert_int_equal(s.result.end, RELAY_WHOLE);
	assert_int_equal(s.buyer.status, 0); /* the asker starts it */
	assert_string_equal(s.held, "{\"a\":1}");
	assert_string_equal(http_fields_find(&s.result.fields, "content-type"),
	    "application/json");
	assert_null(http_fields_find(&s.result.fields, "x-evil"));
	assert_string_equal(s.sent, "");
	end(&s);
}

static void
test_exact_cut(void **state)
{
	struct fault f = {FAULT_UNAVAILABLE, "gone"};
	struct scene s;

	(void)state;
	begin_exact(&s, RELAY_EVENTS);
	fake_path_head(&s.path, 200, "text/event-stream");
	fake_path_body(&s.path, "data: 1\n\ndata: 2");
	fake_path_end(&s.path, &f);
	assert_int_equal(s.result.end, RELAY_TRUNCATED);
	assert_string_equal(s.held, "");
	assert_string_equal(s.sent, "data: 1\n\n");
	end(&s);
}

static void
test_exact_rest_is_bounded(void **state)
{
	struct scene s;
	char junk[8193];

	(void)state;
	memset(junk, 'x', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	begin_exact(&s, RELAY_EVENTS);
	fake_path_head(&s.path, 200, "text/event-stream");
	fake_path_body(&s.path, "data: 1\n\ndata: [DONE]\n\n");
	for (int i = 0; i < 20 && s.answers == 0; i++)
		fake_path_body(&s.path, junk);
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.result.end, RELAY_TRUNCATED);
	assert_int_equal(s.result.fault.kind, FAULT_PROVIDER_ERROR);
	end(&s);
}

/* Whole answers wait for their signature: all of them together are bounded,
 * and what is over is given back. */
static void
test_held_is_bounded(void **state)
{
	size_t holding = 4;
	struct scene s;

	(void)state;
	begin(&s);
	s.order.is_exact = true;
	s.order.holding = &holding;
	s.order.holding_most = 10;
	ask(&s);
	fake_path_head(&s.path, 200, "application/json");
	fake_path_body(&s.path, "{\"a\":");
	assert_int_equal(holding, 9);
	assert_int_equal(s.answers, 0);
	fake_path_body(&s.path, "1}");
	assert_int_equal(s.answers, 1);
	assert_int_equal(s.result.end, RELAY_FAILED);
	assert_int_equal(s.result.fault.kind, FAULT_OVERLOADED);
	assert_int_equal(holding, 4);
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_exact_stream),
	    cmocka_unit_test(test_exact_document_is_held_whole),
	    cmocka_unit_test(test_exact_cut),
	    cmocka_unit_test(test_exact_rest_is_bounded),
	    cmocka_unit_test(test_held_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
