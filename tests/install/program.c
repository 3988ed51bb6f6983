/* A program that uses the library, as C and as C++: tests/install/package.py builds it against the
 * installed package. Prints a number that the library made. */
#include <stdio.h>

#include <efficientai/project.h>
#include <efficientai/rng.h>

int main(void)
{
    eai_rng rng;
    eai_rng_init(&rng, 1, 2);
    printf("number %lu, abi %d\n", (unsigned long)eai_rng_u32(&rng), EAI_PROJECT_ABI);
    return 0;
}
