/* pwt_code.c - one byte a reference.
 *
 * Problem: a recorded program makes hundreds of millions of references a second, to a few dozen places at a time; at the
 * precision that paging needs (a page and a kind of access) most references repeat one of the last few.
 * Idea: a dictionary of the 252 words that came last, replaced in turn.  A reference to one of them is its code, one byte; any
 * other is an escape byte that says the kind of access, and the distance from the last escaped granule of that kind, as a
 * number of one to ten bytes in a stream of its own.  What is left is a string of bytes full of repetition, which zstd is
 * made for.
 *
 *     code      [ 3 | 17 | 17 | 253 | 3 | 4 | ... ]     one byte a reference
 *     escapes               [ zig-zag distance ]        for each code >= 252
 *
 * 1. Encoder and decoder fill their dictionaries alike: the k-th escape of a frame goes to code k mod 252.
 * 2. Only the encoder searches: a table from hash to code, whose entries are checked against the dictionary and may be stale.
 *    An entry that is lost there costs an escape, never a wrong word.
 * 3. A code whose place was never filled decodes as a load of address 0: no writer makes one, and no reader is hurt by one.
 * 4. The decoder looks eight codes over at once; without an escape among them a reference costs one load and one store.
 * Rejected: a direct-mapped dictionary (hot words that collide escape for ever: measured 1 % of gzip's references, against
 * 0.03 %), replacing by use instead of in turn (the escape has to name its place: larger at byte granularity, no smaller at
 * pages), runs (zstd finds them, and longer repetitions too). */
#include "pwt_code.h"
#include <string.h>

static const uint64_t NO_WORD = UINT64_MAX; /* its kind of access, 3, does not exist */

static unsigned hash_of(uint64_t word)
{
	return (unsigned)(word * 0x9e3779b97f4a7c15ull >> (64 - PWT_HASH_BITS));
}

static uint64_t zigzag(uint64_t distance)
{
	return distance << 1 ^ (uint64_t)((int64_t)distance >> 63);
}

static uint64_t unzigzag(uint64_t v)
{
	return v >> 1 ^ -(v & 1);
}

void pwt_encoder_start(struct pwt_encoder *e, unsigned granule_shift)
{
	memset(e, 0, sizeof *e);
	memset(e->word, 0xff, sizeof e->word);
	e->shift = granule_shift;
}

/* Finds the code under the second of the two places of a word's hash, or escapes.  The dictionary holds words cut to
 * granules. */
static uint8_t *code_slowly(struct pwt_encoder *e, uint64_t word, unsigned h, uint8_t *code, uint8_t *escape)
{
	unsigned second = e->code_of[h ^ 1];
	if (e->word[second] == word) {
		*code = (uint8_t)second;
		return escape;
	}
	/* The first place is kept when it is in use by a word that hashes there, so that two hot words find room beside each other.
	 * */
	uint64_t there = e->word[e->code_of[h]];
	if (there != NO_WORD && hash_of(there) >> 1 == h >> 1)
		h ^= 1;
	e->code_of[h] = (uint8_t)e->hand;
	e->word[e->hand] = word;
	e->hand = e->hand + 1 == PWT_SLOTS ? 0 : e->hand + 1;
	unsigned kind = word & 3;
	uint64_t granule = word >> REF_KIND_BITS >> e->shift;
	*code = (uint8_t)(PWT_ESCAPE + kind);
	escape = varint_put(escape, zigzag(granule - e->last[kind]));
	e->last[kind] = granule;
	return escape;
}

void pwt_encode(struct pwt_encoder *e, const ref_t *refs, size_t n, uint8_t *code, uint8_t **escape)
{
	uint64_t keep = ~(((1ull << e->shift) - 1) << REF_KIND_BITS);
	uint8_t *out = *escape;
	for (size_t i = 0; i < n; i++) {
		uint64_t word = refs[i].word & keep;
		unsigned h = hash_of(word), first = e->code_of[h];
		code[i] = (uint8_t)first;
		if (__builtin_expect(e->word[first] != word, 0))
			out = code_slowly(e, word, h, &code[i], out);
	}
	*escape = out;
}

void pwt_decoder_start(struct pwt_decoder *d, unsigned granule_shift, const uint8_t *escape, size_t n)
{
	memset(d, 0, sizeof *d);
	d->shift = granule_shift;
	d->escape = escape;
	d->escape_end = escape + n;
}

/* One escaped word.  => false: there is none. */
static bool decode_escape(struct pwt_decoder *d, unsigned kind)
{
	uint64_t v;
	const uint8_t *next = varint_get(d->escape, d->escape_end, &v);
	if (!next || kind >= ACCESS_KINDS)
		return false;
	d->escape = next;
	d->last[kind] += unzigzag(v);
	d->word[d->hand] = d->last[kind] << d->shift << REF_KIND_BITS | kind;
	return true;
}

/* A few codes, escapes among them. */
static bool decode_slowly(struct pwt_decoder *d, const uint8_t *code, size_t n, ref_t *ret)
{
	for (size_t i = 0; i < n; i++) {
		unsigned c = code[i];
		if (c >= PWT_ESCAPE) {
			if (!decode_escape(d, c - PWT_ESCAPE))
				return false;
			c = d->hand;
			d->hand = c + 1 == PWT_SLOTS ? 0 : c + 1;
		}
		ret[i].word = d->word[c];
	}
	return true;
}

/* Is one of eight codes an escape: are the upper six bits of one of its bytes all set? */
static bool has_escape(uint64_t eight)
{
	uint64_t clear = ~(eight | 0x0303030303030303ull); /* a zero byte for each escape */
	return ((clear - 0x0101010101010101ull) & ~clear & 0x8080808080808080ull) != 0;
}

bool pwt_decode(struct pwt_decoder *d, const uint8_t *code, size_t n, ref_t *ret)
{
	size_t i = 0;
	const uint64_t *word = d->word;
	for (; i + 8 <= n; i += 8) {
		uint64_t eight;
		memcpy(&eight, code + i, 8);
		if (__builtin_expect(has_escape(eight), 0)) {
			if (!decode_slowly(d, code + i, 8, ret + i))
				return false;
			continue;
		}
		for (unsigned k = 0; k < 8; k++)
			ret[i + k].word = word[eight >> 8 * k & 255];
	}
	return decode_slowly(d, code + i, n - i, ret + i);
}
