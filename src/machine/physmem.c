/* physmem.c - frames of real bytes.
 *
 * Memory is one reserved area, so a frame costs the host nothing until its bytes are touched: a machine of 64 GiB that carries
 * only addresses holds page tables and no more. */
#include "physmem.h"
#include "../base/inject.h"
#include "../base/mem.h"
#include <errno.h>
#include <unistd.h>

enum pw_err physmem_init(struct physmem *p, uint64_t frames, unsigned page_shift)
{
	p->frames = frames;
	p->page_shift = page_shift;
	p->bytes = mem_reserve(frames << page_shift);
	return p->bytes ? PW_OK : PW_NOMEM;
}

void physmem_fini(struct physmem *p)
{
	if (p->bytes)
		mem_unreserve(p->bytes, physmem_bytes(p));
	p->bytes = NULL;
}

void physmem_zero(struct physmem *p, pfn_t f)
{
	memset(physmem_frame(p, f), 0, 1ull << p->page_shift);
}

void physmem_copy(struct physmem *p, pfn_t to, pfn_t from)
{
	memcpy(physmem_frame(p, to), physmem_frame(p, from), 1ull << p->page_shift);
}

static bool all_zero(const uint8_t *bytes, size_t n)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

/* Seeks over frames of zeros where the output can seek, so that an image of a mostly empty memory stays small. */
enum pw_err physmem_dump(const struct physmem *p, FILE *out, struct pw_why *why)
{
	size_t page = 1ull << p->page_shift;
	for (uint64_t f = 0; f < p->frames; f++) {
		const uint8_t *bytes = physmem_frame(p, pfn(f));
		bool skip = f + 1 < p->frames && all_zero(bytes, page) && fseeko(out, (off_t)page, SEEK_CUR) == 0;
		if (!skip && (inject(INJECT_FILE_WRITE) || fwrite(bytes, 1, page, out) != page))
			return pw_fail(why, PW_IO, "memory image: cannot write frame %llu: %s", (unsigned long long)f,
				       strerror(errno));
	}
	if (fflush(out) != 0)
		return pw_fail(why, PW_IO, "memory image: cannot write: %s", strerror(errno));
	return PW_OK;
}
