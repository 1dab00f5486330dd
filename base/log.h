/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line, key=value, to standard error (journald or a file takes it from
 * there). INFO: one wide line per exchange and tunnel, and lifecycle. WARN:
 * we coped. ERROR: someone must act. Never keys, tokens, evidence, prompts.
 * Values are quoted and escaped where they need it: they may be hostile.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG_, LOG_INFO_, LOG_WARN_, LOG_ERROR_ };

/* Who is speaking: "program=assay-gateway worker=0"; a copy may be extended
 * for whoever works for it with log_child. A plain value. */
struct log {
	enum log_level least;
	char prefix[256];
};

void log_init(struct log *l, const char *program, enum log_level least);
bool log_level_of(const char *name, enum log_level *out); /* debug|info|… */
/* parent's prefix with " name=value" added (left off where it does not fit).
 */
struct log log_child(
    const struct log *parent, const char *name, const char *value);

/* One name=value of a line, made by LOG_STR and LOG_INT below; an array ends
 * with LOG_END_. */
struct log_field {
	enum { LOG_END_, LOG_STR_, LOG_I64_ } type;
	const char *name;
	const char *str;
	int64_t i64;
};
#define LOG_STR(n, v) ((struct log_field){LOG_STR_, (n), (v), 0})
#define LOG_INT(n, v) ((struct log_field){LOG_I64_, (n), 0, (int64_t)(v)})
void log_fields(const struct log *l, enum log_level level, const char *event,
    const struct log_field *fields);
/* log_info(l, "listening", LOG_STR("address", a), LOG_INT("port", 1)); the
 * event leads the array so that it is never empty, and is stepped over. */
#define LOG_ARGS_(event, ...)                                                  \
	(((const struct log_field[]){                                          \
	     LOG_STR("event", event), ##__VA_ARGS__, {LOG_END_, 0, 0, 0}}) +   \
	    1)
#define log_debug(l, event, ...)                                               \
	log_fields(l, LOG_DEBUG_, event, LOG_ARGS_(event, ##__VA_ARGS__))
#define log_info(l, event, ...)                                                \
	log_fields(l, LOG_INFO_, event, LOG_ARGS_(event, ##__VA_ARGS__))
#define log_warn(l, event, ...)                                                \
	log_fields(l, LOG_WARN_, event, LOG_ARGS_(event, ##__VA_ARGS__))
#define log_error(l, event, ...)                                               \
	log_fields(l, LOG_ERROR_, event, LOG_ARGS_(event, ##__VA_ARGS__))

#endif
