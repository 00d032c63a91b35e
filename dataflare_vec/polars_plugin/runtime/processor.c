/* Which level of x86-64 the processor at hand is of: 3 is needed, 4 has wide vectors. Asked of it directly: not
   every compiler's `__builtin_cpu_supports` knows, and of a virtual machine the question takes long, so it is
   asked once. Of 64-bit ARM there is one level, which all have.

   Source: x86-64 psABI, section 3.1.1, "Processor Architecture"; Intel SDM, volume 2, CPUID. */

#include "plugin.h"

#if defined(__x86_64__)
#include <cpuid.h>

static Processor level = UNFIT;

#define HAS(word, bits) (((word) & (bits)) == (bits))
#define BIT(n) (1u << (n))

__attribute__((constructor)) static void find_level(void) {
    unsigned a, b, c, d, saved, high, lzcnt = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return;
    /* FMA, MOVBE, OSXSAVE, AVX, F16C */
    if (!HAS(c, BIT(12) | BIT(22) | BIT(27) | BIT(28) | BIT(29))) return;
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0)); /* what the system saves when it switches threads */
    if (__get_cpuid(0x80000001, &a, &b, &c, &d)) lzcnt = c & BIT(5);
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
    /* BMI1, AVX2, BMI2 */
    if (!lzcnt || !HAS(saved, 0x6u) || !HAS(b, BIT(3) | BIT(5) | BIT(8))) return;
    level = FIT;
    /* AVX-512: F, DQ, CD, BW, VL */
    if (HAS(saved, 0xe6u) && HAS(b, BIT(16) | BIT(17) | BIT(28) | BIT(30) | BIT(31))) level = WIDE;
}

Processor dfv_processor(void) { return level; }
#else
Processor dfv_processor(void) { return FIT; }
#endif
