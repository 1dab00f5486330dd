/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults: the table of stable codes, and the one function that writes the
 * sentence. Whatever the sentence quotes, only printable ASCII leaves here.
 */
#include "base/fault.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const char *const codes[FAULT_COUNT] = {[FAULT_NONE] = "none",
#define X(name, code) [FAULT_##name] = code,
    FAULT_KINDS(X)
#undef X
};

bool
fault_set(struct fault *f, enum fault_kind kind, const char *format, ...)
{
	va_list args;

	if (f == NULL)
		return false;
	f->kind = kind;
	f->why[0] = '\0';
	va_start(args, format);
	(void)vsnprintf(f->why, sizeof(f->why), format, args);
	va_end(args);
	for (char *c = f->why; *c != '\0'; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	return false;
}

const char *
fault_code(enum fault_kind kind)
{
	if ((unsigned)kind >= FAULT_COUNT)
		return codes[FAULT_INTERNAL];
	return codes[kind];
}

enum fault_kind
fault_of_code(const char *code)
{
	if (code == NULL)
		return FAULT_NONE;
	for (unsigned k = FAULT_NONE + 1; k < FAULT_COUNT; k++)
		if (strcmp(code, codes[k]) == 0)
			return (enum fault_kind)k;
	return FAULT_NONE;
}
