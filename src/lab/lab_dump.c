/* lab_dump.c - a session's memory as files, for tools that read memory images.
 *
 * Problem: half a dump looks like a whole one.
 * Idea: both files are written to the end and closed before it is said that they are there; one that failed is removed. */
#include "lab_impl.h"
#include "../base/mem.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Closes both.  => whether every byte arrived */
static bool files_close(FILE *image, FILE *roots)
{
	bool image_whole = !image || fclose(image) == 0, roots_whole = !roots || fclose(roots) == 0;
	return image_whole && roots_whole;
}

/* A device somebody named stays. */
static void remove_file(const char *name)
{
	struct stat st;
	if (lstat(name, &st) == 0 && S_ISREG(st.st_mode))
		unlink(name);
}

static enum lab_outcome dump_to(struct lab *l, const char *name, const char *roots_name)
{
	FILE *image = fopen(name, "wb");
	FILE *roots = image ? fopen(roots_name, "w") : NULL;
	bool opened = image && roots;
	if (!opened)
		lab_fail(l, "dump: %s cannot be written: %s", image ? roots_name : name, strerror(errno));
	enum pw_err err = opened ? computer_dump(l->computer, image, roots, l->why) : PW_IO;
	if (!files_close(image, roots) && !err)
		err = pw_fail(l->why, PW_IO, "dump: %s cannot be written to the end: %s", name, strerror(errno));
	if (err && image)
		remove_file(name);
	if (err && roots)
		remove_file(roots_name);
	return err ? LAB_ERROR : LAB_DONE;
}

enum lab_outcome lab_dump(struct lab *l, const struct lab_line *line)
{
	const char *name = line->word[0];
	name += *name == '"';
	char *roots_name = mem_printf("%s.roots", name), bytes[32];
	if (!roots_name)
		return lab_fail(l, "out of memory");
	enum lab_outcome outcome = dump_to(l, name, roots_name);
	if (outcome == LAB_DONE)
		lab_tell(l, "memory is in %s (%s), the page-table roots in %s\n", name,
		         text_bytes(bytes, sizeof bytes, physmem_bytes(computer_memory(l->computer))), roots_name);
	mem_free(roots_name);
	return outcome;
}
