/* pages.c - a program whose pages are known, for tests of what looks at processes.
 *
 *     pages [MORE]     maps 64 pages, of which 10..19 are written, 30..31 only read; prints "START READY"; when a line comes, writes
 *                      pages 40..44, gives 10..12 back, maps another area, prints "MORE", and waits for its end */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGES = 64 };
static size_t page;

static char *area_make(void)
{
	char *area = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || madvise(area, PAGES * page, MADV_NOHUGEPAGE))
		exit(1);
	/* Neighbours would become one mapping with it. */
	if (mprotect(area, page, PROT_NONE) || mprotect(area + (PAGES - 1) * page, page, PROT_NONE))
		exit(1);
	return area;
}

int main(void)
{
	char line[16];
	page = (size_t)sysconf(_SC_PAGESIZE);
	char *area = area_make();
	for (int i = 10; i < 20; i++)
		area[(size_t)i * page] = 1;
	for (int i = 30; i < 32; i++)
		(void)*(volatile char *)&area[(size_t)i * page];
	printf("%lx READY\n", (unsigned long)area);
	fflush(stdout);
	if (!fgets(line, sizeof line, stdin))
		return 1;
	for (int i = 40; i < 45; i++)
		area[(size_t)i * page] = 1;
	if (madvise(area + 10 * page, 3 * page, MADV_DONTNEED))
		return 1;
	area_make()[page] = 1;
	printf("MORE\n");
	fflush(stdout);
	pause();
	return 0;
}
