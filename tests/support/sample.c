/* tests/support/sample.c */
#include "sample.h"

#include <string.h>

#include <kukeon/auto.h>
#include <kukeon/clock.h>
#include <kukeon/mem.h>

enum { TEXT_MAX = 24, ITEMS_MAX = 3 };

/* SplitMix64. */
static uint64_t next(struct sample *sample)
{
	uint64_t z = sample->state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

uint32_t sample_below(struct sample *sample, uint32_t limit)
{
	return (uint32_t)(next(sample) >> 32) % limit;
}

bool sample_byte_is_dear(unsigned byte)
{
#ifdef __SANITIZE_ADDRESS__
	return byte == 0xdd || byte == 0xdf;
#else
	(void)byte;
	return false;
#endif
}

uint8_t sample_byte(struct sample *sample)
{
	uint8_t byte = (uint8_t)sample_below(sample, 256);

	return sample_byte_is_dear(byte) ? 0xc0 : byte;
}

/* Small numbers, large ones and the edges. */
static int64_t number(struct sample *sample)
{
	static const int64_t edges[] = {
		0, 1, -1, 127, 128, -128, -129, 65535, 65536, UINT32_MAX, INT64_MAX, -INT64_MAX};

	switch (sample_below(sample, 3)) {
	case 0:
		return edges[sample_below(sample, sizeof edges / sizeof edges[0])];
	case 1:
		return (int64_t)sample_below(sample, 1000);
	default:
		return (int64_t)next(sample);
	}
}

/* A time that every form can hold: year 1, or one between 1970 and 2242. */
static int64_t point_in_time(struct sample *sample)
{
	if (sample_below(sample, 4) == 0)
		return KK_TIME_ZERO;
	return (int64_t)(next(sample) % 8600000000ULL) * 1000000000 +
		sample_below(sample, 1000000000);
}

static char *text(struct sample *sample, size_t max)
{
	static const char *const words[] = {"a", "Z", "0", "-", " ", "  ", "\n", "\t", "\"", "'",
		":", ": ", "#", " #", "---", "\\", "{", "[", "%", "&", "*", "!", "|", ">", ",", "@",
		"`", "?", "~", "null", "true", "0x1f", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x90\xb3", "<", "/"};
	size_t limit = max && max < TEXT_MAX ? max : TEXT_MAX;
	size_t want = sample_below(sample, (uint32_t)limit + 1), len = 0;
	char *s = kk_xalloc(limit + 1);

	while (len < want) {
		const char *word = words[sample_below(sample, sizeof words / sizeof words[0])];

		if (sample->text == SAMPLE_BYTES) {
			s[len++] = (char)(1 + sample_below(sample, 255));
		} else if (len + strlen(word) <= limit) {
			memcpy(s + len, word, strlen(word));
			len += strlen(word);
		} else {
			break;
		}
	}
	return s;
}

static void strs_fill(struct sample *sample, const struct kk_field *field, struct kk_strs *strs)
{
	uint32_t n = sample_below(sample, ITEMS_MAX + 1);

	strs->is_set = n || sample_below(sample, 2);
	for (uint32_t i = 0; i < n; i++)
		kk_strs_take(strs,
			field->type == KK_T_INTS ? kk_xprintf("%lld", (long long)number(sample)) :
						   text(sample, field->max));
}

static void map_fill(struct sample *sample, const struct kk_field *field, struct kk_map *map)
{
	uint32_t n = sample_below(sample, ITEMS_MAX + 1);

	map->is_set = n || sample_below(sample, 2);
	for (uint32_t i = 0; i < n; i++) {
		kk_auto_free char *key = text(sample, field->max);
		kk_auto_free char *value = text(sample, field->max);

		kk_map_set(map, key, value);
	}
}

static void list_fill(struct sample *sample, const struct kk_field *field, struct kk_list *list)
{
	uint32_t n = sample_below(sample, ITEMS_MAX + 1);

	list->is_set = n || sample_below(sample, 2);
	for (uint32_t i = 0; i < n; i++)
		sample_fill(sample, field->sub(), kk_list_add(list, field->sub()));
}

static void field_fill(struct sample *sample, const struct kk_field *field, void *p)
{
	switch (field->type) {
	case KK_T_BOOL:
		*(bool *)p = sample_below(sample, 2);
		break;
	case KK_T_I64:
	case KK_T_U64:
		*(int64_t *)p = number(sample);
		break;
	case KK_T_TIME:
		*(int64_t *)p = point_in_time(sample);
		break;
	case KK_T_ENUM:
		*(int *)p = (int)sample_below(sample, field->names->n);
		break;
	case KK_T_STR:
		*(char **)p = text(sample, field->max);
		break;
	case KK_T_BIN: {
		struct kk_bin *bin = p;

		bin->data = (uint8_t *)text(sample, field->max);
		bin->len = strlen((char *)bin->data);
		break;
	}
	case KK_T_OPT_I64:
		if (sample_below(sample, 2))
			*(struct kk_opt_i64 *)p = (struct kk_opt_i64){true, number(sample)};
		break;
	case KK_T_OPT_BOOL:
		if (sample_below(sample, 2))
			*(struct kk_opt_bool *)p =
				(struct kk_opt_bool){true, sample_below(sample, 2)};
		break;
	case KK_T_STRS:
	case KK_T_INTS:
		strs_fill(sample, field, p);
		break;
	case KK_T_MAP:
		map_fill(sample, field, p);
		break;
	case KK_T_OBJ:
		sample_fill(sample, field->sub(), p);
		break;
	case KK_T_LIST:
		list_fill(sample, field, p);
		break;
	}
}

void sample_fill(struct sample *sample, const struct kk_schema *schema, void *object)
{
	kk_schema_init(schema, object);
	for (unsigned i = 0; i < schema->n_fields; i++)
		field_fill(sample, &schema->fields[i], kk_field_at(&schema->fields[i], object));
}
