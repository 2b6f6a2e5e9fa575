#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The manual pages, the README and the Makefile do what they say, and say what is done.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"

# A copy, so that nothing of this clone is touched, and nobody else's edit meets it.
src=$tmp/src
mkdir "$src"
cp -r "$ROOT"/{Makefile,vmlinux.h,bpf,src,bench,kernel,man} "$src"
cd "$src" || exit

# ---- the Makefile ----

ok "make" make -s -j "$(nproc)"
ok "make again has nothing to do" make -q
run make
is "and does nothing" "$out" "make: Nothing to be done for 'all'."

touch bpf/mmuscope.h
run make -n
like "a shared header rebuilds BPF objects" "$out" ' -o build/bpf/notifications\.bpf\.o '
like "and C objects that include it" "$out" ' -o build/src/snapshot\.o '
is "and no others" "$(grep -c ' -o build/src/args\.o ' <<< "$out")" 0
ok "make after that" make -s -j "$(nproc)"
touch src/args.h
run make -n
like "a header rebuilds what includes it" "$out" ' -o build/src/args\.o .* -o build/mmuscope '
is "and no BPF object" "$(grep -c '\.bpf\.o' <<< "$out")" 0
ok "make once more" make -s -j "$(nproc)"

ok "make install" make -s install DESTDIR="$tmp/x" PREFIX=/usr
is "installs the binary, and pages, and no more" \
	"$(cd "$tmp/x" && find . ! -type d -printf '%m %P\n' | sort -k 2)" \
	"$(printf '755 usr/bin/mmuscope\n'; cd man && printf '644 usr/share/man/man1/%s\n' *.1)"
run "$tmp/x/usr/bin/mmuscope" --version
like "what is installed runs" "$out" '^mmuscope [0-9.]+$'

# ---- the manual pages ----

mmuscope=$src/build/mmuscope

# "-o --output": the options that a command's help lists, a line each.
help_options() { # [COMMAND]
	"$mmuscope" "$@" --help | sed -nE 's/^ +((-[A-Za-z], )?--[a-z][a-z-]*).*/\1/; T; s/,//; p' | sort
}

man_options() { # PAGE
	sed -n '/^\.It Fl /p' "man/$1.1" | grep -oE '^\.It|Fl -?[A-Za-z][A-Za-z-]*' |
		sed -E 's/^\.It$/;/; s/^Fl (.)$/-\1/; s/^Fl -/--/' | paste -sd' ' | tr ';' '\n' |
		sed 's/^ //; s/ $//; /^$/d' | sort
}

# Those that several commands have stand in a header, as a macro.
getopt_options() { # COMMAND
	{
		cat "src/cmd_$1.c"
		! grep -q '^	CAPTURE_LONG_OPTIONS' "src/cmd_$1.c" || cat src/capture.h
		! grep -q '^	FILTER_LONG_OPTIONS' "src/cmd_$1.c" || cat src/filter.h
	} | grep -oE '\{ ?"[a-z-]+", (no|required)_argument' | sed -E 's/.*"(.*)".*/--\1/' | sort
}

# The numbers under EXIT STATUS.
man_statuses() { # PAGE
	sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It \([0-9]*\)$/\1/p' "man/$1.1" | paste -sd' '
}

commands=$("$mmuscope" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
is "the commands" "$(paste -sd' ' <<< "$commands")" "probes subscribers stat trace record report bench diff"
is "a page for each command, and for all" "$(cd man && ls)" \
	"$(for c in $commands; do echo "mmuscope-$c.1"; done | sort; echo mmuscope.1)"

is "mmuscope.1 has the options of the help" "$(man_options mmuscope)" "$(help_options)"
for c in $commands; do
	page=mmuscope-$c
	is "$page.1 has the options of the help" "$(man_options "$page")" "$(help_options "$c")"
	is "$c --help has the options that are taken" "$(help_options "$c" | grep -o -- '--.*' | sort)" \
		"$(getopt_options "$c")"
	run "$mmuscope" "$c" -h
	is "$c -h is --help" "$out" "$("$mmuscope" "$c" --help)"
done

statuses=$(sed -nE 's/^\tSTATUS_[A-Z]+ = ([0-9]+),.*/\1/p' src/msg.h | paste -sd' ')
is "the exit statuses" "$statuses" "0 1 2 3 4 5"
is "mmuscope.1 has all exit statuses" "$(man_statuses mmuscope)" "$statuses"
is "mmuscope-diff.1 has all exit statuses" "$(man_statuses mmuscope-diff)" "$statuses"
# A limit is diff's alone.
is "mmuscope-stat.1 has its exit statuses" "$(man_statuses mmuscope-stat)" "0 1 2 3 4"
is "mmuscope-bench.1 has its exit statuses" "$(man_statuses mmuscope-bench)" "0 1 2 3 4"
is "mmuscope-subscribers.1 has its exit statuses" "$(man_statuses mmuscope-subscribers)" "0 1 2 3 4"
is "mmuscope-probes.1 has its exit statuses" "$(man_statuses mmuscope-probes)" "0 1 2 3 4"
is "mmuscope-trace.1 has its exit statuses" "$(man_statuses mmuscope-trace)" "0 1 2 3 4"
is "mmuscope-record.1 has its exit statuses" "$(man_statuses mmuscope-record)" "0 1 2 3 4"
is "mmuscope-report.1 has its exit statuses" "$(man_statuses mmuscope-report)" "0 1 2 3"

workloads=$("$mmuscope" bench list | sed 's/ .*//' | sort)
is "mmuscope-bench.1 has every workload" \
	"$(sed -nE 's/^\.(It )?Cm (mmuscope bench )?([a-z]+(-[a-z]+)*)$/\3/p' man/mmuscope-bench.1 |
		grep -vx list | sort -u)" "$workloads"

for page in man/*.1; do
	# Where our other pages are not installed they are not found; that is checked below.
	is "$page: mandoc has nothing to say" \
		"$(mandoc -T lint -W style "$page" 2> /dev/null | grep -v ': referenced manual not found: ')" ""
	is "$page: licence" "$(head -n 1 "$page")" '.\" SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause'
	missing=$(sed -nE 's/^\.Xr (mmuscope[a-z-]*) 1.*/\1/p' "$page" | sort -u |
		while read -r xr; do [ -e "man/$xr.1" ] || echo "$xr"; done)
	is "$page: our pages that it refers to exist" "$missing" ""
done

# Every long option behind "mmuscope COMMAND" or "scripts/X.sh" is one of it.
strange_options() { # FILE...
	local line rest word owner
	# A backslash before a minus sign is roff's; between backquotes is a command of its own.
	sed 's/\\-/-/g; s/[`;|]/\n/g' "$@" | grep -E 'mmuscope [a-z]+|scripts/[a-z-]+\.sh' | while read -r line; do
		# What stands behind -- belongs to the command that is run.
		rest=${line%% -- *}
		owner=$(grep -oE 'scripts/[a-z-]+\.sh|mmuscope [a-z]+' <<< "$rest" | head -n 1)
		grep -oE -- ' --[a-z][a-z-]*' <<< "$rest" | while read -r word; do
			case $owner in
			scripts/*) "$ROOT/$owner" --help 2>&1 ;;
			mmuscope*) "$mmuscope" "${owner#mmuscope }" --help 2>&1 ;;
			esac | grep -qE -- "(^|[^a-z-])$word([^a-z-]|\$)" || echo "$owner $word"
		done
	done
}

sed -n '/^\.Dl /p' man/*.1 > "$tmp/examples"
is "the examples' options exist" "$(strange_options "$tmp/examples")" ""
for c in '' $commands; do
	# shellcheck disable=SC2086 # none is none
	"$mmuscope" $c --help > "$tmp/help"
	is "the options in the examples of '${c:-mmuscope} --help' exist" "$(strange_options "$tmp/help")" ""
done

# ---- the README ----

readme=$ROOT/README.md
if [ -e "$readme" ]; then
	missing=$(grep -oE '(^|[^A-Za-z0-9_/-])(\./)?scripts/[A-Za-z0-9_.-]*[A-Za-z0-9]' "$readme" |
		grep -oE 'scripts/.*' | sort -u | while read -r s; do [ -e "$ROOT/$s" ] || echo "$s"; done)
	is "README: its scripts exist" "$missing" ""
	is "README: the options of its commands exist" "$(strange_options "$readme")" ""
	all=$(for c in $commands; do "$mmuscope" "$c" --help; done
		for s in "$ROOT"/scripts/*.sh; do sed -n 's/^#//p' "$s"; done)
	missing=$(grep -oE -- '(^|[^A-Za-z0-9-])--[a-z][a-z-]+' "$readme" | grep -oE -- '--.*' | sort -u |
		while read -r o; do grep -qE -- "(^|[^a-z-])$o([^a-z-]|\$)" <<< "$all" || echo "$o"; done)
	is "README: its options exist" "$missing" ""
else
	skip "README: its scripts and options exist" "there is no README.md yet"
fi
done_testing
