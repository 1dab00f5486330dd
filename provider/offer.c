/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the offer file. An unknown member is a fault here, unlike on the
 * wire: its author is at hand, and a typing error in a control must not open
 * a window. */
#include "provider/offer.h"

#include <string.h>

#include "base/file.h"
#include "base/http.h"

#define OFFER_BYTES (1024 * 1024)
#define KEY_BYTES 8192

static bool
only_members(const json_t *o, const char *where, const char *const *names,
    struct fault *f)
{
	const char *name;
	const json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)o, name, value)
	{
		for (i = 0; names[i] != NULL; i++)
			if (strcmp(names[i], name) == 0)
				break;
		if (names[i] == NULL)
			return fault_set(f, FAULT_INVALID,
			    "%s: there is no member \"%.40s\"", where, name);
	}
	return true;
}

static bool
read_runtime(
    struct arena *a, const json_t *j, struct offer *out, struct fault *f)
{
	static const char *const names[] = {
	    "kind", "version", "url", "api_key_file", NULL};
	const char *kind, *version, *url, *key;
	size_t len;

	if (!only_members(j, "runtime", names, f) ||
	    !json_get_string(j, "kind", 40, &kind, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "version", 100, "", &version, FAULT_INVALID, f) ||
	    !json_get_string(j, "url", 500, &url, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "api_key_file", 4000, NULL, &key, FAULT_INVALID, f))
		return false;
	if (!runtime_kind_of(kind, &out->runtime))
		return fault_set(f, FAULT_INVALID,
		    "runtime.kind is llama.cpp, ollama, mlx or cloud_bridge, "
		    "not \"%s\"",
		    kind);
	len = strlen(url);
	while (len > 0 && url[len - 1] == '/')
		len--;
	out->runtime_version = arena_string(a, version);
	out->runtime_url = arena_copy(a, url, len);
	out->api_key_file = arena_string(a, key);
	return true;
}

static bool
read_files(struct arena *a, const json_t *j, enum runtime_kind runtime,
    struct artifact *out, struct fault *f)
{
	const json_t *list, *one;
	const char **paths;
	size_t i;

	if (!json_get_array(
		j, "files", ARTIFACT_FILES_MAX, &list, FAULT_INVALID, f))
		return false;
	paths = arena_alloc(a, (json_array_size(list) + 1) * sizeof *paths);
	json_array_foreach(list, i, one)
	{
		if (!json_is_string(one))
			return fault_set(
			    f, FAULT_INVALID, "files[%zu] is not a path", i);
		paths[i] = json_string_value(one);
	}
	return artifact_of_files(
	    a, runtime, paths, json_array_size(list), out, f);
}

/* files, folder, ollama or descriptor, as the runtime's kind has it. */
static bool
read_artifact(struct arena *a, const json_t *j, enum runtime_kind runtime,
    struct artifact *out, struct fault *f)
{
	const char *folder, *ollama, *models;
	const json_t *descriptor;

	if (!json_get_string_or(
		j, "folder", 4000, NULL, &folder, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "ollama", 300, NULL, &ollama, FAULT_INVALID, f) ||
	    !json_get_string_or(
		j, "ollama_models", 4000, NULL, &models, FAULT_INVALID, f) ||
	    !json_get_object_or(j, "descriptor", &descriptor, FAULT_INVALID, f))
		return false;
	if ((json_object_get(j, "files") != NULL) + (folder != NULL) +
		(ollama != NULL) + (descriptor != NULL) !=
	    1)
		return fault_set(f, FAULT_INVALID,
		    "a model has one of files, folder, ollama, descriptor");
	if ((descriptor != NULL) != (runtime == RUNTIME_CLOUD_BRIDGE))
		return fault_set(f, FAULT_INVALID,
		    "descriptor goes with a cloud_bridge, and only with it");
	if (descriptor != NULL)
		return artifact_of_descriptor(a, descriptor, out, f);
	if (folder != NULL)
		return artifact_of_folder(a, runtime, folder, out, f);
	if (ollama == NULL)
		return read_files(a, j, runtime, out, f);
	if (models == NULL && getenv("HOME") != NULL)
		models = arena_printf(a, "%s/.ollama/models", getenv("HOME"));
	if (models == NULL)
		return fault_set(f, FAULT_INVALID,
		    "where are Ollama's models? give ollama_models");
	return artifact_of_ollama(a, models, ollama, out, f);
}

static bool
read_tasks(
    struct arena *a, const json_t *j, struct offer_model *out, struct fault *f)
{
	const json_t *list, *one;
	size_t i;

	if (!json_get_array(j, "tasks", OFFER_TASKS, &list, FAULT_INVALID, f))
		return false;
	json_array_foreach(list, i, one)
	{
		if (!json_is_string(one))
			return fault_set(
			    f, FAULT_INVALID, "tasks[%zu] is not a name", i);
		out->tasks[out->task_count++] =
		    arena_string(a, json_string_value(one));
	}
	return out->task_count > 0 ||
	       fault_set(f, FAULT_INVALID, "tasks is empty");
}

static bool
read_model(struct arena *a, const json_t *j, enum runtime_kind runtime,
    struct offer_model *out, struct fault *f)
{
	static const char *const names[] = {"canonical", "tasks",
	    "quantization", "context_length", "runtime_name", "files", "folder",
	    "ollama", "ollama_models", "descriptor", NULL};
	const char *canonical, *quantization, *name;

	if (!json_is_object(j))
		return fault_set(
		    f, FAULT_INVALID, "models has something but an object");
	if (!only_members(j, "a model", names, f) ||
	    !json_get_string(
		j, "canonical", 200, &canonical, FAULT_INVALID, f) ||
	    !json_get_string(
		j, "quantization", 40, &quantization, FAULT_INVALID, f) ||
	    !json_get_int_or(j, "context_length", 0, 1 << 30, 0,
		&out->context_length, FAULT_INVALID, f) ||
	    !json_get_string_or(j, "runtime_name", 300,
		json_string_value(json_object_get(j, "ollama")), &name,
		FAULT_INVALID, f) ||
	    !read_tasks(a, j, out, f) ||
	    !read_artifact(a, j, runtime, &out->artifact, f))
		return false;
	out->canonical = arena_string(a, canonical);
	out->quantization = arena_string(a, quantization);
	if (name == NULL && runtime == RUNTIME_CLOUD_BRIDGE)
		name = json_string_value(
		    json_object_get(json_object_get(j, "descriptor"), "model"));
	out->runtime_name = arena_string(a, name);
	return true;
}

static bool
read_models(
    struct arena *a, const json_t *j, struct offer *out, struct fault *f)
{
	const json_t *list, *one;
	size_t i;

	if (!json_get_array(j, "models", OFFER_MODELS, &list, FAULT_INVALID, f))
		return false;
	out->models =
	    arena_alloc(a, (json_array_size(list) + 1) * sizeof *out->models);
	json_array_foreach(list, i, one)
	{
		if (!read_model(a, one, out->runtime, &out->models[i], f))
			return false;
		for (size_t k = 0; k < i; k++)
			if (strcmp(out->models[k].canonical,
				out->models[i].canonical) == 0)
				return fault_set(f, FAULT_INVALID,
				    "%s is offered twice",
				    out->models[i].canonical);
		out->model_count++;
	}
	return true;
}

static bool
read_controls(
    struct arena *a, const json_t *j, struct offer *out, struct fault *f)
{
	static const char *const names[] = {
	    "windows", "max_concurrency", "max_tokens_per_minute", NULL};
	const json_t *controls, *windows;

	out->max_concurrency = 1;
	if (!json_get_object_or(j, "controls", &controls, FAULT_INVALID, f))
		return false;
	if (controls == NULL)
		return true;
	if (!only_members(controls, "controls", names, f) ||
	    !json_get_int_or(controls, "max_concurrency", 1, 10000, 1,
		&out->max_concurrency, FAULT_INVALID, f) ||
	    !json_get_int_or(controls, "max_tokens_per_minute", 0, INT64_MAX, 0,
		&out->max_tokens_per_minute, FAULT_INVALID, f) ||
	    !json_get_array_or(
		controls, "windows", WINDOWS_MAX, &windows, FAULT_INVALID, f))
		return false;
	out->windows_json = windows;
	return windows == NULL ||
	       windows_read(a, windows, out->windows, &out->window_count, f);
}

bool
offer_read(
    struct arena *a, const char *path, struct offer *out, struct fault *f)
{
	static const char *const names[] = {
	    "runtime", "models", "controls", NULL};
	const json_t *runtime;
	char *text = NULL;
	size_t len;
	bool ok;

	memset(out, 0, sizeof *out);
	ok = file_read(path, OFFER_BYTES, &text, &len, f) &&
	     json_read(
		 (struct text){text, len}, OFFER_BYTES, &out->document, f) &&
	     only_members(out->document, path, names, f) &&
	     json_get_object(
		 out->document, "runtime", &runtime, FAULT_INVALID, f) &&
	     read_runtime(a, runtime, out, f) &&
	     read_models(a, out->document, out, f) &&
	     read_controls(a, out->document, out, f);
	mem_free(text);
	if (!ok)
		offer_free(out);
	return ok;
}

void
offer_free(struct offer *o)
{
	json_free(&o->document);
}

bool
offer_authorization(
    const struct offer *o, struct arena *a, const char **out, struct fault *f)
{
	char *text;
	size_t len;

	*out = NULL;
	if (o->api_key_file == NULL)
		return true;
	if (!file_read(o->api_key_file, KEY_BYTES, &text, &len, f))
		return false;
	*out = arena_printf(a, "Bearer %.*s", (int)strcspn(text, "\r\n"), text);
	mem_wipe_free(text, len);
	return http_value_is_good(*out, strlen(*out)) ||
	       fault_set(f, FAULT_INVALID, "%s: its first line is no key",
		   o->api_key_file);
}

const struct offer_model *
offer_find(const struct offer *o, const char *task, const char *canonical)
{
	for (size_t i = 0; i < o->model_count; i++) {
		const struct offer_model *m = &o->models[i];

		if (strcmp(m->canonical, canonical) != 0)
			continue;
		for (size_t t = 0; t < m->task_count; t++)
			if (strcmp(m->tasks[t], task) == 0)
				return m;
	}
	return NULL;
}
