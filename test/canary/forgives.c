/* forgives.c - a canary: one of its points fails, and its exit status says that all is well. */
#include <stdio.h>

int main(void)
{
	puts("1..2\nnot ok 1 - false\nok 2 - true");
	return 0;
}
