/* hosttree.c - runs test/hosttree.sh, and takes its tree away again. */
#include "hosttree.h"
#include "../src/base/mem.h"
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

extern char **environ;

char *hosttree_make(const char *kernel)
{
	const char *tmp = getenv("TMPDIR");
	char *root = mem_printf("%s/pageworks-host-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	assert_non_null(root);
	assert_non_null(mkdtemp(root));
	char *const argv[] = { (char *)"sh", (char *)"test/hosttree.sh", (char *)kernel, root, NULL };
	pid_t pid;
	int status = -1;
	assert_int_equal(posix_spawnp(&pid, "sh", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return root;
}

void hosttree_write(const char *root, const char *path, const char *text, size_t bytes)
{
	char whole[512];
	snprintf(whole, sizeof whole, "%s/%s", root, path);
	FILE *f = fopen(whole, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	assert_int_equal(fclose(f), 0);
}

static int removed(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

void hosttree_remove(char *root)
{
	assert_int_equal(nftw(root, removed, 16, FTW_DEPTH | FTW_PHYS), 0);
	mem_free(root);
}

struct procfs *hosttree_open(const char *root)
{
	struct procfs *p = NULL;
	struct pw_why why = { "" };
	if (procfs_open(root, &p, &why) != PW_OK)
		fail_msg("%s", why.text);
	return p;
}
