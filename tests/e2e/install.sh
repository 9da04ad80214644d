# tests/e2e/install.sh - what an installation has: files, manual, completions, unit; and the package of it. No daemon is
# started.
# limit: 600
# shellcheck source=tests/support/lib.bash
. tests/support/lib.bash
unset MAKEFLAGS MAKELEVEL MFLAGS PREFIX DESTDIR SYSCONFDIR
export KUKE_CONFIGURATION=/dev/null

version=$(kuke version --no-daemon)
version=${version#Client: }
root=$D/root
share=$root/usr/local/share
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Makefile)
export SOURCE_DATE_EPOCH

make_in() {
	make -s --no-print-directory -C "$@" || fail "make $* failed"
}

installs() {
	make_in . "$1" V="$(basename "$KUKE_BIN")" DESTDIR="$root"
}

files() {
	(cd "$1" && find . ! -type d -printf '%P\n' | sort)
}

# Commands of kuke, or of the group WORD…; flags of a command, or of kukeond.
commands() {
	kuke "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

flags() {
	"$@" --help | sed -nE 's/^  (-., |    )?(--[a-z-]+)[ ,].*/\2/p'
}

# --- files ---

put() {
	local page
	installs install
	expect_equal "$(files "$root")" "$({
		printf 'usr/local/share/man/man1/kuke.1\n'
		for page in $(commands); do
			echo "usr/local/share/man/man1/kuke-$page.1"
		done
		cat <<-END
			etc/kukeon/kukeond.yaml
			usr/local/bin/kuke
			usr/local/bin/kukeond
			usr/local/lib/systemd/system/kukeond.service
			usr/local/lib/sysusers.d/kukeon.conf
			usr/local/lib/tmpfiles.d/kukeon.conf
			usr/local/share/bash-completion/completions/kuke
			usr/local/share/fish/vendor_completions.d/kuke.fish
			usr/local/share/man/man5/kukeond.yaml.5
			usr/local/share/man/man8/kukeond.8
			usr/local/share/zsh/site-functions/_kuke
		END
	} | sort)"
	[ "$root/usr/local/bin/kuke" -ef "$root/usr/local/bin/kukeond" ] || fail "kuke and kukeond are two files"
	expect_equal "$(find "$root" -type f ! -perm 644 -printf '%f %m\n' | sort)" $'kuke 755\nkukeond 755'
	[ ! -e "$HOME/.kuke" ] || fail "settings of whoever installs were made"
}

# A program that runs stays what it is, its name is another's.
put_again() {
	local bin=$root/usr/local/bin before
	before=$(stat -c %i "$bin/kuke")
	mkfifo "$D/fifo"
	exec 7<>"$D/fifo"
	"$bin/kuke" apply -f - <&7 7>&- >/dev/null 2>&1 &
	echo 'edited: true' >>"$root/etc/kukeon/kukeond.yaml"
	installs install
	[ "$before" != "$(stat -c %i "$bin/kuke")" ] || fail "it was written over"
	[ "$bin/kuke" -ef "$bin/kukeond" ] || fail "kuke and kukeond are two files"
	grep -q edited "$root/etc/kukeon/kukeond.yaml" || fail "kukeond.yaml was written over"
	kill $! || fail "it ran no more"
}

taken_away() {
	installs uninstall-files
	expect_equal "$(files "$root")" etc/kukeon/kukeond.yaml
	rm "$root/etc/kukeon/kukeond.yaml"
	installs install
	installs uninstall-files
	expect_equal "$(find "$root" ! -type d -o -empty | sort)" \
		"$(printf '%s\n' "$root"/{etc,usr/local/{bin,lib,share/man}})"
	installs uninstall-files
	installs install
}

# kukeond_takes FILE: as its settings, without running.
kukeond_takes() {
	run env KUKEON_RELOAD_CHECK=x kukeond serve --configuration "$1"
	expect_status 0
	expect_out 'takes over x'
}

settings() {
	local file=$root/etc/kukeon/kukeond.yaml key flag
	kukeond_takes "$file"
	sed -E 's/^  #((  )*[a-zA-Z]+:)/  \1/' "$file" >"$D/all.yaml"
	! grep -q '^ *#[a-zA-Z]' "$D/all.yaml" || fail "commented out: $(<"$D/all.yaml")"
	kukeond_takes "$D/all.yaml"
	while read -r key; do
		grep -B 1 "^  #$key:" "$file" | grep -q '^  # [A-Za-z]' || fail "$key is not explained"
		[ "$key" = workers ] || grep -qF "\\fB$key\\fR" "$share/man/man5/kukeond.yaml.5" || fail "$key has no entry"
	done < <(sed -n 's/^  #\([a-zA-Z]*\):.*/\1/p' "$file")
	for flag in $(flags kukeond | grep -vxE -e '--(help|configuration|host-root|stopped-status)'); do
		key=$(sed -n "/fB${flag//-/.-}[^-]*\$/{n;s/.*, key \(.*\))/\1/p}" "$share/man/man8/kukeond.8")
		grep -q "^  #$key: ." "$file" || fail "$flag has no key: $key"
	done
}

# --- manual ---

# has_flags PAGE COMMAND…: the page tells each flag that the command's help has.
has_flags() {
	local page=$1 flag
	shift
	for flag in $(flags "$@"); do
		grep -qF "\\fB${flag//-/\\-}\\fR" "$page" || fail "${page##*/} lacks $flag of $*"
	done
}

# below PAGE WORD…: the flags of all commands below.
below() {
	local page=$1 word
	shift
	has_flags "$page" kuke "$@"
	for word in $(commands "$@"); do
		below "$page" "$@" "$word"
	done
}

pages_tell_all() {
	local command n=0
	for command in $(commands); do
		below "$share/man/man1/kuke-$command.1" "$command"
		grep -qF "\\fBkuke\\-$command\\fR(1)" "$share/man/man1/kuke.1" || fail "kuke.1 lacks $command"
		n=$((n + 1))
	done
	[ $n -gt 20 ] || fail "only $n commands"
	has_flags "$share/man/man1/kuke.1" kuke
	has_flags "$share/man/man8/kukeond.8" kukeond
	grep -q "^.TH KUKE 1 \"$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)\" \"kukeon $version\"" "$share/man/man1/kuke.1" ||
		fail "$(head -n 1 "$share/man/man1/kuke.1")"
	run kuke __file nothing
	expect_refusal 'there is no file "nothing"'
}

pages_render() {
	local page
	for page in "$share"/man/man*/*; do
		expect_equal "$(man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)" ""
		expect_equal "$(mandoc -T lint -W warning "$page" 2>&1)" ""
	done
	run man -M "$share/man" 8 kukeond
	expect_out 'KUKEOND(8)'
}

# --- completions ---

in_bash() {
	# shellcheck disable=SC2016
	expect_equal "$(XDG_DATA_DIRS=$share bash -c '. /usr/share/bash-completion/bash_completion
		_completion_loader kuke; COMP_LINE="kuke ge" COMP_POINT=7; __kuke_complete; complete -p kuke; echo "${COMPREPLY[*]}"')" \
		$'complete -o default -F __kuke_complete kuke\nget'
}

# Of a function found in $fpath the first call is the file's.
in_zsh() {
	# shellcheck disable=SC2016
	expect_equal "$(zsh -fc 'fpath=('"$share"'/zsh/site-functions); autoload _kuke
		_describe() { print -l "${(@P)2}" }; words=(kuke ge) CURRENT=2; _kuke; _kuke')" \
		$'get:Show objects\nget:Show objects'
}

in_fish() {
	expect_equal "$(XDG_DATA_DIRS=$share fish -c 'complete -C "kuke ge"')" $'get\tShow objects'
}

# --- systemd ---

unit() {
	local unit=$D/prefix/lib/systemd/system/kukeond.service
	make_in . install V="$(basename "$KUKE_BIN")" PREFIX="$D/prefix" SYSCONFDIR="$D/prefix/etc"
	expect_equal "$(MANPATH=$D/prefix/share/man systemd-analyze verify "$unit" 2>&1)" ""
	grep -qx "ExecStart=$D/prefix/bin/kuke daemon start --foreground" "$unit" || fail "$(<"$unit")"
	make_in . uninstall-files PREFIX="$D/prefix" SYSCONFDIR="$D/prefix/etc"
	expect_equal "$(files "$D/prefix")" ""
}

user_and_directory() {
	systemd-sysusers --root="$root" kukeon.conf || fail "no user"
	grep -q '^kukeon:.*:/usr/sbin/nologin$' "$root/etc/passwd" || fail "$(<"$root/etc/passwd")"
	systemd-tmpfiles --root="$root" --create kukeon.conf || fail "no directory"
	expect_equal "$(stat -c '%a %u %g' "$root/run/kukeon")" \
		"2750 0 $(sed -n 's/^kukeon:.*:\([0-9]*\):.*/\1/p' "$root/etc/group")"
}

# --- package ---

deb=build/deb/kukeon_${version}_$(dpkg --print-architecture).deb

package() {
	local file
	make_in . deb
	expect_equal "$(dpkg-deb -f "$deb" Version)" "$version"
	dpkg-deb -x "$deb" "$D/deb"
	dpkg-deb -e "$deb" "$D/control"
	expect_equal "$(dpkg-deb -c "$deb" | awk '{print $2}' | sort -u)" root/root
	# All that is installed by hand, and what Debian has beside it.
	expect_equal "$(files "$D/deb" | grep -vE '^usr/share/(doc/kukeon|lintian)/')" \
		"$(files "$root" | sed 's|^usr/local|usr|; s|site-functions|vendor-completions|; /share\/man/s|$|.gz|' |
			grep -E '^usr|^etc/kukeon' | sort)"
	[ "$D/deb/usr/bin/kuke" -ef "$D/deb/usr/bin/kukeond" ] || fail "kuke and kukeond are two files"
	expect_equal "$("$D/deb/usr/bin/kuke" version --no-daemon)" "Client: $version"
	expect_equal "$(<"$D/control/conffiles")" /etc/kukeon/kukeond.yaml
	(cd "$D/deb" && md5sum --quiet -c "$D/control/md5sums") || fail "md5sums"
	file=$D/deb/usr/share/doc/kukeon/libraries.copyright.gz
	[ "$(zgrep -acxE -e '--- lib(ssl|grpc|event|archive)-dev ---' "$file")" = 4 ] || fail "licenses are missing"
}

package_lint() {
	lintian --allow-root --fail-on error,warning "$deb" || fail "lintian"
	shellcheck etc/debian/{postinst,prerm,postrm} etc/install etc/debian/build || fail "shellcheck"
}

# Elsewhere, and from nothing.
package_again() {
	mkdir "$D/src"
	tar -c --exclude=./build --exclude=./.git . | tar -x -C "$D/src"
	make_in "$D/src" deb
	cmp "$deb" "$D/src/$deb" || fail "another package"
}

# script NAME ARG…: a maintainer script on a host of its own, with programs that only note how they are called.
script() {
	local name=$1 program
	shift
	mkdir -p "$D/host" "$D/programs"
	for program in deb-systemd-helper deb-systemd-invoke getent groupdel kuke systemctl systemd-sysusers systemd-tmpfiles userdel; do
		# shellcheck disable=SC2016
		printf '#!/bin/sh\necho "${0##*/} $*" >>%s\n[ "$*" != "%s" ]\n' "$D/calls" "${refused:-}" >"$D/programs/$program"
		chmod +x "$D/programs/$program"
	done
	: >"$D/calls"
	sed "s#/\(opt\|run\|etc\|var/lib\)/\(kukeon\|systemd\)#$D/host&#g" "etc/debian/$name" >"$D/script"
	PATH=$D/programs:$PATH sh "$D/script" "$@" || fail "$name $* failed"
	calls=$(sed 's/ --system//' "$D/calls")
}

scripts() {
	local run=$D/host/run/kukeon refused
	script postinst configure ""
	expect_equal "$calls" $'systemd-sysusers kukeon.conf\nsystemd-tmpfiles --create kukeon.conf\ndeb-systemd-helper update-state kukeond.service'
	script postinst configure 0.0.9
	[[ $calls != *kuke\ * ]] || fail "what does not run was started: $calls"
	mkdir -p "$run" "$D/host/run/systemd/system"
	echo $$ >"$run/kukeond.pid"
	script postinst configure 0.0.9
	[[ $calls == *$'systemctl daemon-reload\nkuke daemon reload' ]] || fail "$calls"
	refused='daemon reload' script postinst configure 0.0.9
	[[ $calls == *$'kuke daemon reload\nkuke daemon restart' ]] || fail "$calls"
	script postinst configure ""
	[[ $calls != *kuke\ * ]] || fail "$calls"
	script prerm upgrade "$version"
	expect_equal "$calls" ""
	script prerm remove
	expect_equal "$calls" "deb-systemd-invoke stop kukeond.service"
	rmdir "$D/host/run/systemd/system"
	script prerm remove
	expect_equal "$calls" "kuke daemon stop"
}

purge() {
	local host=$D/host
	mkdir -p "$host"/{etc/kukeon,var/lib/kukeon/crash,opt/kukeon/data/r,run/kukeon}
	touch "$host/opt/kukeon/.kukeon-instance.json"
	script postrm remove
	expect_equal "$calls" ""
	run script postrm purge
	expect_status 0
	expect_err "'kuke uninstall'"
	expect_equal "$(find "$host/opt" "$host/etc" "$host/var" -mindepth 2 -printf '%P\n' | sort)" \
		$'kukeon/.kukeon-instance.json\nkukeon/data\nkukeon/data/r'
	[[ $(<"$D/calls") != *userdel* ]] || fail "the user of what is there was removed"
	rmdir "$host/opt/kukeon/data/r"
	script postrm purge
	[[ $calls == *$'userdel kukeon\n'*'groupdel kukeon' ]] || fail "$calls"
	expect_equal "$(find "$host" -name kukeon)" ""
}

# needs "PROGRAM…" NAME FUNCTION: a case of programs that not every machine can have; also of files.
needs() {
	local program
	for program in $1; do
		[ -e "$program" ] || command -v "$program" >/dev/null || {
			skip "$2" "no $program on this machine"
			return
		}
	done
	it "$2" "$3"
}

# shellcheck disable=SC2016
make -s --no-print-directory deps DEPS='$(DEPS_INSTALL)' >/dev/null 2>&1
it "puts each file in its place" put
it "replaces programs that run, and no settings" put_again
it "takes all away but settings that were edited" taken_away
it "has a kukeond.yaml with each setting, which kukeond reads" settings
it "has a page for each command, with each flag" pages_tell_all
needs "man mandoc" "has pages that render without a warning" pages_render
needs /usr/share/bash-completion/bash_completion "completes in bash" in_bash
needs zsh "completes in zsh" in_zsh
needs fish "completes in fish" in_fish
needs "systemd-analyze man" "has a unit that systemd takes" unit
needs "systemd-sysusers systemd-tmpfiles" "has a user and a directory of its own" user_and_directory
needs "dpkg-gencontrol strip" "makes a package" package
needs "dpkg-gencontrol strip" "makes the same package again" package_again
needs "dpkg-gencontrol strip lintian shellcheck" "makes a package without blemish" package_lint
it "keeps a kukeond that runs up to date, and starts none" scripts
it "purges nothing that a realm needs" purge
