/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing guard: every leniency that was found in the parser behind it,
 * and what must pass, each whole and split at every byte. The table says how
 * many requests are seen and what the refusal is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/guard.h"

static const struct guard_limits limits = {
    .head_bytes = 400,
    .fields = 8,
    .body_bytes = 100,
};

struct probe {
	const char *name;
	const char *bytes;
	size_t len;
	unsigned requests; /* whole ones before the end or the refusal */
	int status;	   /* of the refusal; 0: passes */
	const char *why;
};

#define H "Host: x\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST / HTTP/1.1\r\n" H
#define NEXT "GET /next HTTP/1.1\r\n" H "\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define P(s) s, sizeof(s) - 1

/* clang-format off */
static const struct probe probes[] = {
/* what must pass */
{"plain", P(GET "\r\n"), 1, 0, NULL},
{"two, pipelined", P(GET "\r\n" NEXT), 2, 0, NULL},
{"body", P(POST "Content-Length: 5\r\n\r\nhello" NEXT), 2, 0, NULL},
{"length with blanks round it", P(POST "Content-Length: \t5 \t\r\n\r\nhello" NEXT), 2, 0, NULL},
{"length zero", P(POST "Content-Length: 0\r\n\r\n" NEXT), 2, 0, NULL},
{"no body for GET, said so", P(GET "Content-Length: 0\r\n\r\n" NEXT), 2, 0, NULL},
{"chunks", P(CHUNKED "5\r\nhello\r\na\r\n0123456789\r\n0\r\n\r\n" NEXT), 2, 0, NULL},
{"chunked in capitals", P(POST "TRANSFER-ENCODING: Chunked\r\n\r\n0\r\n\r\n" NEXT), 2, 0, NULL},
{"empty value", P(GET "X:\r\n\r\n"), 1, 0, NULL},
{"UTF-8 in a value", P(GET "X: \xc3\xa9\r\n\r\n"), 1, 0, NULL},
{"HTTP/1.0 without Host", P("GET / HTTP/1.0\r\n\r\n"), 1, 0, NULL},
{"expects to go on", P(POST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx"), 1, 0, NULL},
{"escapes", P("GET /a%2Fb%20c?q=%7B HTTP/1.1\r\n" H "\r\n"), 1, 0, NULL},
{"three dots", P("GET /.../.a/a. HTTP/1.1\r\n" H "\r\n"), 1, 0, NULL},
{"dots in the query", P("GET /a?/../ HTTP/1.1\r\n" H "\r\n"), 1, 0, NULL},
{"IPv6 host", P("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"), 1, 0, NULL},
{"host with port", P("GET / HTTP/1.1\r\nHost: A-1.b_2:80\r\n\r\n"), 1, 0, NULL},
{"unfinished", P(GET), 0, 0, NULL},
/* Content-Length */
{"length twice, same", P(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"), 0, 400, "Content-Length comes twice"},
{"length twice, differing", P(POST "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello"), 0, 400, "Content-Length comes twice"},
{"length listed", P(POST "Content-Length: 5, 5\r\n\r\nhello"), 0, 400, "Content-Length is not a number"},
{"length hexadecimal", P(POST "Content-Length: 0x5\r\n\r\nhello"), 0, 400, "Content-Length is not a number"},
{"length with a tail", P(POST "Content-Length: 5abc\r\n\r\nhello"), 0, 400, "Content-Length is not a number"},
{"length negative", P(POST "Content-Length: -5\r\n\r\nhello"), 0, 400, "Content-Length is not a number"},
{"length signed", P(POST "Content-Length: +5\r\n\r\nhello"), 0, 400, "Content-Length is not a number"},
{"length empty", P(POST "Content-Length:\r\n\r\n"), 0, 400, "Content-Length is not a number"},
{"length split by a blank", P(POST "Content-Length: 1 0\r\n\r\n0123456789"), 0, 400, "Content-Length is not a number"},
{"length after VT", P(POST "Content-Length: \v5\r\n\r\nhello"), 0, 400, "a field holds a control byte"},
{"length over 64 bits", P(POST "Content-Length: 99999999999999999999\r\n\r\n"), 0, 413, "the request's body is too large"},
{"length over the limit", P(POST "Content-Length: 101\r\n\r\n"), 0, 413, "the request's body is too large"},
{"length on GET", P(GET "Content-Length: 5\r\n\r\nhello"), 0, 400, "a request of this method has no body"},
{"no length on POST", P(POST "\r\n"), 0, 411, "a request of this method states its length"},
/* both */
{"length, then chunked", P(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 0, 400, "Content-Length and Transfer-Encoding come together"},
{"chunked, then length", P(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"), 0, 400, "Content-Length and Transfer-Encoding come together"},
/* Transfer-Encoding */
{"coding unknown", P(POST "Transfer-Encoding: xchunked\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding identity", P(POST "Transfer-Encoding: identity\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding quoted", P(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding after VT", P(POST "Transfer-Encoding: \vchunked\r\n\r\n"), 0, 400, "a field holds a control byte"},
{"coding gzip, chunked", P(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding chunked, identity", P(POST "Transfer-Encoding: chunked, identity\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding twice in a line", P(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding on two lines", P(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"), 0, 400, "Transfer-Encoding comes twice"},
{"coding identity, then chunked", P(POST "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding empty", P(POST "Transfer-Encoding:\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"coding on HTTP/1.0", P("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 0, 400, "HTTP/1.0 knows no Transfer-Encoding"},
{"coding on GET", P(GET "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 0, 400, "a request of this method has no body"},
/* line ends */
{"bare LF everywhere", P("GET / HTTP/1.1\nHost: x\n\n"), 0, 400, "the request line does not end in a version"},
{"bare LF in the head", P("GET / HTTP/1.1\r\nHost: x\n\r\n"), 0, 400, "a field holds a control byte"},
{"bare LF at the end", P(GET "\n"), 0, 400, "a field has no valid name"},
{"bare CR in a value", P(GET "X: a\rb\r\n\r\n"), 0, 400, "a line does not end in CR LF"},
{"CR CR LF", P(GET "\r\r\n"), 0, 400, "a line does not end in CR LF"},
{"CR alone after the version", P("GET / HTTP/1.1\rHost: x\r\n\r\n"), 0, 400, "a line does not end in CR LF"},
{"leading CR LF", P("\r\n" GET "\r\n"), 0, 400, "the request line does not begin with a method"},
/* fields */
{"blank before the colon", P(POST "Content-Length : 5\r\n\r\nhello"), 0, 400, "a field has no valid name"},
{"tab before the colon", P(POST "Transfer-Encoding\t: chunked\r\n\r\n"), 0, 400, "a field has no valid name"},
{"folded", P(GET "X: a\r\n b\r\n\r\n"), 0, 400, "a field is folded over two lines"},
{"folded coding", P(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), 0, 400, "Transfer-Encoding is not just \"chunked\""},
{"folded by a tab", P(GET "X: a\r\n\tb\r\n\r\n"), 0, 400, "a field is folded over two lines"},
{"first field begins blank", P("GET / HTTP/1.1\r\n Host: x\r\n\r\n"), 0, 400, "a field is folded over two lines"},
{"field without a colon", P(GET "nonsense\r\n\r\n"), 0, 400, "a field has no valid name"},
{"name empty", P(GET ": x\r\n\r\n"), 0, 400, "a field has no valid name"},
{"name with a control byte", P(GET "X\x01Y: x\r\n\r\n"), 0, 400, "a field has no valid name"},
{"name with NUL", P(GET "X\0Y: x\r\n\r\n"), 0, 400, "a field has no valid name"},
{"name with a high byte", P(GET "X\x80: x\r\n\r\n"), 0, 400, "a field has no valid name"},
{"value with NUL", P(GET "X: a\0b\r\n\r\n"), 0, 400, "a field holds a control byte"},
{"value with DEL", P(GET "X: a\x7f\r\n\r\n"), 0, 400, "a field holds a control byte"},
{"too many fields", P(GET "a:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\ng:\r\nh:\r\n\r\n"), 0, 431, "the request has too many fields"},
{"expectation", P(POST "Expect: junk\r\nContent-Length: 1\r\n\r\nx"), 0, 417, "this expectation can not be met"},
{"expectation twice", P(POST "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n"), 0, 400, "Expect comes twice"},
/* chunks */
{"size with 0x", P(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size signed", P(CHUNKED "+3\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size negative", P(CHUNKED "-3\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size after a blank", P(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size before a blank", P(CHUNKED "3 \r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size after an empty line", P(CHUNKED "\r\n3\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk has no size"},
{"size of zeros", P(CHUNKED "00000\r\n\r\n"), 0, 400, "a chunk's size begins with zero"},
{"size with a leading zero", P(CHUNKED "03\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size begins with zero"},
{"size with a tail", P(CHUNKED "3g\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size of letters", P(CHUNKED "g\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"chunk extension", P(CHUNKED "3;a=b\r\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"size of 16 digits", P(CHUNKED "ffffffffffffffff\r\n"), 0, 413, "the request's body is too large"},
{"size of 17 digits", P(CHUNKED "10000000000000003\r\n"), 0, 413, "the request's body is too large"},
{"chunks over the limit", P(CHUNKED "32\r\n01234567890123456789012345678901234567890123456789\r\n33\r\n"), 0, 413, "the request's body is too large"},
{"LF after the size", P(CHUNKED "3\nabc\r\n0\r\n\r\n"), 0, 400, "a chunk's size is not just hexadecimal"},
{"LF after the data", P(CHUNKED "3\r\nabc\n0\r\n\r\n"), 0, 400, "a chunk is longer than its size"},
{"nothing after the data", P(CHUNKED "3\r\nabc0\r\n\r\n"), 0, 400, "a chunk is longer than its size"},
{"data longer than its size", P(CHUNKED "3\r\nabcd\r\n0\r\n\r\n"), 0, 400, "a chunk is longer than its size"},
{"trailer", P(CHUNKED "0\r\nAuthorization: evil\r\n\r\n"), 0, 400, "trailer fields are not taken"},
/* the request line */
{"absolute form", P("GET http://evil/x HTTP/1.1\r\nHost: good\r\n\r\n"), 0, 400, "the target is not in origin form"},
{"asterisk form", P("OPTIONS * HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target is not in origin form"},
{"authority form", P("CONNECT x:1 HTTP/1.1\r\n" H "\r\n"), 0, 501, "the method is not known here"},
{"%00", P("GET /a%00b HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds %00"},
{"%00 in the query", P("GET /a?%00 HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds %00"},
{"escape malformed", P("GET /a%2 HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a malformed escape"},
{"dot segment", P("GET /a/../b HTTP/1.1\r\n" H "\r\n"), 0, 400, "the path holds a dot segment"},
{"dot segment at the end", P("GET /a/.. HTTP/1.1\r\n" H "\r\n"), 0, 400, "the path holds a dot segment"},
{"single dot", P("GET /./b HTTP/1.1\r\n" H "\r\n"), 0, 400, "the path holds a dot segment"},
{"dot segment before the query", P("GET /..?x HTTP/1.1\r\n" H "\r\n"), 0, 400, "the path holds a dot segment"},
{"dot segment escaped", P("GET /%2e%2E/b HTTP/1.1\r\n" H "\r\n"), 0, 400, "the path holds a dot segment"},
{"high byte", P("GET /\x80 HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"fragment", P("GET /a#frag HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"braces", P("GET /{a} HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"brackets in the query", P("GET /?a[]=1 HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"backslash", P("GET /a\\b HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"all that may stand in a path", P("GET /aZ0-._~!$&'()*+,;=:@/?aZ0-._~!$&'()*+,;=:@/? HTTP/1.1\r\n" H "\r\n"), 1, 0, NULL},
{"two slashes first", P("GET //evil HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target begins with two slashes"},
{"blank in the path", P("GET /a b HTTP/1.1\r\n" H "\r\n"), 0, 400, "the request line does not end in a version"},
{"tab in the path", P("GET /a\tb HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"two blanks", P("GET  / HTTP/1.1\r\n" H "\r\n"), 0, 400, "the request line has no target"},
{"NUL in the path", P("GET /\0 HTTP/1.1\r\n" H "\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"HTTP/0.9", P("GET /\r\n"), 0, 400, "the target holds a byte that must be escaped"},
{"HTTP/1.2", P("GET / HTTP/1.2\r\n" H "\r\n"), 0, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
{"HTTP/2.0", P("GET / HTTP/2.0\r\n" H "\r\n"), 0, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here"},
{"HTTP/2 preface", P("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0, 501, "the method is not known here"},
{"http/1.1", P("GET / http/1.1\r\n" H "\r\n"), 0, 400, "the request line does not end in a version"},
{"HTTP/1.10", P("GET / HTTP/1.10\r\n" H "\r\n"), 0, 400, "the request line does not end in a version"},
{"blank after the version", P("GET / HTTP/1.1 \r\n" H "\r\n"), 0, 400, "the request line does not end in a version"},
{"method in lower case", P("get / HTTP/1.1\r\n" H "\r\n"), 0, 400, "the request line does not begin with a method"},
{"TRACE", P("TRACE / HTTP/1.1\r\n" H "\r\n"), 0, 501, "the method is not known here"},
{"method too long", P("GETGETGETGET / HTTP/1.1\r\n" H "\r\n"), 0, 501, "the method is not known here"},
{"TLS to a plain port", P("\x16\x03\x01\x02\x00\x01"), 0, 400, "the request line does not begin with a method"},
/* Host */
{"no Host", P("GET / HTTP/1.1\r\n\r\n"), 0, 400, "the request has no Host"},
{"two Hosts", P(GET "Host: y\r\n\r\n"), 0, 400, "Host comes twice"},
{"Host empty", P("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host with a path", P("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host with a user", P("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host with a blank", P("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host of two", P("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host with a bad port", P("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host with no port", P("GET / HTTP/1.1\r\nHost: a:\r\n\r\n"), 0, 400, "Host is malformed"},
{"Host unclosed", P("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 0, 400, "Host is malformed"},
/* the second request is judged like the first */
{"second smuggled", P(POST "Content-Length: 5\r\n\r\nhello" POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 1, 400, "Content-Length comes twice"},
{"body longer than said", P(POST "Content-Length: 4\r\n\r\nhello"), 1, 400, "the request line does not begin with a method"},
};
/* clang-format on */

static void
judge(const struct probe *p, struct guard *g, bool fine, const struct fault *f,
    size_t split)
{
	char where[200];

	snprintf(where, sizeof where, "%s, split at %zu", p->name, split);
	if (g->requests != p->requests)
		fail_msg("%s: %u requests", where, (unsigned)g->requests);
	if (fine != (p->status == 0))
		fail_msg("%s: %s", where, fine ? "passes" : f->why);
	if (fine)
		return;
	if (g->status != p->status)
		fail_msg("%s: status %d", where, g->status);
	if (strcmp(f->why, p->why) != 0)
		fail_msg("%s: \"%s\"", where, f->why);
	assert_int_equal(g->stage, GUARD_REFUSED);
	assert_int_equal(f->kind, p->status == 413   ? FAULT_REQUEST_TOO_LARGE
				  : p->status == 501 ? FAULT_METHOD_NOT_ALLOWED
						     : FAULT_INVALID_REQUEST);
}

static bool
feed(struct guard *g, const char *at, size_t len, struct fault *f)
{
	return guard_feed(g, bytes_of(at, len), f);
}

static void
test_probes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
		const struct probe *p = &probes[i];

		for (size_t split = 0; split <= p->len; split++) {
			struct guard g;
			struct fault f;
			bool fine;

			guard_init(&g, &limits);
			fine = feed(&g, p->bytes, split, &f) &&
			       feed(&g, p->bytes + split, p->len - split, &f);
			judge(p, &g, fine, &f, split);
		}
	}
}

static void
test_byte_by_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
		const struct probe *p = &probes[i];
		struct guard g;
		struct fault f;
		bool fine = true;

		guard_init(&g, &limits);
		for (size_t at = 0; fine && at < p->len; at++)
			fine = feed(&g, p->bytes + at, 1, &f);
		judge(p, &g, fine, &f, 999);
	}
}

static void
test_refused_for_good(void **state)
{
	struct guard g;
	struct fault f;

	(void)state;
	guard_init(&g, &limits);
	assert_false(feed(&g, "x", 1, &f));
	assert_false(feed(&g, NEXT, sizeof NEXT - 1, &f));
	assert_string_equal(f.why, "the connection is refused already");
	assert_int_equal(g.requests, 0);
}

static void
test_head_is_bounded(void **state)
{
	struct guard g;
	struct fault f;
	bool fine = true;

	(void)state;
	guard_init(&g, &limits);
	assert_true(feed(&g, P("GET /"), &f));
	for (int i = 0; fine && i < 1000; i++)
		fine = feed(&g, "a", 1, &f);
	assert_false(fine);
	assert_int_equal(g.status, 414);
	guard_init(&g, &limits);
	assert_true(feed(&g, P(GET "X: "), &f));
	fine = true;
	for (int i = 0; fine && i < 1000; i++)
		fine = feed(&g, "a", 1, &f);
	assert_false(fine);
	assert_int_equal(g.status, 431);
	/* to the byte */
	guard_init(&g, &limits);
	assert_true(feed(&g, P(GET "X: "), &f));
	while (g.head < limits.head_bytes - 4)
		assert_true(feed(&g, "a", 1, &f));
	assert_true(feed(&g, P("\r\n\r\n"), &f));
	assert_int_equal(g.requests, 1);
}

static void
test_stages(void **state)
{
	struct guard g;
	struct fault f;

	(void)state;
	guard_init(&g, &limits);
	assert_int_equal(g.stage, GUARD_IDLE);
	assert_true(feed(&g, P("P"), &f));
	assert_int_equal(g.stage, GUARD_HEAD);
	assert_true(feed(
	    &g, P("OST / HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n"), &f));
	assert_int_equal(g.stage, GUARD_BODY);
	assert_true(feed(&g, P("ab"), &f));
	assert_int_equal(g.stage, GUARD_IDLE);
	assert_int_equal(g.requests, 1);
	assert_true(feed(&g, P("HEAD "), &f));
	assert_true(g.is_head);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_probes),
	    cmocka_unit_test(test_byte_by_byte),
	    cmocka_unit_test(test_refused_for_good),
	    cmocka_unit_test(test_head_is_bounded),
	    cmocka_unit_test(test_stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
