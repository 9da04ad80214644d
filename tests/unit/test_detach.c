/* tests/unit/test_detach.c - the keys that leave a terminal, and what is not shown again. */
#include "../../client/cli.h"

#include <string.h>

#include "../support/check.h"

static const struct {
	const char *reads[4]; /* what was typed, as it comes */
	const char *sent;
	bool is_asked;
} rows[] = {
	{{"ls\n"}, "ls\n", false},
	{{"\x1d\x1d"}, "\x1d\x07", true},
	{{"a\x1d\x1d"
	  "b"},
		"a\x1d\x07", true},
	{{"\x1d", "\x1d"}, "\x1d\x07", true},
	{{"\x1d", "x", "\x1d"}, "\x1dx\x1d", false},
	{{"\x1dx\x1d\x1d"}, "\x1dx\x1d\x07", true},
	/* What is pasted may hold anything, and be cut anywhere. */
	{{"\033[200~\x1d\x1d\033[201~"}, "\033[200~\x1d\x1d\033[201~", false},
	{{"\033[20", "0~\x1d\x1d\033[2", "01~"}, "\033[200~\x1d\x1d\033[201~", false},
	{{"\033[200~\033[201~\x1d\x1d"}, "\033[200~\033[201~\x1d\x07", true},
	{{"\033[200~\x1d\033[201~\x1d"}, "\033[200~\x1d\033[201~\x1d", false},
	{{"\033\033[200~\x1d\x1d"}, "\033\033[200~\x1d\x1d", false},
};

START_TEST(two_keys_leave)
{
	for (size_t row = 0; row < KK_COUNT(rows); row++) {
		const char *const *reads = rows[row].reads;
		struct cli_detach detach = {0};
		kk_auto_buf sent = {0};
		bool is_asked = false;

		for (size_t i = 0; i < KK_COUNT(rows[row].reads) && reads[i] && !is_asked; i++) {
			kk_auto_free char *keys = kk_xstrdup(reads[i]);
			size_t len = cli_detach_find(&detach, keys, strlen(keys), &is_asked);

			kk_buf_append(&sent, keys, len);
		}
		ck_assert_str_eq((char *)sent.data, rows[row].sent);
		ck_assert_int_eq(is_asked, rows[row].is_asked);
	}
}
END_TEST

static const struct {
	const char *shown;
	const char *kept;
} replays[] = {
	{"plain \033[1;32mgreen\033[0m \033[2J\033[10;20H", NULL},
	{"/ # \033[6n", "/ # "},
	{"a\033[?6nb\033[5nc", "abc"},
	{"a\033[cb\033[>cc\033[=0cd", "abcd"},
	{"a\033Zb", "ab"},
	{"a\033[?2004$pb", "ab"},
	{"a\033[>qb\033[2 q", "ab\033[2 q"},
	{"a\033]10;?\007b\033]11;?\033\\c", "abc"},
	{"\033]0;title\007x", NULL},
	{"a\033P+q544e\033\\b\033P$qm\033\\c", "abc"},
	{"\033P1$r0m\033\\", NULL},
	{"a\033[?ub\033[>1uc", "ab\033[>1uc"},
	{"a\033[18tb\033[21tc\033[22td\033[8;24;80te", "abc\033[22td\033[8;24;80te"},
	/* What is cut says nothing of how it goes on. */
	{"\033[", NULL},
	{"\033[12;", NULL},
	{"\033]10;?", NULL},
	{"\033", NULL},
	/* What a terminal forgets must not become a question by what is left out of it. */
	{"a\033[6\033[6nn", "an"},
	{"a\033\033[6n[6n", "a[6n"},
	{"a\033[6\001nb", "ab"},
	{"a\033[6\030n", "an"},
	{"a\033\n[6n", "a\n[6n"},
	{"\033]0;title \033[1mbold? \007", "\033[1mbold? \007"},
};

/* What a piece comes to. */
static void strip_into(struct cli_replay *replay, char *piece, struct kk_buf *got)
{
	size_t len = cli_replay_strip(replay, piece, strlen(piece));

	kk_buf_append(got, piece, len);
}

START_TEST(questions_are_not_asked_again)
{
	for (size_t i = 0; i < KK_COUNT(replays); i++) {
		const char *kept = replays[i].kept ? replays[i].kept : replays[i].shown;
		kk_auto_free char *data = kk_xstrdup(replays[i].shown);
		struct cli_replay replay = {0};
		kk_auto_buf got = {0};

		strip_into(&replay, data, &got);
		kk_buf_append(&got, replay.held, replay.n_held);
		ck_assert_uint_eq(got.len, strlen(kept));
		ck_assert_mem_eq(got.data, kept, got.len);
	}
}
END_TEST

/* Wherever it is cut: what is held comes before the next piece. */
START_TEST(a_question_may_be_cut)
{
	for (size_t i = 0; i < KK_COUNT(replays); i++) {
		const char *shown = replays[i].shown;
		const char *kept = replays[i].kept ? replays[i].kept : shown;

		for (size_t cut = 0; cut <= strlen(shown); cut++) {
			kk_auto_free char *first = kk_xstrndup(shown, cut), *rest = NULL;
			struct cli_replay replay = {0};
			kk_auto_buf got = {0};

			strip_into(&replay, first, &got);
			rest = kk_xprintf("%.*s%s", (int)replay.n_held, replay.held, shown + cut);
			replay.n_held = 0;
			strip_into(&replay, rest, &got);
			kk_buf_append(&got, replay.held, replay.n_held);
			ck_assert_str_eq(got.data ? (char *)got.data : "", kept);
		}
	}
}
END_TEST

CHECK_MAIN("detach", two_keys_leave, questions_are_not_asked_again, a_question_may_be_cut)
