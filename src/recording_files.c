// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recording_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "msg.h"

#define READ_PACKETS 64	/* at once */

/* Is it whole, and the next of this file's stream? */
static bool follows(const struct recording_file *file, const union ctf_packet *p, bool first,
		    __u64 last_seq)
{
	if (!ctf__valid(p))
		return false;
	return first || (p->head.stream_id == file->class &&
			 p->head.stream_instance_id == file->instance &&
			 p->head.packet_seq_num > last_seq &&
			 !memcmp(p->head.uuid, file->uuid, sizeof(file->uuid)));
}

/*
 * Reads up to READ_PACKETS packets, and the piece of one at the end of a file. Not
 * mapped: to touch a mapped page that someone cuts off meanwhile is a SIGBUS. Returns
 * bytes or -errno.
 */
static ssize_t read_packets(int fd, union ctf_packet *packets)
{
	size_t done = 0;

	while (done < READ_PACKETS * CTF_PACKET) {
		ssize_t n = read(fd, (char *)packets + done, READ_PACKETS * CTF_PACKET - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Looks at all packets of an open file, and counts in it those that are not whole. */
static int scan_packets(int fd, struct recording_file *file)
{
	union ctf_packet *packets = malloc(READ_PACKETS * sizeof(*packets));
	ssize_t n = packets ? 0 : -ENOMEM;

	while (packets && (n = read_packets(fd, packets)) > 0) {
		const size_t whole = (size_t)n / CTF_PACKET, rest = (size_t)n % CTF_PACKET;

		for (size_t i = 0; i < whole; i++) {
			const struct ctf_head *head = &packets[i].head;

			if (!follows(file, &packets[i], !file->packets, file->last_seq)) {
				file->bad++;
				file->bad_bytes += CTF_PACKET;
				continue;
			}
			if (!file->packets++) {
				file->class = head->stream_id;
				file->instance = head->stream_instance_id;
				file->first_seq = head->packet_seq_num;
				memcpy(file->uuid, head->uuid, sizeof(file->uuid));
			}
			file->last_seq = head->packet_seq_num;
		}
		file->bad += !!rest;
		file->bad_bytes += rest;
	}
	free(packets);
	return (int)n;
}

int recording_files__each(const struct recording_files *f, const struct recording_file *file,
			  int (*each)(const union ctf_packet *packet, void *ctx), void *ctx)
{
	union ctf_packet *packets = malloc(READ_PACKETS * sizeof(*packets));
	int fd = openat(f->dir_fd, file->name, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n = fd < 0 ? -errno : packets ? 0 : -ENOMEM;
	__u64 seen = 0, last_seq = 0;

	/* A file that grows is read as far as it was looked at. */
	while (n >= 0 && !err && seen < file->packets && (n = read_packets(fd, packets)) > 0) {
		for (ssize_t i = 0; i < n / CTF_PACKET && !err && seen < file->packets; i++) {
			if (!follows(file, &packets[i], !seen, last_seq))
				continue;
			last_seq = packets[i].head.packet_seq_num;
			seen++;
			err = each(&packets[i], ctx);
		}
	}
	free(packets);
	if (fd >= 0)
		close(fd);
	return err ? err : n < 0 ? (int)n : 0;
}

static int add_file(struct recording_files *f, const char *name)
{
	struct recording_file *files, file = { 0 };
	int fd = openat(f->dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC), err;
	struct stat st;

	if (fd < 0) {
		/* A recording that is being written loses its oldest file. */
		if (errno == ENOENT)
			return 0;
		err = -errno;
		msg("cannot read %s/%s: %s.", f->dir, name, strerror(-err));
		return err;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size) {
		close(fd);
		return 0;
	}
	err = scan_packets(fd, &file);
	close(fd);
	if (err) {
		msg("cannot read %s/%s: %s.", f->dir, name, strerror(-err));
		return err;
	}
	if (!file.packets) {
		f->damage.files++;
		f->damage.bytes += (__u64)st.st_size;
		return 0;
	}
	files = realloc(f->files, (f->count + 1) * sizeof(*files));
	if (files)
		f->files = files;
	file.name = strdup(name);
	if (!files || !file.name) {
		free(file.name);
		return -ENOMEM;
	}
	f->files[f->count++] = file;
	return 0;
}

static int scan_dir(struct recording_files *f)
{
	int copy = fcntl(f->dir_fd, F_DUPFD_CLOEXEC, 0), err = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		err = -errno;
		if (copy >= 0)
			close(copy);
		msg("cannot read %s: %s.", f->dir, strerror(-err));
		return err;
	}
	/* What begins with a dot libbabeltrace2 does not look at either. */
	while (!err && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, CTF_METADATA))
			err = add_file(f, entry->d_name);
	closedir(dir);
	return err;
}

/* Returns its state, CTF_DAMAGED where there is none, or -errno after a sentence. */
static int read_metadata(struct recording_files *f)
{
	char *text = malloc(CTF_METADATA_MAX + 1);
	int fd = openat(f->dir_fd, CTF_METADATA, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	int state = CTF_DAMAGED;
	size_t size = 0;
	ssize_t n = 1;

	while (text && fd >= 0 && n > 0 && size < CTF_METADATA_MAX) {
		n = read(fd, text + size, CTF_METADATA_MAX - size);
		if (n > 0)
			size += (size_t)n;
	}
	if (text && fd >= 0) {
		text[size] = '\0';
		state = (int)ctf__parse_metadata(text, size, &f->trace);
	}
	if (fd >= 0)
		close(fd);
	if (!text)
		state = -ENOMEM;
	free(text);
	return state;
}

/* The recording of which most packets are here: where the metadata does not tell. */
static void guess_uuid(struct recording_files *f)
{
	__u64 best = 0;

	for (size_t i = 0; i < f->count; i++) {
		__u64 packets = 0;

		for (size_t j = 0; j < f->count; j++)
			if (!memcmp(f->files[i].uuid, f->files[j].uuid, sizeof(f->trace.uuid)))
				packets += f->files[j].packets;
		if (packets > best) {
			best = packets;
			memcpy(f->trace.uuid, f->files[i].uuid, sizeof(f->trace.uuid));
		}
	}
}

static bool any_described(const struct recording_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (!memcmp(f->files[i].uuid, f->trace.uuid, sizeof(f->trace.uuid)))
			return true;
	return false;
}

static int by_place(const void *left, const void *right)
{
	const struct recording_file *a = left, *b = right;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	if (a->instance != b->instance)
		return a->instance < b->instance ? -1 : 1;
	if (a->first_seq != b->first_seq)
		return a->first_seq < b->first_seq ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* Leaves out what is of another recording, or a copy of what is there. */
static void keep_usable(struct recording_files *f)
{
	size_t kept = 0;

	if (f->count)
		qsort(f->files, f->count, sizeof(*f->files), by_place);
	for (size_t i = 0; i < f->count; i++) {
		struct recording_file *file = &f->files[i];
		const struct recording_file *before = kept ? &f->files[kept - 1] : NULL;

		if (before && (before->class != file->class || before->instance != file->instance))
			before = NULL;
		if (memcmp(file->uuid, f->trace.uuid, sizeof(file->uuid)) ||
		    (before && file->first_seq <= before->last_seq)) {
			f->damage.files++;
			free(file->name);
			continue;
		}
		file->rank = before ? before->rank + 1 : 0;
		f->damage.packets += file->bad;
		f->damage.bytes += file->bad_bytes;
		f->files[kept++] = *file;
	}
	f->count = kept;
}

int recording_files__scan(struct recording_files *f, const char *dir)
{
	int state, err;

	memset(f, 0, sizeof(*f));
	f->dir = strdup(dir);
	f->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir_fd < 0) {
		err = -errno;
		msg("cannot open the recording %s: %s.", dir, strerror(-err));
		return err == -ENOTDIR ? -ENOENT : err;
	}
	if (!f->dir)
		return -ENOMEM;
	state = read_metadata(f);
	if (state < 0)
		return state;
	if (state == CTF_OTHER_VERSION) {
		msg("%s was recorded by another version of mmuscope: report it with that one.",
		    dir);
		return -EPROTO;
	}
	err = scan_dir(f);
	if (err)
		return err;
	if (!f->count && state == CTF_FOREIGN) {
		msg("%s is a trace of another tool: read it with babeltrace2.", dir);
		return -EPROTO;
	}
	if (!f->count && state != CTF_OURS) {
		msg("there is no recording in %s: make one with 'mmuscope record -o DIR'.", dir);
		return -ENOENT;
	}
	/* One of another recording describes none of these files. */
	f->damage.metadata = state != CTF_OURS || (f->count && !any_described(f));
	if (f->damage.metadata) {
		memset(&f->trace, 0, sizeof(f->trace));
		guess_uuid(f);
	}
	keep_usable(f);
	return 0;
}

static int write_all(int fd, const void *bytes, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = write(fd, (const char *)bytes + done, size - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int write_packet(const union ctf_packet *packet, void *ctx)
{
	return write_all(*(const int *)ctx, packet, sizeof(*packet));
}

/* A link to a file of the recording's, by its full name. */
static int link_to(const char *real, const char *name, const char *as)
{
	char *target;
	int err = 0;

	if (asprintf(&target, "%s/%s", real, name) < 0)
		return -ENOMEM;
	if (symlink(target, as))
		err = -errno;
	free(target);
	return err;
}

/* The file without what is not whole. */
static int put_file(struct recording_files *f, const char *real, const struct recording_file *file)
{
	char *path;
	int fd, err;

	if (asprintf(&path, "%s/%s", f->folders[file->rank], file->name) < 0)
		return -ENOMEM;
	if (!file->bad) {
		err = link_to(real, file->name, path);
	} else {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		err = fd < 0 ? -errno : recording_files__each(f, file, write_packet, &fd);
		if (fd >= 0 && close(fd) && !err)
			err = -errno;
	}
	free(path);
	return err;
}

static int put_metadata(struct recording_files *f, const char *real, const char *folder)
{
	char *path, *text;
	int fd, err;

	if (asprintf(&path, "%s/" CTF_METADATA, folder) < 0)
		return -ENOMEM;
	if (!f->damage.metadata) {
		err = link_to(real, CTF_METADATA, path);
	} else {
		text = ctf__metadata(&f->trace);
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		err = fd < 0 ? -errno : !text ? -ENOMEM : write_all(fd, text, strlen(text));
		if (fd >= 0)
			close(fd);
		free(text);
	}
	free(path);
	return err;
}

static int make_temp(struct recording_files *f, unsigned int ranks)
{
	const char *where = getenv("TMPDIR");
	char *real = realpath(f->dir, NULL), *temp;
	int err = real ? 0 : -errno;

	if (asprintf(&temp, "%s/mmuscope-XXXXXX", where && *where ? where : "/tmp") < 0)
		temp = NULL;
	if (!err && (!temp || !mkdtemp(temp)))
		err = temp ? -errno : -ENOMEM;
	if (err)
		free(temp);
	else
		f->temp = temp;
	for (unsigned int i = 0; i < ranks && !err; i++) {
		if (asprintf(&f->folders[i], "%s/%u", temp, i) < 0) {
			f->folders[i] = NULL;
			err = -ENOMEM;
			break;
		}
		f->folder_count++;
		err = mkdir(f->folders[i], 0700) ? -errno : put_metadata(f, real, f->folders[i]);
	}
	for (size_t i = 0; i < f->count && !err; i++)
		err = put_file(f, real, &f->files[i]);
	free(real);
	return err;
}

int recording_files__make_folders(struct recording_files *f)
{
	const struct recording_damage *d = &f->damage;
	unsigned int ranks = 1;
	int err;

	for (size_t i = 0; i < f->count; i++)
		if (f->files[i].rank >= ranks)
			ranks = f->files[i].rank + 1;
	f->folders = calloc(ranks, sizeof(*f->folders));
	if (!f->folders)
		return -ENOMEM;
	/*
	 * libbabeltrace2 2.0 sorts the packets of a stream in several files by comparing each
	 * with all before it: 8 files of 50 MB take it longer than what is in them.
	 */
	if (ranks == 1 && !d->packets && !d->files && !d->metadata) {
		f->folders[0] = strdup(f->dir);
		f->folder_count = !!f->folders[0];
		return f->folder_count ? 0 : -ENOMEM;
	}
	err = make_temp(f, ranks);
	if (err)
		msg("cannot make a folder for what is whole in %s: %s; set TMPDIR to one with "
		    "room.", f->dir, strerror(-err));
	return err;
}

static void remove_folder(const char *folder)
{
	struct dirent *entry;
	DIR *dir = opendir(folder);

	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

void recording_files__remove_folders(struct recording_files *f)
{
	for (size_t i = 0; i < f->folder_count; i++) {
		if (f->temp)
			remove_folder(f->folders[i]);
		free(f->folders[i]);
	}
	if (f->temp)
		rmdir(f->temp);
	free(f->folders);
	free(f->temp);
	f->folders = NULL;
	f->folder_count = 0;
	f->temp = NULL;
}

void recording_files__clear(struct recording_files *f)
{
	recording_files__remove_folders(f);
	for (size_t i = 0; i < f->count; i++)
		free(f->files[i].name);
	if (f->dir_fd >= 0)
		close(f->dir_fd);
	free(f->files);
	free(f->dir);
}
