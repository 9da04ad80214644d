/* tests/fuzz/fuzz_replay.c - what a terminal is shown again: nothing is left to ask in it, wherever it was cut. */
#include "fuzz.h"

#include "../../client/cli.h"

/* Of @data, in two pieces, the first of which has @cut bytes. */
static void strip_into(const uint8_t *data, size_t size, size_t cut, struct kk_buf *ret_shown)
{
	struct cli_replay replay = {0};
	const size_t ends[] = {cut, size};
	size_t at = 0;

	for (size_t i = 0; i < KK_COUNT(ends); i++) {
		kk_auto_buf piece = {0};

		kk_buf_append(&piece, replay.held, replay.n_held);
		kk_buf_append(&piece, data + at, ends[i] - at);
		at = ends[i];
		replay.n_held = 0;
		if (piece.len)
			kk_buf_append(ret_shown, piece.data,
				cli_replay_strip(&replay, (char *)piece.data, piece.len));
		fuzz_require(replay.n_held <= sizeof replay.held);
	}
	kk_buf_append(ret_shown, replay.held, replay.n_held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	kk_auto_buf whole = {0}, again = {0};

	strip_into(data, size, size, &whole);
	fuzz_require(whole.len <= size);
	strip_into(whole.data, whole.len, whole.len, &again);
	fuzz_same_bytes(&whole, &again);
	/* Nothing that fits what is held depends on the cut. */
	for (size_t cut = 0; size <= sizeof((struct cli_replay *)0)->held && cut < size; cut++) {
		kk_auto_buf parts = {0};

		strip_into(data, size, cut, &parts);
		fuzz_same_bytes(&whole, &parts);
	}
	return 0;
}
