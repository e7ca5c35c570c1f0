/* SPDX-License-Identifier: MIT */
#include "models/attributes/names.h"

#include <criterion/criterion.h>
#include <stdio.h>

static char told[8192];

static void tell(void *ctx, struct nbx_str name)
{
    (void)ctx;
    size_t at = strlen(told);
    snprintf(told + at, sizeof told - at, "%s%.*s", at ? "," : "", NBX_STR_ARG(name));
}

static const char *names_of(const struct nbx_item_facts *facts)
{
    static const int64_t bounds[] = {100, 250};
    told[0] = '\0';
    nbx_features_name(facts, (struct nbx_price_bounds){bounds, 2}, tell, NULL);
    return told;
}

static const char *of_title(const char *title)
{
    return names_of(&(struct nbx_item_facts){.title = nbx_str_c(title)});
}

Test(attribute_names, are_made_of_each_attribute)
{
    static const struct nbx_str categories[] = {{"Shoes", 5}, {"", 0}, {"a b", 3}};
    struct nbx_item_facts facts = {.brand = NBX_STR("Acme & Co"),
                                   .title = NBX_STR("Red SHOES"),
                                   .categories = categories,
                                   .n_categories = 3,
                                   .price = 250,
                                   .has_price = true};
    cr_assert_str_eq(names_of(&facts), "item,brand=Acme & Co,category=Shoes,category=a b,"
                                       "word=red,word=shoes,price=2");
    cr_assert_str_eq(names_of(&(struct nbx_item_facts){0}), "item");
}

Test(attribute_names, prices_fall_between_bounds)
{
    static const struct {
        int64_t price;
        const char *names;
    } cases[] = {{0, "item,price=0"},
                 {99, "item,price=0"},
                 {100, "item,price=1"},
                 {249, "item,price=1"},
                 {INT64_MAX, "item,price=2"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(
            names_of(&(struct nbx_item_facts){.price = cases[i].price, .has_price = true}),
            cases[i].names);
}

Test(attribute_names, words_are_runs_of_letters_and_digits_in_lower_case)
{
    static const struct {
        const char *title, *names;
    } cases[] = {
        {"Toy Story (1995)", "item,word=toy,word=story,word=1995"},
        {"a X 7 it's", "item,word=it"},
        {"  ", "item"},
        {"\xC3\x84pfel \xC3\x9C\x42\xC3\x89R", "item,word=\xC3\xA4pfel,word=\xC3\xBC\x62\xC3\xA9r"},
        {"\xC5\x81\xC3\xB3\x64\xC5\xB9 \xC5\xB8x \xC4\xB0i",
         "item,word=\xC5\x82\xC3\xB3\x64\xC5\xBA,word=\xC3\xBFx,word=ii"},
        {"\xCE\x88\xCE\xA9\xCE\x8F \xCE\x86\xCE\x8C",
         "item,word=\xCE\xAD\xCF\x89\xCF\x8E,word=\xCE\xAC\xCF\x8C"},
        {"\xD0\x81\xD0\x96\xD0\xAF", "item,word=\xD1\x91\xD0\xB6\xD1\x8F"},
        {"a\xC3\x97"
         "b 3\xE2\x80\x93"
         "4 x\xC2\xB7y",
         "item"},
        {"\xE6\x97\xA5\xE6\x9C\xAC\xE3\x80\x81\xE6\x9C\xAC\xF0\x9F\x98\x80",
         "item,word=\xE6\x97\xA5\xE6\x9C\xAC,word=\xE6\x9C\xAC\xF0\x9F\x98\x80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        cr_expect_str_eq(of_title(cases[i].title), cases[i].names, "%s: %s", cases[i].title, told);
}

/* Each capital of the ranges that are mapped is another letter once it is small; no small letter
 * moves. So folding twice is folding once. */
Test(attribute_names, what_is_in_lower_case_stays)
{
    for (unsigned point = 0xC0; point < 0x480; point++) {
        char title[8], once[64], twice[64];
        if (point == 0xD7 || point == 0xF7)
            continue;
        snprintf(title, sizeof title, "%c%c0", 0xC0 | point >> 6, 0x80 | (point & 0x3F));
        snprintf(once, sizeof once, "%s", of_title(title));
        snprintf(twice, sizeof twice, "%s", of_title(strchr(once, '=') + 1));
        cr_expect_str_eq(once, twice, "U+%04X", point);
    }
}

Test(attribute_names, many_and_long_ones_are_left_out)
{
    static char text[601]; /* ends in NUL */
    struct nbx_str many[NBX_FEATURE_MAX_CATEGORIES + 1];
    memset(text, 'x', sizeof text - 1);
    struct nbx_item_facts facts = {.title = {text, 250}};
    cr_expect_eq(strlen(names_of(&facts)), 5 + 5 + 250);
    facts.title.len = 251;
    cr_expect_str_eq(names_of(&facts), "item");
    facts.title.len = 600;
    cr_expect_str_eq(names_of(&facts), "item");
    facts = (struct nbx_item_facts){.brand = {text, 249}};
    cr_expect_eq(strlen(names_of(&facts)), 5 + 6 + 249);
    facts.brand.len = 250;
    cr_expect_str_eq(names_of(&facts), "item");
    facts.brand = (struct nbx_str){"a\0b", 3};
    cr_expect_str_eq(names_of(&facts), "item");
    for (size_t i = 0; i < sizeof text - 1; i++)
        text[i] = i % 3 < 2 ? 'x' : ' ';
    cr_expect_eq(strlen(of_title(text)), 4 + NBX_FEATURE_MAX_WORDS * 8);
    for (size_t i = 0; i <= NBX_FEATURE_MAX_CATEGORIES; i++)
        many[i] = NBX_STR("c");
    facts =
        (struct nbx_item_facts){.categories = many, .n_categories = NBX_FEATURE_MAX_CATEGORIES + 1};
    cr_expect_eq(strlen(names_of(&facts)), 4 + NBX_FEATURE_MAX_CATEGORIES * 11);
}

/* A text cut inside a character reads nothing behind it. */
Test(attribute_names, text_that_is_no_utf8_is_survived)
{
    for (int first = 0x80; first < 0x100; first++) {
        char *text = malloc(3);
        memcpy(text, "ab", 2);
        text[2] = (char)first;
        (void)names_of(&(struct nbx_item_facts){.title = {text, 3}});
        free(text);
    }
}
