/* SPDX-License-Identifier: Apache-2.0 */
/* One table of names; everything else is bits. */
#include "auth/scope.h"

#include <assert.h>
#include <string.h>

static const char *const names[SCOPE_COUNT] = {
    "lattice:compute:inference",
    "lattice:compute:workspace_only",
    "lattice:compute:marketplace",
    "lattice:compute:catalog:read",
    "lattice:compute:usage:read",
    "lattice:compute:streaming",
};

uint32_t
scope_of_name(struct text name)
{
	for (unsigned i = 0; i < SCOPE_COUNT; i++)
		if (text_is(name, names[i]))
			return UINT32_C(1) << i;
	return 0;
}

const char *
scope_name(unsigned index)
{
	assert(index < SCOPE_COUNT);
	return names[index];
}

static bool
read_separated(struct text t, char separator, uint32_t *out, struct fault *f)
{
	*out = 0;
	while (true) {
		const char *end =
		    t.len == 0 ? NULL : memchr(t.at, separator, t.len);
		size_t len = end == NULL ? t.len : (size_t)(end - t.at);
		uint32_t bit = scope_of_name((struct text){t.at, len});

		if (bit == 0)
			return fault_set(f, FAULT_INVALID,
			    "scope '%.*s' is not known",
			    (int)(len > 80 ? 80 : len),
			    t.at == NULL ? "" : t.at);
		*out |= bit;
		if (end == NULL)
			return true;
		t.at += len + 1;
		t.len -= len + 1;
	}
}

bool
scopes_read(struct text t, uint32_t *out, struct fault *f)
{
	return read_separated(t, ' ', out, f);
}

/* Scope names hold nothing that Postgres would quote in an array. */
bool
scopes_read_array(struct text t, uint32_t *out, struct fault *f)
{
	*out = 0;
	if (t.len < 2 || t.at[0] != '{' || t.at[t.len - 1] != '}')
		return fault_set(f, FAULT_INVALID, "scopes are no array");
	return read_separated((struct text){t.at + 1, t.len - 2}, ',', out, f);
}

void
scopes_write(uint32_t set, char out[SCOPES_TEXT])
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < SCOPE_COUNT; i++) {
		size_t len = strlen(names[i]);

		if ((set & UINT32_C(1) << i) == 0)
			continue;
		assert(at + len + 2 <= SCOPES_TEXT);
		if (at > 0)
			out[at++] = ' ';
		memcpy(out + at, names[i], len + 1);
		at += len;
	}
}

bool
scopes_grant(uint32_t set, uint32_t needed)
{
	return (set & needed) == needed;
}

bool
scopes_reach_marketplace(uint32_t set)
{
	return (set & SCOPE_MARKETPLACE) != 0 &&
	       (set & SCOPE_WORKSPACE_ONLY) == 0;
}

uint32_t
scopes_narrow(uint32_t had, uint32_t wanted)
{
	return (had & wanted) | ((had | wanted) & SCOPE_WORKSPACE_ONLY);
}
