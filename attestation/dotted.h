/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions of numbers with dots between them, as makers write those of their
 * systems: "15.5", "26.0.1". Anything else is no version and reaches none.
 */
#ifndef ATTESTATION_DOTTED_H
#define ATTESTATION_DOTTED_H

#include "base/text.h"

/* One to eight numbers of at most nine digits. */
bool dotted_is(struct text t);
/* `seen` is at least `least`, number by number; a missing number counts as 0.
 * False where either is no version. */
bool dotted_reaches(struct text seen, struct text least);

#endif
