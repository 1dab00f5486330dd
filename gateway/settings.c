/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table, alphabetical, because that is how a reader looks a name up;
 * --help, the manual's table and the example file are printed from it.
 */
#include "gateway/settings.h"

#include "gateway/canary_answer.h"

#define S struct settings
#define WORDS_(x) #x
#define WORDS(x) WORDS_(x)

/* clang-format off */
const struct setting settings_table[] = {
SETTING_ADDRESS("admin.listen", S, admin_listen, "127.0.0.1:9180",
    "Where health, metrics and the operator's views are served; never public."),
SETTING_PATH("attestation.folder", S, attestation_folder, "",
    "Collateral from files, named as docs/attestation.md says; unset: none."),
SETTING_STRING("attestation.kds_url", S, attestation_kds,
    "https://kdsintf.amd.com", "AMD's certificates and lists; empty: never."),
SETTING_STRING("attestation.nras_url", S, attestation_nras,
    "https://nras.attestation.nvidia.com", "Keys of NVIDIA's service."),
SETTING_STRING("attestation.nvidia_crl_url", S, attestation_nvidia_crl,
    "https://crl.ndis.nvidia.com/crl", "Folder of NVIDIA's revocation lists."),
SETTING_STRING("attestation.nvidia_ocsp_url", S, attestation_nvidia_ocsp,
    "https://ocsp.ndis.nvidia.com", "NVIDIA's OCSP responder; empty: never."),
SETTING_STRING("attestation.pcs_root_crl", S, attestation_pcs_root,
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
    "The list of Intel's root CA, in DER."),
SETTING_STRING("attestation.pcs_url", S, attestation_pcs,
    "https://api.trustedservices.intel.com",
    "Intel's provisioning certification service, or a cache of it."),
SETTING_DURATION("attestation.refresh", S, attestation_refresh, "12h",
    "Collateral older than this is fetched anew, ahead of need."),
SETTING_STRING("attestation.rim_url", S, attestation_rim,
    "https://rim.attestation.nvidia.com", "NVIDIA's signed manifests."),
#ifdef ASSAY_TEST_BUILD
SETTING_PATH("attestation.test_root", S, attestation_test_root, "",
    "PEM roots in the place of the makers': of test builds alone."),
#endif
SETTING_DURATION("attestation.within", S, attestation_within, "20s",
    "Patience with one answer of a collateral service."),
SETTING_PATH("auth.ca", S, auth_ca, "",
    "PEM anchors that assay-auth's mint certificate must chain to."),
SETTING_PATH("auth.certificate", S, auth_certificate, "",
    "PEM chain by which this gateway is known to assay-auth."),
SETTING_PATH("auth.key", S, auth_key, "",
    "PEM private key of auth.certificate."),
SETTING_ADDRESS("auth.mint", S, auth_mint, "127.0.0.1:7444",
    "The mint listener of assay-auth."),
SETTING_STRING("auth.name", S, auth_name, "",
    "Name that the mint's certificate must carry; unset: its chain is enough."),
SETTING_INT("canary.per_day", S, canary_per_day, 0, 86400,
    WORDS(CANARY_PER_DAY),
    "Audits of an offer a day, over all gateways, at random times; 0: none."),
SETTING_PATH("canary.prompts", S, canary_prompts, "",
    "Audits' prompts, one a line, the same for every gateway; unset: ours."),
SETTING_INT("database.connections", S, database_connections, 1, 64, "2",
    "Connections to Postgres of each worker, beside those that listen and keep"
    " feedback."),
SETTING_STRING("database.listen_url", S, database_listen_url, "",
    "Direct connection for LISTEN, past any pooler; unset: database.url."),
SETTING_STRING("database.url", S, database_url, "",
    "Postgres, as a libpq URI or keywords; the role is assay_gateway."),
SETTING_STRING("gateway.id", S, gateway_id, "assay",
    "Name of the installation, told to daemons."),
SETTING_STRING("gateway.instance", S, gateway_instance, "gw-1",
    "Name of this gateway, unique among its siblings and kept over restarts."),
SETTING_INT("gateway.instances", S, gateway_instances, 1, 10000, "1",
    "How many gateways there are, told to daemons."),
SETTING_DURATION("keys.fresh", S, keys_fresh, "60s",
    "How long an API key is believed without asking Postgres again."),
SETTING_INT("keys.kept", S, keys_kept, 100, 10000000, "100000",
    "How many API keys are kept in memory at most."),
SETTING_INT("ledger.batch", S, ledger_batch, 1, 5000, "500",
    "Outcomes written to Postgres at once, at most."),
SETTING_DURATION("ledger.flush", S, ledger_flush, "200ms",
    "How long an outcome waits for others before it is written."),
SETTING_SIZE("limits.body", S, limits_body, "32MiB",
    "Largest request body."),
SETTING_INT("limits.concurrency", S, limits_concurrency, 1, 1000000, "10000",
    "Requests under way in a worker; more are answered overloaded."),
SETTING_INT("limits.connections", S, limits_connections, 1, 1000000, "10000",
    "Open buyer connections of a worker."),
SETTING_INT("limits.key_concurrency", S, limits_key_concurrency, 1, 1000000,
    "256", "Requests of one API key under way, where the key says nothing."),
SETTING_INT("limits.key_rate", S, limits_key_rate, 1, 100000000, "6000",
    "Requests a minute of one API key, where the key says nothing."),
SETTING_INT("limits.tries", S, limits_tries, 1, 8, "3",
    "Providers tried for one request, at most."),
SETTING_PATH("listen.certificate", S, listen_certificate, "",
    "PEM chain for listen.https."),
SETTING_ADDRESS("listen.http", S, listen_http, "127.0.0.1:8080",
    "Where buyers are served in the clear, behind a balancer; unset: not."),
SETTING_ADDRESS("listen.https", S, listen_https, "",
    "Where buyers are served over TLS; unset: not."),
SETTING_PATH("listen.key", S, listen_key, "",
    "PEM private key of listen.certificate."),
SETTING_LEVEL("log.level", S, log_level, "info",
    "Least level that is logged: debug, info, warn, error."),
SETTING_SIZE("private.held", S, private_held, "256MiB",
    "Private answers that a worker holds, or that buyers have not taken;"
    " beyond it is overloaded."),
SETTING_ADDRESS("redis.address", S, redis_address, "",
    "Not used yet: each gateway keeps presence and limits in its memory."),
SETTING_INT("route.newcomer_samples", S, route_newcomer_samples, 0, 1000000,
    "120", "An offer with less evidence of delivery (events, halved every seven"
    " days) is a newcomer."),
SETTING_INT("route.newcomer_share", S, route_newcomer_permille, 0, 1000, "50",
    "Of 1,000 requests that ask for no tier and no proof, how many go to"
    " newcomers."),
SETTING_PATH("state.folder", S, state_folder, "/var/lib/assay-gateway",
    "Where outcomes wait for Postgres."),
SETTING_DURATION("timeouts.auth", S, timeout_auth, "3s",
    "Patience for knowing a buyer."),
SETTING_DURATION("timeouts.body", S, timeout_body, "60s",
    "From the end of a request's head to the end of its body."),
SETTING_DURATION("timeouts.drain", S, timeout_drain, "30s",
    "How long requests under way may go on after SIGTERM."),
SETTING_DURATION("timeouts.first_byte", S, timeout_first_byte, "60s",
    "Until a provider's first byte, where the buyer says nothing; a lack of it"
    " sooner is held against nobody."),
SETTING_DURATION("timeouts.first_byte_most", S, timeout_first_byte_most, "10m",
    "The most that a buyer may ask for."),
SETTING_DURATION("timeouts.first_byte_whole", S, timeout_first_byte_whole, "5m",
    "timeouts.first_byte of an answer that is not streamed: it has its first"
    " byte when all of it is made."),
SETTING_DURATION("timeouts.head", S, timeout_head, "10s",
    "From a connection's or request's first byte to the end of its head."),
SETTING_DURATION("timeouts.hello", S, timeout_hello, "30s",
    "Patience for a daemon's statement."),
SETTING_DURATION("timeouts.idle", S, timeout_idle, "75s",
    "How long a buyer's connection may rest between requests."),
SETTING_DURATION("timeouts.keepalive", S, timeout_keepalive, "15s",
    "Silence in an event stream after which a comment is sent."),
SETTING_DURATION("timeouts.mint", S, timeout_mint, "3s",
    "Patience for a handoff."),
SETTING_DURATION("timeouts.stall", S, timeout_stall, "60s",
    "Silence in an answer that has begun, where the buyer says nothing; less is"
    " held against nobody."),
SETTING_DURATION("timeouts.stall_most", S, timeout_stall_most, "10m",
    "The most that a buyer may ask for."),
SETTING_DURATION("timeouts.total", S, timeout_total, "10m",
    "A whole request, where the buyer says nothing."),
SETTING_DURATION("timeouts.total_most", S, timeout_total_most, "1h",
    "The most that a buyer may ask for."),
SETTING_PATH("tunnel.certificate", S, tunnel_certificate, "",
    "PEM chain that daemons verify against the gateway CA."),
SETTING_PATH("tunnel.device_ca", S, tunnel_ca, "",
    "PEM anchors of the device CA."),
SETTING_PATH("tunnel.key", S, tunnel_key, "",
    "PEM private key of tunnel.certificate."),
SETTING_INT("tunnel.links", S, tunnel_links, 1, 1000000, "10000",
    "Open tunnels of a worker."),
SETTING_ADDRESS("tunnel.listen", S, tunnel_listen, "0.0.0.0:7443",
    "Where daemons dial in."),
SETTING_STRING("tunnel.proxy_from", S, tunnel_proxy_from, "",
    "Networks whose connections must begin with a PROXY v2 header."),
SETTING_DURATION("tunnel.reprobe_least", S, tunnel_reprobe_least, "5m",
    "Least time between two looks at a daemon."),
SETTING_DURATION("tunnel.reprobe_most", S, tunnel_reprobe_most, "15m",
    "Most time between two looks at a daemon."),
SETTING_INT("workers", S, workers, 1, 64, "1",
    "Worker processes, each with its own listeners on the same addresses."),
};
/* clang-format on */
const size_t settings_count = sizeof(settings_table) / sizeof(*settings_table);

bool
settings_check(const struct settings *s, struct fault *f)
{
	const struct {
		const char *name;
		const char *value;
	} needed[] = {{"auth.ca", s->auth_ca},
	    {"auth.certificate", s->auth_certificate},
	    {"auth.key", s->auth_key}, {"database.url", s->database_url},
	    {"tunnel.certificate", s->tunnel_certificate},
	    {"tunnel.device_ca", s->tunnel_ca}, {"tunnel.key", s->tunnel_key}};

	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (needed[i].value == NULL)
			return fault_set(f, FAULT_INVALID_OPTION,
			    "%s must be set", needed[i].name);
	if (s->listen_http == NULL && s->listen_https == NULL)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "one of listen.http and listen.https must be set");
	if (s->listen_https != NULL &&
	    (s->listen_certificate == NULL || s->listen_key == NULL))
		return fault_set(f, FAULT_INVALID_OPTION,
		    "listen.https needs listen.certificate and listen.key");
	if (s->tunnel_reprobe_least > s->tunnel_reprobe_most)
		return fault_set(f, FAULT_INVALID_OPTION,
		    "tunnel.reprobe_least is more than tunnel.reprobe_most");
	return true;
}

struct query_bounds
settings_bounds(const struct settings *s)
{
	struct query_bounds b = {
	    .least = {100, 100, 100},
	    .most = {s->timeout_first_byte_most, s->timeout_stall_most,
		s->timeout_total_most},
	    .otherwise = {s->timeout_first_byte, s->timeout_stall,
		s->timeout_total},
	    .whole_ms = s->timeout_first_byte_whole,
	};

	return b;
}
