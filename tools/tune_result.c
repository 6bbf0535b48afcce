/* tune_result.c - a result as text and back.
 *
 * The library checks the text strictly before anything here looks at it (sill_policy_parse), so
 * what is read is there and in range; only the number of elements is limited again.
 */
#include "tune_result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "files.h"

/* ---- writing ---- */

/* Three digits after the point say enough. */
static json_t *number(double value)
{
    return json_real(floor(value * 1000 + 0.5) / 1000);
}

static json_t *values_json(const struct tune_result *r)
{
    json_t *values = json_object();

    for (int key = 0; key < POLICY_KEYS; key++)
        json_object_set_new(values, policy_key_name((enum policy_key)key),
                            json_pack("{s:I, s:s, s:s}", "value", (json_int_t)r->values[key].value,
                                      "origin", r->values[key].measured ? "measured" : "default",
                                      "why", r->values[key].why));
    return values;
}

static json_t *points_json(const struct tune_result *r)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < r->point_count; i++) {
        const struct tune_point *p = &r->points[i];

        json_array_append_new(list, json_pack("{s:s, s:I, s:o, s:o, s:o}", "path",
                                              sill_path_name(p->path), "size", (json_int_t)p->size,
                                              "ns", number(p->ns), "low", number(p->low), "high",
                                              number(p->high)));
    }
    return list;
}

static json_t *pieces_json(const struct tune_result *r)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < r->piece_count; i++) {
        const struct tune_piece *p = &r->pieces[i];

        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:o, s:o}", "path", sill_path_name(p->path), "from",
                            (json_int_t)p->from, "to", (json_int_t)p->to, "fixed_ns",
                            number(p->fixed_ns), "ns_per_kib", number(p->ns_per_kib)));
    }
    return list;
}

static json_t *tuned_json(const struct tune_result *r)
{
    const struct tune_costs *c = &r->costs;
    json_t *tuned =
        json_pack("{s:i, s:s, s:s, s:b, s:{s:s, s:i, s:s, s:I}, s:o}", "format", 1, "sill",
                  r->version, "date", r->date, "quick", r->quick, "machine", "processor",
                  r->machine.processor, "cores", (int)r->machine.cores, "system", r->machine.system,
                  "page_size", (json_int_t)r->machine.page_size, "values", values_json(r));

    json_object_set_new(
        tuned, "costs",
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "wake_ns", number(c->wake_ns), "map_ns",
                  number(c->map_ns), "map_page_ns", number(c->map_page_ns), "mapped_again_ns",
                  number(c->mapped_again_ns), "copy_cache_ns_per_kib", number(c->cache_ns_per_kib),
                  "copy_memory_ns_per_kib", number(c->memory_ns_per_kib)));
    if (r->check_tuned > 0)
        json_object_set_new(tuned, "check",
                            json_pack("{s:o, s:o, s:s}", "tuned", number(r->check_tuned), "default",
                                      number(r->check_default), "winner",
                                      r->tuned_won ? "tuned" : "default"));
    json_object_set_new(tuned, "measurements", points_json(r));
    json_object_set_new(tuned, "fit", pieces_json(r));
    return tuned;
}

/* Text that grows; `failed` when memory runs out. */
struct growing {
    char *text;
    size_t size, room;
    int failed;
};

static void put(struct growing *out, const char *text)
{
    size_t size = strlen(text);

    if (out->failed)
        return;
    if (out->size + size + 1 > out->room) {
        size_t room = 2 * (out->size + size + 1);
        char *more = realloc(out->text, room);

        if (!more) {
            out->failed = 1;
            return;
        }
        out->text = more;
        out->room = room;
    }
    memcpy(out->text + out->size, text, size + 1);
    out->size += size;
}

static void put_line(struct growing *out, const char *before, unsigned depth)
{
    put(out, before);
    put(out, "\n");
    for (; depth > 0; depth--)
        put(out, "  ");
}

/* To be read by people: what is deep, and what is in a list, stands on one line. */
static void put_json(struct growing *out, json_t *value, unsigned depth)
{
    const char *comma = "";
    const char *key;
    json_t *member;
    size_t i;
    char *text;

    if (depth < 3 && json_is_object(value)) {
        put(out, "{");
        json_object_foreach(value, key, member)
        {
            put_line(out, comma, depth + 1);
            put(out, "\"");
            put(out, key);
            put(out, "\": ");
            put_json(out, member, depth + 1);
            comma = ",";
        }
        put_line(out, "", depth);
        put(out, "}");
    } else if (json_is_array(value) && json_array_size(value) > 0) {
        put(out, "[");
        json_array_foreach(value, i, member)
        {
            put_line(out, comma, depth + 1);
            put_json(out, member, 3);
            comma = ",";
        }
        put_line(out, "", depth);
        put(out, "]");
    } else {
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12));
        out->failed |= !text;
        put(out, text ? text : "");
        free(text);
    }
}

char *tune_result_text(const struct tune_result *result, const sill_policy *policy)
{
    struct growing out = {NULL, 0, 0, 0};
    json_t *root = json_object();

    for (int key = 0; key < POLICY_KEYS; key++)
        out.failed |= json_object_set_new(
            root, policy_key_name((enum policy_key)key),
            json_integer((json_int_t)policy_key_get(policy, (enum policy_key)key)));
    out.failed |= json_object_set_new(root, "path", json_string(sill_path_name(policy->path)));
    out.failed |= json_object_set_new(root, "family", json_string(sill_family_name(policy->family)));
    out.failed |= json_object_set_new(root, "tuned", tuned_json(result));
    put_json(&out, root, 0);
    put(&out, "\n");
    json_decref(root);
    if (out.failed) {
        free(out.text);
        return NULL;
    }
    return out.text;
}

/* ---- reading ---- */

uint64_t tune_reach(const struct tune_result *result, int path)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < result->point_count; i++)
        if (result->points[i].path == path && result->points[i].size > most)
            most = result->points[i].size;
    return most;
}

static void text_of(json_t *object, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(object, key));

    snprintf(out, size, "%s", text ? text : "");
}

static double number_of(json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static uint64_t integer_of(json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static int path_of(json_t *object)
{
    return sill_path_parse(json_string_value(json_object_get(object, "path")));
}

static void read_lists(struct tune_result *r, json_t *tuned)
{
    json_t *it;
    size_t i;

    json_array_foreach(json_object_get(tuned, "measurements"), i, it)
    {
        if (r->point_count < TUNE_POINTS_MAX)
            r->points[r->point_count++] =
                (struct tune_point){path_of(it), integer_of(it, "size"), number_of(it, "ns"),
                                    number_of(it, "low"), number_of(it, "high")};
    }
    json_array_foreach(json_object_get(tuned, "fit"), i, it)
    {
        if (r->piece_count < TUNE_PIECES_MAX)
            r->pieces[r->piece_count++] =
                (struct tune_piece){path_of(it), integer_of(it, "from"), integer_of(it, "to"),
                                    number_of(it, "fixed_ns"), number_of(it, "ns_per_kib")};
    }
}

static void read_values(struct tune_result *r, json_t *values)
{
    for (int key = 0; key < POLICY_KEYS; key++) {
        json_t *value = json_object_get(values, policy_key_name((enum policy_key)key));
        const char *origin = json_string_value(json_object_get(value, "origin"));

        r->values[key].value = integer_of(value, "value");
        r->values[key].measured = origin && strcmp(origin, "measured") == 0;
        text_of(value, "why", r->values[key].why, sizeof r->values[key].why);
    }
}

static void read_tuned(struct tune_result *r, json_t *tuned)
{
    json_t *machine = json_object_get(tuned, "machine");
    json_t *costs = json_object_get(tuned, "costs");
    json_t *check = json_object_get(tuned, "check");
    const char *winner = json_string_value(json_object_get(check, "winner"));

    text_of(tuned, "sill", r->version, sizeof r->version);
    text_of(tuned, "date", r->date, sizeof r->date);
    r->quick = json_is_true(json_object_get(tuned, "quick"));
    text_of(machine, "processor", r->machine.processor, sizeof r->machine.processor);
    text_of(machine, "system", r->machine.system, sizeof r->machine.system);
    r->machine.cores = (unsigned)integer_of(machine, "cores");
    r->machine.page_size = integer_of(machine, "page_size");
    r->costs = (struct tune_costs){number_of(costs, "wake_ns"),
                                   number_of(costs, "map_ns"),
                                   number_of(costs, "map_page_ns"),
                                   number_of(costs, "mapped_again_ns"),
                                   number_of(costs, "copy_cache_ns_per_kib"),
                                   number_of(costs, "copy_memory_ns_per_kib")};
    r->check_tuned = number_of(check, "tuned");
    r->check_default = number_of(check, "default");
    r->tuned_won = winner && strcmp(winner, "tuned") == 0;
    read_values(r, json_object_get(tuned, "values"));
    read_lists(r, tuned);
}

static int read_source(struct tune_file *loaded)
{
    struct input input;
    json_t *root, *tuned;
    int status = input_read(&input, loaded->source);

    if (status >= 0)
        return status;
    status = sill_policy_parse(&loaded->policy, input.data, input.size, loaded->source);
    root =
        status == SILL_OK ? json_loadb(input.data, input.size, JSON_REJECT_DUPLICATES, NULL) : NULL;
    input_free(&input);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    if (!root)
        return cli_fail("out of memory");
    for (int key = 0; key < POLICY_KEYS; key++)
        if (json_object_get(root, policy_key_name((enum policy_key)key)))
            loaded->named |= 1u << key;
    tuned = json_object_get(root, "tuned");
    loaded->tuned = tuned != NULL;
    if (tuned)
        read_tuned(&loaded->result, tuned);
    json_decref(root);
    return -1;
}

int tune_file_load(struct tune_file *loaded, const char *file)
{
    int status;

    memset(loaded, 0, sizeof *loaded);
    loaded->policy = (sill_policy)SILL_POLICY_INIT;
    status = sill_policy_load(&loaded->policy, file, loaded->source, sizeof loaded->source);
    if (status != SILL_OK)
        return cli_fail_sill(status);
    return loaded->source[0] ? read_source(loaded) : -1;
}

enum tune_origin tune_file_origin(const struct tune_file *loaded, enum policy_key key)
{
    const struct tune_value *value = &loaded->result.values[key];

    if (!(loaded->named >> key & 1))
        return TUNE_DEFAULT;
    if (!loaded->tuned || value->value != policy_key_get(&loaded->policy, key))
        return TUNE_SET;
    return value->measured ? TUNE_MEASURED : TUNE_DEFAULT;
}

const char *tune_origin_name(enum tune_origin origin)
{
    return origin == TUNE_MEASURED ? "measured" : origin == TUNE_SET ? "set" : "default";
}
