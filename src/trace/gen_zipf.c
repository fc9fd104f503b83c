/* gen_zipf.c - Zipf's law, exactly, without tables of probabilities.
 *
 * Problem: rank r out of n must come with probability proportional to 1/r^s, for any n and any s >= 0, at the rate of memory.
 * Idea: rejection-inversion.  H is an antiderivative of the hat x^-s, so H^-1 of a uniform number is a continuous variable
 * whose integer part has almost the right distribution; what is too much at each integer is rejected, and nearly everything
 * is accepted by one comparison that needs no function at all.
 *
 *        s = 1:   H(x) = log x                     H^-1(u) = exp u
 *        s != 1:  H(x) = (x^(1-s) - 1) / (1 - s)   H^-1(u) = (1 + (1-s) u)^(1/(1-s))
 *
 *     u uniform in (H(n + 1/2), H(3/2) - 1],  x = H^-1(u),  k = x rounded
 *     accept k if k - x <= c, where c = 2 - H^-1(H(5/2) - 2^-s), or if u >= H(k + 1/2) - k^-s
 *
 * 1. exp and log are computed here from IEEE basic operations in a fixed order, because those of C libraries differ in the
 *    last bit and one seed must give one stream on every machine.  (The build forbids fused multiply-add for the same reason.)
 * 2. Ranks are scattered over the pages by a seeded permutation, so that popular pages are no neighbours.
 * Rejected: a table of cumulated probabilities (two cache misses a draw at a million pages), the approximation of Gray et al.
 * (not exact).
 * Source: Hoermann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions", ACM
 * TOMACS 6 (1996). */
#include "zipf.h"
#include "../base/mem.h"
#include <string.h>

#define LN2 0.693147180559945309417

/* e^x for |x| < 700: x = (32 m + i) ln2 / 32 + r, and e^r by its series, whose 6th term is below 1e-14. */
static inline double fast_exp(const struct zipf *z, double x)
{
	double scaled = x * (32 / LN2);
	/* Adding 1.5 * 2^52 rounds to an integer, which then stands in the low bits. */
	double shifted = scaled + 0x1.8p52;
	uint64_t bits;
	memcpy(&bits, &shifted, sizeof bits);
	double r = (scaled - (shifted - 0x1.8p52)) * (LN2 / 32);
	double r2 = r * r;
	double series = 1 + r + r2 * (1.0 / 2 + r * (1.0 / 6)) + r2 * r2 * (1.0 / 24 + r * (1.0 / 120));
	uint64_t power;
	memcpy(&power, &z->exp2_32[bits & 31], sizeof power);
	power += bits >> 5 << 52;
	double scale;
	memcpy(&scale, &power, sizeof scale);
	return scale * series;
}

/* log x for normal x > 0: x = 2^e m, m about c_i, and log(m / c_i) by the series of log(1 + r), |r| < 1/128. */
static inline double fast_log(const struct zipf *z, double x)
{
	uint64_t bits;
	memcpy(&bits, &x, sizeof bits);
	int64_t e = (int64_t)(bits >> 52) - 1023;
	unsigned i = bits >> 46 & 63;
	bits = (bits & ((1ull << 52) - 1)) | 1023ull << 52;
	double m;
	memcpy(&m, &bits, sizeof m);
	double r = m * z->inverse[i] - 1, r2 = r * r;
	double series = r - r2 * (1.0 / 2 - r * (1.0 / 3)) - r2 * r2 * (1.0 / 4 - r * (1.0 / 5)) - r2 * r2 * r2 * (1.0 / 6);
	return (double)e * LN2 + z->log_of[i] + series;
}

/* H and its inverse, and the hat; the constant one says whether s is 1. */
static inline __attribute__((always_inline)) double hat_integral(const struct zipf *z, double x, bool one)
{
	double log_x = fast_log(z, x);
	return one ? log_x : (fast_exp(z, z->t * log_x) - 1) * z->inverse_t;
}

static inline __attribute__((always_inline)) double hat_inverse(const struct zipf *z, double u, bool one)
{
	return fast_exp(z, one ? u : fast_log(z, 1 + z->t * u) * z->inverse_t);
}

static double hat(const struct zipf *z, double x)
{
	return fast_exp(z, -z->s * fast_log(z, x));
}

/* log x for the table, by the series of (x-1)/(x+1), which needs nothing but arithmetic. */
static double slow_log(double x)
{
	double q = (x - 1) / (x + 1), power = q, sum = 0;
	for (int k = 1; k < 60; k += 2, power *= q * q)
		sum += power / k;
	return 2 * sum;
}

static void make_tables(struct zipf *z)
{
	/* 2^(1/32) by five square roots, which IEEE rounds correctly everywhere; the powers by products of few of them. */
	double root[5], power = 2;
	for (int i = 4; i >= 0; i--)
		root[i] = power = __builtin_sqrt(power);
	for (int i = 0; i < 32; i++) {
		z->exp2_32[i] = 1;
		for (int k = 0; k < 5; k++)
			z->exp2_32[i] *= i >> k & 1 ? root[k] : 1;
	}
	for (int i = 0; i < 64; i++) {
		double middle = 1 + (i + 0.5) / 64;
		z->inverse[i] = 1 / middle;
		z->log_of[i] = slow_log(1 / z->inverse[i]);
	}
}

void zipf_init(struct zipf *z, uint64_t n, double s)
{
	*z = (struct zipf){ .n = n, .s = s, .t = 1 - s };
	/* Near 1 the general formula divides rounding errors by 1 - s; the difference to s = 1 is smaller than they. */
	z->one = z->t < 1e-7 && z->t > -1e-7;
	z->inverse_t = z->one ? 0 : 1 / z->t;
	make_tables(z);
	z->lowest = hat_integral(z, 1.5, z->one) - 1;
	z->span = hat_integral(z, (double)n + 0.5, z->one) - z->lowest;
	z->sure = 2 - hat_inverse(z, hat_integral(z, 2.5, z->one) - hat(z, 2), z->one);
}

static inline __attribute__((always_inline)) uint64_t draw(const struct zipf *z, struct rng *r, bool one)
{
	for (;;) {
		double u = z->lowest + (1 - rng_unit(r)) * z->span;
		double x = hat_inverse(z, u, one);
		uint64_t k = (uint64_t)(int64_t)(x + 0.5);
		k = k < 1 ? 1 : k > z->n ? z->n : k;
		if (__builtin_expect((double)k - x <= z->sure, 1) || u >= hat_integral(z, (double)k + 0.5, one) - hat(z, (double)k))
			return k;
	}
}

void zipf_fill(const struct zipf *z, struct rng *rng, uint64_t *ret, unsigned n)
{
	struct rng r = *rng;
	if (z->one) {
		for (unsigned i = 0; i < n; i++)
			ret[i] = draw(z, &r, true);
	} else {
		for (unsigned i = 0; i < n; i++)
			ret[i] = draw(z, &r, false);
	}
	*rng = r;
}

/* The generator. */
struct zipf_state {
	struct zipf zipf;
	uint32_t page_of[];   /* by rank, from 0 */
};

enum pw_err zipf_keys(struct spec *spec, uint64_t pages, double *ret_s, struct pw_why *why)
{
	*ret_s = 1;
	enum pw_err err = spec_real(spec, "s", ret_s, why);
	if (!err && !(*ret_s >= 0 && *ret_s <= 20))
		err = pw_fail(why, PW_INVALID, "%s: s is from 0 to 20", spec->name);
	if (!err && pages > 1ull << 31)
		err = pw_fail(why, PW_INVALID, "%s: at most 2G pages", spec->name);
	return err;
}

static enum pw_err zipf_gen_init(struct gen *g, struct spec *spec, struct pw_why *why)
{
	double s;
	enum pw_err err = zipf_keys(spec, g->pages, &s, why);
	if (err)
		return err;
	struct zipf_state *z = g->state = mem_alloc(sizeof *z + g->pages * sizeof *z->page_of);
	if (!z)
		return pw_fail(why, PW_NOMEM, "zipf: out of memory for %llu pages", (unsigned long long)g->pages);
	zipf_init(&z->zipf, g->pages, s);
	return PW_OK;
}

void zipf_permute(uint32_t *page, uint64_t n, struct rng *r)
{
	for (uint64_t i = 0; i < n; i++) {
		uint64_t k = rng_below(r, i + 1);
		page[i] = page[k];
		page[k] = (uint32_t)i;
	}
}

static void zipf_gen_start(struct gen *g)
{
	struct zipf_state *z = g->state;
	zipf_permute(z->page_of, g->pages, &g->rng);
}

static void zipf_gen_fill(struct gen *g, uint64_t *page, unsigned n)
{
	const struct zipf_state *z = g->state;
	zipf_fill(&z->zipf, &g->rng, page, n);
	for (unsigned i = 0; i < n; i++)
		page[i] = z->page_of[page[i] - 1];
}

static void zipf_gen_fini(struct gen *g)
{
	mem_free(g->state);
}

const struct gen_kind gen_zipf = {
	.name = "zipf", .keys = GEN_KEYS ", s", .init = zipf_gen_init, .start = zipf_gen_start, .fill = zipf_gen_fill,
	.fini = zipf_gen_fini,
};
