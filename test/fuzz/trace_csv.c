/* trace_csv.c - fuzz target: tables with and without headings, and what people say of their columns. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <string.h>

/* The first line is what is said of the table below it; it may be empty. */
static const char *const good[] = {
	"\ntime;pid;tid;op;address;size\n1;7;8;read;0x1000;4\n2;7;8;W;8190;4\n3;9;;fetch;\"12288\";\n",
	"\nversion,time,op,size,lbn\n1,5633898,2a,512,9\n1,5633898,28,8192,15\n",
	",id=2,size=3,delimiter=comma\n1,3,99999\n2,\"a, b\",1\n3,3,1\n4,18446744073709551615,1\n",
	",page=2,unit=8K,op=3\n1 4096 r\n22 0x20 w\r\n",
	",address=where,base=16\nt|where|how\n1|dead|r\n2|beef|w",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	char keys[200] = "";
	const uint8_t *newline = memchr(bytes, '\n', size);
	size_t n = newline ? (size_t)(newline - bytes) : 0;
	if (n >= sizeof keys)
		n = sizeof keys - 1;
	memcpy(keys, bytes, n);
	bytes += n + (newline != NULL);
	size -= n + (newline != NULL);
	fuzz_trace(bytes, size);
	/* The file's name goes on until the keys begin: other words would name another file. */
	if (!n || *keys == ',')
		fuzz_trace_as("csv", keys, bytes, size);
}
