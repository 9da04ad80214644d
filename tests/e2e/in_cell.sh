# tests/e2e/in_cell.sh - kukeond in its cell does what it does on the host: the same tests, once more.
# limit: 420
set -u
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0 skipped=0
for name in apply lifecycle network exec doctor restart log run attach cp; do
	output=$(FORM=cell bash "tests/e2e/$name.sh" 2>&1)
	sed -n '/^counted/d; s/^\(ok  \|FAILED\|skipped\) */&in a cell, /; p' <<<"$output"
	read -r p f s < <(sed -n 's/^counted //p' <<<"$output") || p=0 f=1 s=0
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "counted $passed $failed $skipped"
[ $failed = 0 ]
