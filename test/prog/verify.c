/* verify.c - memory that knows what it should hold: every page carries its number, a version and a sum, several threads and children
 * of forks read and write them, and a byte that is wrong is found: verify MIB THREADS SECONDS SEED.
 *
 * Prints one line, "0 mismatches"; ends with status 2 on the first mismatch.  The number of steps is fixed when SECONDS is 0. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096, WORDS = PAGE / 8, STEPS = 8000, FORK_EVERY = 2000 };

static uint64_t *memory;
static uint64_t *version;     /* of each page, apart from it */
static uint64_t pages;
static unsigned n_threads, seconds;
static uint64_t seed;
static time_t begin;

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdull;
	x ^= x >> 33;
	return x * 0xc4ceb9fe1a85ec53ull;
}

static void page_write(uint64_t page, uint64_t v)
{
	uint64_t *at = memory + page * WORDS;
	at[0] = page;
	at[1] = v;
	for (unsigned i = 2; i < WORDS; i++)
		at[i] = mix(page * 1000003 + v) + (i & 7 ? 0 : i);
}

static void page_check(uint64_t page, uint64_t v, const char *who)
{
	const volatile uint64_t *at = memory + page * WORDS;
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t want = i == 0 ? page : i == 1 ? v : mix(page * 1000003 + v) + (i & 7 ? 0 : i);
		if (v == 0)
			want = 0;
		uint64_t got = at[i];
		if (got == want)
			continue;
		printf("mismatch: %s, page %llu version %llu word %u: %llx instead of %llx\n", who, (unsigned long long)page,
		       (unsigned long long)v, i, (unsigned long long)got, (unsigned long long)want);
		fflush(stdout);
		_exit(2);
	}
}

/* A child looks at what its parent had, writes over some of it, and looks again. */
static void child_check(unsigned thread, uint64_t state)
{
	for (unsigned i = 0; i < 400; i++) {
		state = mix(state + i);
		uint64_t page = state % (pages / n_threads) * n_threads + thread;
		page_check(page, version[page], "child");
		if (i & 1) {
			version[page] += 1000;
			page_write(page, version[page]);
		}
	}
	_exit(0);
}

static pthread_mutex_t forking = PTHREAD_MUTEX_INITIALIZER;

static void fork_once(unsigned thread, uint64_t state)
{
	int status = 0;
	pthread_mutex_lock(&forking);
	pid_t pid = fork();
	if (pid == 0)
		child_check(thread, state);
	pthread_mutex_unlock(&forking);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status) {
		printf("child of thread %u: status %x\n", thread, (unsigned)status);
		fflush(stdout);
		_exit(2);
	}
}

static void *work(void *arg)
{
	unsigned thread = (unsigned)(uintptr_t)arg;
	uint64_t state = mix(seed * 64 + thread + 1), own = pages / n_threads;
	for (uint64_t step = 1; seconds ? time(NULL) - begin < (time_t)seconds : step <= STEPS; step++) {
		state = mix(state + step);
		uint64_t place = state >> 40 & 1 ? state % own : step % own, page = place * n_threads + thread;
		page_check(page, version[page], "thread");
		if (state >> 41 & 1)
			page_write(page, ++version[page]);
		if ((state >> 42 & 1023) == 0) {
			madvise(memory + page * WORDS, PAGE, MADV_DONTNEED);
			version[page] = 0;
		}
		if (step % FORK_EVERY == 0)
			fork_once(thread, state);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	pages = (argc > 1 ? strtoull(argv[1], NULL, 10) : 16) * 256;
	n_threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
	seconds = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	seed = argc > 4 ? strtoull(argv[4], NULL, 10) : 1;
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	version = calloc(pages, sizeof *version);
	if (memory == MAP_FAILED || !version || !n_threads || n_threads > 64)
		return 1;
	begin = time(NULL);
	for (unsigned t = 0; t < n_threads; t++)
		pthread_create(&thread[t], NULL, work, (void *)(uintptr_t)t);
	for (unsigned t = 0; t < n_threads; t++)
		pthread_join(thread[t], NULL);
	for (uint64_t page = 0; page < pages / n_threads * n_threads; page++)
		page_check(page, version[page], "end");
	printf("0 mismatches\n");
	return 0;
}
