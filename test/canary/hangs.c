/* hangs.c - a canary: never ends. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	puts("1..1\nok 1 - true");
	fflush(stdout);
	for (;;)
		pause();
}
