# tests/fuzz/seeds.sh - every seed, and every input that once broke a target, through every target.
# limit: 600
set -u
out=build/fuzz
passed=0
failed=0

for target in "$out"/tests/fuzz/fuzz_*; do
	case $target in *.[do]) continue ;; esac
	if "$target" -runs=0 -timeout=10 -artifact_prefix="$out/" "$out/seed" tests/fuzz/found \
		>"$out/seeds.log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED  $target"
		cat "$out/seeds.log"
	fi
done
echo "counted $passed $failed 0"
[ "$failed" = 0 ]
