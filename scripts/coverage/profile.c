/* What LLVM's profile runtime asks of a system, for programs of MinGW-w64: where its sections are, and
 * writing the profile to NPIPES_PROFILES when main returns or exit is called. ExitProcess, which is what
 * std::process::exit calls, writes nothing. */

#include <stdlib.h>
#include <windows.h>

#include "InstrProfiling.h"
#include "InstrProfilingInternal.h"

#define SECTION(type, name, parts) \
    extern char name##_first[], name##_last[]; \
    type *__llvm_profile_begin_##name(void) { return (type *)(name##_first + parts); } \
    type *__llvm_profile_end_##name(void) { return (type *)name##_last; }

SECTION(const char, names, 1)
SECTION(char, counters, 8)
SECTION(const __llvm_profile_data, data, 8)

/* Rust has no use for these. */
char *__llvm_profile_begin_bitmap(void) { return NULL; }
char *__llvm_profile_end_bitmap(void) { return NULL; }
const VTableProfData *__llvm_profile_begin_vtables(void) { return NULL; }
const VTableProfData *__llvm_profile_end_vtables(void) { return NULL; }
const char *__llvm_profile_begin_vtabnames(void) { return NULL; }
const char *__llvm_profile_end_vtabnames(void) { return NULL; }
ValueProfNode *__llvm_profile_begin_vnodes(void) { return NULL; }
ValueProfNode *__llvm_profile_end_vnodes(void) { return NULL; }
uint32_t *__llvm_profile_begin_orderfile(void) { return NULL; }
ValueProfNode *CurrentVNode = NULL;
ValueProfNode *EndVNode = NULL;
int __llvm_write_binary_ids(ProfDataWriter *writer) { (void)writer; return 0; }
int __llvm_profile_runtime = 0;

/* What minicov's edition of the runtime calls in place of calloc and free. */
void *minicov_alloc_zeroed(size_t size, size_t align) { (void)align; return calloc(1, size); }
void minicov_dealloc(void *memory, size_t size, size_t align) { (void)size; (void)align; free(memory); }

static void write_profile(void) {
    char folder[MAX_PATH], path[MAX_PATH + 32];
    uint64_t size = __llvm_profile_get_size_for_buffer();
    char *profile = malloc(size);
    DWORD written = 0;
    HANDLE file;
    if (!GetEnvironmentVariableA("NPIPES_PROFILES", folder, sizeof folder)) return;
    if (!profile || __llvm_profile_write_buffer(profile)) abort();
    wsprintfA(path, "%s\\%lu-%lu.profraw", folder, GetCurrentProcessId(), GetTickCount());
    file = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    if (!WriteFile(file, profile, (DWORD)size, &written, NULL) || written != size) abort();
    CloseHandle(file);
}

__attribute__((constructor)) static void begin(void) { atexit(write_profile); }
