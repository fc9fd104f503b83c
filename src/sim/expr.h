/* expr.h - conditions over a result: 'faults.total>20000 || tlb.l2.misses/references.total > 2%'.
 *
 * Numbers (with K, M, G or %), paths of figures, + - * /, comparisons, !, &&, ||, parentheses. */
#pragma once
#include "../base/err.h"
#include <jansson.h>
#include <stdbool.h>

/* => PW_INVALID with why when text is not a condition: says where. */
must_use enum pw_err expr_check(const char *text, struct pw_why *why);
/* => PW_NOTFOUND when the result has no such figure, with the nearest one in why. */
must_use enum pw_err expr_test(const char *text, const json_t *result, bool *ret, struct pw_why *why);
