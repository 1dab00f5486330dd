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
static bool
call(struct arena *a, const char *socket, const char *where, const char *body,
    struct text *out, struct fault *f)
{
	char *answer = arena_alloc(a, ANSWER_MAX + 1);
	const char *request = arena_printf(a,
	    "POST /%s HTTP/1.0\r\nhost: dstack\r\n"
	    "content-type: application/json\r\n"
	    "content-length: %zu\r\n\r\n%s",
	    where, strlen(body), body);
	int fd = dial(socket, f);
	size_t len = 0;
	bool ok;

	if (fd < 0)
		return false;
	ok = exchange(fd, request, answer, &len) ||
	     fault_set(f, FAULT_UNAVAILABLE, "dstack: %s broke off", where);
	close(fd);
	*out = (struct text){answer, len};
	return ok;
}

/* An answer's body, which is one object. */
static bool
read_answer(
    struct text answer, const char *where, json_t **out, struct fault *f)
{
	const char *at = memmem(answer.at, answer.len, "\r\n\r\n", 4);
	size_t head;

	if (at == NULL || at - answer.at > HEAD_MAX ||
	    !text_starts_with(answer, "HTTP/1.") ||
	    strncmp(answer.at + 8, " 200", 4) != 0)
		return fault_set(
		    f, FAULT_UNAVAILABLE, "dstack: %s was refused", where);
	head = (size_t)(at + 4 - answer.at);
	return json_read((struct text){answer.at + head, answer.len - head},
	    ANSWER_MAX, out, f);
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

bool
dstack_items(struct arena *a, struct text quote, struct text info,
    json_t *items, struct fault *f)
{
	json_t *said = NULL, *about = NULL;
	bool ok;

	ok = read_answer(quote, "GetQuote", &said, f) &&
	     read_answer(info, "Info", &about, f) &&
	     add_quote(a, said, items, f) && add_log(said, about, items, f);
	json_free(&said);
	json_free(&about);
	return ok;
}

static bool
gather(const struct evidence_question *q, json_t *items, struct fault *f)
{
	char hex[HEX_SIZE(EVIDENCE_REPORT_DATA)];
	const char *socket = q->settings->dstack;
	struct arena *a = arena_new();
	struct text quote, info;
	bool ok;

	hex_encode(bytes_of(q->report_data, sizeof(q->report_data)), hex);
	ok = call(a, socket, "GetQuote",
		 arena_printf(a, "{\"report_data\":\"%s\"}", hex), &quote, f) &&
	     call(a, socket, "Info", "{}", &info, f) &&
	     dstack_items(a, quote, info, items, f);
	arena_free(&a);
	return ok;
}

static bool
is_set(const struct evidence_settings *s)
{
	return s->dstack != NULL;
}

const struct evidence_source dstack_source = {"dstack", is_set, gather};
