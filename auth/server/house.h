/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of one worker share; main.c fills it and takes it down. */
#ifndef AUTH_SERVER_HOUSE_H
#define AUTH_SERVER_HOUSE_H

#include "auth/device.h"
#include "auth/server/counters.h"
#include "auth/server/keys.h"
#include "auth/server/minted.h"
#include "auth/server/settings.h"
#include "auth/server/state.h"
#include "base/http.h"

struct house {
	struct loop *loop;
	struct log log;
	const struct auth_settings *settings;
	const struct state_paths *paths;
	const char *issuer;
	struct pg *pg;
	struct keys *keys;
	struct minted *minted;
	struct authority *device_ca;
	char *device_ca_pem;
	char *gateway_ca_pem; /* as devices are given it */
	struct counters *counters;
	unsigned gateways; /* links of the mint listener */
	bool is_draining;
};

#endif
