/* named.c - two pieces of memory, one of which the program gives a name; both are written and read in turn, many times: named MIB.
 *
 * Prints the sum of what it read, which does not depend on where the pages were meanwhile. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

enum { PAGE = 4096, ROUNDS = 6 };

static uint64_t touch(unsigned char *at, uint64_t pages, unsigned round)
{
	uint64_t sum = 0;
	for (uint64_t i = 0; i < pages; i++) {
		sum += at[i * PAGE + 17];
		at[i * PAGE + 17] = (unsigned char)(i * 7 + round);
	}
	return sum;
}

int main(int argc, char **argv)
{
	uint64_t bytes = (argc > 1 ? strtoull(argv[1], NULL, 10) : 4) << 20, sum = 0;
	unsigned char *cache = mmap(NULL, bytes / 4, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *bulk = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (cache == MAP_FAILED || bulk == MAP_FAILED)
		return 1;
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, cache, bytes / 4, "cache"); /* an old host refuses it, which does no harm */
	for (unsigned round = 0; round < ROUNDS; round++)
		sum += touch(cache, bytes / 4 / PAGE, round) + touch(bulk, bytes / PAGE, round);
	if (madvise(cache, PAGE, MADV_DONTNEED) != 0 || cache[17] != 0 || cache[PAGE + 17] == 0)
		return 2;
	cache = mremap(cache, bytes / 4, 2 * bytes, MREMAP_MAYMOVE);
	if (cache == MAP_FAILED)
		return 3;
	sum += touch(cache, 2 * bytes / PAGE, 0);
	printf("%llu\n", (unsigned long long)sum);
	return 0;
}
