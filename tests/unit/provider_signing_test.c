/* SPDX-License-Identifier: Apache-2.0 */
/* provider/signing: the whole, a part of a stream, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/crypto.h"
#include "provider/signing.h"

static const char REQUEST[] = "{ \"model\" :\"m\"}";

struct world {
	struct signer *signer;
	struct signings *all;
	struct signed_exchange out;
	struct fault f;
};

static void
begin(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->signer = signer_new();
	w->all = signings_new(w->signer);
}

static void
end(struct world *w)
{
	signings_free(&w->all);
	signer_free(&w->signer);
}

static struct signing
exchange(struct world *w, const char *id, const char *type)
{
	struct signing x =
	    signing_begin(w->all, id, "lovelace:m", text_of(REQUEST));

	signing_head(x, type);
	return x;
}

static void
add(struct signing x, const char *bytes, size_t len)
{
	struct evbuffer *data = evbuffer_new();

	evbuffer_add(data, bytes, len);
	signing_add(x, data);
	assert_int_equal(evbuffer_get_length(data), len); /* not taken */
	evbuffer_free(data);
}

/* Signed by this key, over these very bytes. */
static void
assert_covers(struct world *w, const char *response, size_t len)
{
	struct chat_signature c = {text_of(w->out.text),
	    text_of(w->out.signature), text_of(signer_address_text(w->signer)),
	    text_of("ecdsa")};
	struct chat_text t;

	assert_true(chat_signature_verify(&c, &t, &w->f));
	assert_true(chat_text_covers(&t, text_of("lovelace:m"),
	    bytes_of(REQUEST, strlen(REQUEST)), bytes_of(response, len),
	    &w->f));
}

static void
test_whole(void **state)
{
	struct world w;
	struct signing x;

	(void)state;
	begin(&w);
	x = exchange(&w, "one", "application/json");
	add(x, "{\"a\":", 5);
	add(x, "1}", 2);
	assert_false(signing_sign(w.all, "one", 7, &w.out, &w.f));
	assert_int_equal(w.f.kind, FAULT_REFUSED); /* not over yet */
	signing_end(x);
	assert_true(signing_sign(w.all, "one", 7, &w.out, &w.f));
	assert_true(w.out.complete);
	assert_covers(&w, "{\"a\":1}", 7);
	assert_false(signing_sign(w.all, "one", 5, &w.out, &w.f));
	assert_int_equal(w.f.kind, FAULT_REFUSED); /* half a document */
	assert_false(signing_sign(w.all, "one", 8, &w.out, &w.f));
	assert_false(signing_sign(w.all, "two", 7, &w.out, &w.f));
	assert_int_equal(w.f.kind, FAULT_NOT_FOUND);
	end(&w);
}

static void
test_part_of_a_stream(void **state)
{
	struct world w;
	struct signing x;

	(void)state;
	begin(&w);
	x = exchange(&w, "one", "text/event-stream; charset=utf-8");
	add(x, "data: 1\n\ndata: 2\n\n", 18);
	assert_true(signing_sign(w.all, "one", 9, &w.out, &w.f));
	assert_false(w.out.complete);
	assert_covers(&w, "data: 1\n\n", 9);
	signing_end(x);
	assert_true(signing_sign(w.all, "one", 9, &w.out, &w.f));
	assert_false(w.out.complete);
	assert_true(signing_sign(w.all, "one", 18, &w.out, &w.f));
	assert_true(w.out.complete);
	assert_covers(&w, "data: 1\n\ndata: 2\n\n", 18);
	end(&w);
}

/* A long answer: its end is signed, what lies far behind is not. */
static void
test_long(void **state)
{
	static char block[65536];
	char *whole = mem_new(sizeof(block) * 24);
	struct world w;
	struct signing x;

	(void)state;
	begin(&w);
	x = exchange(&w, "one", "text/event-stream");
	for (size_t i = 0; i < 24; i++) {
		memset(block, (int)('a' + i), sizeof(block));
		memcpy(whole + i * sizeof(block), block, sizeof(block));
		add(x, block, sizeof(block));
	}
	assert_true(signing_sign(
	    w.all, "one", sizeof(block) * 24 - 70000, &w.out, &w.f));
	assert_covers(&w, whole, sizeof(block) * 24 - 70000);
	assert_true(
	    signing_sign(w.all, "one", sizeof(block) * 24, &w.out, &w.f));
	assert_covers(&w, whole, sizeof(block) * 24);
	assert_false(signing_sign(w.all, "one", 1, &w.out, &w.f));
	assert_int_equal(w.f.kind, FAULT_REFUSED);
	mem_free(whole);
	end(&w);
}

/* Wherever an answer is cut, the gateway may still stand 512 KiB behind. */
static void
test_keeps_what_is_under_way(void **state)
{
	const size_t behind = (size_t)512 << 10;
	static char block[40000];
	struct world w;
	struct signing x;

	(void)state;
	begin(&w);
	x = exchange(&w, "one", "text/event-stream");
	for (size_t all = sizeof(block); all < 8 * behind;
	     all += sizeof(block)) {
		add(x, block, sizeof(block));
		if (all >= behind)
			assert_true(signing_sign(
			    w.all, "one", all - behind, &w.out, &w.f));
	}
	end(&w);
}

/* The oldest is forgotten; what still feeds it feeds nobody else. */
static void
test_is_bounded(void **state)
{
	struct world w;
	struct signing first;
	char id[16];

	(void)state;
	begin(&w);
	first = exchange(&w, "first", "text/event-stream");
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "x%d", i);
		exchange(&w, id, "text/event-stream");
	}
	add(first, "data: 1\n\n", 9);
	signing_end(first);
	assert_false(signing_sign(w.all, "first", 9, &w.out, &w.f));
	assert_true(signing_sign(w.all, "x199", 0, &w.out, &w.f));
	assert_covers(&w, "", 0);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole),
	    cmocka_unit_test(test_part_of_a_stream),
	    cmocka_unit_test(test_long),
	    cmocka_unit_test(test_keeps_what_is_under_way),
	    cmocka_unit_test(test_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
