/* What each thread has of its own, under keys that compiled code knows by these names: the strings that a row
   makes (see `compiler.jit.lowering.strings.arena`), and how deep calls are (`compiler.jit.passes.recursion`). */

#include "plugin.h"

#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN uint32_t dfv_arena_key, dfv_depth_key;
static bool made;

#ifdef _WIN32
#include <string.h>

__declspec(dllimport) uint32_t TlsAlloc(void);
__declspec(dllimport) void *TlsGetValue(uint32_t key);
__declspec(dllimport) int TlsSetValue(uint32_t key, void *value);

static bool make(uint32_t *key) { return (*key = TlsAlloc()) != UINT32_MAX; }

/* Compiled code calls these by the names that they have elsewhere. */
void *pthread_getspecific(uint32_t key) { return TlsGetValue(key); }
int pthread_setspecific(uint32_t key, const void *value) { return !TlsSetValue(key, (void *)value); }

void *memmem(const void *text, size_t size, const void *needle, size_t length) {
    const char *at = text, *end = at + size;
    if (!length) return (void *)text;
    while ((size_t)(end - at) >= length && (at = memchr(at, *(const char *)needle, (size_t)(end - at) - length + 1))) {
        if (!memcmp(at, needle, length)) return (void *)at;
        at++;
    }
    return NULL;
}
#else
#include <pthread.h>

static bool make(uint32_t *key) {
    pthread_key_t own; /* wider on some systems, and a small number on all */
    if (pthread_key_create(&own, NULL)) return false;
    *key = (uint32_t)own;
    return true;
}
#endif

__attribute__((constructor)) static void make_keys(void) { made = make(&dfv_arena_key) && make(&dfv_depth_key); }

bool dfv_has_keys(void) { return made; }
