/* The program around one of Wine's tests. */
#include <stdarg.h>
#include "windef.h"
#include "winbase.h"
#include "wincon.h"
#define STANDALONE
#include "wine/test.h"

extern void func_pipe(void);
const struct test winetest_testlist[] = { { "pipe", func_pipe }, { 0, 0 } };
