/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings, alphabetical. */
#include "auth/server/settings.h"

#define S struct auth_settings

/* clang-format off */
const struct setting auth_settings_table[] = {
SETTING_ADDRESS("admin.listen", S, admin_listen, "127.0.0.1:9181",
    "Operators' listener: /healthz, /readyz, /metrics. Never public; with several workers, worker n takes the port plus n."),
SETTING_INT("database.connections", S, database_connections, 1, 64, "2",
    "Connections to Postgres, each worker's own."),
SETTING_STRING("database.listen_url", S, database_listen_url, "",
    "Postgres for LISTEN: direct, never through a pooler; not set: database.url."),
SETTING_STRING("database.url", S, database_url, "",
    "Postgres, as the role assay_auth."),
SETTING_DURATION("device.life", S, device_life, "30d",
    "How long a device's certificate is valid; it may renew after two thirds."),
SETTING_PATH("enrol.gateway_ca", S, enrol_gateway_ca, "",
    "PEM file that devices are given to know gateways' tunnels by; not set: gateway-ca.pem of the state folder."),
SETTING_LIST("enrol.tunnels", S, enrol_tunnels, "127.0.0.1:7443",
    "Tunnel addresses (host:port) that devices are given."),
SETTING_STRING("issuer", S, issuer, "",
    "iss of every token: the public URL of this server; not set: https:// and listen.address."),
SETTING_ADDRESS("listen.address", S, listen_address, "0.0.0.0:8443",
    "Public HTTPS: keys, enrolment, renewal, DID documents."),
SETTING_PATH("listen.certificate", S, listen_certificate, "",
    "PEM chain of the public listener; not set: a self-made one of the state folder."),
SETTING_LIST("listen.hosts", S, listen_hosts, "localhost,127.0.0.1,::1",
    "Names and addresses in the self-made certificates."),
SETTING_PATH("listen.key", S, listen_key, "",
    "Key of listen.certificate."),
SETTING_LEVEL("log.level", S, log_level, "info",
    "debug, info, warn or error."),
SETTING_PATH("mint.certificate", S, mint_certificate, "",
    "PEM chain of the mint listener; not set: a self-made one under the state folder's gateway CA."),
SETTING_PATH("mint.gateway_ca", S, mint_gateway_ca, "",
    "The CA whose client certificates are gateways; not set: gateway-ca.pem of the state folder."),
SETTING_PATH("mint.key", S, mint_key, "",
    "Key of mint.certificate."),
SETTING_ADDRESS("mint.listen", S, mint_listen, "127.0.0.1:7444",
    "Where gateways ask for handoffs: HTTP/2, mutual TLS."),
SETTING_SIZE("spool.bytes", S, spool_bytes, "1GiB",
    "Records of handoffs kept while Postgres is away; full: minting stops."),
SETTING_PATH("state.folder", S, state_folder, "/var/lib/assay-auth",
    "Signing keys, the device CA and the spool."),
SETTING_DURATION("timeouts.body", S, timeout_body, "10s",
    "From a request's head to the end of its body."),
SETTING_DURATION("timeouts.drain", S, timeout_drain, "10s",
    "How long requests under way may take after SIGTERM."),
SETTING_DURATION("timeouts.head", S, timeout_head, "10s",
    "From a connection or a request's first byte to the end of its head."),
SETTING_INT("workers", S, workers, 1, 16, "1",
    "Worker processes, each with its own listeners on the same addresses."),
};
/* clang-format on */
const size_t auth_settings_count =
    sizeof(auth_settings_table) / sizeof(*auth_settings_table);

bool
auth_settings_check(const struct auth_settings *s, struct fault *f)
{
	if (s->state_folder == NULL)
		return fault_set(
		    f, FAULT_INVALID_OPTION, "state.folder must be set");
	if ((s->listen_certificate == NULL) != (s->listen_key == NULL))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "listen.certificate and listen.key go together");
	if ((s->mint_certificate == NULL) != (s->mint_key == NULL))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "mint.certificate and mint.key go together");
	if (s->device_life < 60000)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "device.life must be a minute or more");
	return true;
}
