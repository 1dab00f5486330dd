/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources of evidence against simulated devices: dstack's agent on a socket
 * of the test's own, a folder laid out like configfs-tsm, and what is asked
 * of none. A source that fails is a fault and never half a bundle.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attestation/binding.h"
#include "base/codec.h"
#include "base/file.h"
#include "base/json.h"
#include "provider/evidence.h"

struct scene {
	char folder[64];
	char path[128];
	pid_t child;
};

static int
start(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	memcpy(s->folder, "/tmp/assay-evidence-XXXXXX", 27);
	assert_non_null(mkdtemp(s->folder));
	*state = s;
	return 0;
}

static int
end(void **state)
{
	struct scene *s = *state;
	char command[160];

	if (s->child > 0) {
		kill(s->child, SIGKILL);
		waitpid(s->child, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", s->folder);
	assert_int_equal(system(command), 0);
	free(s);
	return 0;
}

static void
answer(int fd, const char *quote)
{
	char request[8192];
	const char *body;
	ssize_t n = read(fd, request, sizeof(request) - 1);

	if (n <= 0)
		return;
	request[n] = '\0';
	body = strstr(request, "POST /Info") == request
		   ? "{\"tcb_info\":\"{\\\"app_compose\\\":\\\"services: "
		     "{}\\\"}\"}"
		   : quote;
	dprintf(fd, "HTTP/1.0 %s\r\ncontent-type: application/json\r\n\r\n%s",
	    body != NULL ? "200 OK" : "500 No", body != NULL ? body : "");
}

/* An agent that gives this to GetQuote; NULL: it fails. */
static void
agent(struct scene *s, const char *quote)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(s->path, sizeof(s->path), "%s/dstack.sock", s->folder);
	memcpy(at.sun_path, s->path, strlen(s->path) + 1);
	assert_int_equal(
	    bind(fd, (const struct sockaddr *)(const void *)&at, sizeof(at)),
	    0);
	assert_int_equal(listen(fd, 4), 0);
	s->child = fork();
	if (s->child == 0)
		for (;;) {
			int one = accept(fd, NULL, NULL);

			answer(one, quote);
			close(one);
		}
	close(fd);
}

static json_t *
ask(const struct evidence_settings *settings, struct fault *f)
{
	struct evidence_question q = {.settings = settings};

	memset(q.report_data, 0x5a, sizeof(q.report_data));
	return evidence_items(&q, f);
}

static void
test_dstack(void **state)
{
	struct scene *s = *state;
	struct evidence_settings settings = {.dstack = s->path};
	struct fault f = {0};
	const json_t *log;
	json_t *items;

	agent(s, "{\"quote\":\"040002\",\"event_log\":\"[{\\\"imr\\\":3}]\"}");
	items = ask(&settings, &f);
	if (items == NULL)
		fail_msg("%s", f.why);
	assert_int_equal(json_array_size(items), 2);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(items, 0), "quote")),
	    "BAAC");
	log = json_array_get(items, 1);
	assert_string_equal(
	    json_string_value(json_object_get(log, "kind")), "dstack");
	assert_string_equal(
	    json_string_value(json_object_get(log, "app_compose")),
	    "services: {}");
	assert_int_equal(json_array_size(json_object_get(log, "event_log")), 1);
	json_free(&items);
}

static void
dstack_fails(struct scene *s, const char *quote, const char *why)
{
	struct evidence_settings settings = {.dstack = s->path};
	struct fault f = {0};

	agent(s, quote);
	assert_null(ask(&settings, &f));
	assert_string_equal(f.why, why);
}

static void
test_dstack_refuses(void **state)
{
	dstack_fails(*state, NULL, "dstack: GetQuote was refused");
}

static void
test_dstack_is_hostile(void **state)
{
	dstack_fails(*state, "{\"quote\":\"xx\",\"event_log\":\"[]\"}",
	    "dstack: no quote in hex");
}

static void
test_dstack_is_away(void **state)
{
	struct evidence_settings settings = {
	    .dstack = "/nonexistent/dstack.sock"};
	struct fault f = {0};

	(void)state;
	assert_null(ask(&settings, &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
}

static void
put(const struct scene *s, const char *name, const char *bytes, size_t len)
{
	char path[256];
	struct fault f;

	snprintf(path, sizeof(path), "%s/assay/%s", s->folder, name);
	assert_true(file_write(path, bytes, len, 0600, &f));
}

/* The certificate table of a SEV guest: one row, then the row of zeros. */
static size_t
table(uint8_t out[52])
{
	static const uint8_t vcek[16] = {0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64,
	    0x45, 0x64, 0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd};

	memset(out, 0, 52);
	memcpy(out, vcek, 16);
	out[16] = 48;
	out[20] = 4;
	memcpy(out + 48, "leaf", 4);
	return 52;
}

static void
test_tsm_of_amd(void **state)
{
	struct scene *s = *state;
	struct evidence_settings settings = {.tsm = s->folder};
	struct fault f = {0};
	const json_t *item;
	uint8_t aux[52];
	char path[128];
	json_t *items;

	snprintf(path, sizeof(path), "%s/assay", s->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	put(s, "inblob", "", 0);
	put(s, "outblob", "report", 6);
	put(s, "provider", "sev_guest\n", 10);
	put(s, "generation", "1\n", 2);
	put(s, "auxblob", (const char *)aux, table(aux));
	items = ask(&settings, &f);
	if (items == NULL)
		fail_msg("%s", f.why);
	item = json_array_get(items, 0);
	assert_string_equal(
	    json_string_value(json_object_get(item, "kind")), "snp");
	assert_string_equal(
	    json_string_value(json_object_get(item, "report")), "cmVwb3J0");
	assert_string_equal(json_string_value(json_array_get(
				json_object_get(item, "certificates"), 0)),
	    "bGVhZg==");
	json_free(&items);
	put(s, "provider", "arm_cca\n", 8);
	assert_null(ask(&settings, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
}

static void
test_tsm_is_missing(void **state)
{
	struct evidence_settings settings = {.tsm = "/nonexistent/report"};
	struct fault f = {0};

	(void)state;
	assert_null(ask(&settings, &f));
	assert_int_equal(f.kind, FAULT_SYSTEM);
}

static void
test_nvml_is_missing(void **state)
{
	struct evidence_settings settings = {.nvml = "/nonexistent/nvml.so"};
	struct fault f = {0};

	(void)state;
	assert_null(ask(&settings, &f));
	assert_int_equal(f.kind, FAULT_UNAVAILABLE);
}

struct hearing {
	struct loop *loop;
	json_t *bundle;
	struct fault fault;
};

static void
on_bundle(void *arg, json_t *bundle, const struct fault *f)
{
	struct hearing *h = arg;

	h->bundle = bundle;
	if (f != NULL)
		h->fault = *f;
	loop_stop(h->loop);
}

/* Through the child: what a gateway is told of the binding. */
static void
test_bundle(void **state)
{
	struct scene *s = *state;
	struct evidence_settings settings = {.dstack = s->path};
	struct evidence_binding b = {.did = "did:assay:z1",
	    .spki = bytes_of("spki", 4),
	    .signing_key = bytes_of("12345678901234567890", 20),
	    .signing_address = "0x31"};
	struct hearing h = {.loop = loop_new()};

	agent(s, "{\"quote\":\"040002\",\"event_log\":\"[]\"}");
	assert_non_null(evidence_ask(h.loop, &settings, &b, on_bundle, &h));
	loop_run(h.loop);
	if (h.bundle == NULL)
		fail_msg("%s", h.fault.why);
	assert_string_equal(
	    json_string_value(json_object_get(h.bundle, "binding")), "assay");
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(h.bundle, "bound"), "did")),
	    "did:assay:z1");
	assert_int_equal(
	    json_array_size(json_object_get(h.bundle, "items")), 2);
	json_free(&h.bundle);
	loop_free(&h.loop);
}

/* A source that never answers is ended, and its asker told. */
static void
test_patience(void **state)
{
	struct scene *s = *state;
	struct evidence_settings settings = {.tsm = s->folder, .within_ms = 50};
	struct evidence_binding b = {.did = "d", .signing_address = "0x"};
	struct hearing h = {.loop = loop_new()};
	char path[160];

	snprintf(path, sizeof(path), "%s/assay", s->folder);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/assay/inblob", s->folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_non_null(evidence_ask(h.loop, &settings, &b, on_bundle, &h));
	loop_run(h.loop);
	assert_null(h.bundle);
	assert_int_equal(h.fault.kind, FAULT_TIMEOUT);
	loop_free(&h.loop);
}

#define SCENE(t) cmocka_unit_test_setup_teardown(t, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    SCENE(test_dstack),
	    SCENE(test_dstack_refuses),
	    SCENE(test_dstack_is_hostile),
	    SCENE(test_dstack_is_away),
	    SCENE(test_tsm_of_amd),
	    SCENE(test_tsm_is_missing),
	    SCENE(test_nvml_is_missing),
	    SCENE(test_bundle),
	    SCENE(test_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
