/* trace_packed.c - fuzz target: gzip, xz and zstd around a trace. */
#include "driver/fuzz.h"
#include "driver/fuzz_trace.h"
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

static const char text[] = "0041f7a0 R\n13f5e2c0 R\n05e78900 W\n0x41f7a4 w\n0041f7a0 R\n13f5e2c0 R\n05e78900 W\n0041f7a4 W\n";

static size_t gzip(uint8_t *bytes, size_t max)
{
	z_stream z = { .next_in = (uint8_t *)text, .avail_in = sizeof text - 1, .next_out = bytes, .avail_out = (unsigned)max };
	if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return max - z.avail_out;
}

static size_t xz(uint8_t *bytes, size_t max)
{
	size_t n = 0;
	/* Without a check on the contents damage reaches the reader behind. */
	lzma_ret got = lzma_easy_buffer_encode(0, LZMA_CHECK_NONE, NULL, (const uint8_t *)text, sizeof text - 1, bytes, &n, max);
	return got == LZMA_OK ? n : 0;
}

size_t fuzz_seed(unsigned i, uint8_t *bytes, size_t max)
{
	size_t n = i % 3 == 0 ? gzip(bytes, max) : i % 3 == 1 ? xz(bytes, max) : ZSTD_compress(bytes, max, text, sizeof text - 1, 1);
	/* From the fourth on: two members. */
	if (i >= 3)
		n += gzip(bytes + n, max - n);
	return i < 6 ? n : 0;
}

void fuzz_one(const uint8_t *bytes, size_t size)
{
	fuzz_trace(bytes, size);
}
