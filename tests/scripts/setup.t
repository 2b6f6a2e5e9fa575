#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# setup.sh: what is missing is told, and nothing is done to a machine that has it all.
set -uo pipefail
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
setup=$ROOT/scripts/setup.sh

run "$setup" --help
is "help" "$status" 0
like "help shows the usage" "$out" '^usage: scripts/setup.sh'
run "$setup" --chekc
is "an unknown option is a usage error" "$status" 2
like "and is named" "$err" "'--chekc'"

# dpkg's answers, less some.
mkdir "$tmp/bin"
cat > "$tmp/bin/dpkg-query" << END
#!/bin/sh
$(command -v dpkg-query) "\$@" | grep -vE ' ('"\$HIDE"')\$'
END
echo 'echo "apt-get was called: $*" >&2; exit 1' > "$tmp/bin/apt-get"
chmod +x "$tmp"/bin/*
run env HIDE=none PATH="$tmp/bin:$PATH" "$setup" --check
is "a complete machine" "$status" 0
run env HIDE='jq|bc' PATH="$tmp/bin:$PATH" "$setup" --check
is "something missing: exit status" "$status" 1
is "something missing: is named" "$err" "Missing: bc jq"
echo 'echo 1000' > "$tmp/bin/id"
chmod +x "$tmp/bin/id"
run env HIDE=jq PATH="$tmp/bin:$PATH" "$setup"
is "without root: exit status" "$status" 1
is "without root: nothing is tried, and the next step named" "$err" \
	"Missing: jq
setup.sh: needs root to install them: run it again as root."
run env HIDE=none PATH="$tmp/bin:$PATH" "$setup"
is "without root and nothing missing" "$status" 0
done_testing
