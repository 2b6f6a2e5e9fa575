# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What is wrong with a result: one string for
# each field that is missing, of another type, or not in the schema.

def int: type == "number" and . == floor and . >= 0;
def text: type == "string" and . != "";
def maybe(t): . == null or t;
def real: type == "number";

# fields({NAME: FILTER}): exactly these, each true for its filter. jq cannot keep
# filters in objects, so the caller names the type in a word.
def is($kind):
	if $kind == "int" then int
	elif $kind == "text" then text
	elif $kind == "string" then type == "string"
	elif $kind == "bool" then type == "boolean"
	elif $kind == "array" then type == "array"
	elif $kind == "object" then type == "object"
	elif $kind == "real" then real
	elif $kind == "int?" then maybe(int)
	elif $kind == "real?" then maybe(real)
	elif $kind == "text?" then maybe(text)
	elif $kind == "bool?" then maybe(type == "boolean")
	elif $kind == "array?" then maybe(type == "array")
	elif $kind == "object?" then maybe(type == "object")
	elif $kind == "null" then . == null
	else error("no type \($kind)") end;
def fields($where; $types):
	. as $o
	| if type != "object" then "\($where) is no object" else
		($types | to_entries[] | . as {$key, $value}
		| if $o | has($key) | not then "\($where).\($key) is missing"
		  elif $o[$key] | is($value) | not then "\($where).\($key) is not \($value): \($o[$key] | tojson)"
		  else empty end),
		($o | keys[] | select($types[.] == null) | "\($where).\(.) is not in the schema")
	end;

def kernel: fields("kernel"; {release: "text", version: "text", machine: "text", variant: "text?",
	accel: "text?", config_sha256: "text?", boot_id: "text"});
def tool: fields("tool"; {version: "text", libbpf: "text"});
def latency($where): if . == null then empty else
	fields($where; {count: "int", sum: "int", min: "int?", max: "int?", buckets: "array"}),
	(.buckets[] | fields("\($where).buckets[]"; {lt: "int?", count: "int"})) end;

def stat:
	fields("stat"; {schema: "text", tool: "object", kernel: "object", clock: "text", scope: "object",
		command: "array", command_status: "object?", children: "bool", duration_ns: "int",
		notifications: "array", causes: "array?", sampling: "object?", windows: "object?",
		callbacks: "array?", migrations: "array?", faults: "object?",
		ownerless: "object", page_table_writes: "object?", lost: "object", invariants: "array", unobservable: "array"}),
	(select(.schema != "mmuscope-stat/1") | "stat.schema is \(.schema)"),
	(.tool | tool), (.kernel | kernel),
	(.notifications[] | fields("notifications[]"; {pid: "int", comm: "text", event: "text",
		phase: "text", calls: "int", pages: "int", failed: "int", whole: "int", empty: "int"})),
	(.causes // [] | .[] | fields("causes[]"; {pid: "int", comm: "text", cause: "text", event: "text",
		phase: "text", calls: "int", pages: "int", samples: "int", stack: "array"}),
		(.stack[] | select(text | not) | "causes[].stack has \(tojson)")),
	(.sampling | select(. != null) | fields("sampling"; {every: "int", samples: "int"})),
	(.windows | select(. != null) | fields("windows"; {limit_ns: "int", longer: "int", unended: "int",
		unlisted: "int", items: "array"}),
		(.items[] | fields("windows.items[]"; {pid: "int", comm: "text", tid: "int", task: "text",
			event: "text", phase: "text", start: "text", end: "text", open_ns: "int",
			ended: "bool", fate: "text", stack: "array"}))),
	(select((.causes == null) != (.sampling == null)) | "causes without sampling, or the other way round"),
	(.callbacks // [] | .[] | fields("callbacks[]"; {pid: "int", comm: "text", symbol: "text",
		module: "text?", kind: "text", event: "text", phase: "text", delivered: "int",
		performed: "int", skipped: "int", failed: "int", undetermined: "int", avoidable: "int",
		avoidable_pages: "int", avoidable_ns: "int?", owner_by: "text", sizes: "array",
		pages: "int", pages_performed: "int", whole: "int", latency_ns: "object?",
		source: "text"}),
		(.sizes[] | fields("callbacks[].sizes[]"; {lt: "int?", count: "int"})),
		(.latency_ns | latency("callbacks[].latency_ns"))),
	(.migrations // [] | .[] | fields("migrations[]"; {pid: "int", comm: "text", direction: "text", select: "array",
		owner: "text?", calls: "int", pages: "int", collected: "int", migrated: "int",
		compound: "int", excess: "int", time_ns: "int"})),
	(.faults | select(. != null) | fields("faults"; {calls: "int", pages: "int", retries: "int"})),
	(.ownerless | fields("ownerless"; {calls: "int", pages: "int"})),
	(.page_table_writes | select(. != null)
		| fields("page_table_writes"; {entries: "int", invalid: "int"})),
	(.lost | fields("lost"; {events: "int", counters: "int", recursion: "int"})),
	(.invariants[] | fields("invariants[]"; {name: "text", holds: "bool", detail: "text"})),
	(.unobservable[] | fields("unobservable[]"; {metric: "text", reason: "text"})),
	# What is null has a reason.
	([.unobservable[].metric] as $told
	| (select(.callbacks | type == "array" and any(.[]; .latency_ns == null)) | "callbacks.latency_ns"),
	  (select(.callbacks == null) | "callbacks"), (select(.migrations == null) | "migrations"),
	  (select(.faults == null) | "faults"),
	  (select(.page_table_writes == null) | "page_table_writes")
	| select(. as $m | $told | index($m) | not) | "\(.) is null without a reason");

def sample: fields("samples[]"; {iteration: "int", times: "object", ours: "object", driver: "object"}),
	(.times[] | select(int | not) | "samples[].times has \(tojson)"),
	(.ours | fields("samples[].ours"; {notifications: "int", delivered: "int", performed: "int",
		skipped: "int", failed: "int", undetermined: "int", avoidable: "int", pages_performed: "int",
		migrations: "int", collected: "int", migrated: "int", compound: "int", excess: "int", refaults: "int"})),
	(.driver[] | fields("samples[].driver[]"; {cpages: "int?", faults: "int?", errno: "int",
		call: "int"}));

def verdict($where): select(.verdict | IN("seen", "noise", "too few samples") | not)
	| "\($where).verdict is \(.verdict)";
def unwatched: fields("observer.steps[].unwatched"; {n: "int", median: "real", mad: "real",
		costs: "array"}),
	(select(.n != (.costs | length) or any(.costs[]; int | not)) | "costs are \(.costs | tojson)");
def observer: fields("observer"; {steps: "array", all: "object?", reason: "text?"}),
	(.steps[] | fields("observer.steps[]"; {step: "text", whole_call: "bool", watched: "object",
			unwatched: "object", ours: "real", ci95: "array", percent: "real?", verdict: "text"}),
		verdict("observer.steps[]"), (.unwatched | unwatched),
		(.watched | fields("observer.steps[].watched"; {n: "int", median: "real", mad: "real"})),
		(select(.ci95 | length != 2 or any(.[]; type != "number")) | "ci95 is \(.ci95 | tojson)")),
	(.all | select(. != null) | fields("observer.all"; {watched: "real", unwatched: "real",
			ours: "real", percent: "real?", per_notification: "real?", verdict: "text"}),
		verdict("observer.all")),
	(select((.reason == null) != (.all != null)) | "observer.all without reason, or the other way round");

def bench:
	fields("bench"; {schema: "text", tool: "object", kernel: "object", clock: "text",
		device: "object", results: "array"}),
	(select(.schema != "mmuscope-bench/1") | "bench.schema is \(.schema)"),
	(.tool | tool), (.kernel | kernel),
	(.device | fields("device"; {driver: "text", path: "text", chunk_pages: "int?"})),
	(.results[] | fields("results[]"; {workload: "object", samples: "array", checks: "array",
		stat: "object", observer: "object"}),
		(.observer | observer),
		(.workload | fields("workload"; {name: "text", params: "object", left_out: "array"}),
			(.left_out[] | fields("left_out[]"; {operation: "text", reason: "text"})),
			(.params[] | select(int | not) | "params has \(tojson)")),
		(.samples[] | sample),
		(.checks[] | fields("checks[]"; {metric: "text", formula: "text", expected: "int?",
			measured: "int", holds: "bool?", reason: "text?"})),
		(.stat | stat));

def floor_of($of): select(. != null) | fields($of; {programs: "text", added: "real"});

def overhead: fields("overhead"; {schema: "text", tool: "object", kernel: "object", clock: "text",
		iterations: "int", versions: "object", watchers: "array", migrations: "object?"}),
	(select(.schema != "mmuscope-overhead/2") | "overhead.schema is \(.schema)"),
	(.tool | tool), (.kernel | kernel),
	(.watchers[] | fields("watchers[]"; {watcher: "text", kind: "text", tells: "text",
			cannot_show: "text", cost: "real?", added: "real?", others: "real?",
			reason: "text?", floor: "object?", to_floor: "real?", nearest: "text?",
			to_nearest: "real?", seen: "int?", programs: "array?"}),
		(.programs[]? | fields("programs[]"; {program: "text", runs: "real", cost: "real"})),
		(select((.cost == null) != (.reason != null)) | "\(.watcher) is null without a reason"),
		(.floor | floor_of("watchers[].floor"))),
	(.migrations | select(. != null)
		| fields("migrations"; {sizes: "array", page_sizes: "array", page: "array"}),
		(.sizes[] | fields("sizes[]"; {pages: "int", cycles: "int", cost: "real", watchers: "array"}),
			(.watchers[] | fields("sizes[].watchers[]"; {watcher: "text", added: "real",
				in_programs: "real", floor: "object?", to_floor: "real?"}), (.floor | floor_of("sizes[].watchers[].floor")))),
		(.page_sizes[] | select(int | not) | "page_sizes has \(tojson)"),
		(.page[] | fields("page[]"; {watcher: "text", added: "real"})));

def coherence:
	fields("coherence"; {schema: "text", tool: "object", kernel: "object", clock: "text",
		device: "object", params: "object", checked: "int", raced: "int", exposed: "int?",
		stale: "object", evidence: "array", unobservable: "array", lost: "object"}),
	(select(.schema != "mmuscope-coherence/1") | "coherence.schema is \(.schema)"),
	(.tool | tool), (.kernel | kernel),
	(.device | fields("device"; {driver: "text", migrates: "text", reads: "text",
		chunk_pages: "int"})),
	(.params | fields("params"; {pages: "int", iterations: "int"})),
	(.stale | fields("stale"; {pages: "int", after_device: "int", after_cpu: "int",
		untouched: "int", zero_page: "int", corrupt: "int"})),
	(.evidence[] | fields("evidence[]"; {iteration: "int", page: "int", was: "text",
		writer: "text", expected: "int", read: "int", order: "array?"}),
		(.order[]? | fields("order[]"; {ns: "int", device: "text", step: "text",
			first_page: "int", pages: "int", event: "text?", error: "text?"}))),
	(.unobservable[] | fields("unobservable[]"; {metric: "text", reason: "text"})),
	(.lost | fields("lost"; {events: "int"}));

def subscribers: fields("subscribers"; {schema: "text", subscribers: "array", incomplete: "array",
		tool: "object", kernel: "object"}),
	(.tool | tool), (.kernel | kernel),
	(.subscribers[] | fields("subscribers[]"; {pid: "int", comm: "string", kind: "text",
		callback: "text?", module: "text?", driver: "text?", count: "int", intervals: "int?",
		pages: "int?", whole: "int?", min_pages: "int?", max_pages: "int?", inner: "text?",
		ops: "array?"})),
	(if .schema == "mmuscope-subscribers/1" then empty else "the schema is \(.schema)" end);
