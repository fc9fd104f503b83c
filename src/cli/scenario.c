/* scenario.c - finding the scripts that come with pageworks.
 *
 * Problem: "pageworks lab belady" must work from the build tree, from any prefix, and not hide a file of one's own.
 * Idea: a name that exists as a file is that file; anything else is looked for in one folder: $PAGEWORKS_SCENARIOS, else beside the
 * command (../share/pageworks/scenarios, or ../scenarios in the source tree), else where it was to be installed. */
#include "scenario.h"
#include "cli.h"
#include "../base/locate.h"
#include "../base/mem.h"
#include "../base/text.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".lab"
enum { SCENARIOS = 128 };

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* => NULL: there is none */
static const char *folder(char buf[SCENARIO_PATH])
{
	static const char *const beside[] = { "../share/pageworks/scenarios", "../scenarios", "../../scenarios" };
	const char *named = getenv("PAGEWORKS_SCENARIOS");
	char self[SCENARIO_PATH];
	if (named && *named)
		return named;
	bool known = locate_self(self);
	for (unsigned i = 0; known && i < sizeof beside / sizeof *beside; i++) {
		int length = snprintf(buf, SCENARIO_PATH, "%s/%s", self, beside[i]);
		if (length > 0 && length < SCENARIO_PATH && is_folder(buf))
			return buf;
	}
	return is_folder(PW_DATADIR "/scenarios") ? PW_DATADIR "/scenarios" : NULL;
}

static int is_script(const struct dirent *d)
{
	size_t n = strlen(d->d_name), suffix = strlen(SUFFIX);
	return n > suffix && strcmp(d->d_name + n - suffix, SUFFIX) == 0;
}

/* All of them, in order.  => how many; -1: said */
static int scenarios(struct dirent ***ret)
{
	char buf[SCENARIO_PATH];
	const char *where = folder(buf);
	if (!where) {
		cli_error("the scenarios are not installed: name a script file, or set PAGEWORKS_SCENARIOS to their folder");
		return -1;
	}
	int n = scandir(where, ret, is_script, alphasort);
	if (n < 0)
		cli_error("%s: %s", where, strerror(errno));
	return n;
}

static void scenarios_free(struct dirent **list, int n)
{
	for (int i = 0; i < n; i++)
		mem_free(list[i]);
	mem_free(list);
}

/* ---- by name ---- */

static const char *unknown(const char *name)
{
	struct dirent **list;
	const char *names[SCENARIOS];
	int n = scenarios(&list);
	if (n < 0)
		return NULL;
	unsigned known = n < SCENARIOS ? (unsigned)n : SCENARIOS;
	for (unsigned i = 0; i < known; i++) {
		list[i]->d_name[strlen(list[i]->d_name) - strlen(SUFFIX)] = '\0';
		names[i] = list[i]->d_name;
	}
	const char *near = text_nearest(name, names, known);
	if (near)
		cli_error("%s: neither a file nor a scenario; did you mean '%s'?", name, near);
	else
		cli_error("%s: neither a file nor a scenario; 'pageworks lab --list' lists them", name);
	scenarios_free(list, n);
	return NULL;
}

const char *scenario_find(const char *name, char buf[SCENARIO_PATH])
{
	char where_buf[SCENARIO_PATH];
	if (strcmp(name, "-") == 0 || access(name, F_OK) == 0)
		return name;
	const char *where = strchr(name, '/') ? NULL : folder(where_buf);
	int n = where ? snprintf(buf, SCENARIO_PATH, "%s/%s%s", where, name, SUFFIX) : 0;
	if (n > 0 && n < SCENARIO_PATH && access(buf, F_OK) == 0)
		return buf;
	if (!strchr(name, '/'))
		return unknown(name);
	cli_error("%s: %s", name, strerror(ENOENT));
	return NULL;
}

/* ---- the list ---- */

static void title_print(const char *where, const char *file)
{
	char path[SCENARIO_PATH], *line = NULL;
	size_t size = 0;
	snprintf(path, sizeof path, "%s/%s", where, file);
	FILE *f = fopen(path, "r");
	if (!f || getline(&line, &size, f) < 0 || !line)
		printf("  %s\n", file);
	else
		printf("  %-18.*s %s", (int)(strlen(file) - strlen(SUFFIX)), file, line + strspn(line, "# "));
	mem_free(line);
	if (f)
		fclose(f);
}

int scenario_list(void)
{
	char buf[SCENARIO_PATH];
	struct dirent **list;
	int n = scenarios(&list);
	const char *where = folder(buf);
	if (n < 0)
		return CLI_FAILED;
	for (int i = 0; i < n && where; i++)
		title_print(where, list[i]->d_name);
	scenarios_free(list, n);
	return CLI_OK;
}
