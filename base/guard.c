/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The framing guard. One small function per state, each given one byte; a
 * table says which. Bodies are skipped in bulk. A request that passes has one
 * reading: exact CRLF, known version, one Host, at most one length.
 */
#include "base/guard.h"

#include <string.h>

enum state {
	S_METHOD,
	S_TARGET,
	S_VERSION,
	S_VERSION_LF,
	S_FIELD, /* the first byte of a line */
	S_NAME,
	S_BEFORE, /* blanks before the value */
	S_VALUE,
	S_VALUE_LF,
	S_END_LF,
	S_DATA, /* Content-Length */
	S_SIZE,
	S_SIZE_LF,
	S_CHUNK,
	S_CHUNK_CR,
	S_CHUNK_LF,
	S_LAST_CR,
	S_LAST_LF,
	S_STATES
};

static bool
refuse(struct guard *g, int status, struct fault *f, const char *why)
{
	g->stage = GUARD_REFUSED;
	g->status = status;
	return fault_set(f,
	    status == 413   ? FAULT_REQUEST_TOO_LARGE
	    : status == 501 ? FAULT_METHOD_NOT_ALLOWED
			    : FAULT_INVALID_REQUEST,
	    "%s", why);
}

static bool
bad(struct guard *g, struct fault *f, const char *why)
{
	return refuse(g, 400, f, why);
}

/* RFC 9110 section 5.6.2. */
static bool
is_token(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') ||
	       (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int
hex_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

void
guard_init(struct guard *g, const struct guard_limits *limits)
{
	memset(g, 0, sizeof *g);
	g->limits = *limits;
}

static void
begin_request(struct guard *g)
{
	struct guard_limits limits = g->limits;
	uint64_t requests = g->requests;

	guard_init(g, &limits);
	g->requests = requests;
	g->stage = GUARD_HEAD;
	g->state = S_METHOD;
}

static void
end_request(struct guard *g)
{
	g->requests++;
	g->stage = GUARD_IDLE;
}

/* ------------------------------------------------------ the request line */

static bool
method_ends(struct guard *g, struct fault *f)
{
	static const char *const known[] = {
	    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"};

	g->method[g->len] = '\0';
	g->is_head = strcmp(g->method, "HEAD") == 0;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++)
		if (strcmp(g->method, known[i]) == 0) {
			g->state = S_TARGET;
			g->len = 0;
			return true;
		}
	return refuse(g, 501, f, "the method is not known here");
}

static bool
in_method(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == ' ' && g->len > 0)
		return method_ends(g, f);
	if (c < 'A' || c > 'Z')
		return bad(
		    g, f, "the request line does not begin with a method");
	if (g->len + 1 >= sizeof g->method)
		return refuse(g, 501, f, "the method is not known here");
	g->method[g->len++] = (char)c;
	return true;
}

static bool
segment_ends(struct guard *g, struct fault *f)
{
	if (g->dots && (g->segment == 1 || g->segment == 2))
		return bad(g, f, "the path holds a dot segment");
	g->segment = 0;
	g->dots = true;
	return true;
}

static void
segment_grows(struct guard *g, uint8_t c)
{
	if (g->segment < 3)
		g->segment++;
	g->dots = g->dots && c == '.';
}

static bool
in_escape(struct guard *g, uint8_t c, struct fault *f)
{
	int digit = hex_of(c);

	if (digit < 0)
		return bad(g, f, "the target holds a malformed escape");
	g->escaped = g->escaped << 4 | (unsigned)digit;
	if (--g->escape > 0)
		return true;
	if (g->escaped == 0)
		return bad(g, f, "the target holds %00");
	segment_grows(g, (uint8_t)g->escaped);
	return true;
}

static bool
target_ends(struct guard *g, struct fault *f)
{
	if (g->len == 0)
		return bad(g, f, "the request line has no target");
	if (!g->in_query && !segment_ends(g, f))
		return false;
	g->state = S_VERSION;
	g->len = 0;
	return true;
}

static bool
in_path(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == '/') {
		if (g->len == 1)
			return bad(g, f, "the target begins with two slashes");
		return segment_ends(g, f);
	}
	if (c == '?') {
		g->in_query = true;
		return segment_ends(g, f);
	}
	segment_grows(g, c);
	return true;
}

static bool
in_target(struct guard *g, uint8_t c, struct fault *f)
{
	bool fine = true;

	if (g->escape > 0) {
		g->len++;
		return in_escape(g, c, f);
	}
	if (c == ' ')
		return target_ends(g, f);
	if (g->len == 0 && c != '/')
		return bad(g, f, "the target is not in origin form");
	/* RFC 3986 section 3.3: nothing else may stand there unescaped. */
	if (c <= 0x20 || c >= 0x7f || strchr("#\"<>[\\]^`{|}", c) != NULL)
		return bad(
		    g, f, "the target holds a byte that must be escaped");
	if (g->len == 0) {
		g->dots = true;
	} else if (c == '%') {
		g->escape = 2;
		g->escaped = 0;
	} else if (!g->in_query) {
		fine = in_path(g, c, f);
	}
	g->len++;
	return fine;
}

static bool
version_ends(struct guard *g, struct fault *f)
{
	static const char any[] = "HTTP/d.d";

	if (g->len != 8)
		return bad(g, f, "the request line does not end in a version");
	for (size_t i = 0; i < 8; i++) {
		bool digit = g->name[i] >= '0' && g->name[i] <= '9';

		if (any[i] == 'd' ? !digit : g->name[i] != any[i])
			return bad(
			    g, f, "the request line does not end in a version");
	}
	if (memcmp(g->name, "HTTP/1.", 7) != 0 || g->name[7] > '1')
		return refuse(
		    g, 505, f, "only HTTP/1.0 and HTTP/1.1 are spoken here");
	g->old = g->name[7] == '0';
	g->state = S_VERSION_LF;
	return true;
}

static bool
in_version(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == '\r')
		return version_ends(g, f);
	if (g->len >= 8)
		return bad(g, f, "the request line does not end in a version");
	g->name[g->len++] = (char)c;
	return true;
}

static bool
want_lf(struct guard *g, uint8_t c, enum state next, struct fault *f)
{
	if (c != '\n')
		return bad(g, f, "a line does not end in CR LF");
	g->state = next;
	return true;
}

static bool
in_version_lf(struct guard *g, uint8_t c, struct fault *f)
{
	return want_lf(g, c, S_FIELD, f);
}

/* ---------------------------------------------------------------- fields */

static bool
in_field(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == '\r') {
		g->state = S_END_LF;
		return true;
	}
	if (c == ' ' || c == '\t')
		return bad(g, f, "a field is folded over two lines");
	if (!is_token(c))
		return bad(g, f, "a field has no valid name");
	if (++g->fields > g->limits.fields)
		return refuse(g, 431, f, "the request has too many fields");
	g->name[0] = (char)lower(c);
	g->len = 1;
	g->state = S_NAME;
	return true;
}

static bool
name_ends(struct guard *g)
{
	static const char *const judged[] = {
	    "content-length", "transfer-encoding", "host", "expect"};

	g->judged = false;
	if (g->len < sizeof g->name) {
		g->name[g->len] = '\0';
		for (size_t i = 0; i < sizeof judged / sizeof *judged; i++)
			g->judged =
			    g->judged || strcmp(g->name, judged[i]) == 0;
	}
	g->len = 0;
	g->blanks = 0;
	g->overlong = false;
	g->state = S_BEFORE;
	return true;
}

static bool
in_name(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == ':')
		return name_ends(g);
	if (!is_token(c))
		return bad(g, f, "a field has no valid name");
	if (g->len < sizeof g->name)
		g->name[g->len++] = (char)lower(c);
	return true;
}

static void
value_grows(struct guard *g, uint8_t c)
{
	if (!g->judged)
		return;
	if (g->len + 1 >= sizeof g->value)
		g->overlong = true;
	else
		g->value[g->len++] = (char)c;
}

static bool
value_is(const struct guard *g, const char *s)
{
	size_t n = strlen(s);

	if (g->overlong || g->len != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower((uint8_t)g->value[i]) != (uint8_t)s[i])
			return false;
	return true;
}

static bool
judge_length(struct guard *g, struct fault *f)
{
	struct text t = {g->value, g->len};

	if (g->has_length)
		return bad(g, f, "Content-Length comes twice");
	g->has_length = true;
	for (size_t i = 0; i < g->len; i++)
		if (g->value[i] < '0' || g->value[i] > '9')
			return bad(g, f, "Content-Length is not a number");
	if (g->len == 0)
		return bad(g, f, "Content-Length is not a number");
	if (g->overlong || !text_to_u64(t, &g->left) ||
	    g->left > g->limits.body_bytes)
		return refuse(g, 413, f, "the request's body is too large");
	return true;
}

static bool
judge_coding(struct guard *g, struct fault *f)
{
	if (g->has_chunked)
		return bad(g, f, "Transfer-Encoding comes twice");
	g->has_chunked = true;
	if (g->old)
		return bad(g, f, "HTTP/1.0 knows no Transfer-Encoding");
	return value_is(g, "chunked") ||
	       bad(g, f, "Transfer-Encoding is not just \"chunked\"");
}

/* RFC 3986 section 3.2.2, without what no server is called. */
static bool
host_is_good(const char *at, size_t len)
{
	size_t i = 0;

	if (len > 0 && at[0] == '[') {
		for (i = 1; i < len && at[i] != ']'; i++)
			if (hex_of((uint8_t)at[i]) < 0 && at[i] != ':' &&
			    at[i] != '.')
				return false;
		if (i < 3 || i == len)
			return false;
		i++;
	} else {
		while (i < len &&
		       (lower((uint8_t)at[i]) != (uint8_t)at[i] ||
			   (at[i] >= 'a' && at[i] <= 'z') ||
			   (at[i] >= '0' && at[i] <= '9') || at[i] == '-' ||
			   at[i] == '.' || at[i] == '_'))
			i++;
		if (i == 0)
			return false;
	}
	if (i == len)
		return true;
	if (at[i] != ':' || len - i < 2 || len - i > 6)
		return false;
	for (i++; i < len; i++)
		if (at[i] < '0' || at[i] > '9')
			return false;
	return true;
}

static bool
judge_host(struct guard *g, struct fault *f)
{
	if (g->has_host)
		return bad(g, f, "Host comes twice");
	g->has_host = true;
	return (!g->overlong && host_is_good(g->value, g->len)) ||
	       bad(g, f, "Host is malformed");
}

static bool
judge_expect(struct guard *g, struct fault *f)
{
	if (g->has_expect)
		return bad(g, f, "Expect comes twice");
	g->has_expect = true;
	return value_is(g, "100-continue") ||
	       refuse(g, 417, f, "this expectation can not be met");
}

static bool
value_ends(struct guard *g, struct fault *f)
{
	g->state = S_VALUE_LF;
	if (!g->judged)
		return true;
	switch (g->name[0]) {
	case 'c':
		return judge_length(g, f);
	case 't':
		return judge_coding(g, f);
	case 'h':
		return judge_host(g, f);
	default:
		return judge_expect(g, f);
	}
}

static bool
in_value(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == '\r')
		return value_ends(g, f);
	if (c == ' ' || c == '\t') {
		g->blanks++;
		return true;
	}
	if (c < 0x20 || c == 0x7f)
		return bad(g, f, "a field holds a control byte");
	/* A judged value has no blanks inside. */
	if (g->blanks > 0 && g->len > 0)
		value_grows(g, ' ');
	g->blanks = 0;
	value_grows(g, c);
	return true;
}

static bool
in_before(struct guard *g, uint8_t c, struct fault *f)
{
	if (c == ' ' || c == '\t')
		return true;
	g->state = S_VALUE;
	return in_value(g, c, f);
}

static bool
in_value_lf(struct guard *g, uint8_t c, struct fault *f)
{
	return want_lf(g, c, S_FIELD, f);
}

/* Only these have a body (and only theirs is read by what comes after). */
static bool
may_have_body(const struct guard *g)
{
	return g->method[0] == 'P';
}

static bool
in_end_lf(struct guard *g, uint8_t c, struct fault *f)
{
	if (!want_lf(g, c, S_DATA, f))
		return false;
	if (!g->has_host && !g->old)
		return bad(g, f, "the request has no Host");
	if (g->has_length && g->has_chunked)
		return bad(
		    g, f, "Content-Length and Transfer-Encoding come together");
	if ((g->left > 0 || g->has_chunked) && !may_have_body(g))
		return bad(g, f, "a request of this method has no body");
	/* Valid, but read differently by what comes after. */
	if (!g->has_length && !g->has_chunked && may_have_body(g))
		return refuse(
		    g, 411, f, "a request of this method states its length");
	if (g->has_chunked) {
		g->stage = GUARD_BODY;
		g->state = S_SIZE;
		g->len = 0;
	} else if (g->left > 0) {
		g->stage = GUARD_BODY;
	} else {
		end_request(g);
	}
	return true;
}

/* ---------------------------------------------------------------- chunks */

static bool
size_ends(struct guard *g, struct fault *f)
{
	if (g->len == 0)
		return bad(g, f, "a chunk has no size");
	if (g->left > g->limits.body_bytes - g->total)
		return refuse(g, 413, f, "the request's body is too large");
	g->total += g->left;
	g->state = S_SIZE_LF;
	return true;
}

static bool
in_size(struct guard *g, uint8_t c, struct fault *f)
{
	int digit = hex_of(c);

	if (c == '\r')
		return size_ends(g, f);
	if (digit < 0)
		return bad(g, f, "a chunk's size is not just hexadecimal");
	if (g->len == 0)
		g->left = 0;
	else if (g->left == 0)
		return bad(g, f, "a chunk's size begins with zero");
	if (++g->len > 15)
		return refuse(g, 413, f, "the request's body is too large");
	g->left = g->left << 4 | (unsigned)digit;
	return true;
}

static bool
in_size_lf(struct guard *g, uint8_t c, struct fault *f)
{
	return want_lf(g, c, g->left == 0 ? S_LAST_CR : S_CHUNK, f);
}

static bool
in_chunk_cr(struct guard *g, uint8_t c, struct fault *f)
{
	if (c != '\r')
		return bad(g, f, "a chunk is longer than its size");
	g->state = S_CHUNK_LF;
	return true;
}

static bool
in_chunk_lf(struct guard *g, uint8_t c, struct fault *f)
{
	g->len = 0;
	return want_lf(g, c, S_SIZE, f);
}

static bool
in_last_cr(struct guard *g, uint8_t c, struct fault *f)
{
	if (c != '\r')
		return bad(g, f, "trailer fields are not taken");
	g->state = S_LAST_LF;
	return true;
}

static bool
in_last_lf(struct guard *g, uint8_t c, struct fault *f)
{
	if (!want_lf(g, c, S_METHOD, f))
		return false;
	end_request(g);
	return true;
}

/* ---------------------------------------------------------------- driver */

/* clang-format off */
static bool (*const steps[S_STATES])(struct guard *, uint8_t,
    struct fault *) = {
	[S_METHOD]     = in_method,
	[S_TARGET]     = in_target,
	[S_VERSION]    = in_version,
	[S_VERSION_LF] = in_version_lf,
	[S_FIELD]      = in_field,
	[S_NAME]       = in_name,
	[S_BEFORE]     = in_before,
	[S_VALUE]      = in_value,
	[S_VALUE_LF]   = in_value_lf,
	[S_END_LF]     = in_end_lf,
	[S_SIZE]       = in_size,
	[S_SIZE_LF]    = in_size_lf,
	[S_CHUNK_CR]   = in_chunk_cr,
	[S_CHUNK_LF]   = in_chunk_lf,
	[S_LAST_CR]    = in_last_cr,
	[S_LAST_LF]    = in_last_lf,
};
/* clang-format on */

static bool
is_bulk(const struct guard *g)
{
	return g->stage == GUARD_BODY &&
	       (g->state == S_DATA || g->state == S_CHUNK);
}

/* How many of the bytes are body. */
static size_t
skip_body(struct guard *g, size_t have)
{
	size_t n = have < g->left ? have : (size_t)g->left;

	g->left -= n;
	if (g->left > 0)
		return n;
	if (g->state == S_CHUNK)
		g->state = S_CHUNK_CR;
	else
		end_request(g);
	return n;
}

static bool
in_head(struct guard *g, struct fault *f)
{
	if (++g->head <= g->limits.head_bytes)
		return true;
	return g->state == S_TARGET
		   ? refuse(g, 414, f, "the request's target is too long")
		   : refuse(g, 431, f, "the request's head is too large");
}

bool
guard_feed(struct guard *g, struct bytes b, struct fault *f)
{
	size_t i = 0;

	if (g->stage == GUARD_REFUSED)
		return fault_set(f, FAULT_INVALID_REQUEST,
		    "the connection is refused already");
	while (i < b.len) {
		if (is_bulk(g)) {
			i += skip_body(g, b.len - i);
			continue;
		}
		if (g->stage == GUARD_IDLE)
			begin_request(g);
		if (g->stage == GUARD_HEAD && !in_head(g, f))
			return false;
		if (!steps[g->state](g, b.at[i++], f))
			return false;
	}
	return true;
}
