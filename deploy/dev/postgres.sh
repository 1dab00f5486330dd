# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A private PostgreSQL and Redis on 127.0.0.1, apart from any of the system's.
# Postgres refuses to run as root, so root lends it to another user.

postgres_bin=/usr/lib/postgresql/15/bin

postgres_user() {
	if id -u postgres >/dev/null 2>&1; then
		printf 'postgres\n'
	else
		printf 'nobody\n'
	fi
}

as_postgres() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid="$(postgres_user)" --init-groups \
			--regid="$(id -g "$(postgres_user)")" -- \
			env HOME=/ "$@"
	else
		"$@"
	fi
}

# The cluster's folder. A state folder below a home that the other user may not
# enter cannot hold it; then it lies in /var/tmp, and the path is remembered.
postgres_data() {
	local file=$state/postgres.path folder

	if [ ! -s "$file" ]; then
		folder=$state/postgres
		mkdir -p "$folder"
		if [ "$(id -u)" -eq 0 ]; then
			chown "$(postgres_user)" "$folder"
			if ! as_postgres test -w "$folder" 2>/dev/null; then
				rmdir "$folder"
				folder=$(mktemp -d /var/tmp/assay-postgres.XXXXXX)
				chown "$(postgres_user)" "$folder"
			fi
		fi
		printf '%s\n' "$folder" >"$file"
	fi
	cat "$file"
}

postgres_url() {
	printf 'postgresql://%s@127.0.0.1:%s/assay\n' "$1" "$(port postgres)"
}

start_postgres() {
	local data
	data=$(postgres_data)

	is_running postgres && return 0
	if [ ! -f "$data/PG_VERSION" ]; then
		step "making a private Postgres in $data"
		(cd / && as_postgres "$postgres_bin/initdb" -D "$data" \
			-U postgres --auth=trust --encoding=UTF8 \
			--locale=C.UTF-8 --no-sync >/dev/null)
	fi
	step "starting Postgres on 127.0.0.1:$(port postgres)"
	start_as_postgres "$data"
	await postgres "connection" "$postgres_bin/pg_isready" -q \
		-h 127.0.0.1 -p "$(port postgres)"
	if ! psql_demo postgres -tAc \
		"select 1 from pg_database where datname = 'assay'" |
		grep -q 1; then
		psql_demo postgres -qc 'create database assay'
	fi
}

start_as_postgres() {
	local options=(-D "$1" -h 127.0.0.1 -p "$(port postgres)"
		-c unix_socket_directories= -c shared_buffers=64MB -c max_connections=60
		-c log_min_messages=warning)

	mkdir -p "$state/log"
	if [ "$(id -u)" -eq 0 ]; then
		start postgres setpriv --reuid="$(postgres_user)" \
			--regid="$(id -g "$(postgres_user)")" --init-groups -- \
			"$postgres_bin/postgres" "${options[@]}"
	else
		start postgres "$postgres_bin/postgres" "${options[@]}"
	fi
}

psql_demo() {
	local database=$1
	shift

	psql -X -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(port postgres)" \
		-U postgres -d "$database" "$@"
}

start_redis() {
	is_running redis && return 0
	step "starting Redis on 127.0.0.1:$(port redis)"
	mkdir -p "$state/redis"
	start redis redis-server --bind 127.0.0.1 --port "$(port redis)" \
		--dir "$state/redis" --save '' --appendonly no
	await redis "connection" redis-cli -h 127.0.0.1 \
		-p "$(port redis)" ping
}
