/* natively.c - runs a program and writes to a file how many faults it had: "minor major".
 *
 *     natively FILE COMMAND [ARG...]
 *
 * Address randomisation is off, as it is under pageworks.  vfork, so that no page of this program is copied on the child's
 * account. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct rusage usage;
	int status;
	if (argc < 3)
		return 125;
	personality(ADDR_NO_RANDOMIZE);
	pid_t child = vfork();
	if (child == 0) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child)
		return 125;
	FILE *f = fopen(argv[1], "w");
	if (!f || fprintf(f, "%ld %ld\n", usage.ru_minflt, usage.ru_majflt) < 0 || fclose(f) != 0)
		return 125;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
