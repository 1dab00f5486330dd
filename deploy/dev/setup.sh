# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing and nothing else: Debian packages, a Node 22 in the
# state folder when the system's is older, and the tests' npm packages.

packages=(
	build-essential ca-certificates ccache clang-14 clang-format clang-tidy
	cmake cppcheck curl libcbor-dev libclang-rt-14-dev libcmocka-dev
	libcurl4-openssl-dev libevent-dev libfuzzer-14-dev libhiredis-dev
	libjansson-dev libjwt-dev libnghttp2-dev libpq-dev libsecp256k1-dev
	libssl-dev libxmlsec1-dev libyaml-dev ninja-build openssl pkg-config
	postgresql-15 redis-server shellcheck util-linux uthash-dev
)
node_wanted=22
system_path=$PATH

# The system's npm runs on the system's node.
system_npm() {
	PATH=$system_path npm "$@"
}

npm_install() {
	system_npm install --no-save --loglevel=error --ignore-scripts \
		--omit=optional --no-audit --no-fund "$@"
}

missing_packages() {
	local package
	for package in "${packages[@]}"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null)" = installed ] || printf '%s\n' "$package"
	done
	have npm || printf 'nodejs\nnpm\n'
}

# Debian starts a service when its package is installed. This machine's own
# services are none of our business, so a refusing policy-rc.d stands in for
# the time of the installation, unless there is one already.
without_services() {
	local policy=/usr/sbin/policy-rc.d ours='' result=0

	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
		ours=yes
	fi
	"$@" || result=$?
	[ -z "$ours" ] || as_root rm -f $policy
	return $result
}

install_packages() {
	local wanted

	have apt-get || die "setup knows Debian's apt-get only; see" \
		"docs/development.md for the list of packages"
	mapfile -t wanted < <(missing_packages)
	[ ${#wanted[@]} -gt 0 ] || return 0
	step "installing ${#wanted[@]} Debian packages: ${wanted[*]}"
	as_root apt-get update -q
	without_services as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get install -q -y --no-install-recommends "${wanted[@]}" \
		</dev/null
}

node_major() {
	local version
	version=$("$1" --version 2>/dev/null) || return 1
	version=${version#v}
	printf '%s\n' "${version%%.*}"
}

node_architecture() {
	case $(uname -m) in
	x86_64) printf 'x64\n' ;;
	aarch64) printf 'arm64\n' ;;
	*) die "no Node package for $(uname -m)" ;;
	esac
}

# Puts the node to use first on PATH.
use_node() {
	local ours=$state/node/bin

	if [ -x "$ours/node" ]; then
		PATH=$ours:$PATH
	fi
	export PATH
}

install_node() {
	local package major

	use_node
	major=$(node_major node || printf '0\n')
	[ "$major" -lt $node_wanted ] || return 0
	package=node-linux-$(node_architecture)
	step "fetching Node $node_wanted (npm package $package)"
	mkdir -p "$state/node/bin"
	system_npm install --no-save --loglevel=error --ignore-scripts \
		--no-audit --no-fund --prefix "$state/node" "$package@$node_wanted" >&2
	ln -sf "../node_modules/$package/bin/node" "$state/node/bin/node"
	use_node
	hash -r
	say "node $(node --version)"
}

# npm writes node_modules/.package-lock.json last, so it is the stamp.
install_npm_packages() {
	[ node_modules/.package-lock.json -ot package-lock.json ] || return 0
	step "installing the tests' npm packages (the prebuilt llama.cpp is 85 MB)"
	# Not `npm ci`: it wants every optional platform package in the lock
	# file, which npm leaves out where it was written.
	if [ "$(uname -m)" = x86_64 ]; then
		npm_install >&2
	else
		npm_install --force >&2
		npm_install --force \
			"@node-llama-cpp/linux-$(node_architecture)" >&2
	fi
	touch node_modules/.package-lock.json
}

run_setup() {
	install_packages
	install_node
	install_npm_packages
}
