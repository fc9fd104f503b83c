/* trace_drview.c - fuzz target: what DynamoRIO's view tool prints. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"Output format:\n----------\n   1    0: W0.T32 <marker: version 5>\n"
	"  10    2: W0.T32 ifetch       3 byte(s) @ 0x00007fc205a61fff 48 89 e7 mov %rsp, %rdi\n"
	"  11    2: W0.T32 write        8 byte(s) @ 0x00007fff9a9e3528 by PC 0x00007fc205a61943\n",
	"  13    3: W1.T33 pref-r-L1   64 byte(s) @ 0x0000000000001000 by PC 0x40\n  14  3: T33 read 8 byte(s) @ 0x1000\r\n"
	"      00 00 00\n 47446 37770: 2765543 read 8 byte(s) @ 0x00007fdf64e2adc8 by PC 0x404a7e",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
	fuzz_trace_as("drview", "", bytes, size);
}
