# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Long-running processes, each known by a file $state/run/NAME.pid holding its
# process id and its start time, so that an id that the system has since given
# to somebody else is never taken for ours.

started_at() {
	local stat
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
	# The name in parentheses may hold blanks; count from behind it.
	stat=${stat##*) }
	# shellcheck disable=SC2086
	set -- $stat
	# A zombie has ended; only its parent has not looked yet.
	[ "$1" != Z ] || return 1
	printf '%s\n' "${20}"
}

remember() {
	mkdir -p "$state/run"
	printf '%s %s\n' "$2" "$(started_at "$2")" >"$state/run/$1.pid"
}

is_running() {
	local pid since
	[ -f "$state/run/$1.pid" ] || return 1
	read -r pid since <"$state/run/$1.pid" || return 1
	[ "$(started_at "$pid")" = "$since" ]
}

pid_of() {
	local pid rest
	read -r pid rest <"$state/run/$1.pid"
	: "$rest"
	printf '%s\n' "$pid"
}

# start NAME COMMAND...: in a session of its own, its output in the log.
start() {
	local name=$1
	shift

	mkdir -p "$state/run" "$state/log"
	setsid "$@" </dev/null >>"$state/log/$name.log" 2>&1 &
	remember "$name" $!
	disown
}

# stop NAME [SIGNAL]: asks, waits, and insists after ten seconds.
stop() {
	local name=$1 signal=${2:-TERM} pid tries=0

	if is_running "$name"; then
		pid=$(pid_of "$name")
		say "stopping $name ($pid)"
		signal_process "$signal" "$pid"
		while is_running "$name"; do
			tries=$((tries + 1))
			if [ $tries -eq 100 ]; then
				say "$name did not stop; killing it"
				signal_process KILL "$pid"
			fi
			sleep 0.1
		done
	fi
	rm -f "$state/run/$name.pid"
}

signal_process() {
	kill -s "$1" "$2" 2>/dev/null || as_root kill -s "$1" "$2" || true
}

# await NAME WHAT COMMAND...: until the command succeeds, while NAME runs.
await() {
	local name=$1 what=$2 tries=0
	shift 2

	until "$@" >/dev/null 2>&1; do
		if ! is_running "$name"; then
			tail -n 30 "$state/log/$name.log" >&2
			die "$name ended while waiting for $what" \
				"(log: $state/log/$name.log)"
		fi
		tries=$((tries + 1))
		if [ $tries -ge 600 ]; then
			tail -n 30 "$state/log/$name.log" >&2
			die "$name: no $what after 60 s (log:" \
				"$state/log/$name.log)"
		fi
		sleep 0.1
	done
}

# port NAME: a free port, chosen once and remembered.
port() {
	local file=$state/port/$1

	mkdir -p "$state/port"
	if [ ! -s "$file" ]; then
		node deploy/dev/free-port.mjs >"$file"
	fi
	cat "$file"
}
