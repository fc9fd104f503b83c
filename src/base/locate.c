/* locate.c - finding programs as a shell does, and our own files wherever we were put.
 *
 * Problem: a program is started by exec with a whole path, and what belongs to the command must be found from a build tree, from any
 * prefix, and from a test's folder.
 * Idea: /proc/self/exe says where we are; everything of ours is told from there. */
#include "locate.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool locate_is_program(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool locate_program(const char *list, const char *name, char ret[PATH_MAX], bool *seen)
{
	const char *path = list ? list : getenv("PATH");
	for (const char *p = path ? path : LOCATE_PATH;; p++) {
		size_t n = strcspn(p, ":");
		int length = snprintf(ret, PATH_MAX, "%.*s%s%s", (int)n, p, n ? "/" : "./", name);
		if (length < PATH_MAX && locate_is_program(ret))
			return true;
		if (seen)
			*seen = *seen || (length < PATH_MAX && access(ret, F_OK) == 0);
		p += n;
		if (!*p)
			return false;
	}
}

bool locate_self(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	ret[n > 0 ? n : 0] = '\0';
	char *end = strrchr(ret, '/');
	if (end)
		*end = '\0';
	return end;
}

bool locate_own(const char *name, const char *folder, char ret[PATH_MAX])
{
	char self[PATH_MAX];
	bool there = locate_self(self);
	for (unsigned up = 0; there && up < 2; up++) {
		if (snprintf(ret, PATH_MAX, "%s/%s", self, name) < PATH_MAX && access(ret, R_OK) == 0)
			return true;
		char *end = strrchr(self, '/');
		there = end;
		if (end)
			*end = '\0';
	}
	snprintf(ret, PATH_MAX, "%s/%s", folder, name);
	return access(ret, R_OK) == 0;
}
