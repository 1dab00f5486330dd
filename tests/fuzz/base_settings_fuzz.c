/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a settings file: every setting has its type and bounds, or the
 * sentence says which line is at fault. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t len);

struct values {
	const char *address;
	int64_t count;
	int64_t wait_ms;
	enum log_level level;
	struct setting_list list;
	size_t room;
	bool on;
};

#define V struct values
static const struct setting table[] = {
    SETTING_ADDRESS("a", V, address, "", "An address."),
    SETTING_INT("b", V, count, -3, 7, "0", "A number."),
    SETTING_DURATION("c", V, wait_ms, "1s", "A time."),
    SETTING_LEVEL("d", V, level, "info", "A level."),
    SETTING_LIST("e", V, list, "", "A list."),
    SETTING_SIZE("f", V, room, "1KiB", "A size."),
    SETTING_BOOL("g", V, on, "false", "A choice."),
};

static void
load(const char *path)
{
	char *argv[] = {"assay-fuzz", "--config", NULL, NULL};
	struct arena *a = arena_new();
	struct fault f = {0};
	struct values v;

	argv[2] = arena_string(a, path);
	if (settings_load(table, sizeof(table) / sizeof(*table), "assay-fuzz",
		3, argv, &v, a, &f)) {
		if (v.count < -3 || v.count > 7 || v.wait_ms < 0)
			abort();
		for (size_t i = 0; i < v.list.count; i++)
			if (v.list.at[i] == NULL)
				abort();
	} else if (f.kind != FAULT_INVALID_OPTION || f.why[0] == '\0') {
		abort();
	}
	arena_free(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t len)
{
	int fd = memfd_create("settings", MFD_CLOEXEC);
	char path[64];

	if (fd < 0 || write(fd, at, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	load(path);
	close(fd);
	return 0;
}
