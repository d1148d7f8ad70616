/* The parser under libFuzzer: make fuzz-parser. */
#include "mutate.h"
#include "parser.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	parse_once(data, size);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	/* Now and then without any notion of the format, for what that has no words for. */
	if (seed % 8 == 0)
		return LLVMFuzzerMutate(data, size, max);
	return mutate_image(data, size, max, seed);
}
