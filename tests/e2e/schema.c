/* tests/e2e/schema.c - what the API takes, as JSON on standard output: the methods with their arguments,
 * and each field that a document may have. It comes from the tables that the daemon itself reads, so
 * that a test of all methods and fields knows a new one without being told. */
#include "../../workers/reconciler/api.c"

#include <stdio.h>
#include <string.h>

static const char *const type_words[] = {
	[KK_T_BOOL] = "bool",
	[KK_T_I64] = "int",
	[KK_T_U64] = "int",
	[KK_T_STR] = "string",
	[KK_T_BIN] = "none",
	[KK_T_ENUM] = "label",
	[KK_T_TIME] = "time",
	[KK_T_OPT_I64] = "int",
	[KK_T_OPT_BOOL] = "bool",
	[KK_T_STRS] = "strings",
	[KK_T_INTS] = "ints",
	[KK_T_MAP] = "map",
	[KK_T_OBJ] = "object",
	[KK_T_LIST] = "list",
};

static json_t *schema_dump(const struct kk_schema *schema);

static json_t *field_dump(const struct kk_field *field)
{
	json_t *json = json_pack("{s:s, s:s, s:I, s:I, s:b}", "name", field->name, "type",
		type_words[field->type], "max", (json_int_t)field->max, "max_items",
		(json_int_t)field->max_items, "in_yaml",
		!(field->flags & (KK_JSON_ONLY | KK_INTERNAL)));

	if (field->names)
		json_object_set_new(json, "what", json_string(field->names->what));
	if (field->sub)
		json_object_set_new(json, "fields", schema_dump(field->sub()));
	return json;
}

static json_t *schema_dump(const struct kk_schema *schema)
{
	json_t *fields = json_array();

	for (unsigned i = 0; i < schema->n_fields; i++)
		json_array_append_new(fields, field_dump(&schema->fields[i]));
	return fields;
}

static json_t *method_dump(const struct method *method)
{
	const char *kind = method->kind < 0 ? "" : kk_kind_name((enum kk_kind)method->kind);

	return json_pack("{s:s, s:s, s:b}", "name", method->name, "kind", kind, "is_local",
		method->is_local);
}

int main(void)
{
	json_t *methods_json = json_array(), *scalars = json_array(), *kinds = json_object();
	kk_auto_json *root = json_pack("{s:o, s:o, s:o}", "methods", methods_json, "scalars",
		scalars, "kinds", kinds);

	for (size_t i = 0; i < KK_COUNT(methods); i++)
		json_array_append_new(methods_json, method_dump(&methods[i]));
	for (size_t i = 0; i < KK_COUNT(scalar_args); i++)
		json_array_append_new(scalars,
			json_pack("{s:s, s:s}", "name", scalar_args[i].name, "type",
				strcmp(scalar_args[i].type, "int64") == 0 ? "int" :
									    scalar_args[i].type));
	for (int kind = 0; kind < KK_KINDS; kind++)
		json_object_set_new(kinds, kk_kind_name((enum kk_kind)kind),
			schema_dump(kk_kind_schema((enum kk_kind)kind)));
	json_dumpf(root, stdout, JSON_INDENT(1));
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
