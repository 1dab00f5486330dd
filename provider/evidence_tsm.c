/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence through Linux's configfs-tsm (ABI testing/configfs-tsm-report): a
 * folder is an entry; the question goes into inblob, the answer comes out of
 * outblob, provider says whose it is, auxblob holds AMD's certificates, and
 * generation tells whether somebody else asked in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/json.h"
#include "provider/evidence.h"

enum { BLOB_MAX = 32768, TRIES = 3 };

struct entry {
	char path[3800];
	int lock;
};

static bool
blob_read(const struct entry *e, const char *name, uint8_t *out, size_t *len,
    struct fault *f)
{
	char path[4096];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", e->path, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(f, FAULT_SYSTEM, "configfs-tsm: %s: %s", name,
		    strerror(errno));
	for (*len = 0; *len < BLOB_MAX; *len += (size_t)n) {
		n = read(fd, out + *len, BLOB_MAX - *len);
		if (n <= 0)
			break;
	}
	if (n < 0)
		fault_set(f, FAULT_SYSTEM, "configfs-tsm: %s: %s", name,
		    strerror(errno));
	close(fd);
	return n >= 0;
}

static bool
blob_write(const struct entry *e, const char *name, const uint8_t *at,
    size_t len, struct fault *f)
{
	char path[4096];
	int fd;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", e->path, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, at, len) == (ssize_t)len;
	if (!ok)
		fault_set(f, FAULT_SYSTEM, "configfs-tsm: %s: %s", name,
		    strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool
text_read(
    const struct entry *e, const char *name, char out[64], struct fault *f)
{
	uint8_t raw[BLOB_MAX];
	size_t len;

	if (!blob_read(e, name, raw, &len, f))
		return false;
	if (len > 63)
		len = 63;
	memcpy(out, raw, len);
	out[len] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

/* One entry, ours, kept from one time to the next; children that ask at once
 * take turns. */
static bool
entry_open(const char *folder, struct entry *e, struct fault *f)
{
	int n = snprintf(e->path, sizeof(e->path), "%s/assay", folder);

	if (n < 0 || (size_t)n >= sizeof(e->path))
		return fault_set(f, FAULT_INVALID, "configfs-tsm: path");
	if (mkdir(e->path, 0700) != 0 && errno != EEXIST)
		return fault_set(f, FAULT_SYSTEM,
		    "configfs-tsm: no entry in %.120s: %s", folder,
		    strerror(errno));
	e->lock = open(e->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return (e->lock >= 0 && flock(e->lock, LOCK_EX) == 0) ||
	       fault_set(f, FAULT_SYSTEM, "configfs-tsm: no lock: %s",
		   strerror(errno));
}

static void
entry_close(struct entry *e)
{
	if (e->lock >= 0)
		close(e->lock);
}

static const char *
base64_of(struct arena *a, const uint8_t *at, size_t len)
{
	char *out = arena_alloc(a, BASE64_SIZE(len));

	base64_encode(bytes_of(at, len), out);
	return out;
}

/* Rows of GUID, offset and length, ended by a row of zeros. */
json_t *
tsm_certificates(struct arena *a, const uint8_t *at, size_t len)
{
	static const uint8_t guids[4][16] = {
	    {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64, 0xad, 0xc5, 0xf4,
		0xb9, 0x3b, 0xe8, 0xac, 0xcd}, /* VCEK */
	    {0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e, 0xaa, 0xe6, 0x39,
		0xc0, 0x45, 0xa0, 0xb8, 0xa1}, /* VLEK */
	    {0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4, 0xa0, 0x2f, 0x05,
		0xae, 0xf3, 0x27, 0xc7, 0x82}, /* ASK */
	    {0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52, 0x97, 0x43, 0x3f,
		0xb6, 0x01, 0x4c, 0xd0, 0xae}}; /* ARK */
	json_t *list = json_array();

	for (size_t g = 0; g < 4; g++)
		for (size_t row = 0; row + 24 <= len; row += 24) {
			uint32_t offset, size;

			memcpy(&offset, at + row + 16, 4);
			memcpy(&size, at + row + 20, 4);
			if (memcmp(at + row, guids[g], 16) != 0 ||
			    offset > len || size > len - offset)
				continue;
			json_array_append_new(
			    list, json_string(base64_of(a, at + offset, size)));
			break;
		}
	return list;
}

static bool
item_of(const struct entry *e, const char *provider, const uint8_t *blob,
    size_t len, json_t *items, struct fault *f)
{
	uint8_t aux[BLOB_MAX];
	struct arena *a = arena_new();
	struct fault none;
	size_t aux_len;
	bool ok = true;
	json_t *item = NULL;

	if (strcmp(provider, "tdx_guest") == 0) {
		item = json_pack("{s:s, s:s}", "kind", "tdx", "quote",
		    base64_of(a, blob, len));
	} else if (strcmp(provider, "sev_guest") == 0) {
		item = json_pack("{s:s, s:s}", "kind", "snp", "report",
		    base64_of(a, blob, len));
		if (blob_read(e, "auxblob", aux, &aux_len, &none) &&
		    aux_len > 0)
			json_object_set_new(item, "certificates",
			    tsm_certificates(a, aux, aux_len));
	} else {
		ok = fault_set(f, FAULT_UNSUPPORTED,
		    "configfs-tsm: unknown provider %.40s", provider);
	}
	if (item != NULL)
		json_array_append_new(items, item);
	arena_free(&a);
	return ok;
}

/* The answer is ours only where nobody wrote between question and answer. */
static bool
ask_once(const struct entry *e, const struct evidence_question *q,
    json_t *items, bool *again, struct fault *f)
{
	char provider[64], before[64], after[64];
	uint8_t blob[BLOB_MAX];
	size_t len;

	*again = false;
	if (!blob_write(
		e, "inblob", q->report_data, sizeof(q->report_data), f) ||
	    !text_read(e, "generation", before, f) ||
	    !text_read(e, "provider", provider, f) ||
	    !blob_read(e, "outblob", blob, &len, f) ||
	    !text_read(e, "generation", after, f))
		return false;
	*again = strcmp(before, after) != 0;
	if (*again)
		return fault_set(f, FAULT_CONFLICT,
		    "configfs-tsm: somebody else writes to our entry");
	return item_of(e, provider, blob, len, items, f);
}

static bool
gather(const struct evidence_question *q, json_t *items, struct fault *f)
{
	struct entry e = {.lock = -1};
	bool ok = false;
	bool again = entry_open(q->settings->tsm, &e, f);

	for (int i = 0; i < TRIES && !ok && again; i++)
		ok = ask_once(&e, q, items, &again, f);
	entry_close(&e);
	return ok;
}

static bool
is_set(const struct evidence_settings *s)
{
	return s->tsm != NULL;
}

const struct evidence_source tsm_source = {"configfs-tsm", is_set, gather};
