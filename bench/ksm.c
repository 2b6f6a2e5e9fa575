// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "ksm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "msg.h"

#define KSM "/sys/kernel/mm/ksm/"
#define MERGING "/proc/self/ksm_merging_pages"
#define PATIENCE_MS 60000

/* In the order in which they are set. */
static const struct setting {
	const char *path, *value;
} settings[] = {
	{ KSM "sleep_millisecs", "0" },
	/* Would pass over pages that it has met before (Linux 6.7). */
	{ KSM "smart_scan", "0" },
	{ KSM "run", "1" },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))
#define VALUE_BYTES 24

/* The file's one line, without its end. Returns 0 or -errno. */
static int read_value(const char *path, char value[VALUE_BYTES])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = read(fd, value, VALUE_BYTES - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	value[n > 0 ? n : 0] = 0;
	value[strcspn(value, "\n")] = 0;
	return err;
}

static int write_value(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Has the process a mapping with VM_MERGEABLE? -errno: it cannot be told. */
static int is_mergeable(const char *pid)
{
	char path[64], line[512];
	int found = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/smaps", pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (!found && fgets(line, sizeof(line), f))
		found = !strncmp(line, "VmFlags:", 8) && strstr(line, " mg");
	fclose(f);
	return found;
}

/* Once ksmd runs it merges whatever anybody has offered: nothing but ours may be. */
static bool nobody_else(char *reason, size_t size)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	bool nobody = true;

	if (!proc) {
		snprintf(reason, size, "/proc cannot be read: %s", strerror(errno));
		return false;
	}
	while (nobody && (entry = readdir(proc))) {
		int mergeable;

		if (strspn(entry->d_name, "0123456789") != strlen(entry->d_name))
			continue;
		mergeable = is_mergeable(entry->d_name);
		if (mergeable < 0)
			snprintf(reason, size, "/proc/%.20s/smaps cannot be read: %s",
				 entry->d_name, strerror(-mergeable));
		else if (mergeable)
			snprintf(reason, size, "process %.20s has memory that it would merge too",
				 entry->d_name);
		nobody = !mergeable;
	}
	closedir(proc);
	return nobody;
}

bool ksm__usable(char *reason, size_t size)
{
	char value[VALUE_BYTES];
	int err = read_value(KSM "run", value);

	if (err == -ENOENT)
		snprintf(reason, size, "the kernel is built without it (CONFIG_KSM)");
	else if (err)
		snprintf(reason, size, "%srun cannot be read: %s", KSM, strerror(-err));
	else if (!strcmp(value, "1"))
		snprintf(reason, size,
			 "it is running already, and merges when it likes (%srun is 1)", KSM);
	else if (access(KSM "run", W_OK))
		snprintf(reason, size, "%srun cannot be written: %s", KSM, strerror(errno));
	else if (read_value(MERGING, value))
		snprintf(reason, size, "the kernel does not tell what is merged (no %s)", MERGING);
	else if (!read_value(KSM "merge_across_nodes", value) && !strcmp(value, "0"))
		snprintf(reason, size, "it does not merge pages of different nodes (%s is 0)",
			 KSM "merge_across_nodes");
	else
		return nobody_else(reason, size);
	return false;
}

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

#define ENDING (sizeof(ending) / sizeof(ending[0]))

/*
 * What would end or stop the process must not leave the settings behind. What it
 * ignores is not held: a signal that is blocked is pending all the same.
 */
static void hold_signals(sigset_t *held, sigset_t *before)
{
	struct sigaction action;
	sigset_t block;

	sigemptyset(held);
	for (size_t i = 0; i < ENDING; i++)
		if (!sigaction(ending[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(held, ending[i]);
	block = *held;
	sigaddset(&block, SIGTSTP);
	sigprocmask(SIG_BLOCK, &block, before);
}

static bool signal_waits(const sigset_t *held)
{
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < ENDING; i++)
		if (sigismember(&pending, ending[i]) && sigismember(held, ending[i]))
			return true;
	return false;
}

static int wait_for(size_t pages, const sigset_t *held)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	char value[VALUE_BYTES];
	int err;

	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		err = read_value(MERGING, value);
		if (err)
			return err;
		if (strtoull(value, NULL, 10) == pages)
			return 0;
		if (signal_waits(held))
			return -EINTR;
		nanosleep(&pause, NULL);
	}
	return -ETIMEDOUT;
}

int ksm__scan(size_t pages)
{
	char before[SETTINGS][VALUE_BYTES];
	bool set[SETTINGS] = {};
	sigset_t held, signals;
	int err = 0;

	hold_signals(&held, &signals);
	for (size_t i = 0; i < SETTINGS && !err; i++) {
		err = read_value(settings[i].path, before[i]);
		if (err == -ENOENT) {
			err = 0;
			continue;
		}
		err = err ? err : write_value(settings[i].path, settings[i].value);
		set[i] = !err;
	}
	err = err ? err : wait_for(pages, &held);
	/* Writing `run` takes the mutex that ksmd scans under: afterwards it has ended. */
	for (size_t i = SETTINGS; i-- > 0;) {
		int failed = set[i] ? write_value(settings[i].path, before[i]) : 0;

		if (failed)
			msg("cannot set %s back to %s: %s; do it by hand.", settings[i].path,
			    before[i], strerror(-failed));
		err = err ? err : failed;
	}
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return err;
}
