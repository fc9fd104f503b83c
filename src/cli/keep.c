/* keep.c - results that outlive their run.
 *
 * Problem: people compare a run with the one before, and seldom thought of naming a file for it.
 * Idea: two files in the place where programs keep state, replaced by renaming, so no reader ever sees half of one.
 * Rejected: a file in the current directory (it surprises people, and a read-only directory would fail a run). */
#include "keep.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEEP_PATH = 4096 };

bool keep_path(const char *name, char *buf, size_t size)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n = -1;
	if (state && *state == '/')
		n = snprintf(buf, size, "%s/pageworks%s%s", state, *name ? "/" : "", name);
	else if (home && *home == '/')
		n = snprintf(buf, size, "%s/.local/state/pageworks%s%s", home, *name ? "/" : "", name);
	return n > 0 && (size_t)n < size;
}

/* Makes every folder of the path. */
static bool keep_make_folder(char *path)
{
	for (char *at = path + 1; *at; at++)
		if (*at == '/') {
			*at = '\0';
			bool ok = mkdir(path, 0700) == 0 || errno == EEXIST;
			*at = '/';
			if (!ok)
				return false;
		}
	return mkdir(path, 0700) == 0 || errno == EEXIST;
}

static bool keep_write(const char *path, const char *text, size_t bytes)
{
	FILE *f = fopen(path, "we");
	if (!f)
		return false;
	bool ok = fwrite(text, 1, bytes, f) == bytes;
	return fclose(f) == 0 && ok;
}

void keep_result(const char *text, size_t bytes)
{
	char folder[KEEP_PATH], last[KEEP_PATH], previous[KEEP_PATH], fresh[KEEP_PATH], name[32];
	snprintf(name, sizeof name, "new.%ld", (long)getpid());
	if (!keep_path("", folder, sizeof folder) || !keep_path("last.json", last, sizeof last) ||
	    !keep_path("previous.json", previous, sizeof previous) || !keep_path(name, fresh, sizeof fresh))
		return;
	if (!keep_make_folder(folder))
		return;
	if (!keep_write(fresh, text, bytes)) {
		unlink(fresh);
		return;
	}
	rename(last, previous);
	if (rename(fresh, last) != 0)
		unlink(fresh);
}
