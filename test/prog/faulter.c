/* faulter.c - has exactly so many page faults of each kind, and says where.
 *
 *     faulter N FILE      FILE has at least 16 N pages
 *
 * Stores to N new pages, loads from N pages of the file (one in each sixteen, because the kernel maps the neighbours of a page of a file
 * with it), then forks, and the child stores to the N pages again.  Prints for each "KIND FIRST END FAULTS": a range of addresses
 * and how many minor faults getrusage counted meanwhile. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, AROUND = 16 };

static long minor_faults(void)
{
	static struct rusage usage;
	if (getrusage(RUSAGE_SELF, &usage))
		exit(1);
	return usage.ru_minflt;
}

/* Touches a page in each step, by a store or a load.  => how many faults that took. */
static __attribute__((noinline)) long touch(volatile char *p, size_t n, size_t step, int store)
{
	volatile char seen = 0;
	minor_faults(); /* its own pages are there afterwards */
	long before = minor_faults();
	for (size_t i = 0; i < n; i++) {
		if (store)
			p[i * step] = 1;
		else
			seen = p[i * step];
	}
	(void)seen;
	return minor_faults() - before;
}

static void say(const char *kind, const void *p, size_t bytes, long faults)
{
	printf("%s %ju %ju %ld\n", kind, (uintmax_t)(uintptr_t)p, (uintmax_t)(uintptr_t)p + bytes, faults);
	fflush(stdout);
}

static void *map(size_t bytes, int prot, int flags, int fd)
{
	char *p = mmap(NULL, bytes + AROUND * PAGE, prot, flags, fd, 0);
	if (p == MAP_FAILED)
		exit(1);
	madvise(p, bytes + AROUND * PAGE, MADV_NOHUGEPAGE);
	return p;
}

int main(int argc, char **argv)
{
	size_t n = argc == 3 ? strtoul(argv[1], NULL, 10) : 0, step = AROUND * PAGE;
	int fd = n ? open(argv[2], O_RDONLY) : -1, status;
	if (fd < 0)
		return 1;
	char *anon = map(n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *file = mmap(NULL, n * step, PROT_READ, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		return 1;
	static char warm[PAGE * 4];
	touch(warm, 4, PAGE, 1);
	touch(warm, 4, PAGE, 0);
	say("warm", warm, sizeof warm, 0);
	long faults = touch(anon, n, PAGE, 1);
	say("anon", anon, n * PAGE, faults);
	faults = touch(file, n, step, 0);
	say("file", file, n * step, faults);
	pid_t child = fork();
	if (child == 0) {
		faults = touch(anon, n, PAGE, 1);
		say("copy", anon, n * PAGE, faults);
		_exit(0);
	}
	return child < 0 || waitpid(child, &status, 0) != child || status != 0;
}
