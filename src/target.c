// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "target.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "args.h"

/* Root's rights are ours to measure with, not the command's to run with. */
static int become_invoking_user(void)
{
	const char *uid_text = getenv("SUDO_UID"), *gid_text = getenv("SUDO_GID");
	unsigned long long uid, gid;
	struct passwd *pw;

	if (geteuid() || !uid_text || !gid_text ||
	    !parse_number(uid_text, 0, (uid_t)-2, &uid) ||
	    !parse_number(gid_text, 0, (gid_t)-2, &gid) || !uid)
		return 0;
	pw = getpwuid((uid_t)uid);
	if (pw ? initgroups(pw->pw_name, (gid_t)gid) : setgroups(0, NULL))
		return -errno;
	if (setgid((gid_t)gid) || setuid((uid_t)uid))
		return -errno;
	if (pw) {
		setenv("HOME", pw->pw_dir, 1);
		setenv("USER", pw->pw_name, 1);
		setenv("LOGNAME", pw->pw_name, 1);
	}
	return 0;
}

static void run_child(int go, int failure, char *const argv[])
{
	sigset_t none;
	char byte;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (read(go, &byte, 1) != 1)
		_exit(0);
	err = become_invoking_user();
	if (!err) {
		execvp(argv[0], argv);
		err = -errno;
	}
	if (write(failure, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

int target__fork(struct target *t, char *const argv[])
{
	int go[2], failure[2], err;

	if (pipe2(go, O_CLOEXEC))
		return -errno;
	if (pipe2(failure, O_CLOEXEC)) {
		err = -errno;
		close(go[0]);
		close(go[1]);
		return err;
	}
	t->pid = fork();
	if (!t->pid) {
		close(go[1]);
		close(failure[0]);
		run_child(go[0], failure[1], argv);
	}
	err = t->pid < 0 ? -errno : 0;
	close(go[0]);
	close(failure[1]);
	t->go = go[1];
	t->failure = failure[0];
	return err;
}

int target__start(struct target *t)
{
	int err = 0;
	ssize_t n;

	if (write(t->go, "", 1) != 1)
		err = -errno;
	close(t->go);
	t->go = -1;
	do
		n = read(t->failure, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	close(t->failure);
	t->failure = -1;
	return n == sizeof(err) ? err : 0;
}

void target__kill(struct target *t)
{
	if (t->pid <= 0)
		return;
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	t->pid = 0;
}
