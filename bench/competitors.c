// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each competitor begins before the measurement and says when it is ready, and ends
 * after it; what it then has is counted, because a watcher that sees nothing is cheap for
 * a bad reason. Nobody but the worker causes notifications that have a subscriber.
 */
#include "competitors.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plan.h"

#define START "__mmu_notifier_invalidate_range_start"
#define TRACEFS "/sys/kernel/tracing"
#define EVENT "mmuscope_overhead:start"
#define PATIENCE_MS 120000	/* an emulated machine takes long to compile a script */

/* One competitor at work. */
struct contest {
	const struct competitor *c;
	pid_t worker;
	pid_t pid;		/* the tool's, 0: it has none */
	int out;		/* what it prints: a file, as a pipe would fill up */
	int control, ack;	/* perf's --control; of trace-cmd's command stdin */
	char file[64];		/* that it records to, "" where it does not */
	bool probe, instance;	/* are in tracefs */
	char *reason;
};

struct competitor_kind {
	int (*start)(struct contest *t);
	int (*stop)(struct contest *t, __u64 *seen);
};

static int because(struct contest *t, int err, const char *why)
{
	snprintf(t->reason, 160, "%s", why);
	return err;
}

/* ---- processes ---- */

static const char *find(const char *tool, char path[128])
{
	static const char *const folders[] = { "/usr/bin", "/usr/sbin", "/bin", "/sbin",
					       "/usr/local/bin", "/usr/share/bcc/tools" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, 128, "%s/%s", folders[i], tool);
		if (!access(path, X_OK))
			return path;
	}
	return NULL;
}

/* Its stdin, and its descriptors 3 and 4 where they are not -1. */
static int spawn(struct contest *t, const char *const *argv, int in, int fd3, int fd4)
{
	char path[128];

	if (!find(argv[0], path)) {
		snprintf(t->reason, 160, "%s is not installed", argv[0]);
		return -ENOENT;
	}
	t->out = memfd_create("mmuscope-overhead", MFD_CLOEXEC);
	if (t->out < 0)
		return because(t, -errno, "no memory for what it prints");
	t->pid = fork();
	if (t->pid)
		return t->pid < 0 ? because(t, -errno, "no process can be made") : 0;
	/* High first: a descriptor may be one of those that are given. */
	in = fcntl(in < 0 ? open("/dev/null", O_RDWR) : in, F_DUPFD, 10);
	fd3 = fcntl(fd3, F_DUPFD, 10);
	fd4 = fcntl(fd4, F_DUPFD, 10);
	dup2(in, 0);
	dup2(t->out, 1);
	dup2(t->out, 2);
	if (fd3 >= 0 && fd4 >= 0) {
		dup2(fd3, 3);
		dup2(fd4, 4);
	}
	for (int fd = 5; fd < 64; fd++)
		close(fd);
	signal(SIGPIPE, SIG_DFL);
	setenv("PYTHONUNBUFFERED", "1", 1);
	execv(path, (char *const *)argv);
	_exit(127);
}

/* All that it printed so far, to be freed. */
static char *printed(const struct contest *t)
{
	struct stat st = {};
	char *text = NULL;

	if (fstat(t->out, &st) || !(text = calloc(1, (size_t)st.st_size + 1)))
		return NULL;
	if (pread(t->out, text, (size_t)st.st_size, 0) < 0)
		*text = '\0';
	return text;
}

/* Its last line, for a reason. */
static int said(struct contest *t, int err)
{
	char *text = printed(t), *line = text;
	size_t n = text ? strlen(text) : 0;

	while (n && isspace((unsigned char)text[n - 1]))
		text[--n] = '\0';
	if (n) {
		line = strrchr(text, '\n');
		line = line ? line + 1 : text;
	}
	snprintf(t->reason, 160, "%s did not start: %.110s", t->c->tool,
		 n ? line : "it said nothing");
	free(text);
	return err;
}

static bool ended(struct contest *t)
{
	if (t->pid <= 0 || waitpid(t->pid, NULL, WNOHANG) != t->pid)
		return t->pid <= 0;
	t->pid = 0;
	return true;
}

static int wait_for_word(struct contest *t, const char *word)
{
	for (int ms = 0; ms < PATIENCE_MS; ms += 20) {
		char *text = printed(t);
		bool there = text && strstr(text, word);

		free(text);
		if (there)
			return 0;
		if (ended(t))
			return said(t, -ECHILD);
		usleep(20000);
	}
	return said(t, -ETIMEDOUT);
}

/* As Ctrl-C would; whoever does not end is killed. */
static void interrupt(struct contest *t)
{
	if (t->pid > 0)
		kill(t->pid, SIGINT);
	for (int ms = 0; ms < PATIENCE_MS && !ended(t); ms += 20)
		usleep(20000);
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
		t->pid = 0;
	}
}

static __u64 lines_with(FILE *f, const char *word)
{
	char *line = NULL;
	size_t size = 0;
	__u64 n = 0;

	while (f && getline(&line, &size, f) > 0)
		n += strstr(line, word) != NULL;
	free(line);
	return n;
}

/* Of a reader's output. */
static __u64 lines_of(const char *command, const char *word)
{
	FILE *f = popen(command, "re");
	__u64 n = lines_with(f, word);

	if (f)
		pclose(f);
	return n;
}

/* ---- bpftrace ---- */

/* Says when it is attached; what comes before the first tick is not measured. */
#define READY " interval:ms:200 { if (!@ready) { @ready = 1; printf(\"ready\\n\"); } }" \
	      " END { clear(@ready); }"
#define RANGE "((struct mmu_notifier_range *)arg0)"

static int start_bpftrace(struct contest *t)
{
	/* By line: "ready" must not wait for a full buffer. */
	const char *const argv[] = { "bpftrace", "-B", "line", "-e", t->c->script, NULL };
	int err = spawn(t, argv, -1, -1, -1);

	return err ? err : wait_for_word(t, "ready\n");
}

/*
 * Lines of printf ("event 1 ..."), counts ("@[1]: 23") and buckets of histograms
 * ("[4K, 8K)  23 |@@@ |").
 */
static int stop_bpftrace(struct contest *t, __u64 *seen)
{
	char *text, *line, *save = NULL;

	interrupt(t);
	text = printed(t);
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *value = strstr(line, "]: "), *bucket = strchr(line, ')');

		if (!strncmp(line, "event ", 6))
			++*seen;
		else if (line[0] == '@' && value)
			*seen += strtoull(value + 3, NULL, 10);
		else if (line[0] == '[' && bucket)
			*seen += strtoull(bucket + 1, NULL, 10);
	}
	free(text);
	return 0;
}

static const struct competitor_kind by_bpftrace = { start_bpftrace, stop_bpftrace };

/* ---- tracefs ---- */

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC), err = 0;
	size_t n = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, n) != (ssize_t)n)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

/* Bytes into struct mmu_notifier_range: it lost a field in 6.3. */
static int offset_of(const char *field)
{
	struct btf *btf = kernel_btf();
	int id = btf ? btf__find_by_name_kind(btf, "mmu_notifier_range", BTF_KIND_STRUCT) : -ENOENT;
	const struct btf_type *t = id < 0 ? NULL : btf__type_by_id(btf, (__u32)id);

	for (__u32 i = 0; t && i < btf_vlen(t); i++)
		if (!strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), field))
			return (int)(btf_member_bit_offset(t, i) / 8);
	return -ENOENT;
}

static int add_probe(struct contest *t)
{
	int event = offset_of("event"), from = offset_of("start"), to = offset_of("end"), err;
	char text[256];

	if (event < 0 || from < 0 || to < 0)
		return because(t, -ENOENT, "the kernel has no BTF of struct mmu_notifier_range");
	snprintf(text, sizeof(text),
		 "p:mmuscope_overhead/start " START " event=+%d(%%di):u32 from=+%d(%%di):x64 "
		 "to=+%d(%%di):x64\n", event, from, to);
	err = put(TRACEFS "/kprobe_events", text);
	if (err)
		return because(t, err, "the kernel refuses the kprobe event");
	t->probe = true;
	return 0;
}

/* Apart from whatever else is traced. */
#define INSTANCE TRACEFS "/instances/mmuscope_overhead"

static int add_instance(struct contest *t)
{
	if (mkdir(INSTANCE, 0700))
		return because(t, -errno, "tracefs is not mounted, or makes no instance");
	t->instance = true;
	put(INSTANCE "/buffer_size_kb", "8192");
	return 0;
}

static int start_function_tracer(struct contest *t)
{
	int err = add_instance(t);

	err = err ? err : put(INSTANCE "/set_ftrace_filter", START);
	err = err ? err : put(INSTANCE "/current_tracer", "function");
	if (err && !*t->reason)
		return because(t, err, "the kernel has no function tracer");
	return err;
}

static int start_probe_event(struct contest *t)
{
	int err = add_probe(t);

	err = err ? err : add_instance(t);
	err = err ? err : put(INSTANCE "/events/mmuscope_overhead/start/enable", "1");
	if (err && !*t->reason)
		return because(t, err, "the kprobe event cannot be switched on");
	return err;
}

/* "entries: N" and "overrun: N" of each CPU: those that are there and those that were. */
static int stop_tracefs(struct contest *t, __u64 *seen)
{
	(void)t;
	put(INSTANCE "/tracing_on", "0");
	for (int cpu = 0; cpu < 1024; cpu++) {
		char path[96], line[128];
		FILE *f;

		snprintf(path, sizeof(path), INSTANCE "/per_cpu/cpu%d/stats", cpu);
		f = fopen(path, "re");
		if (!f)
			break;
		while (fgets(line, sizeof(line), f))
			if (!strncmp(line, "entries: ", 9) || !strncmp(line, "overrun: ", 9))
				*seen += strtoull(line + 9, NULL, 10);
		fclose(f);
	}
	return 0;
}

static const struct competitor_kind by_function_tracer = { start_function_tracer, stop_tracefs };
static const struct competitor_kind by_probe_event = { start_probe_event, stop_tracefs };

static void remove_from_tracefs(struct contest *t)
{
	if (t->instance) {
		put(INSTANCE "/events/enable", "0");
		put(INSTANCE "/current_tracer", "nop");
		rmdir(INSTANCE);
	}
	if (t->probe)
		put(TRACEFS "/kprobe_events", "-:mmuscope_overhead/start\n");
}

/* ---- perf ---- */

/* Switched on through --control, and it says when that is done. */
static int perf(struct contest *t, const char *const *argv)
{
	int control[2], ack[2], err = add_probe(t);
	char answer[8] = "";

	if (err)
		return err;
	if (pipe2(control, O_CLOEXEC) || pipe2(ack, O_CLOEXEC))
		return because(t, -errno, "no pipe can be made");
	err = spawn(t, argv, -1, control[0], ack[1]);
	close(control[0]);
	close(ack[1]);
	t->control = control[1];
	t->ack = ack[0];
	/* Where it has ended it neither reads nor answers. */
	if (!err && (write(t->control, "enable\n", 7) != 7 || read(t->ack, answer, 4) != 4))
		return said(t, -ECHILD);
	return err;
}

static int start_perf_stat(struct contest *t)
{
	char pid[16];
	const char *const argv[] = { "perf", "stat", "-x,", "-e", EVENT, "-p", pid, "--delay", "-1",
				     "--control", "fd:3,4", NULL };

	snprintf(pid, sizeof(pid), "%d", t->worker);
	return perf(t, argv);
}

/* "23,,mmuscope_overhead:start,..." */
static int stop_perf_stat(struct contest *t, __u64 *seen)
{
	char *text, *line;

	interrupt(t);
	text = printed(t);
	line = text ? strstr(text, "," EVENT) : NULL;
	while (line && line > text && line[-1] != '\n')
		line--;
	if (line)
		*seen = strtoull(line, NULL, 10);
	free(text);
	return 0;
}

static void name_file(struct contest *t)
{
	snprintf(t->file, sizeof(t->file), "/tmp/mmuscope-overhead.%d", getpid());
}

static int start_perf_record(struct contest *t)
{
	char pid[16];
	const char *const argv[] = { "perf", "record", "-q", "-B", "-N", "-o", t->file, "-e", EVENT,
				     "-p", pid, "--delay", "-1", "--control", "fd:3,4", NULL };

	name_file(t);
	snprintf(pid, sizeof(pid), "%d", t->worker);
	return perf(t, argv);
}

static int stop_perf_record(struct contest *t, __u64 *seen)
{
	char command[160];

	interrupt(t);
	snprintf(command, sizeof(command), "perf script -i %s 2> /dev/null", t->file);
	*seen = lines_of(command, " event=");
	return 0;
}

static const struct competitor_kind by_perf_stat = { start_perf_stat, stop_perf_stat };
static const struct competitor_kind by_perf_record = { start_perf_record, stop_perf_record };

/* ---- trace-cmd ---- */

/* Its command is started when it records, and waits for the end of stdin. */
static int start_trace_cmd(struct contest *t)
{
	const char *const argv[] = { "trace-cmd", "record", "--compression", "none", "-o", t->file,
				     "-e", EVENT, "sh", "-c", "echo ready; read end", NULL };
	int end[2], err = add_probe(t);

	if (err)
		return err;
	name_file(t);
	if (pipe2(end, O_CLOEXEC))
		return because(t, -errno, "no pipe can be made");
	err = spawn(t, argv, end[0], -1, -1);
	close(end[0]);
	t->control = end[1];
	return err ? err : wait_for_word(t, "ready\n");
}

static int stop_trace_cmd(struct contest *t, __u64 *seen)
{
	char command[160];

	close(t->control);
	t->control = -1;
	for (int ms = 0; ms < PATIENCE_MS && !ended(t); ms += 20)
		usleep(20000);
	interrupt(t);
	snprintf(command, sizeof(command), "trace-cmd report %s 2> /dev/null", t->file);
	*seen = lines_of(command, " event=");
	return 0;
}

static const struct competitor_kind by_trace_cmd = { start_trace_cmd, stop_trace_cmd };

/* ---- bcc ---- */

/* The probes that a process holds by descriptors of perf: there is no link to be seen. */
static unsigned int probes_of(pid_t pid)
{
	char folder[64], function[128];
	unsigned int probes = 0;
	struct dirent *d;
	DIR *fds;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	fds = opendir(folder);
	while (fds && (d = readdir(fds))) {
		__u32 len = sizeof(function), prog, type;
		__u64 offset, address;

		if (!bpf_task_fd_query(pid, atoi(d->d_name), 0, function, &len, &prog, &type,
				       &offset, &address) &&
		    (type == BPF_FD_TYPE_KPROBE || type == BPF_FD_TYPE_KRETPROBE))
			probes++;
	}
	if (fds)
		closedir(fds);
	return probes;
}

/*
 * What it says stays in its buffer; the kernel tells when its two programs are there, as
 * kprobes or as links.
 */
static int start_funclatency(struct contest *t)
{
	const char *const argv[] = { "funclatency", START, NULL };
	struct floor_set before, now;
	int err = floor__attached(&before);

	err = err ? err : spawn(t, argv, -1, -1, -1);
	for (int ms = 0; ms < PATIENCE_MS && !err; ms += 20) {
		err = floor__attached(&now);
		if (err || now.count >= before.count + 2 || probes_of(t->pid) == 2)
			return err;
		if (ended(t))
			return said(t, -ECHILD);
		usleep(20000);
	}
	return err ? err : said(t, -ETIMEDOUT);
}

/* " 4096 -> 8191 : 23 |*** |" */
static int stop_funclatency(struct contest *t, __u64 *seen)
{
	char *text, *line, *save = NULL;

	interrupt(t);
	text = printed(t);
	for (line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *value = strchr(line, ':');

		if (strstr(line, " -> ") && value)
			*seen += strtoull(value + 1, NULL, 10);
	}
	free(text);
	return 0;
}

static int start_funccount(struct contest *t)
{
	char path[128];
	/* Debian's name for it. */
	const char *tool = find("funccount-bpfcc", path) ? "funccount-bpfcc" : "funccount";
	const char *const argv[] = { tool, START, NULL };
	int err = spawn(t, argv, -1, -1, -1);

	return err ? err : wait_for_word(t, "Tracing ");
}

/* "b'__mmu_notifier_invalidate_range_start'    23" */
static int stop_funccount(struct contest *t, __u64 *seen)
{
	char *text, *line;

	interrupt(t);
	text = printed(t);
	line = text ? strstr(text, START "' ") : NULL;
	if (line)
		*seen = strtoull(line + strlen(START "' "), NULL, 10);
	free(text);
	return 0;
}

static const struct competitor_kind by_funclatency = { start_funclatency, stop_funclatency };
static const struct competitor_kind by_funccount = { start_funccount, stop_funccount };

/* ---- the list ---- */

#define NO_CALLBACK "callback, outcome, phase, pages of either"

const struct competitor competitors[] = {
	{ .name = "bpftrace count, kfunc", .tool = "bpftrace", .kind = &by_bpftrace,
	  .tells = "count by event", .cannot = "process, latency, " NO_CALLBACK,
	  .gives = GIVES_COUNTS, .floor = { FLOOR_FENTRY }, .floors = 1,
	  .script = "kfunc:" START " { @[args->range->event] = count(); }" READY },
	{ .name = "bpftrace count, kprobe", .tool = "bpftrace", .kind = &by_bpftrace,
	  .tells = "count by event", .cannot = "process, latency, " NO_CALLBACK,
	  .gives = GIVES_COUNTS, .floor = { FLOOR_KPROBE }, .floors = 1,
	  .script = "kprobe:" START " { @[" RANGE "->event] = count(); }" READY },
	{ .name = "bpftrace latency, kfunc", .tool = "bpftrace", .kind = &by_bpftrace,
	  .tells = "histogram of the notification's latency by event",
	  .cannot = "process, " NO_CALLBACK,
	  .gives = GIVES_LATENCY, .floor = { FLOOR_FENTRY, FLOOR_FEXIT }, .floors = 2,
	  .script = "kfunc:" START " { @s[tid] = nsecs; } kretfunc:" START " /@s[tid]/ {"
		    " @[args->range->event] = hist(nsecs - @s[tid]); delete(@s[tid]); }" READY },
	{ .name = "bpftrace latency, kprobe", .tool = "bpftrace", .kind = &by_bpftrace,
	  .tells = "histogram of the notification's latency by event",
	  .cannot = "process, " NO_CALLBACK,
	  .gives = GIVES_LATENCY, .floor = { FLOOR_KPROBE, FLOOR_KRETPROBE }, .floors = 2,
	  .script = "kprobe:" START " { @e[tid] = " RANGE "->event; @s[tid] = nsecs; }"
		    " kretprobe:" START " /@s[tid]/ { @[@e[tid]] = hist(nsecs - @s[tid]);"
		    " delete(@s[tid]); delete(@e[tid]); }" READY },
	{ .name = "bpftrace print, kfunc", .tool = "bpftrace", .kind = &by_bpftrace,
	  .tells = "event and range of each",
	  .cannot = "process, latency, callback, outcome, phase, owner",
	  .gives = GIVES_RECORDS, .floor = { FLOOR_FENTRY }, .floors = 1,
	  .script = "kfunc:" START " { printf(\"event %d %lx %lx\\n\", args->range->event,"
		    " args->range->start, args->range->end); }" READY },
	{ .name = "bpftrace print, kprobe", .tool = "bpftrace", .kind = &by_bpftrace,
	  .tells = "event and range of each",
	  .cannot = "process, latency, callback, outcome, phase, owner",
	  .gives = GIVES_RECORDS, .floor = { FLOOR_KPROBE }, .floors = 1,
	  .script = "kprobe:" START " { printf(\"event %d %lx %lx\\n\", " RANGE "->event, "
		    RANGE "->start, " RANGE "->end); }" READY },
	{ .name = "ftrace function tracer", .tool = "ftrace", .kind = &by_function_tracer,
	  .tells = "task, time and caller of each",
	  .cannot = "event, range, latency, callback, outcome, phase, owner",
	  .gives = GIVES_LESS },
	{ .name = "ftrace kprobe event", .tool = "ftrace", .kind = &by_probe_event,
	  .tells = "task, time, event and range of each",
	  .cannot = "latency, callback, outcome, phase, owner",
	  .gives = GIVES_RECORDS },
	{ .name = "perf stat, kprobe event", .tool = "perf", .kind = &by_perf_stat,
	  .tells = "count of one process", .cannot = "event, latency, " NO_CALLBACK,
	  .gives = GIVES_LESS },
	{ .name = "perf record, kprobe event", .tool = "perf", .kind = &by_perf_record,
	  .tells = "task, time, event and range of each",
	  .cannot = "latency, callback, outcome, phase, owner",
	  .gives = GIVES_RECORDS },
	{ .name = "trace-cmd record, kprobe event", .tool = "trace-cmd", .kind = &by_trace_cmd,
	  .tells = "task, time, event and range of each",
	  .cannot = "latency, callback, outcome, phase, owner",
	  .gives = GIVES_RECORDS },
	{ .name = "bcc funccount", .tool = "bcc", .kind = &by_funccount,
	  .tells = "count", .cannot = "process, event, latency, " NO_CALLBACK,
	  .gives = GIVES_LESS, .floor = { FLOOR_KPROBE }, .floors = 1 },
	{ .name = "bcc libbpf-tools funclatency", .tool = "bcc", .kind = &by_funclatency,
	  .tells = "histogram of the notification's latency",
	  .cannot = "process, event, " NO_CALLBACK,
	  .gives = GIVES_LESS, .floor = { FLOOR_KPROBE, FLOOR_KRETPROBE }, .floors = 2 },
};

const size_t competitor_count = sizeof(competitors) / sizeof(competitors[0]);

/* In any case: nothing of it stays. */
static void clean(struct contest *t)
{
	if (t->control >= 0)
		close(t->control);
	if (t->ack >= 0)
		close(t->ack);
	if (t->pid > 0)
		interrupt(t);
	if (t->out >= 0)
		close(t->out);
	if (*t->file)
		unlink(t->file);
	remove_from_tracefs(t);
}

int competitor__measure(const struct competitor *c, const struct watched *worker, __u64 events,
			struct watched_cost *cost, __u64 *seen, char reason[160])
{
	struct contest t = { .c = c, .worker = worker->pid, .out = -1, .control = -1, .ack = -1,
			     .reason = reason };
	/* Whoever has ended reads no more. */
	void (*on_pipe)(int) = signal(SIGPIPE, SIG_IGN);
	int err;

	*seen = 0;
	*reason = '\0';
	err = c->kind->start(&t);
	err = err ? err : watched__measure(worker, 0, cost);
	err = err ? err : c->kind->stop(&t, seen);
	clean(&t);
	signal(SIGPIPE, on_pipe);
	if (!err && !*seen) {
		snprintf(reason, 160, "it saw none of %ju notifications", (uintmax_t)events);
		err = -ENODATA;
	}
	if (err && !*reason)
		snprintf(reason, 160, "%s", strerror(-err));
	return err;
}

json_t *competitors__versions(void)
{
	static const char *const commands[][2] = {
		{ "bpftrace", "bpftrace --version 2> /dev/null" },
		{ "perf", "perf --version 2> /dev/null" },
		{ "trace-cmd", "trace-cmd --version 2> /dev/null" },
		{ "funclatency", "funclatency --version 2> /dev/null" },
	};
	json_t *versions = json_object();
	char line[128], *at;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		FILE *f = popen(commands[i][1], "re");

		/* The first number. */
		while (f && fgets(line, sizeof(line), f)) {
			at = line + strcspn(line, "0123456789");
			at[strspn(at, "0123456789.")] = '\0';
			if (!*at)
				continue;
			json_object_set_new(versions, commands[i][0], json_string(at));
			break;
		}
		if (f)
			pclose(f);
	}
	return versions;
}
