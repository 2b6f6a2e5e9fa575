// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "msg.h"
#include "recording_files.h"
#include "recording_info.h"
#include "recording_records.h"

struct recording {
	struct recording_files files;
	struct recording_told told;
	struct recording_records *records; /* NULL: there are none */
};

static int open_records(struct recording *r)
{
	struct recording_files *f = &r->files;
	int err;

	/* By class: records come first. */
	if (!f->count || f->files[0].class != CTF_CLASS_RECORDS)
		return 0;
	err = recording_files__make_folders(f);
	if (err)
		return err;
	err = recording_records__open(&r->records, (const char *const *)f->folders,
				      f->folder_count);
	if (err == -ENOENT)
		msg("cannot read %s: libbabeltrace2 has no 'ctf' plugin; install all of the "
		    "package libbabeltrace2-0.", f->dir);
	else if (err)
		msg("cannot read %s: %s; 'babeltrace2 %s' may say more.", f->dir,
		    strerror(-err), f->dir);
	return err == -ENOENT ? -EIO : err;
}

int recording__open(struct recording **out, const char *dir)
{
	struct recording *r = calloc(1, sizeof(*r));
	int err;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	err = recording_files__scan(&r->files, dir);
	if (!err) {
		err = recording_told__read(&r->told, &r->files);
		if (err)
			msg("cannot read %s/" CTF_INFO ": %s.", dir, strerror(-err));
	}
	if (!err) {
		recording_told__compare(&r->told, &r->files, &r->files.damage);
		err = open_records(r);
	}
	if (err)
		recording__close(r);
	else
		*out = r;
	return err;
}

const struct recording_info *recording__info(const struct recording *r)
{
	return &r->told.info;
}

int recording__next(struct recording *r, const struct mmuscope_record **rec)
{
	int err = r->records ? recording_records__next(r->records, rec) : 0;

	if (err < 0)
		msg("cannot read on in %s: %s; 'babeltrace2 %s' may say more.", r->files.dir,
		    strerror(-err), r->files.dir);
	return err;
}

void recording__end_reading(struct recording *r)
{
	recording_records__close(r->records);
	r->records = NULL;
	recording_files__remove_folders(&r->files);
}

const struct recording_damage *recording__damage(const struct recording *r)
{
	return &r->files.damage;
}

void recording__close(struct recording *r)
{
	if (!r)
		return;
	recording_records__close(r->records);
	recording_told__clear(&r->told);
	recording_files__clear(&r->files);
	free(r);
}
