// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A subscriber of mmu notifiers without hardware, for what the kernel's own test
 * device cannot show: many disjoint intervals, both passes of a two-pass
 * notifier, a driver that nobody has listed; and notifications that a sound kernel
 * does not send: of an empty range, without an end, with a window that stays open.
 *
 * /dev/notifier_test, see notifier_test.h; everything goes with the file.
 * insmod notifier_test.ko start=ADDRESS end=ADDRESS, those of
 * __mmu_notifier_invalidate_range_start and _end, which are not exported.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "notifier_test.h"

#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define HAVE_TWO_PASSES
#endif
#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 14, 0)
#define owner_of(range) ((range)->migrate_pgmap_owner)
#else
#define owner_of(range) ((range)->owner)
#endif

static ulong start;
module_param(start, ulong, 0400);
static ulong end;
module_param(end, ulong, 0400);

struct test_file {
	struct mutex lock;
	struct list_head intervals, unended;
	atomic64_t acted, declined, first_passes, second_passes;
};

struct test_interval {
	struct mmu_interval_notifier notifier;
	struct list_head link;
	struct test_file *file;
	u32 pass_ns;
};

/* A notification whose end is still owed. */
struct unended {
	struct mmu_notifier_range range;
	struct list_head link;
};

static struct test_interval *interval_of(struct mmu_interval_notifier *mni)
{
	return container_of(mni, struct test_interval, notifier);
}

static noinline bool notifier_test_act(struct mmu_interval_notifier *mni,
				       const struct mmu_notifier_range *range, unsigned long seq)
{
	mmu_interval_set_seq(mni, seq);
	atomic64_inc(&interval_of(mni)->file->acted);
	return true;
}

static noinline bool notifier_test_decline(struct mmu_interval_notifier *mni,
					   const struct mmu_notifier_range *range,
					   unsigned long seq)
{
	atomic64_inc(&interval_of(mni)->file->declined);
	return true;
}

static const struct mmu_interval_notifier_ops act_ops = { .invalidate = notifier_test_act };
static const struct mmu_interval_notifier_ops decline_ops = {
	.invalidate = notifier_test_decline
};

#ifdef HAVE_TWO_PASSES
static noinline bool notifier_test_first_pass(struct mmu_interval_notifier *mni,
					      const struct mmu_notifier_range *range,
					      unsigned long seq,
					      struct mmu_interval_notifier_finish **finish)
{
	mmu_interval_set_seq(mni, seq);
	atomic64_inc(&interval_of(mni)->file->first_passes);
	*finish = kmalloc(sizeof(**finish), GFP_NOWAIT);
	return true;
}

static noinline void notifier_test_second_pass(struct mmu_interval_notifier_finish *finish)
{
	struct test_interval *i = interval_of(finish->notifier);

	ndelay(i->pass_ns);
	atomic64_inc(&i->file->second_passes);
	kfree(finish);
}

static const struct mmu_interval_notifier_ops two_pass_ops = {
	.invalidate_start = notifier_test_first_pass,
	.invalidate_finish = notifier_test_second_pass,
};
#endif

static const struct mmu_interval_notifier_ops *ops_of(u32 kind)
{
	switch (kind) {
	case NOTIFIER_TEST_ACT:
		return &act_ops;
	case NOTIFIER_TEST_DECLINE:
		return &decline_ops;
#ifdef HAVE_TWO_PASSES
	case NOTIFIER_TEST_TWO_PASS:
		return &two_pass_ops;
#endif
	default:
		return NULL;
	}
}

static int add(struct test_file *file, const struct notifier_test_add *a)
{
	const struct mmu_interval_notifier_ops *ops = ops_of(a->kind);
	u64 n;

	if (!ops)
		return -EOPNOTSUPP;
	for (n = 0; n < a->count; n++) {
		struct test_interval *i = kzalloc(sizeof(*i), GFP_KERNEL);
		int err;

		if (!i)
			return -ENOMEM;
		i->file = file;
		i->pass_ns = a->pass_ns;
		err = mmu_interval_notifier_insert(&i->notifier, current->mm,
						   a->start + n * a->stride, a->length, ops);
		if (err) {
			kfree(i);
			return err;
		}
		list_add(&i->link, &file->intervals);
		cond_resched();
	}
	return 0;
}

static noinline int notifier_test_send(struct test_file *file,
				       const struct notifier_test_notify *n)
{
	int (*range_start)(struct mmu_notifier_range *range) = (void *)start;
	void (*range_end)(struct mmu_notifier_range *range) = (void *)end;
	struct unended *u;
	int err;

	if (!start || !end)
		return -ENXIO;
	if (!current->mm->notifier_subscriptions)
		return -ENOENT;
	u = kzalloc(sizeof(*u), GFP_KERNEL);
	if (!u)
		return -ENOMEM;
	u->range.mm = current->mm;
	u->range.start = n->start;
	u->range.end = n->end;
	u->range.event = n->event;
	owner_of(&u->range) = (void *)n->owner;
	u->range.flags = n->flags & NOTIFIER_TEST_NONBLOCK ? 0 : MMU_NOTIFIER_RANGE_BLOCKABLE;
	err = range_start(&u->range);
	if (err) {
		kfree(u);
		return err;
	}
	if (n->open_ns)
		usleep_range(n->open_ns / 1000, n->open_ns / 1000 + 1);
	if (n->flags & NOTIFIER_TEST_NO_END) {
		mmgrab(u->range.mm);
		list_add(&u->link, &file->unended);
		return 0;
	}
	range_end(&u->range);
	kfree(u);
	return 0;
}

static long test_ioctl(struct file *filp, unsigned int command, unsigned long argument)
{
	struct test_file *file = filp->private_data;
	void __user *user = (void __user *)argument;
	struct notifier_test_notify notify;
	struct notifier_test_ledger ledger;
	struct notifier_test_add a;
	long err = -ENOTTY;

	mutex_lock(&file->lock);
	switch (command) {
	case NOTIFIER_TEST_ADD:
		err = copy_from_user(&a, user, sizeof(a)) ? -EFAULT : add(file, &a);
		break;
	case NOTIFIER_TEST_NOTIFY:
		err = copy_from_user(&notify, user, sizeof(notify)) ?
			      -EFAULT : notifier_test_send(file, &notify);
		break;
	case NOTIFIER_TEST_LEDGER:
		ledger.acted = atomic64_read(&file->acted);
		ledger.declined = atomic64_read(&file->declined);
		ledger.first_passes = atomic64_read(&file->first_passes);
		ledger.second_passes = atomic64_read(&file->second_passes);
		err = copy_to_user(user, &ledger, sizeof(ledger)) ? -EFAULT : 0;
		break;
	}
	mutex_unlock(&file->lock);
	return err;
}

static int test_open(struct inode *inode, struct file *filp)
{
	struct test_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	INIT_LIST_HEAD(&file->intervals);
	INIT_LIST_HEAD(&file->unended);
	filp->private_data = file;
	return 0;
}

static int test_release(struct inode *inode, struct file *filp)
{
	void (*range_end)(struct mmu_notifier_range *range) = (void *)end;
	struct test_file *file = filp->private_data;
	struct test_interval *i, *next;
	struct unended *u, *next_u;

	/* An interval cannot be removed while a window is open. */
	list_for_each_entry_safe(u, next_u, &file->unended, link) {
		range_end(&u->range);
		mmdrop(u->range.mm);
		kfree(u);
	}
	list_for_each_entry_safe(i, next, &file->intervals, link) {
		mmu_interval_notifier_remove(&i->notifier);
		kfree(i);
	}
	kfree(file);
	return 0;
}

static const struct file_operations test_fops = {
	.owner = THIS_MODULE,
	.open = test_open,
	.release = test_release,
	.unlocked_ioctl = test_ioctl,
};

static struct miscdevice test_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "notifier_test",
	.fops = &test_fops,
	.mode = 0666,
};
module_misc_device(test_device);

MODULE_DESCRIPTION("A subscriber of mmu notifiers for tests");
MODULE_LICENSE("Dual BSD/GPL");
