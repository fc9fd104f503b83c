/* trace_pin.c - fuzz target: what Pin's pinatrace prints. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"

static const char *const good[] = {
	"0x7f6a3d2a3093: W 0x7ffd4c1b5a38\n0x7f6a3d2a30a1: R 0x7f6a3d2c5e70\n0x40: R      0x1000  8  0x12\r\n#eof\n",
	"0xffffffffffffffff: W 0xffffffffffffffff\n0x0: R 0x0",
};

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	return fuzz_text_seed(good, sizeof good / sizeof *good, i, bytes, max);
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
	fuzz_trace_as("pin", "", bytes, size);
}
