/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which files make a model, per runtime kind, and their hashes. Names come
 * from the operator or from a runtime's own folder; a link may point outside
 * that folder (Hugging Face's cache is built that way), a directory or device
 * is never taken for a file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "artifact/artifact.h"
#include "base/codec.h"
#include "base/file.h"

#define READ_BYTES (1024 * 1024)
#define PROGRESS_BYTES (64ULL * 1024 * 1024)
#define MANIFEST_BYTES (1024 * 1024)

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static bool
file_size(const char *path, uint64_t *out, struct fault *f)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return fault_set(
		    f, FAULT_SYSTEM, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fault_set(
		    f, FAULT_INVALID, "%s: is not a regular file", path);
	*out = (uint64_t)st.st_size;
	return true;
}

static int
by_name(const void *a, const void *b)
{
	const struct artifact_file *x = a, *y = b;

	return strcmp(x->name, y->name);
}

bool
artifact_of_files(struct arena *a, enum runtime_kind runtime,
    const char *const *paths, size_t count, struct artifact *out,
    struct fault *f)
{
	if (count == 0 || count > ARTIFACT_FILES_MAX)
		return fault_set(f, FAULT_INVALID,
		    "an artifact has 1 to %d files, not %zu",
		    ARTIFACT_FILES_MAX, count);
	out->runtime = runtime;
	out->count = count;
	out->files = arena_alloc(a, count * sizeof *out->files);
	for (size_t i = 0; i < count; i++) {
		struct artifact_file *file = &out->files[i];

		file->path = arena_string(a, paths[i]);
		file->name = base_name(file->path);
		if (!file_size(file->path, &file->size, f))
			return false;
	}
	qsort(out->files, count, sizeof *out->files, by_name);
	return true;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len > end_len && strcmp(s + len - end_len, end) == 0;
}

static bool
is_model_file(const char *name)
{
	static const char *const ends[] = {
	    ".safetensors", ".json", ".model", ".txt", ".jinja"};

	if (name[0] == '.')
		return false;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
		if (ends_with(name, ends[i]))
			return true;
	return false;
}

bool
artifact_of_folder(struct arena *a, enum runtime_kind runtime,
    const char *folder, struct artifact *out, struct fault *f)
{
	const char **paths;
	struct dirent *entry;
	size_t count = 0;
	bool ok;
	DIR *dir;

	dir = opendir(folder);
	if (dir == NULL)
		return fault_set(
		    f, FAULT_SYSTEM, "%s: %s", folder, strerror(errno));
	paths = mem_array(ARTIFACT_FILES_MAX, sizeof *paths);
	while (count < ARTIFACT_FILES_MAX && (entry = readdir(dir)) != NULL)
		if (is_model_file(entry->d_name))
			paths[count++] =
			    arena_printf(a, "%s/%s", folder, entry->d_name);
	closedir(dir);
	ok = count > 0 ? artifact_of_files(a, runtime, paths, count, out, f)
		       : fault_set(f, FAULT_INVALID, "%s: has no model files",
			     folder);
	mem_free(paths);
	return ok;
}

/* "model", "model:tag", "space/model:tag" or "host/space/model:tag", as
 * Ollama reads them, to the manifest's path. */
static bool
manifest_path(struct arena *a, const char *models_folder, const char *name,
    const char **out, struct fault *f)
{
	const char *colon = strrchr(name, ':');
	const char *tag = colon != NULL ? colon + 1 : "latest";
	size_t len = colon != NULL ? (size_t)(colon - name) : strlen(name);
	unsigned slashes = 0;

	for (size_t i = 0; i < len; i++)
		slashes += name[i] == '/';
	if (len == 0 || *tag == '\0' || strchr(tag, '/') != NULL ||
	    strstr(name, "..") != NULL || name[0] == '/' || slashes > 2)
		return fault_set(f, FAULT_INVALID,
		    "\"%s\" is not the name of an Ollama model", name);
	*out = arena_printf(a, "%s/manifests/%s%.*s/%s", models_folder,
	    slashes == 0   ? "registry.ollama.ai/library/"
	    : slashes == 1 ? "registry.ollama.ai/"
			   : "",
	    (int)len, name, tag);
	return true;
}

static bool
layer_counts(const char *media_type)
{
	return strcmp(media_type, "application/vnd.ollama.image.model") == 0 ||
	       strcmp(media_type, "application/vnd.ollama.image.projector") ==
		   0 ||
	       strcmp(media_type, "application/vnd.ollama.image.adapter") == 0;
}

static bool
manifest_layers(struct arena *a, const char *models_folder,
    const json_t *manifest, const char **paths, size_t *count, struct fault *f)
{
	const char *media_type, *digest;
	const json_t *layers, *layer;
	uint8_t hash[32];
	size_t i, len;

	if (!json_get_array(manifest, "layers", ARTIFACT_LAYERS_MAX, &layers,
		FAULT_INVALID, f))
		return false;
	json_array_foreach(layers, i, layer)
	{
		if (!json_get_string(layer, "mediaType", 200, &media_type,
			FAULT_INVALID, f) ||
		    !json_get_string(
			layer, "digest", 71, &digest, FAULT_INVALID, f))
			return false;
		if (!layer_counts(media_type))
			continue;
		if (strncmp(digest, "sha256:", 7) != 0 ||
		    !hex_decode(text_of(digest + 7), hash, 32, &len) ||
		    len != 32)
			return fault_set(f, FAULT_INVALID,
			    "the manifest's layer %zu has no SHA-256 digest",
			    i);
		paths[(*count)++] = arena_printf(
		    a, "%s/blobs/sha256-%s", models_folder, digest + 7);
	}
	return true;
}

bool
artifact_manifest_read(struct arena *a, const char *models_folder,
    struct text t, const char *paths[ARTIFACT_LAYERS_MAX], size_t *count,
    struct fault *f)
{
	json_t *manifest = NULL;
	bool ok;

	*count = 0;
	ok = json_read(t, MANIFEST_BYTES, &manifest, f) &&
	     manifest_layers(a, models_folder, manifest, paths, count, f);
	json_free(&manifest);
	return ok;
}

bool
artifact_of_ollama(struct arena *a, const char *models_folder, const char *name,
    struct artifact *out, struct fault *f)
{
	const char *paths[ARTIFACT_LAYERS_MAX], *path = NULL;
	char *text = NULL;
	size_t len, count;
	bool ok;

	if (!manifest_path(a, models_folder, name, &path, f) ||
	    !file_read(path, MANIFEST_BYTES, &text, &len, f))
		return false;
	ok = artifact_manifest_read(a, models_folder, (struct text){text, len},
		 paths, &count, f) &&
	     artifact_of_files(a, RUNTIME_OLLAMA, paths, count, out, f);
	mem_free(text);
	return ok;
}

bool
artifact_file_hash(const char *path,
    void (*progress)(void *arg, const char *name, uint64_t done, uint64_t size),
    void *arg, uint8_t out[32], uint64_t *size, struct fault *f)
{
	EVP_MD_CTX *md = NULL;
	uint8_t *buffer = NULL;
	uint64_t done = 0, told = 0;
	ssize_t n = 0;
	bool ok = false;
	int fd;

	if (!file_size(path, size, f))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(
		    f, FAULT_SYSTEM, "%s: %s", path, strerror(errno));
	md = EVP_MD_CTX_new();
	buffer = mem_new(READ_BYTES);
	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
		goto out;
	while ((n = read(fd, buffer, READ_BYTES)) > 0) {
		if (EVP_DigestUpdate(md, buffer, (size_t)n) != 1)
			goto out;
		done += (uint64_t)n;
		if (progress != NULL && done - told >= PROGRESS_BYTES) {
			told = done;
			progress(arg, base_name(path), done, *size);
		}
	}
	ok = n == 0 && EVP_DigestFinal_ex(md, out, NULL) == 1;
out:
	if (!ok)
		fault_set(f, FAULT_SYSTEM, "%s: reading failed: %s", path,
		    n < 0 ? strerror(errno) : "digest");
	else if (done != *size)
		ok = fault_set(f, FAULT_SYSTEM,
		    "%s: changed size while it was read", path);
	else if (progress != NULL)
		progress(arg, base_name(path), done, *size);
	EVP_MD_CTX_free(md);
	mem_free(buffer);
	close(fd);
	return ok;
}

bool
artifact_hash(struct artifact *artifact,
    void (*progress)(void *arg, const char *name, uint64_t done, uint64_t size),
    void *arg, struct fault *f)
{
	for (size_t i = 0; i < artifact->count; i++) {
		struct artifact_file *file = &artifact->files[i];

		if (file->hashed)
			continue;
		if (!artifact_file_hash(file->path, progress, arg, file->sha256,
			&file->size, f))
			return false;
		file->hashed = true;
	}
	return true;
}
