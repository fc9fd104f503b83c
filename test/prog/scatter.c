/* scatter.c - touches pages of one large mapping, more often those at its beginning, and prints a sum: scatter PAGES TOUCHES. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	size_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 8192;
	unsigned touches = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 100000;
	char *at = mmap(NULL, n * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t x = 88172645463325252ull, sum = 0;
	if (at == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < n; i++)
		at[i * 4096] = (char)i;
	for (unsigned i = 0; i < touches; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		size_t page = x % n * ((x >> 40) % n) / n;
		sum += (uint64_t)at[page * 4096];
		at[page * 4096] += x >> 62 == 0;
	}
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
