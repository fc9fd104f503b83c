/* follow.c - exec, with QEMU put in front of the new program.
 *
 * QEMU hands an execve of the program to the host, which would start the new program natively, unseen.  So the plugin does the execve
 * itself, before QEMU can: the same arguments and environment, behind a QEMU with this plugin.  It resolves scripts as the kernel
 * would, because what QEMU loads must be an ELF file.  Whenever anything is not as it should be (no such file, no permission, a
 * format that we do not know), it returns without having changed anything and leaves the call to QEMU, which reports the error, or
 * does start the program unseen when the host can run what we cannot.
 *
 * "/proc/self/exe" means the program, while for the host it is QEMU. */
#include "follow.h"
#include "guest.h"
#include "lane.h"
#include "qemu_plugin.h"
#include <stdio.h>
#include <sys/syscall.h>

enum { FOLLOW_PATH_MAX = PATH_MAX, FOLLOW_FD_MIN = 900 };

static bool names_self(const char *path)
{
	char own[64];
	snprintf(own, sizeof(own), "/proc/%d/exe", getpid());
	return strcmp(path, "/proc/self/exe") == 0 || strcmp(path, "/proc/thread-self/exe") == 0 || strcmp(path, own) == 0;
}

/* The file behind a descriptor: by its name where it still has one, otherwise by a descriptor that exec leaves open. */
static bool path_of_descriptor(int fd, char *ret, size_t size)
{
	char link[64];
	struct stat by_fd, by_name;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, ret, size - 1);
	if (n < 0 || fstat(fd, &by_fd) < 0)
		return false;
	ret[n] = 0;
	if (stat(ret, &by_name) == 0 && by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev)
		return true;
	int kept = fcntl(fd, F_DUPFD, FOLLOW_FD_MIN);
	if (kept < 0)
		kept = dup(fd);
	snprintf(ret, size, "/proc/self/fd/%d", kept);
	return kept >= 0;
}

/* The path that the call means, for an open() of this process. */
static bool path_of_call(const struct follow *call, const char *path, char *ret, size_t size)
{
	if (names_self(path)) {
		const char *own = qemu_plugin_path_to_binary();
		return own && realpath(own, ret);
	}
	if (call->at == AT_FDCWD || path[0] == '/')
		return *path && snprintf(ret, size, "%s", path) < (int)size;
	if (!*path)
		return (call->flags & AT_EMPTY_PATH) && path_of_descriptor(call->at, ret, size);
	char folder[PATH_MAX];
	return path_of_descriptor(call->at, folder, sizeof(folder)) &&
	       snprintf(ret, size, "%s/%s", folder, path) < (int)size;
}

static void exec_image(unsigned vcpu, const struct launch *base, const struct image *image, char **argv, char **envp)
{
	static struct launch_line line; /* large; and one exec of a process at a time is enough */
	struct launch launch = *base;
	launch.space = lane_space_index();
	if (launch_init(&line, &launch, image, argv, envp) != 0)
		return;
	if (access(line.qemu, X_OK) == 0) {
		lane_flush(lane_of(vcpu));
		execve(line.qemu, line.argv, line.envp);
	}
	launch_fini(&line);
}

void follow_exec(unsigned vcpu, const struct launch *launch, const struct follow *call)
{
	static struct image image;
	char path[PATH_MAX];
	char *name = guest_string(call->path, PATH_MAX);
	char **argv = guest_list(call->argv), **envp = guest_list(call->envp);
	if (name && argv && envp && path_of_call(call, name, path, sizeof(path)) && image_resolve(&image, path) == 0)
		exec_image(vcpu, launch, &image, argv, envp);
	guest_list_free(argv);
	guest_list_free(envp);
	free(name);
}
