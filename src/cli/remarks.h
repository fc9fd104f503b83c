/* remarks.h - what has to be said below a table: few lines, gathered while it is made. */
#pragma once

enum { REMARKS_MAX = 10 };

struct remarks {
	char text[REMARKS_MAX][320];
	unsigned n;
};

/* One more; those beyond REMARKS_MAX are dropped. */
void remark(struct remarks *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
