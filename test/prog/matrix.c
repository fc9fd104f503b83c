/* matrix.c - multiplies matrices with several threads, which share them, and prints a digest of the product: matrix N THREADS. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned n, n_threads;
static uint32_t *a, *b, *c;

static void *rows(void *arg)
{
	for (unsigned i = (unsigned)(uintptr_t)arg; i < n; i += n_threads) {
		for (unsigned k = 0; k < n; k++) {
			for (unsigned j = 0; j < n; j++)
				c[i * n + j] += a[i * n + k] * b[k * n + j];
		}
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[64];
	n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 256;
	n_threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 4;
	a = malloc((size_t)n * n * sizeof *a);
	b = malloc((size_t)n * n * sizeof *b);
	c = calloc((size_t)n * n, sizeof *c);
	if (!a || !b || !c || n_threads > 64)
		return 1;
	for (unsigned i = 0; i < n * n; i++) {
		a[i] = i * 2654435761u;
		b[i] = i ^ 0x5bd1e995u;
	}
	for (unsigned t = 0; t < n_threads; t++)
		pthread_create(&thread[t], NULL, rows, (void *)(uintptr_t)t);
	for (unsigned t = 0; t < n_threads; t++)
		pthread_join(thread[t], NULL);
	uint64_t digest = 14695981039346656037ull;
	for (unsigned i = 0; i < n * n; i++)
		digest = (digest ^ c[i]) * 1099511628211ull;
	printf("%016llx\n", (unsigned long long)digest);
	return 0;
}
