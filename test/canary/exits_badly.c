/* exits_badly.c - a canary: all points pass, the exit status says otherwise (as a leak checker does). */
#include <stdio.h>

int main(void)
{
	puts("1..1\nok 1 - true");
	return 23;
}
