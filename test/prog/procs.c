/* procs.c - on which processors its threads run: procs N SECONDS.
 *
 * N threads compute until two of them have been seen on two processors at the same time ("apart"), or SECONDS are over ("together").
 * Before, each thread asks what it may run on, and prints the lowest answer. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static _Atomic int at[64];
static _Atomic int least = 1 << 20;
static _Atomic bool over;
static unsigned n;
static time_t until;

static void may_run(void)
{
	cpu_set_t a, b;
	if (pthread_getaffinity_np(pthread_self(), sizeof a, &a) || sched_getaffinity(0, sizeof b, &b))
		_exit(2);
	int count = CPU_COUNT(&a) < CPU_COUNT(&b) ? CPU_COUNT(&a) : CPU_COUNT(&b);
	if (count < least)
		least = count;
}

static void *compute(void *arg)
{
	unsigned me = (unsigned)(size_t)arg;
	may_run();
	for (unsigned long i = 0; !over; i++) {
		at[me] = sched_getcpu() + 1;
		for (unsigned j = 0; j < n; j++) {
			if (at[j] && at[j] != at[me])
				over = true;
		}
		if (time(NULL) >= until)
			break;
	}
	at[me] = 0;
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
	until = time(NULL) + (argc > 2 ? strtol(argv[2], NULL, 10) : 10);
	if (!n || n > 64)
		return 1;
	for (unsigned i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, compute, (void *)(size_t)i);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	printf("%s, each may run on %d\n", over ? "apart" : "together", least);
	return 0;
}
