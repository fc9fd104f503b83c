/* remarks.c - gathering remarks. */
#include "remarks.h"
#include <stdarg.h>
#include <stdio.h>

void remark(struct remarks *m, const char *format, ...)
{
	va_list args;
	if (m->n == REMARKS_MAX)
		return;
	va_start(args, format);
	vsnprintf(m->text[m->n++], sizeof m->text[0], format, args);
	va_end(args);
}
