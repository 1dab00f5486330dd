/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event logs made here, event by event, with the registers they lead to; and
 * each way in which a log could tell two stories.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "attestation/dstack.h"
#include "base/codec.h"
#include "base/crypto.h"

#define APP "1111111111111111111111111111111111111111"
#define HASH "2222222222222222222222222222222222222222222222222222222222222222"
#define OTHER "3333333333333333333333333333333333333333333333333333333333333333"
#define BOOT "444444444444444444444444444444444444444444444444"
#define READY                                                                  \
	"{\"imr\":3,\"event_type\":134217729,\"digest\":\"\","                 \
	"\"event\":\"system-ready\",\"event_payload\":\"\"}"

struct maker {
	char text[8192];
	uint8_t rtmr[4][48];
};

static void
extend(uint8_t rtmr[48], const uint8_t digest[48])
{
	uint8_t both[96];

	memcpy(both, rtmr, 48);
	memcpy(both + 48, digest, 48);
	sha384(bytes_of(both, 96), rtmr);
}

static void
put(struct maker *m, const char *format, ...)
{
	size_t at = strlen(m->text);
	va_list args;

	m->text[at] = at == 0 ? '[' : ',';
	at++;
	va_start(args, format);
	vsnprintf(m->text + at, sizeof(m->text) - at, format, args);
	va_end(args);
}

/* A runtime event, its digest listed or left empty. */
static void
runtime(struct maker *m, const char *name, const char *payload, bool listed)
{
	uint8_t raw[1024] = {1, 0, 0, 8, ':'}, digest[48];
	char hex[HEX_SIZE(48)] = "";
	size_t n = 5, len;

	memcpy(raw + n, name, strlen(name));
	n += strlen(name);
	raw[n++] = ':';
	assert_true(
	    hex_decode(text_of(payload), raw + n, sizeof(raw) - n, &len));
	sha384(bytes_of(raw, n + len), digest);
	extend(m->rtmr[3], digest);
	if (listed)
		hex_encode(bytes_of(digest, 48), hex);
	put(m,
	    "{\"imr\":3,\"event_type\":134217729,\"digest\":\"%s\","
	    "\"event\":\"%s\",\"event_payload\":\"%s\"}",
	    hex, name, payload);
}

static void
boot(struct maker *m, unsigned imr, const char *hex)
{
	uint8_t digest[48] = {0};

	assert_true(hex_decode(text_of(hex), digest, 48, NULL));
	extend(m->rtmr[imr], digest);
	put(m,
	    "{\"imr\":%u,\"event_type\":2147483659,\"digest\":\"%s\","
	    "\"event\":\"\",\"event_payload\":\"00\"}",
	    imr, hex);
}

static void
platform(struct maker *m)
{
	memset(m, 0, sizeof(*m));
	boot(m, 0, BOOT BOOT);
	boot(m, 1, BOOT);
	boot(m, 2, BOOT BOOT);
	runtime(m, "app-id", APP, true);
	runtime(m, "compose-hash", HASH, false);
}

static bool
read_log(
    struct maker *m, struct arena *a, struct dstack_log *log, struct fault *f)
{
	size_t len = strlen(m->text);

	memcpy(m->text + len, "]", 2);
	return dstack_log_read(a, text_of(m->text), log, f);
}

static void
replay_reaches_all_registers(void **state)
{
	struct arena *a = arena_new();
	struct dstack_log log;
	struct maker m;
	struct fault f = {0};

	(void)state;
	platform(&m);
	runtime(&m, "system-ready", "", true);
	runtime(&m, "compose-hash", OTHER, true);
	runtime(&m, "a:b", "00", true);
	assert_true(read_log(&m, a, &log, &f));
	assert_true(dstack_log_reaches(&log, (const uint8_t(*)[48])m.rtmr, &f));
	assert_int_equal(log.events, 8);
	assert_int_equal(log.workload_events, 2);
	assert_int_equal(log.item[DSTACK_APP_ID].len, 20);
	assert_int_equal(log.item[DSTACK_COMPOSE_HASH].at[0], 0x22);
	assert_int_equal(log.item[DSTACK_OS_IMAGE_HASH].len, 0);
	m.rtmr[1][0] ^= 1;
	assert_false(
	    dstack_log_reaches(&log, (const uint8_t(*)[48])m.rtmr, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_non_null(strstr(f.why, "RTMR1"));
	arena_free(&a);
}

static void
refused(const char *more, bool ready, enum fault_kind kind, const char *why)
{
	struct arena *a = arena_new();
	struct dstack_log log;
	struct maker m;
	struct fault f = {0};

	platform(&m);
	if (more != NULL)
		put(&m, "%s", more);
	if (ready)
		put(&m, "%s", READY);
	assert_false(read_log(&m, a, &log, &f));
	assert_int_equal(f.kind, kind);
	if (strstr(f.why, why) == NULL)
		fail_msg("'%s' lacks '%s'", f.why, why);
	arena_free(&a);
}

#define EVENT(imr, type, digest, name, payload)                                \
	"{\"imr\":" #imr ",\"event_type\":" #type ",\"digest\":\"" digest      \
	"\",\"event\":\"" name "\",\"event_payload\":\"" payload "\"}"

static void
two_stories_are_refused(void **state)
{
	(void)state;
	refused(NULL, false, FAULT_NOT_FOUND, "no system-ready");
	refused(EVENT(3, 134217729, "", "compose-hash", OTHER), true,
	    FAULT_CONFLICT, "compose-hash stands twice");
	refused(EVENT(3, 134217729, "", "app-id", APP), true, FAULT_CONFLICT,
	    "app-id stands twice");
	refused(EVENT(3, 134217729, "", "os-image-hash:x", ""), true,
	    FAULT_CONFLICT, "with the name");
	refused(EVENT(3, 134217729, "", "", ""), true, FAULT_CONFLICT,
	    "with the name");
	refused(EVENT(3, 134217729, BOOT BOOT, "x", ""), true, FAULT_TAMPERED,
	    "not that of its payload");
	refused(EVENT(1, 134217729, "", "x", ""), true, FAULT_INVALID,
	    "in register 1");
	refused(EVENT(3, 2147483659, BOOT BOOT, "x", ""), true, FAULT_INVALID,
	    "in register 3");
	refused(EVENT(0, 2147483659, "", "x", ""), true, FAULT_INVALID,
	    "without digest");
}

static void
broken_events_are_refused(void **state)
{
	(void)state;
	refused(EVENT(4, 1, BOOT, "", ""), true, FAULT_INVALID, "imr");
	refused(EVENT(-1, 1, BOOT, "", ""), true, FAULT_INVALID, "imr");
	refused(EVENT(0, 4294967296, BOOT, "", ""), true, FAULT_INVALID,
	    "event_type");
	refused(
	    EVENT(0, 1, BOOT BOOT "00", "", ""), true, FAULT_INVALID, "digest");
	refused(EVENT(0, 1, "0g", "", ""), true, FAULT_INVALID, "digest");
	refused(
	    EVENT(3, 134217729, "", "x", "0"), true, FAULT_INVALID, "payload");
	refused(EVENT(3, 134217729, "", "os-image-hash", "00"), true,
	    FAULT_INVALID, "os-image-hash of 1 bytes");
	refused("7", true, FAULT_INVALID, "imr");
}

static void
compose_against_register_and_log(void **state)
{
	static const char compose[] = "{\"name\": \"demo\"}";
	struct arena *a = arena_new();
	uint8_t mr[48] = {1}, hash[32];
	char hex[HEX_SIZE(32)];
	struct dstack_log log;
	struct maker m = {.text = ""};
	struct fault f = {0};

	(void)state;
	sha256(bytes_of(compose, strlen(compose)), mr + 1);
	sha256(bytes_of(compose, strlen(compose)), hash);
	hex_encode(bytes_of(hash, 32), hex);
	runtime(&m, "compose-hash", hex, true);
	runtime(&m, "system-ready", "", true);
	assert_true(read_log(&m, a, &log, &f));
	assert_true(dstack_compose_check(&log, mr, text_of(compose), &f));
	assert_false(
	    dstack_compose_check(&log, mr, text_of("{\"name\":\"demo\"}"), &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	mr[47] = 1;
	assert_false(dstack_compose_check(&log, mr, text_of(compose), &f));
	mr[47] = 0;
	mr[0] = 2;
	assert_false(dstack_compose_check(&log, mr, text_of(compose), &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
	memset(mr, 0, sizeof(mr));
	assert_true(dstack_compose_check(&log, mr, text_of(compose), &f));
	assert_false(dstack_mr_config_compose(mr, text_of(compose), &f));
	arena_free(&a);
}

static void
base_registers_are_pinned_whole(void **state)
{
	struct dstack_base pinned[2] = {{.mrtd = {1}}, {.mrtd = {2}}};
	struct dstack_base seen = {.mrtd = {2}};
	struct fault f = {0};

	(void)state;
	pinned[0].rtmr[2][5] = 7;
	assert_true(dstack_base_is_pinned(&seen, pinned, 2, &f));
	seen.rtmr[2][5] = 7; /* of the other image */
	assert_false(dstack_base_is_pinned(&seen, pinned, 2, &f));
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_false(dstack_base_is_pinned(&seen, pinned, 0, &f));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(replay_reaches_all_registers),
	    cmocka_unit_test(two_stories_are_refused),
	    cmocka_unit_test(broken_events_are_refused),
	    cmocka_unit_test(compose_against_register_and_log),
	    cmocka_unit_test(base_registers_are_pinned_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
