# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Builds a preset of CMakePresets.json, in its folder under build/.

# build PRESET [TARGET...]
build() {
	local preset=$1 target
	local targets=()
	shift

	for target in "$@"; do
		targets+=(--target "$target")
	done
	step "building $preset ($jobs jobs)"
	if [ ! -f "build/$preset/build.ninja" ]; then
		quietly "build/$preset.log" cmake --preset "$preset"
	fi
	quietly "build/$preset.log" \
		cmake --build "build/$preset" -j "$jobs" "${targets[@]}" -- -k 0
}

# quietly LOG COMMAND...: shows the output only when the command fails.
quietly() {
	local log=$1
	shift

	mkdir -p "$(dirname "$log")"
	if ! "$@" >"$log" 2>&1; then
		grep -E 'error:|FAILED|undefined reference' "$log" |
			head -n 40 >&2 || tail -n 40 "$log" >&2
		say "failed: $*"
		return 1
	fi
}

run_build() {
	local preset=${1:-release}

	case $preset in
	release | asan | fuzz) ;;
	*) die "no preset '$preset': release, asan or fuzz" ;;
	esac
	install_packages
	if [ "$preset" = release ]; then
		build release programs
	else
		build "$preset"
	fi
	say "built in build/$preset"
}
