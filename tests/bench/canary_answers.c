/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a gateway does with canaries, as a filter for canary.mjs:
 *
 *     bench_canary_answers ask COUNT MODEL PROMPTS   prints requests' bodies
 *     bench_canary_answers hold < PAIRS              compares pairs of answers
 *
 * A line of PAIRS is two bodies of answers with a tab between; for each there
 * is a line "agrees|disagrees|unread MEAN LEAST POSITIONS". The code that asks
 * and compares is the gateway's own.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "gateway/canary_answer.h"

static int
complain(const struct fault *f)
{
	fprintf(stderr, "%s\n", f->why);
	return 1;
}

/* Seeds as the database draws them: all bits count. */
static int64_t
seed_of(unsigned i)
{
	uint64_t z = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (int64_t)(z ^ z >> 31);
}

static int
ask(unsigned count, const char *model, const char *path)
{
	struct arena *a = arena_new();
	struct canary_prompts own;
	struct fault f;
	char *file;
	size_t len;

	if (!file_read(path, 1 << 24, &file, &len, &f) ||
	    !canary_prompts_read((struct text){file, len}, a, &own, &f)) {
		arena_free(&a);
		return complain(&f);
	}
	for (unsigned i = 0; i < count; i++) {
		const char *task = i % 2 == 0 ? "chat" : "completion";

		printf("%s\t%s\n", task,
		    canary_body(seed_of(i), task, model, &own, a));
	}
	mem_free(file);
	arena_free(&a);
	return 0;
}

static void
hold(char *line)
{
	char *tab = strchr(line, '\t');
	struct canary_answer x, y;
	struct canary_known known = {.did = "self", .workspace = "self"};
	struct canary_measure m;
	struct fault f;

	if (tab == NULL)
		return;
	*tab = '\0';
	if (!canary_read(text_of(line), &x, &f) ||
	    !canary_read(text_of(tab + 1), &y, &f)) {
		printf("unread 0 0 0\n");
		return;
	}
	/* As an offer is held against its own earlier answer. */
	known.answer = y;
	m = canary_compare(&x, &y);
	printf("%s %.4f %.4f %zu\n",
	    canary_judge(&x, "self", "self", &known, 1).verdict == CANARY_AGREES
		? "agrees"
		: "disagrees",
	    m.mean, m.least, m.positions);
}

int
main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;

	if (argc == 5 && strcmp(argv[1], "ask") == 0)
		return ask(
		    (unsigned)strtoul(argv[2], NULL, 10), argv[3], argv[4]);
	if (argc != 2 || strcmp(argv[1], "hold") != 0) {
		fprintf(stderr, "usage: %s ask COUNT MODEL PROMPTS | hold\n",
		    argv[0]);
		return 2;
	}
	while (getline(&line, &room, stdin) > 0)
		hold(line);
	free(line);
	return 0;
}
