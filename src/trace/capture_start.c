/* capture_start.c - from a command line to a running QEMU.
 *
 * Everything that can be wrong is found before the fork, so that each has its own sentence and its own exit status: no such
 * program, not executable, no QEMU for its machine (and which package has it), no plugin.  What is left to fail in the child is
 * execve itself; its errno comes back through a pipe that closes by itself when execve succeeds.
 *
 * The child gets what a program started by a shell would get: the standard descriptors, the environment, the signals as they
 * were.  Address randomisation is turned off, and it dies with us (PR_SET_PDEATHSIG: with the thread that called, to be exact). */
#include "capture_start.h"
#include "../base/locate.h"
#include "../base/mem.h"
#include "../capture/launch.h"
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define PLUGIN_NAME "pageworks-capture.so"

extern char **environ;

struct start {
	char program[PATH_MAX], qemu_dir[PATH_MAX], plugin[PATH_MAX];
	struct image image;
	struct launch launch;
	struct launch_line line;
};

static enum pw_err find_program(struct start *s, const char *name, struct pw_why *why)
{
	bool seen = false;
	if (!*name)
		return pw_fail(why, PW_NOTFOUND, "the name of the program is empty");
	if (!strchr(name, '/')) {
		if (locate_program(NULL, name, s->program, &seen))
			return PW_OK;
		return seen ? pw_fail(why, PW_ACCESS, "%s: found in PATH, but it is not executable", name)
		            : pw_fail(why, PW_NOTFOUND, "%s: no such program in PATH", name);
	}
	if (snprintf(s->program, sizeof(s->program), "%s", name) >= PATH_MAX)
		return pw_fail(why, PW_NOTFOUND, "the name of the program is too long");
	return PW_OK;
}

static enum pw_err resolve_program(struct start *s, struct pw_why *why)
{
	int err = image_resolve(&s->image, s->program);
	const char *shown = s->image.n_scripts ? s->image.path : s->program;
	switch (err) {
	case 0: return PW_OK;
	case ENOENT:
	case ENOTDIR:
		if (s->image.n_scripts)
			return pw_fail(why, PW_NOTFOUND, "%s: its interpreter %s does not exist", s->program, shown);
		return pw_fail(why, PW_NOTFOUND, "%s: no such program", s->program);
	case EACCES: return pw_fail(why, PW_ACCESS, "%s: not an executable file", shown);
	case ENOEXEC:
		return pw_fail(why, PW_ACCESS, "%s: neither a 64-bit Linux program (ELF) of a machine that QEMU can run here, nor a "
		               "script that begins with #!", shown);
	default: return pw_fail(why, PW_ACCESS, "%s: %s", shown, strerror(err));
	}
}

static enum pw_err find_qemu(struct start *s, struct pw_why *why)
{
	char name[64], found[PATH_MAX];
	snprintf(name, sizeof(name), "qemu-%s", s->image.arch);
	if (!locate_program(NULL, name, found, NULL) && !locate_program(LOCATE_PATH, name, found, NULL))
		return pw_fail(why, PW_UNSUPPORTED, "%s is not installed, and programs run under it: install the package qemu-user "
		               "(Debian, Ubuntu: apt install qemu-user)", name);
	char *end = realpath(found, s->qemu_dir) ? strrchr(s->qemu_dir, '/') : NULL;
	if (!end)
		return pw_fail(why, PW_UNSUPPORTED, "%s: %s", found, strerror(errno));
	*end = 0;
	return PW_OK;
}

static enum pw_err find_plugin(struct start *s, const struct capture_options *options, struct pw_why *why)
{
	if (options->plugin) {
		if (realpath(options->plugin, s->plugin))
			return PW_OK;
		return pw_fail(why, PW_UNSUPPORTED, "the capture plugin %s: %s", options->plugin, strerror(errno));
	}
	if (locate_own(PLUGIN_NAME, PW_LIBEXECDIR, s->plugin))
		return PW_OK;
	return pw_fail(why, PW_UNSUPPORTED, "the capture plugin " PLUGIN_NAME " is neither beside this command nor in %s: build "
	               "or install pageworks whole", PW_LIBEXECDIR);
}

/* ---- in the child ---- */

static void child_run(const struct start *s, const struct capture_options *options, pid_t parent, int report)
{
	if (!options->keep_random)
		personality(ADDR_NO_RANDOMIZE | personality(0xffffffff));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent)
		execve(s->line.qemu, s->line.argv, s->line.envp);
	int err = errno;
	ssize_t n = write(report, &err, sizeof(err));
	_exit(n == sizeof(err) ? 125 : 126);
}

static enum pw_err child_start(const struct start *s, const struct capture_options *options, pid_t *ret, struct pw_why *why)
{
	int report[2], err = 0;
	if (pipe2(report, O_CLOEXEC) < 0)
		return pw_fail(why, PW_CHILD, "cannot make a pipe: %s", strerror(errno));
	pid_t parent = getpid(), pid = fork();
	if (pid == 0)
		child_run(s, options, parent, report[1]);
	close(report[1]);
	ssize_t n = pid < 0 ? 0 : read(report[0], &err, sizeof(err));
	close(report[0]);
	if (pid < 0)
		return pw_fail(why, PW_CHILD, "cannot start a process: %s", strerror(errno));
	if (n == sizeof(err)) {
		waitpid(pid, NULL, 0);
		return pw_fail(why, PW_CHILD, "%s: %s", s->line.qemu, strerror(err));
	}
	*ret = pid;
	return PW_OK;
}

static enum pw_err start_with(struct start *s, const struct capture_options *options, char *const argv[], const char *segment,
                              pid_t *ret, struct pw_why *why)
{
	enum pw_err err = find_program(s, argv[0], why);
	if (!err)
		err = resolve_program(s, why);
	if (!err)
		err = find_qemu(s, why);
	if (!err)
		err = find_plugin(s, options, why);
	if (err)
		return err;
	s->launch = (struct launch){ .qemu_dir = s->qemu_dir, .plugin = s->plugin, .segment = segment, .seed = options->seed,
	                             .keep_random = options->keep_random, .plain = options->plain };
	if (launch_init(&s->line, &s->launch, &s->image, argv, environ) != 0)
		return pw_fail(why, PW_NOMEM, "out of memory for starting %s", argv[0]);
	err = child_start(s, options, ret, why);
	launch_fini(&s->line);
	return err;
}

enum pw_err start_program(const struct capture_options *options, char *const argv[], const char *segment, pid_t *ret,
                          struct pw_why *why)
{
	struct start *s = mem_zalloc(1, sizeof(*s));
	if (!s)
		return pw_fail(why, PW_NOMEM, "out of memory for starting %s", argv[0]);
	enum pw_err err = start_with(s, options, argv, segment, ret, why);
	mem_free(s);
	return err;
}
