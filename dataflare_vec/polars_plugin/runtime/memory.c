/* Memory of results. The blocks of earlier ones are kept: fresh pages from the system take longer to come by
   than most loops take to fill them. */

#include "plugin.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

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
static void give_back(void *block) { free(block); }
#ifdef __linux__
#include <sys/mman.h>
#define HUGE_PAGE (size_t)(1 << 21)
/* Pages of a large block come by fewer faults if they are huge. */
static void *obtain(size_t size) {
    if (size < 4 * HUGE_PAGE) return aligned_alloc(64, size);
    size = (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    void *block = aligned_alloc(HUGE_PAGE, size);
    if (block) madvise(block, size, MADV_HUGEPAGE);
    return block;
}
#else
static void *obtain(size_t size) { return aligned_alloc(64, size); }
#endif
#endif

#define SMALLEST (size_t)(1 << 16) /* smaller ones the C library keeps by itself */
#define MOST_BLOCKS 1024
#define MOST_SECONDS 300

size_t dfv_most_kept = (size_t)256 << 20;

static struct {
    void *block;
    size_t size;
    time_t since;
} kept[MOST_BLOCKS]; /* those that have been here for longest come first */
static int kept_count;
static size_t kept_bytes;

static void *take(int i) {
    void *block = kept[i].block;
    kept_bytes -= kept[i].size;
    memmove(kept + i, kept + i + 1, (size_t)(--kept_count - i) * sizeof *kept);
    return block;
}

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
        for (int i = kept_count - 1; i >= 0 && !found; i--)
            if (kept[i].size == size) found = take(i);
        leave();
        if (found) return found;
    }
    return obtain(size);
}

/* Keeps a block; returns how many others make room for it, or have been here for too long. */
static int keep(void *block, size_t size, void **others) {
    time_t now = time(NULL);
    int count = 0;
    enter();
    while (kept_count && (kept_count == MOST_BLOCKS || kept_bytes + size > dfv_most_kept ||
                          now - kept[0].since > MOST_SECONDS))
        others[count++] = take(0);
    kept[kept_count].block = block;
    kept[kept_count].size = size;
    kept[kept_count++].since = now;
    kept_bytes += size;
    leave();
    return count;
}

void dfv_free(void *block, size_t size) {
    void *others[MOST_BLOCKS];
    size = rounded(size ? size : 1);
    if (!block || size < SMALLEST || size > dfv_most_kept) {
        give_back(block);
        return;
    }
    for (int count = keep(block, size, others); count;) give_back(others[--count]);
}
