# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests and counts them. Each part adds a line to the table; the sum is
# the last line of the output, and the exit status is zero only without failure.

fuzz_seconds=${ASSAY_FUZZ_SECONDS:-24}

# count PART PASSED FAILED SKIPPED
count() {
	printf '%s %s %s %s\n' "$@" >>"$counts"
	say "-- $1: $2 passed, $3 failed, $4 skipped"
}

# Each cmocka test counts; a program that fails without naming a test (it was
# killed, or its memory was not in order at the end) counts as one failure.
test_unit() {
	local log=build/asan/tests/Testing/Temporary/LastTest.log

	build asan unit_tests || count build 0 1 0
	step "unit tests"
	rm -f "$log"
	ctest --test-dir build/asan/tests -j "$jobs" --timeout 300 \
		--output-on-failure >build/unit.log 2>&1 || {
		sed -n '/Failed\|\*\*\*\|\[  FAILED\|ERROR/p' build/unit.log |
			head -n 60 >&2
		say "(all of it: build/unit.log)"
	}
	[ -f "$log" ] || {
		tail -n 20 build/unit.log >&2
		count unit 0 1 0
		return
	}
	# shellcheck disable=SC2046
	count unit $(awk '
		/^\[  PASSED  \] [0-9]+ test/ { passed += $4 }
		/^\[  SKIPPED \] [0-9]+ test/ { skipped += $4 }
		/^\[  FAILED  \] [0-9]+ test/ { named += $4 }
		/^Test Passed\.$/ { named = 0 }
		/^Test Failed\.$/ { failed += named > 0 ? named : 1; named = 0 }
		END { print passed + 0, failed + 0, skipped + 0 }' "$log")
}

# Every target gets an equal share of the time and at least two seconds; what it
# finds is kept in build/fuzz/found.
test_fuzz() {
	local target targets name each passed=0 failed=0

	build fuzz fuzz_targets || {
		count fuzz 0 1 0
		return
	}
	targets=(build/fuzz/tests/*_fuzz)
	each=$((fuzz_seconds * jobs / ${#targets[@]}))
	[ $each -ge 2 ] || each=2
	step "fuzzing ${#targets[@]} targets, $each s each"
	mkdir -p build/fuzz/found build/fuzz/log
	rm -f build/fuzz/log/*.ok
	printf '%s\0' "${targets[@]}" |
		xargs -0 -P "$jobs" -I{} deploy/dev/fuzz-one {} "$each" || true
	for target in "${targets[@]}"; do
		name=$(basename "$target")
		if [ -e "build/fuzz/log/$name.ok" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			grep -m 8 -E 'ERROR|SUMMARY|runtime error|Test unit' \
				"build/fuzz/log/$name.log" >&2 || true
			say "FAILED $name (build/fuzz/log/$name.log)"
		fi
	done
	count fuzz $passed $failed 0
}

test_vectors() {
	local folder=${1:-../shared/vectors} result status=0

	# A folder that was asked for is meant from where the caller stands.
	[ -d "$folder" ] || [ ! -d "${OLDPWD:-}/$folder" ] ||
		folder=$OLDPWD/$folder
	if [ ! -d "$folder" ] && [ $# -gt 0 ]; then
		say "vectors: no folder $folder"
		count vectors 0 1 0
		return
	elif [ ! -d "$folder" ]; then
		say "vectors: skipped, no folder $folder"
		count vectors 0 0 1
		return
	fi
	build asan vectors || {
		count vectors 0 1 0
		return
	}
	step "attestation vectors of $folder"
	build/asan/tests/vectors "$folder" >build/vectors.log 2>&1 || status=$?
	grep -vE '^[0-9]+ passed, [0-9]+ failed' build/vectors.log |
		tail -n 60 >&2 || true
	result=$(grep -E '^[0-9]+ passed, [0-9]+ failed' build/vectors.log |
		tail -n 1)
	if [[ $result =~ ^([1-9][0-9]*)\ passed,\ 0\ failed ]] &&
		[ $status -ne 0 ]; then
		say "vectors: the runner ended with $status (build/vectors.log)"
		count vectors "${BASH_REMATCH[1]}" 1 0
	elif [[ $result =~ ^0\ passed,\ 0\ failed ]]; then
		say "vectors: no case in $folder"
		count vectors 0 1 0
	elif [[ $result =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		count vectors "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}" 0
	else
		say "vectors: the runner did not finish (build/vectors.log)"
		count vectors 0 1 0
	fi
}

# Changes every STRIDE-th byte of every accepted real vector, shared out among
# the cores. Below a stride of 20 without sanitizers: stride 1 then takes minutes
# for TDX and dstack, and hours for all.
test_mutations() {
	local folder=${1:-../shared/vectors} kind=${2:-all} stride=${3:-61}
	local preset=asan log=build/mutations.log part pids=() failed=0

	if [ ! -d "$folder" ]; then
		say "mutations: skipped, no folder $folder"
		count mutations 0 0 1
		return
	fi
	[ "$stride" -ge 20 ] || preset=mutations
	build "$preset" vectors || {
		count mutations 0 1 0
		return
	}
	step "mutations of $folder, $kind, one byte in $stride"
	rm -f "$log" "$log".*
	for part in $(seq 0 $((jobs - 1))); do
		"build/$preset/tests/vectors" --mutate "$folder" "$kind" \
			$((stride * jobs)) $((stride * part)) \
			>"$log.$part" 2>&1 &
		pids+=($!)
	done
	for part in "${pids[@]}"; do
		wait "$part" || failed=1
	done
	cat "$log".* >"$log"
	rm -f "$log".*
	count mutations $((1 - failed)) $failed 0
	grep -E '^ACCEPTED|^ *[0-9]+ (in|cuts)' "$log" | sort -u >&2 || true
	awk '/ tried, / { t += $1; r += $3; o += $5; a += $10 }
		END { print t " tried, " r " refused, " o \
			" outside what is signed, " a " accepted" }' "$log" >&2
}

test_lint() {
	build asan || {
		count lint 0 1 0
		return
	}
	step "lint"
	lint_all
	count lint "$lint_passed" "$lint_failed" 0
}

test_integration() {
	local files=("$@")

	install_node
	install_npm_packages
	build asan all vectors || {
		count integration 0 1 0
		return
	}
	step "integration tests (the real programs, Postgres and runtime)"
	[ ${#files[@]} -gt 0 ] || files=(tests/integration/*.test.mjs)
	rm -f build/integration.tap
	node --test --test-concurrency="$jobs" --test-timeout=240000 \
		--test-reporter=spec --test-reporter-destination=stderr \
		--test-reporter=tap \
		--test-reporter-destination=build/integration.tap \
		"${files[@]}" || true
	grep -q '^# pass ' build/integration.tap || {
		count integration 0 1 0
		return
	}
	# shellcheck disable=SC2046
	count integration $(awk '
		/^# pass / { passed = $3 }
		/^# (fail|cancelled) / { failed += $3 }
		/^# (skipped|todo) / { skipped += $3 }
		END { print passed + 0, failed + 0, skipped + 0 }' \
		build/integration.tap)
}

run_test() {
	local part parts=() arguments=() passed failed skipped

	case ${1:-} in
	'') parts=(lint unit vectors fuzz integration) ;;
	vectors | mutations | integration)
		parts=("$1")
		shift
		arguments=("$@")
		;;
	*) parts=("$@") ;;
	esac
	run_setup
	mkdir -p build
	counts=$(mktemp)
	trap 'rm -f "$counts"' EXIT
	for part in "${parts[@]}"; do
		case $part in
		unit | fuzz | vectors | mutations | lint | integration)
			"test_$part" "${arguments[@]}"
			;;
		*) die "no tests '$part': unit integration fuzz lint vectors" ;;
		esac
	done
	read -r passed failed skipped < <(awk '
		{ p += $2; f += $3; s += $4 }
		END { print p + 0, f + 0, s + 0 }' "$counts")
	say ''
	awk '{ printf "%-12s %5d passed %5d failed %5d skipped\n", $1, $2, $3, $4 }' \
		"$counts" >&2
	if [ "$skipped" -gt 0 ]; then
		printf '%s passed, %s failed, %s skipped\n' \
			"$passed" "$failed" "$skipped"
	else
		printf '%s passed, %s failed\n' "$passed" "$failed"
	fi
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# What each way of gaming the scores achieves; fails where a bar is missed.
bench_attack() {
	build release bench_reputation_attack
	build/release/tests/bench_reputation_attack "$@"
}

run_bench() {
	local script

	if [ "${1:-}" = attack ]; then
		shift
		install_packages
		bench_attack "$@"
		return
	elif [ "${1:-}" = canary ]; then
		shift
		install_packages
		install_node
		build release bench_canary_train bench_canary_answers
		node tests/bench/canary.mjs "$@"
		return
	elif [ "${1:-}" = reputation ]; then
		shift
		install_packages
		install_node
		build release assay assay-reputation
		node tests/bench/reputation.mjs "$@"
		return
	elif [ "${1:-}" = plots ]; then
		install_packages
		tests/lint/plots --update
		return
	fi
	run_setup
	build release programs
	for script in tests/bench/*; do
		[ -x "$script" ] || continue
		step "$(basename "$script")"
		"$script"
	done
}
