/* err.c - the texts of the errors, and the one line that explains one. */
#include "err.h"
#include <stdarg.h>
#include <stdio.h>

const char *pw_err_text(enum pw_err err)
{
	static const char *const text[] = {
#define X(name, text) text,
		PW_ERR_LIST(X)
#undef X
	};
	return (unsigned)err < PW_ERR_COUNT ? text[err] : "unknown error";
}

enum pw_err pw_fail(struct pw_why *why, enum pw_err err, const char *format, ...)
{
	if (why) {
		va_list args;
		va_start(args, format);
		vsnprintf(why->text, sizeof why->text, format, args);
		va_end(args);
	}
	return err;
}
