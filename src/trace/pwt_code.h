/* pwt_code.h - references as bytes: the dictionary coder of .pwt. */
#pragma once
#include "../machine/access.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PWT_SLOTS = 252,        /* codes below this are places in the dictionary */
	PWT_ESCAPE = 252,       /* 252 + kind of access: a word that is not in it */
	PWT_ESCAPE_BYTES = 10,  /* at most, of one escaped word */
	PWT_HASH_BITS = 14,
};

struct pwt_encoder {
	uint64_t word[256];     /* the dictionary, by code */
	uint64_t last[4];       /* granule last escaped, by kind of access */
	unsigned hand, shift;
	uint8_t code_of[1 << PWT_HASH_BITS];
};
/* => forgets everything: the beginning of a frame. */
void pwt_encoder_start(struct pwt_encoder *e, unsigned granule_shift);
/* Writes n codes, and the escapes behind *escape, which moves on.  => room for PWT_ESCAPE_BYTES * n there. */
void pwt_encode(struct pwt_encoder *e, const ref_t *refs, size_t n, uint8_t *code, uint8_t **escape);

struct pwt_decoder {
	uint64_t word[256];
	uint64_t last[4];
	unsigned hand, shift;
	const uint8_t *escape, *escape_end;
};
void pwt_decoder_start(struct pwt_decoder *d, unsigned granule_shift, const uint8_t *escape, size_t n);
/* => false: the codes and escapes are none that an encoder writes. */
bool pwt_decode(struct pwt_decoder *d, const uint8_t *code, size_t n, ref_t *ret);

/* Numbers of seven bits a byte, lowest first. */
static inline uint8_t *varint_put(uint8_t *p, uint64_t v)
{
	while (v >= 128) {
		*p++ = (uint8_t)(v | 128);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

/* => past it, or NULL: it is cut off or longer than 64 bits. */
static inline const uint8_t *varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
		uint8_t b = *p++;
		v |= (uint64_t)(b & 127) << (shift & 63);
		if (b < 128) {
			*ret = v;
			return shift < 63 || b <= 1 ? p : NULL;
		}
	}
	return NULL;
}
