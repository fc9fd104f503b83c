/* zipf.h - draws ranks by Zipf's law; the generators zipf and stack share it. */
#pragma once
#include "gen.h"

struct zipf {
	uint64_t n;
	double s, t, inverse_t;          /* t = 1 - s */
	double lowest, span, sure;       /* see gen_zipf.c */
	double exp2_32[32], inverse[64], log_of[64];
	bool one;                        /* s is 1 */
};

/* => n >= 1, s >= 0. */
void zipf_init(struct zipf *z, uint64_t n, double s);
/* Fills ret with n ranks, from 1 (the most probable) to z->n. */
void zipf_fill(const struct zipf *z, struct rng *rng, uint64_t *ret, unsigned n);
/* A random permutation of 0 .. n-1 (the inside-out shuffle of Fisher and Yates). */
void zipf_permute(uint32_t *page, uint64_t n, struct rng *r);
/* Reads s=, default 1, and checks the number of pages. */
must_use enum pw_err zipf_keys(struct spec *spec, uint64_t pages, double *ret_s, struct pw_why *why);
