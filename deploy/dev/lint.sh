# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What is held without running the programs. Each check is a script of its own in
# tests/lint: silent and zero when it holds, else one line for each breach.

# lint_all: prints one line a check; sets lint_passed and lint_failed.
lint_all() {
	local check name

	lint_passed=0
	lint_failed=0
	for check in tests/lint/*; do
		[ -x "$check" ] || continue
		name=$(basename "$check")
		if "$check" >"build/lint-$name.log" 2>&1; then
			say "ok     $name"
			lint_passed=$((lint_passed + 1))
		else
			head -n 40 "build/lint-$name.log" >&2
			say "FAILED $name"
			lint_failed=$((lint_failed + 1))
		fi
	done
}

run_lint() {
	install_packages
	build asan
	step "lint"
	lint_all
	[ "$lint_failed" -eq 0 ]
}

run_format() {
	install_packages
	git ls-files -z --cached --others --exclude-standard '*.c' '*.h' |
		xargs -0 -r clang-format-14 -i
	say "formatted"
}
