/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a buyer's body. The scanner takes every object that the strict
 * tree reader takes; members lie within the text, can be read by the tree
 * reader where their values are whole documents, and can be cut out.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

static bool
tree_takes(struct text t)
{
	json_t *j;
	bool object = json_read(t, 1 << 20, &j, NULL) && json_is_object(j);

	json_free(&j);
	return object;
}

static void
check_cut(struct text t, const struct scan_member *m)
{
	size_t head = (size_t)(m->around.at - t.at);
	size_t tail = t.len - head - m->around.len;
	char *rest = mem_array(1, t.len + 1);
	struct fault f;

	if (head > t.len || m->around.len > t.len - head ||
	    m->value.at < m->around.at ||
	    m->value.at + m->value.len > m->around.at + m->around.len)
		abort();
	memcpy(rest, t.at, head);
	memcpy(rest + head, m->around.at + m->around.len, tail);
	if (!scan_object((struct text){rest, head + tail}, 64, NULL, 0, &f))
		abort();
	mem_free(rest);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	struct text t = {(const char *)at, len};
	struct scan_member m[] = {{.name = "a"}, {.name = "options"}};
	struct fault f;
	char out[32];
	bool b;

	if (!scan_object(t, 64, m, 2, &f)) {
		if (tree_takes(t))
			abort();
		return 0;
	}
	for (int i = 0; i < 2; i++) {
		if (m[i].value.at == NULL)
			continue;
		check_cut(t, &m[i]);
		(void)scan_string(m[i].value, out, sizeof(out), &f);
		(void)scan_bool(m[i].value, &b, &f);
	}
	return 0;
}
