/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names and digests of artifacts. Only hashes count: the same files under
 * other names are the same artifact.
 */
#include "artifact/artifact.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/crypto.h"

static const char *const kinds[RUNTIME_KIND_COUNT] = {
    [RUNTIME_LLAMA_CPP] = "llama.cpp",
    [RUNTIME_OLLAMA] = "ollama",
    [RUNTIME_MLX] = "mlx",
    [RUNTIME_CLOUD_BRIDGE] = "cloud_bridge",
};

const char *
runtime_kind_name(enum runtime_kind k)
{
	return kinds[k];
}

bool
runtime_kind_of(const char *name, enum runtime_kind *out)
{
	for (unsigned k = 0; k < RUNTIME_KIND_COUNT; k++)
		if (strcmp(kinds[k], name) == 0) {
			*out = (enum runtime_kind)k;
			return true;
		}
	return false;
}

static int
by_hash(const void *a, const void *b)
{
	return memcmp(a, b, 32);
}

void
artifact_digest(const struct artifact *artifact, uint8_t out[32])
{
	const char *kind = runtime_kind_name(artifact->runtime);
	size_t kind_len = strlen(kind) + 1; /* the zero byte counts */
	size_t len = kind_len + artifact->count * 32;
	uint8_t *all = mem_new(len);

	memcpy(all, kind, kind_len);
	for (size_t i = 0; i < artifact->count; i++)
		memcpy(all + kind_len + i * 32, artifact->files[i].sha256, 32);
	qsort(all + kind_len, artifact->count, 32, by_hash);
	sha256(bytes_of(all, len), out);
	mem_free(all);
}

bool
artifact_of_descriptor(struct arena *a, const json_t *descriptor,
    struct artifact *out, struct fault *f)
{
	static const char *const names[] = {"base_url", "model", "revision"};
	const char *value;
	char *text;

	if (!json_is_object(descriptor) ||
	    json_object_size(descriptor) != sizeof names / sizeof *names)
		return fault_set(f, FAULT_INVALID,
		    "a cloud bridge's descriptor has base_url, model and "
		    "revision, and nothing else");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!json_get_string(
			descriptor, names[i], 1000, &value, FAULT_INVALID, f))
			return false;
	text = json_write_canonical(a, descriptor);
	out->runtime = RUNTIME_CLOUD_BRIDGE;
	out->count = 1;
	out->files = arena_alloc(a, sizeof *out->files);
	out->files[0].name = "descriptor.json";
	out->files[0].size = strlen(text);
	sha256(bytes_of(text, strlen(text)), out->files[0].sha256);
	out->files[0].hashed = true;
	return true;
}
