/* sweep_record.c - the program runs once, the cells many times.
 *
 * Problem.  A program run anew for each cell would be slow, would write its files again and again, and would not do quite the same.
 * Idea.  One recording, named after the command's words and the directory it ran in; it becomes a recording by being renamed when
 * the program has ended.
 * 1. A program that was interrupted leaves no recording.
 * Rejected: looking at the files that the command reads (nobody knows them all; a new --dir records anew). */
#include "sweep_record.h"
#include "cli.h"
#include "progress.h"
#include "../base/mem.h"
#include "../trace/capture.h"
#include "../trace/pwt.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { RECORD_SEED = 1 };

/* "NAME-HASH.pwt" */
static char *record_name(char *const argv[], unsigned granule_shift)
{
	char cwd[PATH_MAX] = "";
	const char *base = strrchr(argv[0], '/');
	uint64_t hash = getcwd(cwd, sizeof cwd) ? XXH3_64bits_withSeed(cwd, strlen(cwd), granule_shift) : granule_shift;
	for (unsigned i = 0; argv[i]; i++)
		hash = XXH3_64bits_withSeed(argv[i], strlen(argv[i]) + 1, hash);
	return mem_printf("%.100s-%016" PRIx64 ".pwt", base && base[1] ? base + 1 : argv[0], hash);
}

/* => the program has ended, unless its recording could not be written. */
static enum pw_err record_items(struct trace *t, struct pwt_writer *w, bool show, struct pw_why *why)
{
	struct progress progress;
	struct trace_item item;
	enum pw_err err = PW_OK;
	progress_begin(&progress, show);
	for (trace_next(t, &item); err == PW_OK && item.kind != TRACE_ITEM_END; trace_next(t, &item)) {
		err = pwt_write_item(w, &item, why);
		if (progress.on)
			progress_show(&progress, pwt_writer_refs(w), trace_describe(t).progress);
	}
	progress_end(&progress);
	return err == PW_OK ? trace_error(t, why) : err;
}

static enum pw_err record_copy(struct trace *t, const char *path, const struct sweep_record_options *o, struct pw_why *why)
{
	struct trace_info info = trace_describe(t);
	struct pwt_options po = { .granule_shift = info.granule_shift > o->granule_shift ? info.granule_shift : o->granule_shift,
	                          .has_events = info.has_events, .command = info.source, .seed = RECORD_SEED };
	struct pwt_writer *w;
	enum pw_err err = pwt_writer_create(path, &po, &w, why);
	if (err != PW_OK)
		return err;
	err = record_items(t, w, o->show_progress, why);
	if (err == PW_OK)
		return pwt_writer_finish(w, why);
	pwt_writer_abandon(w);
	return err;
}

/* The program may have ended because somebody had enough of it. */
static bool record_interrupted(int signal_number)
{
	return signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP || signal_number == SIGQUIT ||
	       signal_number == SIGKILL;
}

static enum pw_err record_run(char *const argv[], const char *fresh, const struct sweep_record_options *o,
                              struct sweep_recording *ret, struct pw_why *why)
{
	struct capture_options co = { .seed = RECORD_SEED, .take_signals = true };
	struct capture_outcome outcome = { 0 };
	struct trace *t;
	enum pw_err err = capture_open(&co, argv, &t, why);
	if (err != PW_OK) {
		ret->status = capture_exit_status(err);
		return err;
	}
	err = record_copy(t, fresh, o, why);
	if (err == PW_OK)
		capture_outcome(t, &outcome);
	trace_close(t);
	ret->fresh = true;
	ret->exit_status = outcome.exit_status;
	ret->signal = outcome.signal;
	ret->interrupted = err == PW_OK && record_interrupted(outcome.signal);
	if (ret->interrupted)
		err = pw_fail(why, PW_CHILD, "%s was stopped (signal %d), so there is nothing to sweep over", argv[0],
		              outcome.signal);
	return err;
}

static enum pw_err record_keep(const char *fresh, const char *path, struct pw_why *why)
{
	int fd = open(fresh, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok && rename(fresh, path) == 0 ? PW_OK : pw_fail(why, PW_IO, "%s: %s", path, strerror(errno));
}

enum pw_err sweep_record(const struct sweep_dir *d, char *const argv[], const struct sweep_record_options *o,
                         struct sweep_recording *ret, struct pw_why *why)
{
	*ret = (struct sweep_recording){ .status = CLI_FAILED };
	char *name = record_name(argv, o->granule_shift);
	char *fresh = name ? mem_printf("%s/recorded/.new.%ld.%s", sweep_dir_path(d), (long)getpid(), name) : NULL;
	ret->path = name ? mem_printf("%s/recorded/%s", sweep_dir_path(d), name) : NULL;
	enum pw_err err = fresh && ret->path ? PW_OK : pw_fail(why, PW_NOMEM, "out of memory");
	if (err == PW_OK && access(ret->path, R_OK) != 0) {
		err = record_run(argv, fresh, o, ret, why);
		if (err == PW_OK)
			err = record_keep(fresh, ret->path, why);
		if (err != PW_OK)
			unlink(fresh);
	}
	mem_free(fresh);
	mem_free(name);
	return err;
}

void sweep_recording_fini(struct sweep_recording *r)
{
	mem_free(r->path);
	r->path = NULL;
}
