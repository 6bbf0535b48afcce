/* tune_result.h - what `sill tune` found, in memory and as the key "tuned" of a policy file. */
#ifndef SILL_TOOLS_TUNE_RESULT_H
#define SILL_TOOLS_TUNE_RESULT_H

#include <jansson.h>
#include <sill.h>

#include "machine.h"
#include "policy_keys.h"
#include "tune_model.h"

struct tune_value {
    uint64_t value;
    int measured; /* 0: the default was kept */
    char why[TUNE_WHY];
};

struct tune_costs {
    double wake_ns, map_ns, map_page_ns, mapped_again_ns, cache_ns_per_kib, memory_ns_per_kib;
};

struct tune_result {
    char version[32];
    char date[32];
    int quick;
    struct machine machine;
    struct tune_value values[POLICY_KEYS];
    struct tune_costs costs;
    double check_tuned, check_default; /* 0: not checked */
    int tuned_won;
    struct tune_point points[TUNE_POINTS_MAX];
    unsigned point_count;
    struct tune_piece pieces[TUNE_PIECES_MAX];
    unsigned piece_count;
};

/* The text of a policy file: the policy of the result's values, and the result. Freed with free;
 * NULL: out of memory. */
char *tune_result_text(const struct tune_result *result, const sill_policy *policy);

/* The largest size of a path that was measured; 0: none. */
uint64_t tune_reach(const struct tune_result *result, int path);

/* A policy file that was read again. */
struct tune_file {
    sill_policy policy;
    char source[4096]; /* the file's path; "": there is none, these are the defaults */
    unsigned named;    /* bit n: key n of the policy stands in the file */
    int tuned;         /* whether there is a result */
    struct tune_result result;
};

/* Loads the policy in force (`file` NULL) or that of a file, strictly. -1 to go on, or an exit
 * status after a message. */
int tune_file_load(struct tune_file *loaded, const char *file);

enum tune_origin { TUNE_DEFAULT, TUNE_MEASURED, TUNE_SET };
/* Where the value of a key comes from: TUNE_SET if somebody wrote it, or changed it since. */
enum tune_origin tune_file_origin(const struct tune_file *loaded, enum policy_key key);
const char *tune_origin_name(enum tune_origin origin);

#endif
