/* SPDX-License-Identifier: Apache-2.0 */
/*
 * assay-provider doctor: every thing a daemon needs, looked at in order, with
 * what to do about what is missing.
 */
#ifndef PROVIDER_DOCTOR_H
#define PROVIDER_DOCTOR_H

#include "base/log.h"
#include "provider/settings.h"

/* Prints a line a check; returns 0 where all hold, else 1. */
int doctor_run(const struct provider_settings *s, const struct log *log);
#endif
