/*
 * The parser over files, without a fuzzer's runtime:
 *
 *	replay [-n TIMES] [-s SEED] FILE...
 *
 * Each file is parsed as it is, then TIMES mutations, of all files in turn. The
 * sanitizers, or a broken rule, end the program. Prints what was done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mutate.h"
#include "parser.h"

#define MAX_SIZE (1u << 20)

struct input {
	uint8_t *data;
	size_t size;
};

static struct input load(const char *path)
{
	struct input in = { .data = malloc(MAX_SIZE) };
	FILE *f = fopen(path, "rb");

	if (!f || !in.data) {
		perror(path);
		exit(2);
	}
	in.size = fread(in.data, 1, MAX_SIZE, f);
	fclose(f);
	return in;
}

int main(int argc, char **argv)
{
	unsigned long times = 0, seed = 1, i, accepted = 0, whole = 0;
	uint8_t *work = malloc(MAX_SIZE);
	struct input *inputs;
	int opt, nr;

	while ((opt = getopt(argc, argv, "n:s:")) != -1) {
		if (opt == 'n')
			times = strtoul(optarg, NULL, 0);
		else if (opt == 's')
			seed = strtoul(optarg, NULL, 0);
		else
			return 2;
	}
	nr = argc - optind;
	if (nr <= 0 || !work)
		return 2;
	inputs = calloc(nr, sizeof(*inputs));
	for (i = 0; i < (unsigned long)nr; i++) {
		inputs[i] = load(argv[optind + i]);
		whole += parse_once(inputs[i].data, inputs[i].size);
	}
	for (i = 0; i < times; i++) {
		const struct input *in = &inputs[i % nr];
		size_t size;

		memcpy(work, in->data, in->size);
		size = mutate_image(work, in->size, MAX_SIZE, seed + i);
		accepted += parse_once(work, size);
	}
	printf("%d files, %lu of them accepted; %lu mutations, %lu accepted\n", nr, whole, times, accepted);
	/* Something that turns everything away at the door would find no fault either. */
	if (!whole || (times && accepted < times / 100)) {
		printf("too few are accepted: the format has changed, and the corpus has not?\n");
		return 1;
	}
	for (i = 0; i < (unsigned long)nr; i++)
		free(inputs[i].data);
	free(inputs);
	free(work);
	return 0;
}
