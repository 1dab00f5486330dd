/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence through dstack's guest agent: JSON over HTTP on a Unix socket. The
 * quote comes with the event log that its registers replay, and the compose
 * document that the log names. Runs in a child, so it may block.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/json.h"
#include "provider/evidence.h"

enum { ANSWER_MAX = 1 << 20, QUOTE_MAX = 32768, HEAD_MAX = 8192 };

static int
dial(const char *path, struct fault *f)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(at.sun_path)) {
		fault_set(f, FAULT_INVALID, "dstack: the path is too long");
		return -1;
	}
	memcpy(at.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)&at,
			   sizeof(at)) == 0)
		return fd;
	fault_set(
	    f, FAULT_UNAVAILABLE, "dstack: %.80s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool
exchange(int fd, const char *request, char *answer, size_t *len)
{
	size_t left = strlen(request);
	ssize_t n = 0;

	for (; left > 0; left -= (size_t)n, request += n) {
		n = write(fd, request, left);
		if (n <= 0)
			return false;
	}
	for (*len = 0; *len < ANSWER_MAX; *len += (size_t)n) {
		n = read(fd, answer + *len, ANSWER_MAX - *len);
		if (n <= 0)
			break;
	}
	answer[*len] = '\0';
	return n == 0;
}

/* HTTP/1.0, so that the end of the connection is the end of the body. */
static json_t *
call(const char *socket, const char *where, const char *body, struct fault *f)
{
	struct arena *a = arena_new();
	char *answer = arena_alloc(a, ANSWER_MAX + 1), *at;
	int fd = dial(socket, f);
	json_t *out = NULL;
	size_t len = 0;
	bool ok;

	ok = fd >= 0 && (exchange(fd,
			     arena_printf(a,
				 "POST /%s HTTP/1.0\r\nhost: dstack\r\n"
				 "content-type: application/json\r\n"
				 "content-length: %zu\r\n\r\n%s",
				 where, strlen(body), body),
			     answer, &len) ||
			    fault_set(f, FAULT_UNAVAILABLE,
				"dstack: %s broke off", where));
	at = ok ? strstr(answer, "\r\n\r\n") : NULL;
	if (ok && (at == NULL || at - answer > HEAD_MAX ||
		      strncmp(answer, "HTTP/1.", 7) != 0 ||
		      strncmp(answer + 8, " 200", 4) != 0))
		ok = fault_set(
		    f, FAULT_UNAVAILABLE, "dstack: %s was refused", where);
	if (ok)
		json_read(
		    (struct text){at + 4, len - (size_t)(at + 4 - answer)},
		    ANSWER_MAX, &out, f);
	if (fd >= 0)
		close(fd);
	arena_free(&a);
	return out;
}

static bool
add_quote(struct arena *a, const json_t *said, json_t *items, struct fault *f)
{
	uint8_t *quote = arena_alloc(a, QUOTE_MAX);
	char *base64 = arena_alloc(a, BASE64_SIZE(QUOTE_MAX));
	const char *hex;
	size_t len;

	if (!json_get_string(
		said, "quote", 2 * QUOTE_MAX, &hex, FAULT_INVALID, f))
		return false;
	if (!hex_decode(text_of(hex), quote, QUOTE_MAX, &len))
		return fault_set(f, FAULT_INVALID, "dstack: no quote in hex");
	base64_encode(bytes_of(quote, len), base64);
	json_array_append_new(
	    items, json_pack("{s:s, s:s}", "kind", "tdx", "quote", base64));
	return true;
}

/* The log comes as JSON text; the compose document stands in the text of the
 * agent's tcb_info. */
static bool
add_log(const json_t *said, const json_t *info, json_t *items, struct fault *f)
{
	const char *log, *tcb;
	json_t *events = NULL, *inner = NULL;
	bool ok;

	ok = json_get_string(
		 said, "event_log", ANSWER_MAX, &log, FAULT_INVALID, f) &&
	     json_read_value(text_of(log), ANSWER_MAX, &events, f);
	if (ok &&
	    json_get_string_or(
		info, "tcb_info", ANSWER_MAX, NULL, &tcb, FAULT_INVALID, f) &&
	    tcb != NULL)
		ok = json_read(text_of(tcb), ANSWER_MAX, &inner, f);
	if (ok)
		json_array_append_new(
		    items, json_pack("{s:s, s:O, s:s*}", "kind", "dstack",
			       "event_log", events, "app_compose",
			       json_string_value(
				   json_object_get(inner, "app_compose"))));
	json_free(&events);
	json_free(&inner);
	return ok;
}

static bool
gather(const struct evidence_question *q, json_t *items, struct fault *f)
{
	char hex[HEX_SIZE(EVIDENCE_REPORT_DATA)];
	const char *socket = q->settings->dstack;
	struct arena *a = arena_new();
	json_t *said, *info = NULL;
	bool ok;

	hex_encode(bytes_of(q->report_data, sizeof(q->report_data)), hex);
	said = call(socket, "GetQuote",
	    arena_printf(a, "{\"report_data\":\"%s\"}", hex), f);
	if (said != NULL)
		info = call(socket, "Info", "{}", f);
	ok = info != NULL && add_quote(a, said, items, f) &&
	     add_log(said, info, items, f);
	json_free(&said);
	json_free(&info);
	arena_free(&a);
	return ok;
}

static bool
is_set(const struct evidence_settings *s)
{
	return s->dstack != NULL;
}

const struct evidence_source dstack_source = {"dstack", is_set, gather};
