/* victim.c - the program that capture_test.c watches: each first argument is one behaviour whose references are known.
 *
 * It prints addresses as "name address" lines on standard output, so that the test knows where to look. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096, THREADS = 4, ROUNDS = 50, STORES = 1000 };

static void say(const char *name, const void *at)
{
	printf("%s %lx\n", name, (unsigned long)at);
	fflush(stdout);
}

static char *pages(size_t n)
{
	char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		exit(99);
	return p;
}

/* So many stores, then half as many loads, of one page. */
static int count(void)
{
	volatile char *p = pages(1);
	for (int i = 0; i < STORES; i++)
		p[i % PAGE] = (char)i;
	char sum = 0;
	for (int i = 0; i < STORES / 2; i++)
		sum += p[i];
	say("page", (void *)p);
	return sum & 0;
}

/* 8-byte stores that reach into the next page. */
static int cross(void)
{
	char *p = pages(2);
	for (int i = 0; i < 100; i++)
		*(volatile uint64_t *)(p + PAGE - 4) = (uint64_t)i;
	say("pages", p);
	return 0;
}

/* Copies by instructions that repeat. */
static int repeat(void)
{
	char *p = pages(2);
#ifdef __x86_64__
	void *to = p + PAGE, *from = p;
	size_t n = 512;
	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
#else
	memcpy(p + PAGE, p, PAGE);
#endif
	say("pages", p);
	return 0;
}

static void *thread_stores(void *page)
{
	for (int i = 0; i < STORES; i++)
		((volatile char *)page)[i] = (char)i;
	return NULL;
}

static int threads(void)
{
	pthread_t t[THREADS];
	char *p = pages(THREADS);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread_stores, p + i * PAGE);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	say("pages", p);
	return 0;
}

/* Maps, touches and unmaps, in all threads at once: addresses are used again and again. */
static void *thread_maps(void *unused)
{
	for (int i = 0; i < ROUNDS; i++) {
		char *p = pages(3);
		memset(p, i, 3 * PAGE);
		mprotect(p, PAGE, PROT_READ);
		munmap(p + PAGE, 2 * PAGE);
		munmap(p, PAGE);
	}
	return unused;
}

static int churn(void)
{
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, thread_maps, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	return 0;
}

/* Every kind of change of an address space, each followed by a touch. */
static int maps(void)
{
	char *heap = sbrk(0), *p = pages(4), *q = mremap(p, 4 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	if (sbrk(3 * PAGE) == (void *)-1 || q == MAP_FAILED)
		return 98;
	heap[2 * PAGE] = 1;
	q[63 * PAGE] = 1;
	madvise(q, 64 * PAGE, MADV_DONTNEED);
	q[5] = 1;
	int fd = open("/proc/self/exe", O_RDONLY);
	volatile char *file = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	say("heap", heap);
	say("moved", q);
	say("file", (void *)file);
	return file[1] == 'E' && sbrk(-PAGE) != (void *)-1 ? 0 : 97;
}

static int forks(void)
{
	for (int i = 0; i < 4; i++) {
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0) {
			if (i == 2)
				raise(SIGKILL);
			if (i == 3)
				kill(getpid(), SIGTERM);
			_exit(10 + i);
		}
		waitpid(pid, NULL, 0);
	}
	return 5;
}

/* System calls on buffers of three pages that the program itself never touches. */
static int calls(void)
{
	int pair[2];
	char *in = pages(3), *out = pages(3);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return 96;
	int ok = write(pair[0], out, 3 * PAGE) == 3 * PAGE && read(pair[1], in, 3 * PAGE) == 3 * PAGE;
	struct iovec vec[2] = { { out, 10 }, { out + 2 * PAGE, 10 } };
	ok = ok && writev(pair[0], vec, 2) == 20 && recv(pair[1], in, 20, 0) == 20;
	ok = ok && read(-1, in, PAGE) == -1;
	ok = ok && write(pair[0], (void *)16, 100) == -1 && errno == EFAULT && open((void *)16, O_RDONLY) == -1;
	ok = ok && writev(pair[0], (void *)16, 3) == -1;
	say("in", in);
	say("out", out);
	return ok ? 0 : 95;
}

static int randomness(void)
{
	unsigned char b[16];
	if (getrandom(b, sizeof(b), 0) != sizeof(b))
		return 94;
	for (unsigned i = 0; i < sizeof(b); i++)
		printf("%02x", b[i]);
	printf("\n");
	return 0;
}

static int spin(void)
{
	volatile unsigned n = 0;
	say("ready", NULL);
	for (;;)
		n++;
}

static int run(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(void);
	} mode[] = {
		{ "count", count }, { "cross", cross }, { "repeat", repeat }, { "threads", threads }, { "churn", churn }, { "maps", maps },
		{ "forks", forks }, { "calls", calls }, { "random", randomness }, { "spin", spin },
	};
	for (unsigned i = 0; argc > 1 && i < sizeof(mode) / sizeof(mode[0]); i++)
		if (strcmp(argv[1], mode[i].name) == 0)
			return mode[i].run();
	if (argc > 2 && strcmp(argv[1], "exec") == 0)
		execv(argv[2], argv + 2);
	if (argc > 1 && strcmp(argv[1], "self") == 0)
		execl("/proc/self/exe", "renamed", "arguments", "a b", "", (char *)NULL);
	if (argc > 2 && strcmp(argv[1], "descriptor") == 0)
		fexecve(open(argv[2], O_RDONLY | O_CLOEXEC), argv + 2, (char *[]){ "ONLY=this", NULL });
	for (int i = 0; i < argc; i++)
		printf("[%s]", argv[i]);
	printf("\n");
	return argc > 1 && strcmp(argv[1], "arguments") == 0 ? 0 : 93;
}

int main(int argc, char **argv) { return run(argc, argv); }
