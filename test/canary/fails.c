/* fails.c - a canary: one of its points fails.  tools/check must report every program of this folder as a failure. */
#include <stdio.h>

int main(void)
{
	puts("1..2\nok 1 - true\nnot ok 2 - false");
	return 1;
}
