// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recordings.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <zlib.h>

/* Lines of records that babeltrace2 prints of a folder; below 0: it is not installed. */
static long babeltrace2_records(const char *path)
{
	char command[PATH_MAX + 128];
	long count = -1;
	FILE *f;

	if (system("command -v babeltrace2 >/dev/null"))
		return -1;
	/* Only records have a cpu_id. A shell that fails prints no number. */
	snprintf(command, sizeof(command),
		 "lines=$(babeltrace2 '%s' 2>/dev/null) && "
		 "{ echo \"$lines\" | grep -c ' cpu_id = ' || :; }", path);
	f = popen(command, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%ld", &count), 1);
	pclose(f);
	return count;
}

static void check_babeltrace2(const char *path, size_t records)
{
	const long count = babeltrace2_records(path);

	if (count >= 0)
		assert_int_equal(count, records);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Every kind and field, in the exact order of time, CPU and writing. */
static void test_round_trip(void **state)
{
	struct samples samples = begin_samples(1);
	const struct mmuscope_record *rec;
	struct recording *recording;
	struct recorder *r;
	struct sandbox box;
	double start;

	(void)state;
	sandbox__make(&box);
	r = open_recorder(sandbox__path(&box, "rec"), 0);
	start = seconds();
	assert_int_equal(write_samples(r, &samples, 12007), 0);
	assert_int_equal(recorder__flush(r), 0);
	assert_int_equal(recorder__progress(r).records, 12007);
	assert_int_equal(recorder__progress(r).dropped, 0);
	assert_int_equal(recorder__close(r), 0);
	print_message("# %.0f records/s made and written, sanitized\n",
		      12007 / (seconds() - start));
	sort_samples(&samples);
	assert_int_equal(recording__open(&recording, sandbox__path(&box, "rec")), 0);
	assert_string_equal(sandbox__temp(&box), "");
	start = seconds();
	for (size_t i = 0; i < samples.count; i++) {
		assert_int_equal(recording__next(recording, &rec), 1);
		assert_memory_equal(rec, &samples.all[i].rec,
				    slots_of(&samples.all[i]) * sizeof(*rec));
	}
	assert_int_equal(recording__next(recording, &rec), 0);
	assert_int_equal(recording__next(recording, &rec), 0);
	print_message("# %.0f records/s read, sanitized\n", 12007 / (seconds() - start));
	assert_false(is_damaged(recording__damage(recording)));
	assert_false(recording__info(recording)->complete);
	recording__close(recording);
	check_babeltrace2(sandbox__path(&box, "rec"), samples.count);
	free(samples.all);
	sandbox__remove(&box);
}

/* A callback and the notification behind it, each as it may be. */
static struct mmuscope_record half_of_pair(bool callback, __u64 ns)
{
	struct mmuscope_record rec = {
		.kind = callback ? RECORD_CALLBACK : RECORD_NOTIFICATION,
		.event = 3, .phase = 1, .ns = ns, .from = 1ULL << 47, .to = ~0ULL, .tgid = ~0U,
		.task = 77, .start = ~0U - 1, .migration = ~0U - 2,
		.what = callback ? ~0ULL - 3 : ~0ULL - 4,
		.took = callback ? 0x7fffffff : ~0ULL - 5,
		.flags = callback ? RECORD_AVOIDABLE | 3 << RECORD_OUTCOME_SHIFT :
				    RECORD_FAILED | RECORD_UNTIMED,
	};

	return rec;
}

/* How a pair differs from one that is written as one event. */
static bool change(unsigned int how, struct mmuscope_record *c, struct mmuscope_record *n)
{
	switch (how) {
	case 0:
		return true;
	case 1: /* as the ring folds them */
		c->flags |= RECORD_UNTIMED;
		c->took = 0;
		return true;
	case 2: /* its time is set to that of the callback */
		n->ns = c->ns - 1;
		return true;
	case 3:
		n->ns = c->ns + ~0U;
		return true;
	case 4:
		n->ns = c->ns + ~0U + 1ULL;
		return false;
	case 5:
		c->took++;
		return false;
	case 6: /* untimed, and has a time */
		c->flags |= RECORD_UNTIMED;
		return false;
	case 7:
		c->flags |= RECORD_RETRY;
		return false;
	case 8:
		n->flags |= 1 << RECORD_OUTCOME_SHIFT;
		return false;
	case 9:
		n->flags |= RECORD_AVOIDABLE;
		return false;
	case 10:
		n->task++;
		return false;
	case 11:
		n->to--;
		return false;
	case 12:
		n->from++;
		return false;
	case 13:
		n->event++;
		return false;
	case 14:
		n->phase++;
		return false;
	case 15:
		n->migration++;
		return false;
	case 16:
		n->tgid--;
		return false;
	case 17:
		n->start--;
		return false;
	case 18: /* what is not there is not written */
	case 19:
	case 20:
	case 21:
		c->phase = n->phase = how == 19;
		n->what = how == 20;
		c->migration = n->migration = how == 21;
		return true;
	default:
		n->kind = RECORD_FAULT;
		return false;
	}
}

#define PAIRS 23

/* A notification and its last callback are one event, and nothing of either is lost. */
static void test_pairs(void **state)
{
	struct mmuscope_record want[2 * PAIRS + 4];
	const struct mmuscope_record *rec;
	struct recording *recording;
	size_t count = 0, events = 0;
	struct recorder *r;
	struct sandbox box;

	(void)state;
	sandbox__make(&box);
	r = open_recorder(sandbox__path(&box, "rec"), 0);
	for (unsigned int how = 0; how < PAIRS; how++) {
		struct mmuscope_record c = half_of_pair(true, (how + 1ULL) << 40);
		struct mmuscope_record n = half_of_pair(false, c.ns + 5000);

		events += change(how, &c, &n) ? 1 : 2;
		assert_int_equal(recorder__record(r, 0, &c), 0);
		assert_int_equal(recorder__record(r, 0, &n), 0);
		want[count++] = c;
		if (n.ns < c.ns)
			n.ns = c.ns;
		want[count++] = n;
	}
	/* Of another CPU one comes between the halves; a flush parts two. */
	for (unsigned int i = 0; i < 4; i++)
		want[count + i] = half_of_pair(!(i & 1), ((PAIRS + 1ULL) << 40) + i / 2 + 2 * (i & 1));
	/* ns + 0: callback, + 2: notification of CPU 0; + 1: callback, + 3: of CPU 1. */
	assert_int_equal(recorder__record(r, 0, &want[count]), 0);
	assert_int_equal(recorder__record(r, 0, &want[count + 1]), 0);
	assert_int_equal(recorder__record(r, 1, &want[count + 2]), 0);
	assert_int_equal(recorder__flush(r), 0);
	assert_int_equal(recorder__progress(r).records, count + 3);
	assert_int_equal(recorder__record(r, 1, &want[count + 3]), 0);
	assert_int_equal(recorder__close(r), 0);
	want[count + 1] = want[count + 2];
	want[count + 2] = half_of_pair(false, ((PAIRS + 1ULL) << 40) + 2);
	count += 4;
	events += 3;
	assert_int_equal(recording__open(&recording, sandbox__path(&box, "rec")), 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(recording__next(recording, &rec), 1);
		assert_memory_equal(rec, &want[i], sizeof(*rec));
	}
	assert_int_equal(recording__next(recording, &rec), 0);
	assert_false(is_damaged(recording__damage(recording)));
	recording__close(recording);
	check_babeltrace2(sandbox__path(&box, "rec"), events);
	sandbox__remove(&box);
}

/* The table of fields and the struct are two truths: each byte has one field. */
static void test_layout(void **state)
{
	(void)state;
	for (unsigned int k = RECORD_NONE + 1; k < RECORD_KINDS; k++) {
		size_t bits = 0;

		for (size_t i = 0; i < ctf_records[k].field_count; i++)
			bits += ctf_records[k].fields[i].bits *
				(ctf_records[k].fields[i].count ? ctf_records[k].fields[i].count :
								  1U);
		assert_int_equal(bits / 8, ctf__record_bytes(&ctf_records[k]) - CTF_EVENT_HEAD);
		assert_int_equal(bits % 8, 0);
	}
}

static json_t *long_object(int lines)
{
	json_t *object = json_object(), *array = json_array();

	for (int i = 0; i < lines; i++)
		json_array_append_new(array, json_sprintf("line %d, \xc3\xa4 \"quoted\"", i));
	json_object_set_new(object, "lines", array);
	return object;
}

static void tell_names(struct recorder *r)
{
	struct name_process p = { .start = ~0ULL - 5, .tgid = 4000000000U, .comm = "before" };
	struct name_callback c = { .symbol = "second", .module = "test_hmm", .kind = "interval",
				   .source = "fentry", .owner_by = OWNER_BY_DRIVER };
	struct name_callback hidden = { .symbol = "far", .module = "", .kind = "notifier",
					.source = "registry", .address = 0xffffffffc0001000,
					.owner_by = OWNER_BY_MIGRATION };

	assert_int_equal(recorder__process(r, &p), 0);
	strcpy(p.comm, "caf\xc3");	/* cut in a character */
	assert_int_equal(recorder__process(r, &p), 0);
	/* The address first: ids that come later get their own places. */
	assert_int_equal(recorder__callback(r, hidden.address, &hidden), 0);
	assert_int_equal(recorder__callback(r, 2, &c), 0);
	strcpy(c.symbol, "zeroth");
	c.owner_by = OWNER_BY_MIGRATION;
	assert_int_equal(recorder__callback(r, 0, &c), 0);
	assert_int_equal(recorder__owner(r, 0xffff888000000000, "old"), 0);
	assert_int_equal(recorder__owner(r, 0xffff888000000000, "dmirror_devices+0x10 [test_hmm]"),
			 0);
}

static void tell_targets(struct recorder *r)
{
	struct plan_target t = { .metric = "faults", .symbol = "hmm_range_fault",
				 .source = PLAN_NONE, .off = true, .reason = "--no-faults" };

	assert_int_equal(recorder__target(r, &t), 0);
	t.off = false;
	t.source = PLAN_KPROBE;
	t.address = 0xffffffff81000000;
	strcpy(t.reason, "it is not in BTF");
	assert_int_equal(recorder__target(r, &t), 0);
	strcpy(t.module, "nouveau");
	t.absent = true;
	t.source = PLAN_NONE;
	assert_int_equal(recorder__target(r, &t), 0);
}

static void check_names(const struct recording_info *info)
{
	const struct names *n = &info->names;

	assert_string_equal(names__comm(n, 4000000000U, ~0ULL - 5), "caf?");
	assert_int_equal(n->process_count, 1);
	assert_string_equal(names__callback(n, 0)->symbol, "zeroth");
	assert_string_equal(names__callback(n, 0)->owner_by, OWNER_BY_MIGRATION);
	assert_null(names__callback(n, 1));
	assert_string_equal(names__callback(n, 2)->symbol, "second");
	assert_string_equal(names__callback(n, 2)->module, "test_hmm");
	assert_string_equal(names__callback(n, 2)->kind, "interval");
	assert_string_equal(names__callback(n, 2)->source, "fentry");
	assert_string_equal(names__callback(n, 2)->owner_by, OWNER_BY_DRIVER);
	assert_null(names__callback(n, 3));
	assert_string_equal(names__callback(n, 0xffffffffc0001000)->symbol, "far");
	assert_string_equal(names__callback(n, 0xffffffffc0001000)->kind, "notifier");
	assert_int_equal(n->owner_count, 1);
	assert_int_equal(n->owners[0].address, 0xffff888000000000);
	assert_string_equal(n->owners[0].symbol, "dmirror_devices+0x10 [test_hmm]");
}

static void check_targets(const struct plan *plan)
{
	assert_int_equal(plan->count, 2);
	assert_string_equal(plan->targets[0].metric, "faults");
	assert_string_equal(plan->targets[0].symbol, "hmm_range_fault");
	assert_string_equal(plan->targets[0].module, "");
	assert_int_equal(plan->targets[0].source, PLAN_KPROBE);
	assert_false(plan->targets[0].off);
	assert_false(plan->targets[0].absent);
	assert_int_equal(plan->targets[0].address, 0xffffffff81000000);
	assert_string_equal(plan->targets[0].reason, "it is not in BTF");
	assert_string_equal(plan->targets[1].module, "nouveau");
	assert_true(plan->targets[1].absent);
}

/* Records that its CPU lost, as the last packet of a file has it. */
static __u64 discarded(const char *path)
{
	union ctf_packet last;
	char *bytes;
	size_t size = read_whole(path, &bytes);

	assert_true(size >= sizeof(last) && size % sizeof(last) == 0);
	memcpy(&last, bytes + size - sizeof(last), sizeof(last));
	free(bytes);
	assert_true(ctf__valid(&last));
	return last.head.events_discarded;
}

static void test_info(void **state)
{
	static const char *const frames[] = { "unmap_vmas", "__vm_munmap", "__x64_sys_munmap" };
	const __u64 lost[RECORD_KINDS] = { 0, 5, 6, 7, 0, 1ULL << 40, 9 };
	const __u64 by_cpu[CPUS] = { 20, 0, 7 };
	/* Larger than a packet, and its last piece ends anywhere. */
	json_t *counters = long_object(997), *first = long_object(3);
	const struct recording_info *info;
	const char *many[700];
	struct recording *recording;
	struct recorder *r;
	struct sandbox box;

	(void)state;
	for (size_t i = 0; i < 700; i++)
		many[i] = i % 2 ? "a_function_of_the_kernel" : "another.isra.0";
	sandbox__make(&box);
	r = open_recorder(sandbox__path(&box, "rec"), 0);
	tell_names(r);
	tell_targets(r);
	assert_int_equal(recorder__stack(r, 7, "old", frames, 1), 0);
	assert_int_equal(recorder__stack(r, 9, "other", many, 700), 0);
	assert_int_equal(recorder__stack(r, 7, "munmap", frames, 3), 0);
	assert_int_equal(recorder__lost(r, lost, by_cpu), 0);
	assert_int_equal(recorder__counters(r, first, false), 0);
	assert_int_equal(recorder__counters(r, counters, true), 0);
	assert_int_equal(recorder__close(r), 0);

	assert_int_equal(recording__open(&recording, sandbox__path(&box, "rec")), 0);
	info = recording__info(recording);
	assert_string_equal(json_string_value(json_object_get(info->about, "clock")), "ns");
	check_names(info);
	check_targets(&info->plan);
	assert_int_equal(info->stack_count, 2);
	assert_int_equal(info->stacks[0].id, 7);
	assert_string_equal(info->stacks[0].cause, "munmap");
	assert_int_equal(info->stacks[0].frame_count, 3);
	assert_string_equal(info->stacks[0].frames[2], frames[2]);
	assert_int_equal(info->stacks[1].frame_count, 700);
	for (size_t i = 0; i < 700; i++)
		assert_string_equal(info->stacks[1].frames[i], many[i]);
	assert_memory_equal(info->lost, lost, sizeof(lost));
	assert_true(json_equal(info->counters, counters));
	assert_true(info->complete);
	assert_int_equal(info->dropped, 0);
	assert_false(is_damaged(recording__damage(recording)));
	recording__close(recording);
	/* A CPU that lost records has a packet that says so, if only for that. */
	assert_int_equal(discarded(sandbox__path(&box, "rec/records_0_0")), 20);
	assert_int_equal(access(sandbox__path(&box, "rec/records_1_0"), F_OK), -1);
	assert_int_equal(discarded(sandbox__path(&box, "rec/records_2_0")), 7);
	check_babeltrace2(sandbox__path(&box, "rec"), 0);
	json_decref(counters);
	json_decref(first);
	sandbox__remove(&box);
}

/* Opens what may be the state of a folder at any moment: whole, but not finished. */
static size_t check_unfinished(const char *dir, const struct samples *sorted, __u64 *dropped)
{
	struct recording *recording;
	size_t count;

	assert_int_equal(recording__open(&recording, dir), 0);
	count = read_samples(recording, sorted, NULL);
	assert_false(is_damaged(recording__damage(recording)));
	assert_false(recording__info(recording)->complete);
	assert_string_equal(json_string_value(json_object_get(recording__info(recording)->about,
							      "clock")), "ns");
	*dropped = recording__info(recording)->dropped;
	recording__close(recording);
	return count;
}

/* The same records as those that `samples` will be made of, sorted. */
static struct samples foresee(__u32 seed, size_t count)
{
	struct samples samples = begin_samples(seed);

	for (size_t i = 0; i < count; i++)
		settle_sample(&samples, make_sample(&samples));
	sort_samples(&samples);
	return samples;
}

/* The folder's state after each write() of 3,000 records. */
static void test_each_write(void **state)
{
	struct samples sorted = foresee(2, 3000), samples = begin_samples(2);
	__u64 bytes = 0, dropped;
	unsigned int states = 0;
	struct recorder *r;
	struct sandbox box;

	(void)state;
	sandbox__make(&box);
	r = open_recorder(sandbox__path(&box, "rec"), 0);
	copy_dir(sandbox__path(&box, "rec"), sandbox__path(&box, "state"));
	assert_int_equal(check_unfinished(sandbox__path(&box, "state"), &sorted, &dropped), 0);
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(write_samples(r, &samples, 1), 0);
		if (i % 400 == 399)
			assert_int_equal(recorder__flush(r), 0);
		if (recorder__progress(r).bytes == bytes)
			continue;
		bytes = recorder__progress(r).bytes;
		copy_dir(sandbox__path(&box, "rec"), sandbox__path(&box, "state"));
		assert_int_equal(check_unfinished(sandbox__path(&box, "state"), &sorted, &dropped),
				 recorder__progress(r).records);
		assert_int_equal(dropped, 0);
		states++;
	}
	assert_true(states >= 8);
	assert_int_equal(recorder__close(r), 0);
	free(sorted.all);
	free(samples.all);
	sandbox__remove(&box);
}

static void run_until_killed(const char *dir, __u32 seed, size_t count, __u64 size)
{
	struct samples samples = begin_samples(seed);
	struct recorder *r = open_recorder(dir, size);

	for (size_t i = 0; i < count; i++)
		if (write_samples(r, &samples, 1) || (i % 97 == 0 && recorder__flush(r)))
			_exit(1);
	_exit(0);
}

/* SIGKILL at random moments, with files that come and go. */
static void test_killed(void **state)
{
	struct samples sorted = foresee(3, 60000);
	__u32 random = (__u32)time(NULL);
	unsigned int killed = 0;
	char dir[PATH_MAX], info[PATH_MAX];
	struct sandbox box;

	(void)state;
	print_message("# seed %u\n", random);
	sandbox__make(&box);
	join(dir, box.dir, "rec");
	join(info, box.dir, "rec/info");
	for (int i = 0; i < 20; i++) {
		struct stat st;
		__u64 dropped;
		int status;
		pid_t pid;

		remove_tree(dir);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			run_until_killed(dir, 3, 60000, i % 2 ? RECORDER_SIZE_MIN : 0);
		for (int wait = 0; wait < 100000 && (stat(info, &st) || !st.st_size); wait++)
			usleep(100);
		usleep(1000 + draw(&random) % 60000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		killed += WIFSIGNALED(status);
		check_unfinished(dir, &sorted, &dropped);
	}
	print_message("# %u of 20 were killed in the middle\n", killed);
	free(sorted.all);
	sandbox__remove(&box);
}

static __u64 bytes_of_records(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	__u64 bytes = 0;

	while ((entry = readdir(dir))) {
		struct stat st;

		if (!strncmp(entry->d_name, "records_", 8) &&
		    !fstatat(dirfd(dir), entry->d_name, &st, 0))
			bytes += (__u64)st.st_size;
	}
	closedir(dir);
	return bytes;
}

/* What is left of each CPU must be all from some record on. */
static void check_tails(const struct samples *sorted, const bool *present)
{
	bool begun[CPUS] = { false };

	for (size_t i = 0; i < sorted->count; i++) {
		const unsigned int cpu = sorted->all[i].cpu;

		assert_true(present[i] || !begun[cpu]);
		begun[cpu] |= present[i];
	}
}

static void test_rotation(void **state)
{
	struct samples samples = begin_samples(4);
	struct recorder_progress progress;
	const __u64 size = RECORDER_SIZE_MIN + 5000;
	struct recording *recording;
	struct recorder *r;
	struct sandbox box;
	size_t count;
	bool *present;

	(void)state;
	sandbox__make(&box);
	r = open_recorder(sandbox__path(&box, "rec"), size);
	for (int i = 0; i < 20011; i++) {
		assert_int_equal(write_samples(r, &samples, 1), 0);
		if (i % 16 == 0)
			assert_true(bytes_of_records(sandbox__path(&box, "rec")) <= size);
	}
	assert_int_equal(recorder__flush(r), 0);
	progress = recorder__progress(r);
	assert_int_equal(progress.records + progress.dropped, 20011);
	assert_true(progress.dropped > 10000);
	assert_int_equal(recorder__close(r), 0);
	assert_true(bytes_of_records(sandbox__path(&box, "rec")) <= size);
	assert_true(bytes_of_records(sandbox__path(&box, "rec")) > size / 2);

	sort_samples(&samples);
	present = calloc(samples.count, sizeof(*present));
	assert_int_equal(recording__open(&recording, sandbox__path(&box, "rec")), 0);
	count = read_samples(recording, &samples, present);
	assert_int_equal(count, progress.records);
	assert_int_equal(recording__info(recording)->dropped, progress.dropped);
	assert_false(is_damaged(recording__damage(recording)));
	check_tails(&samples, present);
	check_babeltrace2(sandbox__temp(&box), count);
	recording__close(recording);
	check_babeltrace2(sandbox__path(&box, "rec"), count);
	free(present);
	free(samples.all);
	sandbox__remove(&box);
}

/* Killed between the word that a file goes, and its going. */
static void test_told_and_not_dropped(void **state)
{
	struct samples sorted = foresee(5, 20000), samples = begin_samples(5);
	struct recorder_progress before = { 0 }, after;
	unsigned int drops = 0;
	struct recorder *r;
	struct sandbox box;
	__u64 dropped;

	(void)state;
	sandbox__make(&box);
	r = open_recorder(sandbox__path(&box, "rec"), RECORDER_SIZE_MIN);
	for (int i = 0; drops < 7 && i < 20000; i++) {
		assert_int_equal(write_samples(r, &samples, 1), 0);
		after = recorder__progress(r);
		if (after.dropped != before.dropped) {
			copy_file(sandbox__path(&box, "rec/info"),
				  sandbox__path(&box, "state/info"));
			assert_int_equal(check_unfinished(sandbox__path(&box, "state"), &sorted,
							  &dropped), before.records);
			assert_int_equal(dropped, before.dropped);
			drops++;
		}
		if (after.bytes != before.bytes || after.dropped != before.dropped)
			copy_dir(sandbox__path(&box, "rec"), sandbox__path(&box, "state"));
		before = after;
	}
	assert_int_equal(drops, 7);
	assert_int_equal(recorder__close(r), 0);
	free(sorted.all);
	free(samples.all);
	sandbox__remove(&box);
}

/* A disk that is full in the middle of a packet: a limit on the size of files. */
static void test_full_disk(void **state)
{
	struct samples samples = begin_samples(6);
	struct rlimit limit, small;
	struct recorder *r;
	struct sandbox box;
	__u64 kept, dropped;
	int err;

	(void)state;
	sandbox__make(&box);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 100 * 1000 + 1;
	r = open_recorder(sandbox__path(&box, "rec"), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	err = write_samples(r, &samples, 20000);
	assert_int_equal(recorder__flush(r), err);
	kept = recorder__progress(r).records;
	assert_int_equal(recorder__close(r), err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(err, -EFBIG);
	assert_true(kept > 1000 && kept < samples.count);
	sort_samples(&samples);
	assert_int_equal(check_unfinished(sandbox__path(&box, "rec"), &samples, &dropped), kept);
	free(samples.all);
	sandbox__remove(&box);
}

/* A finished recording of 3 CPUs that the following tests break. */
static struct samples make_whole(const char *dir, __u64 size)
{
	struct samples samples = begin_samples(7);
	struct recorder *r = open_recorder(dir, size);
	json_t *counters = long_object(200);

	assert_int_equal(write_samples(r, &samples, size ? 9000 : 1500), 0);
	tell_names(r);
	assert_int_equal(recorder__counters(r, counters, true), 0);
	assert_int_equal(recorder__close(r), 0);
	json_decref(counters);
	sort_samples(&samples);
	return samples;
}

/* The name of a random file of a folder. */
static void pick_file(const char *path, __u32 *random, char name[NAME_MAX + 1])
{
	unsigned int seen = 0;
	struct dirent *entry;
	DIR *dir = opendir(path);

	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && draw(random) % ++seen == 0)
			strcpy(name, entry->d_name);
	closedir(dir);
}

/* What was done to a file. */
struct wound {
	char name[NAME_MAX + 1];
	size_t length, at;
	bool cut;
	bool rotated;	/* the recording: the info tells what is gone by right */
};

/* The damage is told to the packet and the byte. */
static void check_told(const struct wound *w, const struct recording_damage *d)
{
	const __u64 packets = w->length / CTF_PACKET, left = w->cut ? w->at / CTF_PACKET :
								      packets - 1;
	__u64 bytes = w->cut ? w->at % CTF_PACKET : CTF_PACKET;

	assert_int_equal(d->metadata, !strcmp(w->name, CTF_METADATA));
	if (d->metadata) {
		assert_int_equal(d->packets + d->packets_missing + d->bytes + d->files, 0);
		return;
	}
	assert_int_equal(d->files, !left && bytes);
	assert_int_equal(d->packets, left && bytes);
	assert_int_equal(d->bytes, bytes);
	/* How many of the info's packets are gone nobody knows but its last one. */
	if (strcmp(w->name, CTF_INFO))
		assert_int_equal(d->packets + d->packets_missing, packets - left);
	else if (!w->rotated)
		assert_int_equal(d->packets_missing, !left);
}

/*
 * Opens a recording of which something is missing. That is said: as damage, or where a
 * whole tail of the info is gone, by the recording being unfinished.
 */
static void check_damaged(const struct sandbox *box, const struct samples *samples,
			  size_t whole, const struct wound *wound, bool run_babeltrace2)
{
	struct recording *recording;
	size_t count;

	assert_int_equal(recording__open(&recording, sandbox__path(box, "cut")), 0);
	count = read_samples(recording, samples, NULL);
	assert_true(count <= whole);
	assert_true(is_damaged(recording__damage(recording)) ||
		    (!recording__info(recording)->complete && count == whole));
	check_told(wound, recording__damage(recording));
	if (run_babeltrace2 && sandbox__temp(box)[0])
		check_babeltrace2(sandbox__temp(box), count);
	recording__close(recording);
}

static void break_recording(__u64 size, bool cut)
{
	__u32 random = (__u32)time(NULL) * 2 + cut;
	struct recording *recording;
	struct samples samples;
	struct sandbox box;
	size_t whole;

	print_message("# seed %u\n", random);
	sandbox__make(&box);
	samples = make_whole(sandbox__path(&box, "rec"), size);
	assert_int_equal(recording__open(&recording, sandbox__path(&box, "rec")), 0);
	whole = read_samples(recording, &samples, NULL);
	assert_true(recording__info(recording)->complete);
	assert_false(is_damaged(recording__damage(recording)));
	recording__close(recording);
	for (int i = 0; i < 200; i++) {
		struct wound w = { .cut = cut, .rotated = size };
		char path[PATH_MAX], *bytes;

		copy_dir(sandbox__path(&box, "rec"), sandbox__path(&box, "cut"));
		pick_file(sandbox__path(&box, "cut"), &random, w.name);
		join(path, sandbox__path(&box, "cut"), w.name);
		w.length = read_whole(path, &bytes);
		w.at = draw(&random) % w.length;
		/* Where a cut loses whole packets only, no checksum tells. */
		if (cut && i % 4 == 0)
			w.at = w.at / CTF_PACKET * CTF_PACKET;
		bytes[w.at] ^= (char)(1 << draw(&random) % 8);
		write_whole(path, bytes, cut ? w.at : w.length);
		free(bytes);
		check_damaged(&box, &samples, whole, &w, i % 20 == 1);
	}
	free(samples.all);
	sandbox__remove(&box);
}

static void test_cuts(void **state)
{
	(void)state;
	break_recording(0, true);
}

static void test_flips(void **state)
{
	(void)state;
	break_recording(0, false);
}

static void test_cuts_of_rotated(void **state)
{
	(void)state;
	break_recording(RECORDER_SIZE_MIN, true);
}

/* Damages a packet as no disk does: its checksum is right. */
static void forge_packet(const char *path, __u32 *random)
{
	union ctf_packet p;
	char *bytes;
	size_t size = read_whole(path, &bytes), at, first, count;

	at = draw(random) % (size / sizeof(p)) * sizeof(p);
	memcpy(&p, bytes + at, sizeof(p));
	first = draw(random) % (draw(random) % 3 ? sizeof(p) : sizeof(p.head));
	count = 1 + draw(random) % 8;
	for (size_t i = first; i < first + count && i < sizeof(p); i++)
		p.bytes[i] = draw(random) % 2 ? 0xff : (__u8)draw(random);
	p.head.crc32 = ctf__checksum(&p);
	memcpy(bytes + at, &p, sizeof(p));
	write_whole(path, bytes, size);
	free(bytes);
}

/* Opens and reads it, in whatever way that ends. */
static void read_forged(const char *path)
{
	const struct mmuscope_record *rec;
	struct recording *recording;
	int err = recording__open(&recording, path);

	if (err)
		return;
	while ((err = recording__next(recording, &rec)) == 1)
		if (rec->kind == RECORD_NONE || rec->kind >= RECORD_KINDS)
			_exit(2);
	recording__close(recording);
}

/*
 * Packets that somebody made: whatever is in them, nothing crashes. In a child, as the
 * plugin "ctf" of libbabeltrace2 2.0.4 leaks 8 bytes each time that it refuses one.
 */
static void test_forged(void **state)
{
	__u32 random = (__u32)time(NULL);
	struct samples samples;
	struct sandbox box;
	int status;
	pid_t pid;

	(void)state;
	print_message("# seed %u\n", random);
	sandbox__make(&box);
	samples = make_whole(sandbox__path(&box, "rec"), 0);
	pid = fork();
	assert_true(pid >= 0);
	for (int i = 0; !pid && i < 200; i++) {
		char name[NAME_MAX + 1] = CTF_METADATA, path[PATH_MAX];

		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		copy_dir(sandbox__path(&box, "rec"), sandbox__path(&box, "cut"));
		while (!strcmp(name, CTF_METADATA))
			pick_file(sandbox__path(&box, "cut"), &random, name);
		join(path, sandbox__path(&box, "cut"), name);
		forge_packet(path, &random);
		read_forged(sandbox__path(&box, "cut"));
	}
	if (!pid)
		_exit(0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(samples.all);
	sandbox__remove(&box);
}

/* What is not of the recording is left out, and said. */
static void test_strangers(void **state)
{
	static const struct {
		const char *from, *to;
	} files[] = {
		{ "rec/records_1_0", "cut/records_1_1" },	/* a copy */
		{ "other/records_1_0", "cut/records_7_0" },	/* of another recording */
		{ "rec/metadata", "cut/notes" },		/* no packets */
		{ "other/metadata", "cut/metadata" },		/* describes nothing here */
	};
	struct samples samples, others;
	struct sandbox box;

	(void)state;
	sandbox__make(&box);
	samples = make_whole(sandbox__path(&box, "rec"), 0);
	others = make_whole(sandbox__path(&box, "other"), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		for (int without = 0; without < 2; without++) {
			const bool metadata = !strcmp(files[i].to, "cut/metadata");
			struct recording *recording;

			copy_dir(sandbox__path(&box, "rec"), sandbox__path(&box, "cut"));
			copy_file(sandbox__path(&box, files[i].from),
				  sandbox__path(&box, files[i].to));
			if (without)
				unlink(sandbox__path(&box, "cut/metadata"));
			assert_int_equal(recording__open(&recording, sandbox__path(&box, "cut")),
					 0);
			assert_int_equal(read_samples(recording, &samples, NULL), samples.count);
			assert_int_equal(recording__damage(recording)->files, !metadata);
			assert_int_equal(recording__damage(recording)->metadata,
					 without || metadata);
			assert_int_equal(recording__damage(recording)->packets, 0);
			assert_int_equal(recording__damage(recording)->packets_missing, 0);
			assert_true(recording__info(recording)->complete);
			check_babeltrace2(sandbox__temp(&box), samples.count);
			recording__close(recording);
		}
	}
	free(samples.all);
	free(others.all);
	sandbox__remove(&box);
}

/* recording__open() of what it cannot open, and what it says. */
static void check_refused(const struct sandbox *box, const char *name, int err, const char *words)
{
	const char *said = sandbox__path(box, "said");
	int fd = open(said, O_RDWR | O_CREAT | O_TRUNC, 0600), saved = dup(STDERR_FILENO);
	struct recording *recording;
	char *text;
	int got;

	dup2(fd, STDERR_FILENO);
	got = recording__open(&recording, sandbox__path(box, name));
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd);
	assert_int_equal(got, err);
	assert_null(recording);
	assert_true(read_whole(said, &text) > 0);
	assert_non_null(strstr(text, words));
	/* One sentence, on one line. */
	assert_ptr_equal(strchr(text, '\n') + 1, text + strlen(text));
	free(text);
}

/* The metadata of the next version, with its checksum. */
static void make_other_version(const char *path)
{
	char *text, *line, *at;

	read_whole(path, &text);
	at = strstr(text, "recording_version = 2;");
	assert_non_null(at);
	at[strlen("recording_version = ")] = '3';
	line = strstr(text, "/* crc32");
	sprintf(line, "/* crc32 0x%08x */\n",
		(unsigned int)crc32(0, (const unsigned char *)text, (unsigned int)(line - text)));
	write_whole(path, text, strlen(text));
	free(text);
}

static void test_refusals(void **state)
{
	static const char lttng[] = "/* CTF 1.8 */\ntrace {\n major = 1;\n};\n"
				    "env {\n tracer_name = \"lttng-modules\";\n};\n";
	const struct recorder_options options = { .cpus = 1, .size = RECORDER_SIZE_MIN - 1 };
	struct recorder_options other = { .cpus = 1 };
	struct samples samples;
	struct recorder *r;
	struct sandbox box;

	(void)state;
	sandbox__make(&box);
	check_refused(&box, "nowhere", -ENOENT, "nowhere");
	check_refused(&box, "temp", -ENOENT, "there is no recording");
	mkdir(sandbox__path(&box, "lttng"), 0755);
	write_whole(sandbox__path(&box, "lttng/metadata"), lttng, strlen(lttng));
	write_whole(sandbox__path(&box, "lttng/channel0_0"), lttng, strlen(lttng));
	check_refused(&box, "lttng", -EPROTO, "another tool");
	samples = make_whole(sandbox__path(&box, "rec"), 0);
	make_other_version(sandbox__path(&box, "rec/metadata"));
	check_refused(&box, "rec", -EPROTO, "another version");
	check_refused(&box, "rec/metadata", -ENOENT, "metadata");

	assert_int_equal(recorder__open(&r, &options), -EINVAL);
	other.dir = sandbox__path(&box, "rec");
	assert_int_equal(recorder__open(&r, &other), -ENOTEMPTY);
	other.dir = sandbox__path(&box, "no/where");
	assert_int_equal(recorder__open(&r, &other), -ENOENT);
	other.dir = sandbox__path(&box, "rec/metadata");
	assert_int_equal(recorder__open(&r, &other), -ENOTDIR);
	assert_null(r);
	assert_int_equal(recorder__close(NULL), 0);
	recording__close(NULL);
	free(samples.all);
	sandbox__remove(&box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_pairs),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_each_write),
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_told_and_not_dropped),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_cuts_of_rotated),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
