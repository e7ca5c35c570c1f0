/* SPDX-License-Identifier: MIT */
#include "engine/catalog/words.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct nbx_budget budget = {.limit = (size_t)1 << 30};

static struct nbx_words *new_words(void)
{
    struct nbx_words *words = NULL;
    cr_assert_eq(nbx_words_new(&words, &budget), NBX_OK);
    return words;
}

Test(catalog_words, codes_are_dense_and_texts_come_back)
{
    struct nbx_words *words = new_words();
    char text[32];
    uint32_t code;
    for (uint32_t i = 1; i <= 100000; i++) {
        snprintf(text, sizeof text, "w%u", i);
        cr_assert_eq(nbx_words_add(words, nbx_str_c(text), &code), NBX_OK);
        cr_assert_eq(code, i);
    }
    cr_assert_eq(nbx_words_end(words), 100001);
    for (uint32_t i = 1; i <= 100000; i++) {
        snprintf(text, sizeof text, "w%u", i);
        cr_assert_eq(nbx_words_find(words, nbx_str_c(text)), i);
        cr_assert(nbx_str_is(nbx_words_text(words, i), text));
    }
    cr_assert_eq(nbx_words_find(words, NBX_STR("w0")), NBX_WORD_NONE);
    nbx_words_destroy(&words);
    cr_assert_null(words);
    cr_assert_eq(atomic_load(&budget.used), 0);
}

Test(catalog_words, empty_and_longest_texts)
{
    struct nbx_words *words = new_words();
    uint32_t code, again;
    char *longest = malloc(65536);
    cr_assert(longest);
    memset(longest, 'x', 65536);
    cr_assert_eq(nbx_words_add(words, (struct nbx_str){NULL, 0}, &code), NBX_OK);
    cr_assert_eq(nbx_words_text(words, code).len, 0);
    cr_assert_eq(nbx_words_find(words, NBX_STR("")), code);
    cr_assert_eq(nbx_words_add(words, (struct nbx_str){longest, 65535}, &code), NBX_OK);
    cr_assert_eq(nbx_words_text(words, code).len, 65535);
    cr_assert_eq(nbx_words_add(words, (struct nbx_str){longest, 65536}, &again), NBX_ELIMIT);
    cr_assert_eq(nbx_words_end(words), 3);
    free(longest);
    nbx_words_destroy(&words);
}

Test(catalog_words, what_was_reserved_can_be_added_past_the_budget)
{
    struct nbx_budget small = {.limit = 1 << 20};
    struct nbx_words *words = NULL;
    uint32_t code;
    cr_assert_eq(nbx_words_new(&words, &small), NBX_OK);
    cr_assert_eq(nbx_words_reserve(words, 5000), NBX_OK);
    size_t used = atomic_load(&small.used);
    small.limit = used;
    char text[5000];
    memset(text, 'y', sizeof text);
    cr_assert_eq(nbx_words_add(words, (struct nbx_str){text, sizeof text}, &code), NBX_OK);
    cr_assert_eq(atomic_load(&small.used), used);
    text[0] = 'z';
    cr_assert_eq(nbx_words_add(words, (struct nbx_str){text, sizeof text}, &code), NBX_ELIMIT);
    cr_assert_eq(nbx_words_reserve(words, 5000), NBX_ELIMIT);
    nbx_words_destroy(&words);
    cr_assert_eq(atomic_load(&small.used), 0);
    small.limit = 10;
    cr_assert_eq(nbx_words_new(&words, &small), NBX_ELIMIT);
    cr_assert_null(words);
}
