/* scale.h - sizes at which curves are kept where every size would be too many: 1, 2, ... 16, then eight to each doubling.
 *
 * A value v, at least 1, belongs to the first scale size that is not below it, so that sums over cells are exact at scale sizes:
 *
 *      cell     0  1  ...  15 | 16  17  18 ... 23 | 24 ...
 *      size     1  2  ...  16 | 18  20  22 ... 32 | 36 ... */
#pragma once
#include <stdint.h>

enum { SCALE_CELLS = 16 + 8 * 44 }; /* sizes up to 2^48 */

static inline unsigned scale_cell(uint64_t v)
{
	v--;
	if (v < 16)
		return (unsigned)v;
	unsigned e = 63u - (unsigned)__builtin_clzll(v), cell = 16 + (e - 4) * 8 + (unsigned)(v >> (e - 3) & 7);
	return cell < SCALE_CELLS ? cell : SCALE_CELLS - 1;
}

/* The largest value that belongs to the cell. */
static inline uint64_t scale_size(unsigned cell)
{
	return cell < 16 ? cell + 1ull : (9ull + (cell - 16) % 8) << (1 + (cell - 16) / 8);
}
