/* formula.h - a figure's formula: what is printed as its definition is what is computed.
 *
 *     MemTotal - MemAvailable
 *     workingset_refault_anon + workingset_refault_file | workingset_refault
 *     pgsteal / pgscan * 100                                  allocstall_*
 *
 * Names, + - * / and parentheses; '|' parts alternatives, of which the first counts whose every name is known: kernels rename things.
 * A name that ends in "_*" is the sum of all that begin so. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

enum { FORMULA_NAME = 64 };

enum formula_outcome {
	FORMULA_VALUE,
	FORMULA_UNKNOWN,       /* no alternative has all its names */
	FORMULA_UNDEFINED,     /* it divides by nothing */
	FORMULA_FAULTY,        /* it is no formula: a mistake of ours, which a test finds */
};

/* A name's value; long double holds any 64-bit counter exactly.  => false: unknown. */
typedef bool (*formula_look)(const void *ctx, const char *name, long double *ret);
/* Writes what stands for a name. */
typedef void (*formula_word)(const void *ctx, const char *name, FILE *out);

/* => *ret_part is the alternative that counted (its end is at '|' or NUL), NULL unless a value or undefined. */
enum formula_outcome formula_value(const char *formula, formula_look look, const void *ctx, long double *ret, const char **ret_part);
/* Writes an alternative, names as word has them. */
void formula_print(const char *part, formula_word word, const void *ctx, FILE *out);
