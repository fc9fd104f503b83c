/* launch.h - the command line that runs a program under QEMU with the plugin inside.
 *
 * The command builds it for the first program, the plugin for every program started by exec, so it is written once, here.
 *
 * The program's environment is QEMU's own, handed over in reverse: QEMU keeps it as a list to which each variable is added in
 * front, so the program finds it in the original order.  Variables by which the dynamic linker changes a program (LD_PRELOAD and
 * its like) are meant for the program and would change QEMU as well: they go to the program alone, by -E, which splits at commas;
 * so those with a comma stay where they are. */
#pragma once
#include "image.h"
#include <stdio.h>

struct launch {
	const char *qemu_dir; /* folder of the qemu-<arch> commands */
	const char *plugin;   /* the plugin file */
	const char *segment;  /* path under which the plugin can open the segment */
	uint32_t space;
	uint64_t seed;
	bool keep_random;
	bool plain;           /* every access by a call of its own: slow, and so simple that the fast way is tested against it */
};

struct launch_line {
	char qemu[PATH_MAX + 64], seed[32], path[PATH_MAX + 2];
	char plugin[4 * PATH_MAX];
	char **argv, **envp;  /* NULL-terminated arrays, released by launch_fini; the strings are others' */
};

/* Appends s to the option value at *end, with QEMU's escape for commas. */
static inline void launch_add(char **end, const char *limit, const char *key, const char *value)
{
	int n = snprintf(*end, limit - *end, "%s", key);
	*end += n < limit - *end ? n : 0;
	for (; *value && *end + 2 < limit; value++) {
		*(*end)++ = *value;
		if (*value == ',')
			*(*end)++ = ',';
	}
	**end = 0;
}

static inline void launch_plugin(struct launch_line *line, const struct launch *l)
{
	char number[32], *end = line->plugin, *limit = line->plugin + sizeof(line->plugin);
	launch_add(&end, limit, "", l->plugin);
	launch_add(&end, limit, ",segment=", l->segment);
	launch_add(&end, limit, ",qemu=", l->qemu_dir);
	snprintf(number, sizeof(number), "%u", l->space);
	launch_add(&end, limit, ",space=", number);
	launch_add(&end, limit, ",seed=", line->seed);
	launch_add(&end, limit, ",self=", l->plugin);
	if (l->keep_random)
		launch_add(&end, limit, ",random=", "on");
	if (l->plain)
		launch_add(&end, limit, ",plain=", "on");
}

static inline bool launch_env_private(const char *var)
{
	static const char *const name[] = { "LD_PRELOAD=", "LD_AUDIT=", "LD_DEBUG=", "LD_BIND_NOW=", "LD_PROFILE=" };
	for (unsigned i = 0; i < sizeof(name) / sizeof(name[0]); i++)
		if (strncmp(var, name[i], strlen(name[i])) == 0)
			return strchr(var, ',') == NULL;
	return false;
}

static inline size_t launch_count(char *const list[])
{
	size_t n = 0;
	while (list && list[n])
		n++;
	return n;
}

static inline void launch_fini(struct launch_line *line)
{
	free(line->argv);
	free(line->envp);
}

static inline size_t launch_options(struct launch_line *line, const struct launch *l, char *const envp[], size_t n_env)
{
	size_t n = 0, n_kept = 0;
	snprintf(line->seed, sizeof(line->seed), "%llu", (unsigned long long)l->seed);
	launch_plugin(line, l);
	line->argv[n++] = line->qemu;
	if (!l->keep_random) {
		line->argv[n++] = "-seed";
		line->argv[n++] = line->seed;
	}
	line->argv[n++] = "-plugin";
	line->argv[n++] = line->plugin;
	for (size_t i = n_env; i-- > 0;) {
		if (launch_env_private(envp[i])) {
			line->argv[n++] = "-E";
			line->argv[n++] = envp[i];
		} else {
			line->envp[n_kept++] = envp[i];
		}
	}
	return n;
}

/* => 0 or ENOMEM, ENAMETOOLONG.  line refers to the strings of l, image, argv and envp. */
static inline int launch_init(struct launch_line *line, const struct launch *l, const struct image *image, char *const argv[],
                              char *const envp[])
{
	size_t n_args = launch_count(argv), n_env = launch_count(envp);
	line->argv = calloc(n_args + 2 * n_env + IMAGE_SCRIPTS * 2 + 16, sizeof(char *));
	line->envp = calloc(n_env + 1, sizeof(char *));
	if (!line->argv || !line->envp) {
		launch_fini(line);
		return ENOMEM;
	}
	snprintf(line->qemu, sizeof(line->qemu), "%s/qemu-%s", l->qemu_dir, image->arch);
	snprintf(line->path, sizeof(line->path), "%s%s", image->path[0] == '-' ? "./" : "", image->path);
	size_t n = launch_options(line, l, envp, n_env);
	line->argv[n++] = "-0";
	line->argv[n++] = image->n_prefix ? (char *)image->prefix[0] : n_args ? argv[0] : "";
	line->argv[n++] = line->path;
	for (unsigned i = 1; i < image->n_prefix; i++)
		line->argv[n++] = (char *)image->prefix[i];
	for (size_t i = 1; i < n_args; i++)
		line->argv[n++] = argv[i];
	return 0;
}
