# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# `up`: a whole Assay on this machine. Everything goes the ordinary way: the
# operator's command line, a one-time code, the daemon's own enrolment, the
# catalog. What has been made is kept in the state folder, so that the next `up`
# only starts processes.

demo_model=lovelace:assay-bigram-docs
demo_model_2=lovelace:assay-bigram-development
demo_programs=(provider-b provider-a runtime-b runtime-a gateway reputation auth
	redis postgres)

demo_build() {
	printf '%s/build/%s\n' "$root" "${ASSAY_DEMO_PRESET:-release}"
}

demo_admin_url() {
	postgres_url assay_admin
}

# The operator's command line on the demo's database.
operate() {
	ASSAY_DATABASE_URL=$(demo_admin_url) "$(demo_build)/assay" "$@"
}

# member NAME: a member of the JSON object on standard input.
member() {
	node -e 'let s = ""; process.stdin.on("data", (d) => s += d).on("end",
		() => console.log(JSON.parse(s)[process.argv[1]]))' "$1"
}

# once NAME FUNCTION...: does it, unless it was done in this state folder.
once() {
	local mark=$state/done/$1
	shift

	[ ! -e "$mark" ] || return 0
	mkdir -p "$state/done"
	"$@"
	: >"$mark"
}

# keep NAME: standard input into a file that only we may read.
keep() {
	mkdir -p "$state/keep"
	(umask 077 && cat >"$state/keep/$1")
}

kept() {
	cat "$state/keep/$1"
}

make_database() {
	psql_demo postgres -qc \
		'create role assay_admin login createrole' \
		-c 'alter database assay owner to assay_admin'
}

make_model() {
	local which=$1 name=$2
	shift 2

	[ ! -f "$state/models/$which.gguf" ] || return 0
	step "writing a model: $name"
	node tests/runtime/make-model.mjs "$name" \
		"$state/models/$which.gguf" "$@" >&2
}

make_models() {
	make_model a assay-bigram-docs README.md docs/getting-started-*.md
	make_model b assay-bigram-development docs/development.md \
		docs/tunnel.md CONTRIBUTING.md
}

make_accounts() {
	local all=() scope

	for scope in inference marketplace catalog:read usage:read streaming; do
		all+=(--scope "$scope")
	done
	step "making workspaces, accounts and keys"
	operate workspace create demo-a >/dev/null
	operate workspace create demo-b >/dev/null
	operate workspace create demo-buyer >/dev/null
	operate account create --workspace demo-a alice@a.example >/dev/null
	operate account create --workspace demo-buyer buyer@c.example >/dev/null
	operate key create --account alice@a.example --json |
		member key | keep api-key
	operate key create --account buyer@c.example --json |
		member key | keep buyer-key
	operate key create --account buyer@c.example "${all[@]}" \
		--scope workspace_only --json | member key | keep restricted-key
}

make_catalog() {
	step "filling the catalog: two models by the hashes of their files"
	add_model "$demo_model" a
	add_model "$demo_model_2" b
}

add_model() {
	operate catalog add --canonical "$1" --task chat --task completion \
		--task embedding --quantization F16 --runtime llama.cpp \
		--context-length 1024 --file "$state/models/$2.gguf" \
		>/dev/null
}

# write_config NAME: settings from standard input.
write_config() {
	mkdir -p "$state/etc"
	(umask 077 && cat >"$state/etc/$1.conf")
}

write_auth_config() {
	local pki=$state/pki

	write_config auth <<-END
		admin.listen = 127.0.0.1:$(port auth-admin)
		database.url = $(postgres_url assay_auth)
		listen.address = 127.0.0.1:$(port auth)
		listen.certificate = $pki/server.pem
		listen.key = $pki/server.key
		mint.listen = 127.0.0.1:$(port mint)
		mint.certificate = $pki/server.pem
		mint.key = $pki/server.key
		mint.gateway_ca = $pki/operator-ca.pem
		enrol.gateway_ca = $pki/operator-ca.pem
		enrol.tunnels = 127.0.0.1:$(port tunnel)
		issuer = https://127.0.0.1:$(port auth)
		state.folder = $state/auth
	END
}

write_gateway_config() {
	local pki=$state/pki

	write_config gateway <<-END
		admin.listen = 127.0.0.1:$(port admin)
		auth.ca = $pki/operator-ca.pem
		auth.certificate = $pki/gateway.pem
		auth.key = $pki/gateway.key
		auth.mint = 127.0.0.1:$(port mint)
		database.url = $(postgres_url assay_gateway)
		listen.http =
		listen.https = 127.0.0.1:$(port gateway)
		listen.certificate = $pki/server.pem
		listen.key = $pki/server.key
		redis.address = 127.0.0.1:$(port redis)
		state.folder = $state/gateway
		tunnel.listen = 127.0.0.1:$(port tunnel)
		tunnel.certificate = $pki/server.pem
		tunnel.key = $pki/server.key
		tunnel.device_ca = $state/auth/device-ca.pem
	END
}

write_reputation_config() {
	write_config reputation <<-END
		admin.listen = 127.0.0.1:$(port reputation)
		database.url = $(postgres_url assay_reputation)
	END
}

# write_provider_config WHICH MODEL
write_provider_config() {
	local which=$1 folder=$state/provider-$1

	(umask 077 && mkdir -p "$folder")
	write_config "provider-$which" <<-END
		auth.ca = $state/pki/operator-ca.pem
		auth.url = https://127.0.0.1:$(port auth)
		direct.listen = 127.0.0.1:$(port "direct-$which")
		direct.endpoints = https://127.0.0.1:$(port "direct-$which")
		gateway.ca = $state/pki/operator-ca.pem
		gateway.url = https://127.0.0.1:$(port gateway)
		offer.file = $folder/offer.json
		state.folder = $folder
	END
	cat >"$folder/offer.json" <<-END
		{
		  "runtime": {"kind": "llama.cpp",
		              "url": "http://127.0.0.1:$(port "runtime-$which")"},
		  "models": [{"canonical": "$2",
		              "tasks": ["chat", "completion", "embedding"],
		              "files": ["$state/models/$which.gguf"],
		              "quantization": "F16", "context_length": 1024}],
		  "controls": {"max_concurrency": 8}
		}
	END
}

start_server() {
	local name=$1
	shift

	is_running "$name" && return 0
	step "starting $name"
	: >"$state/log/$name.log"
	start "$name" "$@"
	await "$name" "event=ready" grep -q 'event=ready' \
		"$state/log/$name.log"
}

start_runtime() {
	local name=runtime-$1

	is_running "$name" && return 0
	step "starting $name (llama.cpp) on 127.0.0.1:$(port "$name")"
	: >"$state/log/$name.log"
	start "$name" node tests/runtime/server.mjs --name "assay-$1" \
		--model "$state/models/$1.gguf" --port "$(port "$name")"
	await "$name" "health" curl -sf "http://127.0.0.1:$(port "$name")/health"
}

enrol_provider() {
	local which=$1 workspace=$2 code

	code=$(operate code create --workspace "$workspace" \
		--name "demo-$which" --json | member code)
	step "enrolling provider $which into $workspace with a one-time code"
	"$(demo_build)/assay-provider" enrol \
		--auth "https://127.0.0.1:$(port auth)" --code "$code" \
		--state "$state/provider-$which" \
		--ca "$state/pki/operator-ca.pem" >&2
}

# A revoked device never comes back: its place in the demo is enrolled anew.
replace_revoked() {
	local which=$1 model=$2 folder=$state/provider-$1 status

	[ -f "$folder/identity.json" ] || return 0
	status=$(operate device show "$(member did <"$folder/identity.json")" \
		--json | member state)
	[ "$status" = revoked ] || return 0
	step "provider $which's device was revoked: making it a new one"
	stop "provider-$which"
	rm -rf "$folder" "$state/done/enrolled-$which"
	write_provider_config "$which" "$model"
}

# Admitted when the gateway has an accepted fingerprint of a live tunnel.
provider_is_admitted() {
	operate providers --json | grep "$1" >/dev/null
}

start_demo() {
	mkdir -p "$state/log"
	start_postgres
	once database make_database
	start_redis
	make_certificates
	make_models
	step "bringing the schema forward"
	operate migrate >&2
	once accounts make_accounts
	once catalog make_catalog
	write_auth_config
	write_gateway_config
	write_reputation_config
	write_provider_config a "$demo_model"
	write_provider_config b "$demo_model_2"
	start_server auth "$(demo_build)/assay-auth" \
		--config "$state/etc/auth.conf"
	start_server reputation "$(demo_build)/assay-reputation" \
		--config "$state/etc/reputation.conf"
	mkdir -p "$state/gateway"
	start_server gateway "$(demo_build)/assay-gateway" \
		--config "$state/etc/gateway.conf"
	start_runtime a
	start_runtime b
	replace_revoked a "$demo_model"
	replace_revoked b "$demo_model_2"
	once enrolled-a enrol_provider a demo-a
	once enrolled-b enrol_provider b demo-b
	start_server provider-a "$(demo_build)/assay-provider" run \
		--config "$state/etc/provider-a.conf"
	start_server provider-b "$(demo_build)/assay-provider" run \
		--config "$state/etc/provider-b.conf"
	await provider-a admission provider_is_admitted "$demo_model"
	await provider-b admission provider_is_admitted "$demo_model_2"
}

demo_is_up() {
	local name
	for name in "${demo_programs[@]}"; do
		is_running "$name" || return 1
	done
}

stop_demo() {
	local name
	for name in "${demo_programs[@]}"; do
		case $name in
		postgres) stop postgres INT ;;
		*) stop "$name" ;;
		esac
	done
}

# print_env CODE: what outside clients need.
print_env() {
	cat <<-END
		export ASSAY_URL=https://127.0.0.1:$(port gateway)
		export ASSAY_AUTH_URL=https://127.0.0.1:$(port auth)
		export ASSAY_JWKS_URL=https://127.0.0.1:$(port auth)/.well-known/jwks.json
		export ASSAY_ADMIN_URL=http://127.0.0.1:$(port admin)
		export ASSAY_TUNNEL=127.0.0.1:$(port tunnel)
		export ASSAY_CA=$state/pki/operator-ca.pem
		export ASSAY_DATABASE_URL=$(demo_admin_url)
		export ASSAY_MODEL=$demo_model
		export ASSAY_MODEL_2=$demo_model_2
		export ASSAY_API_KEY=$(kept api-key)
		export ASSAY_BUYER_KEY=$(kept buyer-key)
		export ASSAY_WORKSPACE_ONLY_KEY=$(kept restricted-key)
		export ASSAY_ENROL_CODE=$1
		export PATH=$(demo_build):\$PATH
	END
}

run_env() {
	use_node
	demo_is_up || die "nothing is up; run ./dev up --detach first"
	print_env "$(operate code create --workspace demo-b --json |
		member code)"
}

three_requests() {
	step "three requests"
	# shellcheck disable=SC1090
	(. <(print_env none) && node deploy/dev/three-requests.mjs)
}

run_up() {
	local detach='' began=''

	case ${1:-} in
	'') ;;
	--detach) detach=yes ;;
	*) die "up takes --detach or nothing" ;;
	esac
	run_setup
	build "${ASSAY_DEMO_PRESET:-release}" programs
	demo_is_up || began=yes
	if [ -n "$began" ] && [ -z "$detach" ]; then
		trap 'stop_demo; exit 130' INT TERM
	fi
	start_demo
	three_requests
	if [ -n "$detach" ]; then
		say "Assay is up. Next: eval \"\$(./dev env)\"; stop with ./dev down"
	elif [ -z "$began" ]; then
		say "it was up already and stays so; stop it with ./dev down"
	else
		say "Assay is up; in another shell: eval \"\$(./dev env)\". Ctrl-C stops it."
		while demo_is_up; do
			sleep 1 &
			wait $!
		done
		run_status
		stop_demo
		die "a program has ended by itself; the logs are in $state/log"
	fi
}

run_down() {
	local data='' made

	stop_demo
	if [ "${1:-}" = --erase ]; then
		[ ! -s "$state/postgres.path" ] ||
			data=$(cat "$state/postgres.path")
		case $data in
		"$state"/* | '') ;;
		/var/tmp/assay-postgres.*) as_root rm -rf "$data" ;;
		esac
		for made in run log keep done etc pki models auth gateway \
			provider-a provider-b port postgres redis postgres.path; do
			as_root rm -rf "${state:?}/$made"
		done
		say "erased $state"
	fi
}

run_status() {
	local name at

	for name in postgres redis auth reputation gateway runtime-a runtime-b \
		provider-a provider-b; do
		at=''
		case $name in
		provider-*) at=direct-${name#provider-} ;;
		*) at=$name ;;
		esac
		[ ! -s "$state/port/$at" ] ||
			at="127.0.0.1:$(cat "$state/port/$at")"
		if is_running "$name"; then
			printf '%-12s running %-8s %-22s %s\n' "$name" \
				"$(pid_of "$name")" "$at" \
				"$state/log/$name.log"
		else
			printf '%-12s stopped\n' "$name"
		fi
	done
}
