# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the script says, and how it becomes root or somebody else for a command.
# Words for people go to standard error; results go to standard output.

say() {
	printf '%s\n' "$*" >&2
}

step() {
	printf '== %s\n' "$*" >&2
}

die() {
	printf 'dev: %s\n' "$*" >&2
	exit 1
}

have() {
	command -v "$1" >/dev/null 2>&1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif have sudo; then
		sudo "$@"
	else
		die "this needs root, and sudo is not here: $*"
	fi
}
