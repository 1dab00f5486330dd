/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a content type, a line feed, and a form. Every part lies
 * within the body, the parts lie side by side, and cutting one of them out
 * leaves a form with the others in it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gateway/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static void
check_cut(struct text body, struct text boundary, size_t count,
    const struct multipart_part *p)
{
	struct multipart_part left[MULTIPART_PARTS];
	size_t head = (size_t)(p->around.at - body.at);
	size_t tail = body.len - head - p->around.len;
	char *rest = mem_array(1, body.len + 1);
	size_t left_count;
	struct fault f;

	memcpy(rest, body.at, head);
	memcpy(rest + head, p->around.at + p->around.len, tail);
	if (!multipart_read((struct text){rest, head + tail}, boundary, left,
		&left_count, &f) ||
	    left_count != count - 1)
		abort();
	mem_free(rest);
}

static void
check(struct text body, struct text boundary,
    const struct multipart_part *parts, size_t count)
{
	const char *next = body.at;

	for (size_t i = 0; i < count; i++) {
		const struct multipart_part *p = &parts[i];
		const char *end = p->around.at + p->around.len;

		if (p->around.at != next || end > body.at + body.len ||
		    p->body.at < p->around.at ||
		    p->body.at + p->body.len + 2 != end ||
		    p->name.at < p->around.at || p->name.at >= p->body.at)
			abort();
		next = end;
		check_cut(body, boundary, count, p);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	const uint8_t *eol = memchr(at, '\n', len);
	struct multipart_part parts[MULTIPART_PARTS];
	const struct multipart_part *found;
	struct text boundary, body;
	struct arena *a;
	struct fault f;
	size_t count;

	if (eol == NULL || memchr(at, 0, (size_t)(eol - at)) != NULL)
		return 0;
	a = arena_new();
	body.at = (const char *)eol + 1;
	body.len = len - (size_t)(eol - at) - 1;
	if (multipart_boundary(
		arena_copy(a, at, (size_t)(eol - at)), &boundary, &f) &&
	    multipart_read(body, boundary, parts, &count, &f)) {
		check(body, boundary, parts, count);
		(void)multipart_find(parts, count, "model", &found, &f);
	}
	arena_free(&a);
	return 0;
}
