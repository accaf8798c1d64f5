/* assert.h: assertions that stay on in every build; a failure is a bug of the simulator. */
#pragma once

/* Prints place and condition to stderr and ends the process with SIGABRT. */
_Noreturn void hca_assert_failed(const char *file, int line, const char *what);

#define hca_assert(c) \
    (__builtin_expect(!!(c), 1) ? (void)0 : hca_assert_failed(__FILE__, __LINE__, #c))
