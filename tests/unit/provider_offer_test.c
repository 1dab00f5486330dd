/* SPDX-License-Identifier: Apache-2.0 */
/* The offer file: each kind of runtime, and each way to get it wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "provider/offer.h"

static char folder[64];

static int
make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/assay-offer-XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int
drop_folder(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void
put(const char *name, const char *text)
{
	char path[300], *slash;
	struct fault f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	assert_true(folder_make(path, 0700, &f));
	*slash = '/';
	assert_true(file_write(path, text, strlen(text), 0600, &f));
}

/* @ in the text stands for the folder. */
static bool
read_offer(
    struct arena *a, const char *text, struct offer *out, struct fault *f)
{
	char whole[8192], path[300];
	size_t n = 0;

	for (; *text != '\0'; text++)
		if (*text == '@')
			n += (size_t)snprintf(
			    whole + n, sizeof whole - n, "%s", folder);
		else
			whole[n++] = *text;
	whole[n] = '\0';
	put("offer.json", whole);
	snprintf(path, sizeof path, "%s/offer.json", folder);
	return offer_read(a, path, out, f);
}

#define RUNTIME(kind)                                                          \
	"{\"runtime\":{\"kind\":\"" kind                                       \
	"\",\"url\":\"http://127.0.0.1:1/\"},\"models\":["
#define MODEL                                                                  \
	"\"canonical\":\"l:m\",\"tasks\":[\"chat\"],\"quantization\":\"f16\","

static void
test_each_kind(void **state)
{
	struct arena *a = arena_new();
	struct fault f = {0};
	struct offer o;
	uint8_t one[32], two[32];

	(void)state;
	put("m.gguf", "weights");
	assert_true(read_offer(a,
	    RUNTIME("llama.cpp") "{" MODEL "\"files\":[\"@/m.gguf\"],"
				 "\"context_length\":8192}],\"controls\":{"
				 "\"max_concurrency\":4,"
				 "\"windows\":[{\"start\":\"22:00\",\"end\":"
				 "\"08:00\"}]}}",
	    &o, &f));
	assert_int_equal(o.runtime, RUNTIME_LLAMA_CPP);
	assert_string_equal(o.runtime_url, "http://127.0.0.1:1");
	assert_int_equal(o.max_concurrency, 4);
	assert_int_equal(o.window_count, 1);
	assert_non_null(offer_find(&o, "chat", "l:m"));
	assert_null(offer_find(&o, "chat", "l:n"));
	assert_null(offer_find(&o, "embedding", "l:m"));
	assert_null(o.models[0].runtime_name);
	assert_true(artifact_hash(&o.models[0].artifact, NULL, NULL, &f));
	assert_int_equal(o.models[0].artifact.files[0].size, 7);
	offer_free(&o);

	put("mlx/model.safetensors", "a");
	put("mlx/config.json", "{}");
	put("mlx/.hidden.json", "{}");
	put("mlx/README.md", "no");
	assert_true(read_offer(
	    a, RUNTIME("mlx") "{" MODEL "\"folder\":\"@/mlx\"}]}", &o, &f));
	assert_int_equal(o.models[0].artifact.count, 2);
	assert_string_equal(o.models[0].artifact.files[0].name, "config.json");
	offer_free(&o);

	put("ollama/blobs/"
	    "sha256-"
	    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
	    "a");
	put("ollama/manifests/registry.ollama.ai/library/tiny/1b",
	    "{\"layers\":[{\"mediaType\":\"application/"
	    "vnd.ollama.image.model\",\"digest\":\"sha256:"
	    "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
	    "\",\"size\":1},{\"mediaType\":\"application/"
	    "vnd.ollama.image.license\",\"digest\":\"sha256:00\"}]}");
	assert_true(read_offer(a,
	    RUNTIME("ollama") "{" MODEL "\"ollama\":\"tiny:1b\","
			      "\"ollama_models\":\"@/ollama\"}]}",
	    &o, &f));
	assert_int_equal(o.models[0].artifact.count, 1);
	assert_string_equal(o.models[0].runtime_name, "tiny:1b");
	offer_free(&o);

	assert_true(read_offer(a,
	    RUNTIME("cloud_bridge") "{" MODEL
				    "\"descriptor\":{\"model\":\"up\",\"base_"
				    "url\":\"https://x\","
				    "\"revision\":\"1\"}}]}",
	    &o, &f));
	assert_string_equal(o.models[0].runtime_name, "up");
	assert_true(o.models[0].artifact.files[0].hashed);
	artifact_digest(&o.models[0].artifact, one);
	offer_free(&o);
	/* another order of members, the same artifact */
	assert_true(read_offer(a,
	    RUNTIME("cloud_bridge") "{" MODEL
				    "\"descriptor\":{\"revision\":\"1\",\"base_"
				    "url\":\"https://x\","
				    "\"model\":\"up\"}}]}",
	    &o, &f));
	artifact_digest(&o.models[0].artifact, two);
	assert_memory_equal(one, two, 32);
	offer_free(&o);
	arena_free(&a);
}

static void
test_authorization(void **state)
{
	struct arena *a = arena_new();
	struct fault f = {0};
	struct offer o = {0};
	const char *said;
	char path[300];

	(void)state;
	snprintf(path, sizeof path, "%s/key", folder);
	assert_true(offer_authorization(&o, a, &said, &f));
	assert_null(said);
	o.api_key_file = path;
	assert_false(offer_authorization(&o, a, &said, &f));
	put("key", "sk-1\n");
	assert_true(offer_authorization(&o, a, &said, &f));
	assert_string_equal(said, "Bearer sk-1");
	put("key", "sk\x01\x7f\n");
	assert_false(offer_authorization(&o, a, &said, &f));
	assert_non_null(strstr(f.why, "its first line is no key"));
	arena_free(&a);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} rows[] = {
	    {"[]", ""},
	    {RUNTIME("vllm") "]}", "runtime.kind"},
	    {RUNTIME("llama.cpp") "],\"model\":1}", "no member \"model\""},
	    {RUNTIME("llama.cpp") "{" MODEL "\"files\":[]}]}", "files"},
	    {RUNTIME("llama.cpp") "{" MODEL "\"files\":[\"@/none\"]}]}",
		"No such file"},
	    {RUNTIME("llama.cpp") "{" MODEL "\"files\":[\"@\"]}]}",
		"not a regular file"},
	    {RUNTIME("llama.cpp") "{" MODEL "\"folder\":\"@\","
				  "\"ollama\":\"x\"}]}",
		"one of files"},
	    {RUNTIME("llama.cpp") "{" MODEL "\"descriptor\":{}}]}",
		"cloud_bridge"},
	    {RUNTIME("cloud_bridge") "{" MODEL "\"files\":[\"@/m.gguf\"]}]}",
		"cloud_bridge"},
	    {RUNTIME("ollama") "{" MODEL "\"ollama\":\"../../etc:x\","
			       "\"ollama_models\":\"@\"}]}",
		"not the name"},
	    {RUNTIME("llama.cpp") "{" MODEL "\"files\":[\"@/m.gguf\"]},{" MODEL
				  "\"files\":[\"@/m.gguf\"]}]}",
		"twice"},
	    {RUNTIME("llama.cpp") "],\"controls\":{\"window\":[]}}",
		"\"window\""},
	    {RUNTIME("llama.cpp") "],\"controls\":{\"max_concurrency\":0}}",
		"max_concurrency"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct arena *a = arena_new();
		struct fault f = {0};
		struct offer o;

		if (read_offer(a, rows[i].text, &o, &f))
			fail_msg("row %zu was taken", i);
		if (strstr(f.why, rows[i].says) == NULL)
			fail_msg("row %zu says: %s", i, f.why);
		arena_free(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_kind),
	    cmocka_unit_test(test_authorization),
	    cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
