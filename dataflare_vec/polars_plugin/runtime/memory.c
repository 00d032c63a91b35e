/* Memory of results. The blocks of earlier ones are kept: fresh pages from the system take longer to come by
   than most loops take to fill them. */

#include "plugin.h"

#include <stdlib.h>

#ifdef _WIN32
#include <malloc.h>
/* Slim locks, which are a pointer that begins as NULL. Windows' own header has other things called as ours. */
__declspec(dllimport) void AcquireSRWLockExclusive(void **lock);
__declspec(dllimport) void ReleaseSRWLockExclusive(void **lock);
static void *lock;
static void enter(void) { AcquireSRWLockExclusive(&lock); }
static void leave(void) { ReleaseSRWLockExclusive(&lock); }
static void *obtain(size_t size) { return _aligned_malloc(size, 64); }
static void give_back(void *block) { _aligned_free(block); }
#else
#include <pthread.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void enter(void) { pthread_mutex_lock(&lock); }
static void leave(void) { pthread_mutex_unlock(&lock); }
static void *obtain(size_t size) { return aligned_alloc(64, size); }
static void give_back(void *block) { free(block); }
#endif

#define SMALLEST (size_t)(1 << 16) /* smaller ones the C library keeps by itself */
#define MOST_BYTES (size_t)(256 << 20)
#define MOST_BLOCKS 64

static struct {
    void *block;
    size_t size;
} kept[MOST_BLOCKS];
static int kept_count;
static size_t kept_bytes;

/* Sizes are rounded up, so that a block serves results of nearly the same size: by an eighth at most. */
static size_t rounded(size_t size) {
    size_t step = 64;
    while (step << 4 <= size) step <<= 1;
    return (size + step - 1) / step * step;
}

void *dfv_allocate(size_t size) {
    size = rounded(size ? size : 1);
    if (size >= SMALLEST) {
        void *found = NULL;
        enter();
        for (int i = kept_count - 1; i >= 0 && !found; i--) {
            if (kept[i].size != size) continue;
            found = kept[i].block;
            kept[i] = kept[--kept_count];
            kept_bytes -= size;
        }
        leave();
        if (found) return found;
    }
    return obtain(size);
}

void dfv_free(void *block, size_t size) {
    size = rounded(size ? size : 1);
    if (block && size >= SMALLEST && size <= MOST_BYTES) {
        enter();
        if (kept_count < MOST_BLOCKS && kept_bytes + size <= MOST_BYTES) {
            kept[kept_count].block = block;
            kept[kept_count++].size = size;
            kept_bytes += size;
            block = NULL;
        }
        leave();
    }
    give_back(block);
}
