/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An artifact: the exact files that make a model for one runtime kind. The
 * operator's command line writes artifacts into the catalog and the daemon
 * states the ones it has loaded; both name the files and digest them here, so
 * that the two can only differ where the bytes do.
 */
#ifndef ARTIFACT_ARTIFACT_H
#define ARTIFACT_ARTIFACT_H

#include "base/fault.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/text.h"

#define ARTIFACT_FILES_MAX 4096
#define ARTIFACT_LAYERS_MAX 1000

enum runtime_kind {
	RUNTIME_LLAMA_CPP,    /* GGUF files */
	RUNTIME_OLLAMA,	      /* blobs of a manifest */
	RUNTIME_MLX,	      /* a directory of safetensors */
	RUNTIME_CLOUD_BRIDGE, /* an upstream descriptor */
	RUNTIME_KIND_COUNT
};
/* "llama.cpp", "ollama", "mlx", "cloud_bridge". */
const char *runtime_kind_name(enum runtime_kind k);
bool runtime_kind_of(const char *name, enum runtime_kind *out);

struct artifact_file {
	const char *name; /* for people; only hashes are compared */
	const char *path; /* NULL for a cloud bridge's descriptor */
	uint64_t size;	  /* bytes */
	uint8_t sha256[32];
	bool hashed;
};

struct artifact {
	enum runtime_kind runtime;
	struct artifact_file *files;
	size_t count;
};

/* What there is to hash. Strings live in the arena; files come sorted by
 * name, with sizes and without hashes (artifact_hash fills those), except
 * that a descriptor is hashed at once.
 *
 * llama.cpp: the given GGUF files (shards each by name). */
bool artifact_of_files(struct arena *a, enum runtime_kind runtime,
    const char *const *paths, size_t count, struct artifact *out,
    struct fault *f);
/* mlx: every *.safetensors, *.json, *.model, *.txt and *.jinja directly in
 * the folder, without dot files. */
bool artifact_of_folder(struct arena *a, enum runtime_kind runtime,
    const char *folder, struct artifact *out, struct fault *f);
/* ollama: the model, projector and adapter blobs of "name[:tag]" under
 * models_folder (Ollama's OLLAMA_MODELS). Blob digests are checked against
 * the bytes by artifact_hash like any file. */
bool artifact_of_ollama(struct arena *a, const char *models_folder,
    const char *name, struct artifact *out, struct fault *f);
/* Pure: the paths of the blobs that count in such a manifest, which a registry
 * has written. */
bool artifact_manifest_read(struct arena *a, const char *models_folder,
    struct text t, const char *paths[ARTIFACT_LAYERS_MAX], size_t *count,
    struct fault *f);
/* cloud_bridge: the canonical JSON of {base_url, model, revision}, nothing
 * else allowed; that text is the file. */
bool artifact_of_descriptor(struct arena *a, const json_t *descriptor,
    struct artifact *out, struct fault *f);

/* Reads every file and fills its hash. progress may be NULL; it is called
 * about every 64 MiB and at each end. */
bool artifact_hash(struct artifact *artifact,
    void (*progress)(void *arg, const char *name, uint64_t done, uint64_t size),
    void *arg, struct fault *f);
/* One file, as artifact_hash does it; fails SYSTEM if it changes size. */
bool artifact_file_hash(const char *path,
    void (*progress)(void *arg, const char *name, uint64_t done, uint64_t size),
    void *arg, uint8_t out[32], uint64_t *size, struct fault *f);

/* SHA-256 over the runtime kind's name, a zero byte, and the files' SHA-256s
 * in ascending order: assay.artifact.digest. Every file must be hashed. */
void artifact_digest(const struct artifact *artifact, uint8_t out[32]);

#endif
