/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gateway/signature and gateway/signatures: what is taken from a provider and
 * what is not, which id an answer carries, and that what was decided is in the
 * spool, whoever left and whatever was down. The good signature is a published
 * one of another service's worker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/codec.h"
#include "base/spool.h"
#include "gateway/signatures.h"
#include "tests/unit/gateway_fakes.h"

#define MODEL "Qwen/Qwen3.5-122B-A10B"
#define REQUEST                                                                \
	"2974f24b2a687856d2a0cf08d813902965c25e6552ba7062e4fa303432b6d2ad"
#define RESPONSE                                                               \
	"8cb30eef9d133bdc6bfe812772dc4a62336d2827caea843546cbeff3f004c42c"
#define TEXT MODEL ":" REQUEST ":" RESPONSE
#define SIGNATURE                                                              \
	"0xed381e84d059198d1826e44dbbbac9501caaa8f79f913f27578acafa5be852e6"   \
	"103fe34fabd6446d7fde3f5250c0a16e109fe088a562bae08ac13d081a66d0761b"
#define ADDRESS "0x6525e128afcffebf7eed05d485d7be983cdae934"
#define OTHER "0x7525e128afcffebf7eed05d485d7be983cdae934"
#define SAID(text, signature, address, algorithm)                              \
	"{\"text\":\"" text "\",\"signature\":\"" signature                    \
	"\",\"signing_address\":\"" address "\",\"signing_algo\":\"" algorithm \
	"\"}"
#define GOOD SAID(TEXT, SIGNATURE, ADDRESS, "ecdsa")
#define ID "01900000-0000-7000-8000-000000000001"
#define ACCOUNT "01900000-0000-7000-8000-000000000002"

static struct signature_wish
wish(void)
{
	struct signature_wish w = {
	    .model = MODEL, .bytes = 9, .address = ADDRESS};
	size_t len;

	hex_decode(text_of(REQUEST), w.request, 32, &len);
	hex_decode(text_of(RESPONSE), w.response, 32, &len);
	return w;
}

/* ------------------------------------------------------------------- judging
 */

static void
refuse(const char *said, struct signature_wish w, const char *why)
{
	struct arena *a = arena_new();
	struct signature_row row = {0};
	struct fault f = {0};

	assert_false(signature_read(text_of(said), &w, a, &row, &f));
	assert_int_equal(f.kind, FAULT_SIGNATURE_INVALID);
	if (strstr(f.why, why) == NULL)
		fail_msg("%s", f.why);
	arena_free(&a);
}

static void
test_judges(void **state)
{
	struct signature_wish w = wish(), other;
	struct arena *a = arena_new();
	struct signature_row row = {0};
	struct fault f = {0};

	(void)state;
	assert_true(signature_read(text_of(GOOD), &w, a, &row, &f));
	assert_string_equal(row.text, TEXT);
	assert_string_equal(row.signature, SIGNATURE);
	assert_string_equal(row.address, ADDRESS);
	other = w;
	other.request[0] ^= 1;
	refuse(GOOD, other, "another request");
	other = w;
	other.response[31] ^= 1;
	refuse(GOOD, other, "another answer");
	other = w;
	other.model = "Qwen/Qwen3.5-122B-A10";
	refuse(GOOD, other, "another model");
	other = w;
	other.address = OTHER;
	refuse(GOOD, other, "signature is by");
	refuse(SAID(TEXT, SIGNATURE, OTHER, "ecdsa"), w, "signature is by");
	refuse(SAID(TEXT, SIGNATURE, ADDRESS, "ed25519"), w, "algorithm");
	refuse(SAID(REQUEST ":" RESPONSE, SIGNATURE, ADDRESS, "ecdsa"), w,
	    "another model");
	refuse(SAID("x", SIGNATURE, ADDRESS, "ecdsa"), w, "");
	refuse(SAID(TEXT, "0x00", ADDRESS, "ecdsa"), w, "");
	refuse("{}", w, "text");
	refuse("[]", w, "");
	refuse("", w, "");
	arena_free(&a);
}

static void
assert_id(const char *head, bool is_stream, const char *wanted)
{
	char id[SIGNATURE_CHAT_ID_MAX + 1];
	bool ok = signature_chat_id(text_of(head), is_stream, id);

	assert_int_equal(ok, wanted != NULL);
	if (wanted != NULL)
		assert_string_equal(id, wanted);
}

static void
test_ids_of_answers(void **state)
{
	(void)state;
	assert_id("{\"id\":\"chatcmpl-1\",\"x\":[1]}", false, "chatcmpl-1");
	assert_id("{\"x\":{\"id\":\"inner\"}}", false, NULL);
	assert_id("{\"id\":7}", false, NULL);
	assert_id("{\"id\":\"\"}", false, NULL);
	assert_id("{\"id\":\"a b\"}", false, NULL);
	assert_id("{\"id\":\"caf\\u00e9\"}", false, NULL);
	assert_id("{\"id\":\"" ID "\"}", false, NULL); /* as ours are */
	assert_id("{\"id\":\"cut", false, NULL);
	assert_id(": hi\n\ndata: {\"id\":\"c-1\"}\n\n", true, "c-1");
	assert_id("data:{\"id\":\"c-1\"}\r\n\r\n", true, "c-1");
	assert_id("data: {\"id\":\"c-1\"}", true, NULL); /* no whole line */
	assert_id("data: [DONE]\n\n", true, NULL);
	assert_id("", true, NULL);
}

/* ------------------------------------------------------------------- keeping
 */

struct scene {
	struct loop *loop;
	struct log log;
	struct pg *pg;
	struct signatures *all;
	struct fake_path path;
	struct signature_order order;
	char folder[64];
	unsigned answers;
	bool is_signed;
	struct fault fault;
};

static void
open_all(struct scene *s)
{
	struct pg_settings pg = {.conninfo = "host=/nonexistent",
	    .application = "test",
	    .statements = gateway_statements,
	    .statement_count = gateway_statement_count};
	struct fault f;

	s->loop = loop_new();
	s->pg = pg_new(s->loop, &pg, &s->log);
	if (!signatures_open(s->loop, s->pg, s->folder, &s->log, &s->all, &f))
		fail_msg("%s", f.why);
}

static void
shut(struct scene *s)
{
	signatures_free(&s->all);
	pg_free(&s->pg);
	loop_free(&s->loop);
}

static void
begin(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	log_init(&s->log, "test", LOG_ERROR_ + 1);
	snprintf(s->folder, sizeof(s->folder), "/tmp/assay-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	open_all(s);
	fake_path_init(&s->path);
	s->order = (struct signature_order){.path = &s->path.path,
	    .account = ACCOUNT,
	    .request_id = ID,
	    .did = "did:assay:z1",
	    .chat_id = "chatcmpl-1",
	    .wish = wish(),
	    .is_whole = true,
	    .is_sent = true};
}

static void
end(struct scene *s)
{
	char command[128];

	shut(s);
	snprintf(command, sizeof(command), "rm -rf %s", s->folder);
	assert_int_equal(system(command), 0);
}

/* What is in the spool, after the store was closed. */
static void
assert_spooled(struct scene *s, const char *missing)
{
	struct arena *a = arena_new();
	struct signature_row row;
	struct spool *spool;
	struct bytes record;
	struct fault f;
	uint64_t number;

	signatures_free(&s->all);
	assert_true(spool_open(s->folder, NULL, &spool, &f));
	assert_true(spool_read(spool, &record, &number, &f));
	assert_true(signature_record_read(
	    (struct text){(const char *)record.at, record.len}, a, &row, &f));
	assert_string_equal(row.request, ID);
	assert_string_equal(row.account, ACCOUNT);
	assert_string_equal(row.chat_ids[0], ID);
	assert_string_equal(row.chat_ids[1], "chatcmpl-1");
	assert_int_equal(row.bytes, 9);
	if (missing == NULL) {
		assert_string_equal(row.signature, SIGNATURE);
		assert_null(row.missing);
	} else {
		assert_string_equal(row.missing, missing);
		assert_null(row.signature);
	}
	assert_true(spool_read(spool, &record, &number, &f));
	assert_int_equal(record.len, 0);
	spool_close(&spool);
	arena_free(&a);
}

static void
on_answer(void *arg, const struct signature_row *row, const struct fault *f)
{
	struct scene *s = arg;

	s->answers++;
	s->is_signed = row != NULL;
	if (f != NULL)
		s->fault = *f;
}

static bool
is_answered(void *arg)
{
	return ((struct scene *)arg)->answers > 0;
}

static void
answer(struct scene *s, int status, const char *body)
{
	fake_path_head(&s->path, status, "application/json");
	fake_path_body(&s->path, body);
	fake_path_end(&s->path, NULL);
}

static void
test_keeps_before_it_tells(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	assert_non_null(signatures_take(s.all, &s.order, on_answer, &s));
	assert_string_equal(
	    s.path.body, "{\"request_id\":\"" ID "\",\"bytes\":9}");
	answer(&s, 200, GOOD);
	assert_int_equal(signatures_backlog(s.all), 1);
	assert_true(run_until(s.loop, is_answered, &s));
	assert_true(s.is_signed);
	assert_spooled(&s, NULL);
	end(&s);
}

static void
test_goes_on_without_its_asker(void **state)
{
	struct pending *p;
	struct scene s;

	(void)state;
	begin(&s);
	p = signatures_take(s.all, &s.order, on_answer, &s);
	pending_cancel(&p);
	answer(&s, 200, GOOD);
	run_for(s.loop, 20);
	assert_int_equal(s.answers, 0);
	assert_spooled(&s, NULL);
	end(&s);
}

static void
test_keeps_why_there_is_none(void **state)
{
	static const struct {
		int status; /* 0: the provider is gone */
		const char *body;
		const char *missing;
		enum fault_kind kind;
	} cases[] = {
	    {0, "", "provider_gone", FAULT_PROVIDER_UNREACHABLE},
	    {404, "{}", "not_given", FAULT_SIGNATURE_INVALID},
	    {200, "{}", "invalid", FAULT_SIGNATURE_INVALID},
	};
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin(&s);
		if (cases[i].status == 0)
			s.order.path = NULL;
		signatures_take(s.all, &s.order, on_answer, &s);
		if (cases[i].status != 0)
			answer(&s, cases[i].status, cases[i].body);
		assert_true(run_until(s.loop, is_answered, &s));
		assert_false(s.is_signed);
		assert_int_equal(s.fault.kind, cases[i].kind);
		assert_spooled(&s, cases[i].missing);
		end(&s);
	}
}

/* No file may grow: what a full disk is like. */
static void
limit_files(rlim_t most)
{
	struct rlimit l;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = most < l.rlim_max ? most : l.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

/* A signature that could not be kept is not handed on as if it were. */
static void
test_tells_none_that_it_cannot_keep(void **state)
{
	struct scene s;

	(void)state;
	for (int is_sent = 0; is_sent < 2; is_sent++) {
		begin(&s);
		s.order.is_sent = is_sent == 1;
		signatures_take(s.all, &s.order, on_answer, &s);
		limit_files(0);
		answer(&s, 200, GOOD);
		assert_true(run_until(s.loop, is_answered, &s));
		limit_files(RLIM_INFINITY);
		assert_false(s.is_signed);
		assert_int_equal(
		    s.fault.kind, FAULT_UPSTREAM_DEPENDENCY_UNAVAILABLE);
		assert_string_equal(
		    s.fault.why, "its signature could not be kept");
		assert_int_equal(signatures_backlog(s.all), 0);
		end(&s);
	}
}

/* What is wrong with the provider's answer stays the reason. */
static void
test_keeps_the_reason_before_the_disk(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	signatures_take(s.all, &s.order, on_answer, &s);
	limit_files(0);
	answer(&s, 200, "{}");
	assert_true(run_until(s.loop, is_answered, &s));
	limit_files(RLIM_INFINITY);
	assert_int_equal(s.fault.kind, FAULT_SIGNATURE_INVALID);
	end(&s);
}

/* Nothing reached the buyer: somebody else will answer, and sign. */
static void
test_keeps_nothing_of_what_was_not_sent(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	s.order.is_sent = false;
	signatures_take(s.all, &s.order, on_answer, &s);
	answer(&s, 200, "{}");
	assert_true(is_answered(&s));
	assert_int_equal(s.fault.kind, FAULT_SIGNATURE_INVALID);
	assert_int_equal(signatures_backlog(s.all), 0);
	end(&s);
}

static void
test_end_of_the_worker_says_so(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	assert_null(signatures_take(s.all, &s.order, NULL, NULL));
	assert_spooled(&s, "not_given");
	end(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_judges),
	    cmocka_unit_test(test_ids_of_answers),
	    cmocka_unit_test(test_keeps_before_it_tells),
	    cmocka_unit_test(test_goes_on_without_its_asker),
	    cmocka_unit_test(test_keeps_why_there_is_none),
	    cmocka_unit_test(test_tells_none_that_it_cannot_keep),
	    cmocka_unit_test(test_keeps_the_reason_before_the_disk),
	    cmocka_unit_test(test_keeps_nothing_of_what_was_not_sent),
	    cmocka_unit_test(test_end_of_the_worker_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
