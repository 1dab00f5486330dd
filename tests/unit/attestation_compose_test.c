/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to run an image that its file seems not to name: each must be refused
 * or be seen as what it is.
 */
#include "attestation/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DIGEST                                                                 \
	"1111111111111111111111111111111111111111111111111111111111111111"
#define GOOD "services:\n  g:\n    image: good@sha256:" DIGEST "\n"

static enum fault_kind
reads(const char *file, size_t *images, size_t *by_digest)
{
	struct arena *a = arena_new();
	struct compose *c = arena_alloc(a, sizeof(*c));
	struct fault f = {0};
	struct text digest;
	bool ok = compose_read(a, text_of(file), c, &f);

	*images = c->images;
	*by_digest = 0;
	for (size_t i = 0; ok && i < c->images; i++)
		*by_digest += compose_image_digest(c->image[i], &digest);
	arena_free(&a);
	assert_int_equal(ok, f.kind == FAULT_NONE);
	return f.kind;
}

static void
images_are_found(void **state)
{
	/* clang-format off */
	static const struct {
		const char *file;
		size_t images, by_digest;
	} cases[] = {
	    {GOOD, 1, 1},
	    {GOOD "  b:\n    'image': \"r.io:5/x/y:1@sha256:" DIGEST "\"\n"
		  "    environment: {include: '*', x: [1, 2]} # ok\n"
		  "configs:\n  c:\n    content: |\n      build: &x *y\n", 2, 2},
	    {"x-a: {b: c}\nservices: {}\nvolumes:\n  v:\n    image: z\n", 1, 0},
	    {"services:\n  a:\n    image: evil:1 # @sha256:" DIGEST, 1, 0},
	    {"services:\n  a:\n    image: evil${NO+@sha256:" DIGEST "}", 1, 0},
	    {"services:\n  a:\n    image: $X@sha256:" DIGEST, 1, 0},
	    {"services:\n  a:\n    image: " DIGEST, 1, 0},
	    {"services:\n  a:\n    image: '@sha256:" DIGEST "'", 1, 0},
	    {"services:\n  a:\n    image: x@sha256:" DIGEST "1", 1, 0},
	    {"services:\n  a:\n    image: a b@sha256:" DIGEST, 1, 0},
	    {"services:\n  a:\n    image: |\n      x@sha256:" DIGEST "\n",
		1, 0},
	    {"services:\n  a:\n    image: x\n      @sha256:" DIGEST "\n", 1, 0},
	    {GOOD "  a:\n    ? image\n    : evil:latest\n", 2, 1},
	};
	/* clang-format on */
	size_t images, by_digest;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(
		    reads(cases[i].file, &images, &by_digest), FAULT_NONE);
		assert_int_equal(images, cases[i].images);
		assert_int_equal(by_digest, cases[i].by_digest);
	}
}

static void
ambiguity_is_refused(void **state)
{
	static const char *const cases[] = {
	    GOOD "  a:\n    \"im\\x61ge\": evil\n",
	    GOOD "  a:\n    image\t: evil\n",
	    GOOD "  a:\n\timage: evil\n",
	    GOOD "  a:\r    image: evil\n",
	    GOOD "# \xc2\x85  a: {}\n",
	    GOOD "# \xe2\x80\xa8  a: {}\n",
	    "\xef\xbb\xbf" GOOD,
	    GOOD "    image: evil\n",
	    GOOD "    Image: evil\n",
	    GOOD "  g:\n    command: x\n",
	    GOOD "  a: {image: evil}\n",
	    GOOD "  a:\n    image: [evil]\n",
	    GOOD "  a:\n    build:\n      dockerfile_inline: FROM evil\n",
	    GOOD "    build: .\n",
	    GOOD "    extends: {file: other.yml, service: a}\n",
	    GOOD "    develop: {}\n",
	    GOOD "    provider:\n      type: model\n",
	    GOOD "    volumes:\n      - type: image\n        source: evil\n",
	    GOOD "    volumes:\n      - type: ${T}\n        source: evil\n",
	    GOOD "include:\n  - other.yml\n",
	    GOOD "models:\n  m: {model: evil}\n",
	    GOOD "x: &a\n  image: evil\n",
	    GOOD "    command: &a x\n",
	    GOOD "    command: !!str x\n",
	    GOOD "    command: !x [a]\n",
	    GOOD "  a:\n    <<: {image: evil}\n",
	    GOOD "  a: *g\n",
	    GOOD "  a: evil\n",
	    GOOD "  a:\n    - image: evil\n",
	    GOOD "  ? [a]\n  : {}\n",
	    GOOD "---\nservices: {}\n",
	    "%YAML 1.1\n---\n" GOOD,
	    "services: [a]\n",
	    "services:\n",
	    "- image: x\n",
	    "[[[[[[[[[[[[[[[[[[[[",
	};
	size_t images, by_digest;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		enum fault_kind k = reads(cases[i], &images, &by_digest);

		if (k != FAULT_UNSUPPORTED)
			fail_msg("case %zu: %d", i, (int)k);
	}
	assert_int_equal(
	    reads(GOOD "  a:\n    command: x\n", &images, &by_digest),
	    FAULT_NOT_FOUND);
	assert_int_equal(reads("", &images, &by_digest), FAULT_NOT_FOUND);
	assert_int_equal(reads("x-a: 'b", &images, &by_digest), FAULT_INVALID);
}

static void
sizes_are_bounded(void **state)
{
	struct arena *a = arena_new();
	struct compose *c = arena_alloc(a, sizeof(*c));
	char *file = arena_alloc(a, COMPOSE_FILE_MAX + 2);
	struct fault f = {0};
	size_t used = 0;

	(void)state;
	memset(file, 'a', COMPOSE_FILE_MAX + 1);
	assert_false(
	    compose_read(a, (struct text){file, COMPOSE_FILE_MAX + 1}, c, &f));
	assert_int_equal(f.kind, FAULT_LIMIT);
	for (int i = 0; i < 600; i++)
		used += (size_t)snprintf(file + used, 64, "x-%d: 1\n", i);
	assert_false(compose_read(a, (struct text){file, used}, c, &f));
	assert_non_null(strstr(f.why, "too many keys"));
	used = 0;
	for (int i = 0; i < 300; i++)
		used += (size_t)snprintf(file + used, 64,
		    "%s  s%d:\n    image: x\n", i == 0 ? "services:\n" : "", i);
	assert_false(compose_read(a, (struct text){file, used}, c, &f));
	assert_non_null(strstr(f.why, "too many images"));
	arena_free(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(images_are_found),
	    cmocka_unit_test(ambiguity_is_refused),
	    cmocka_unit_test(sizes_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
