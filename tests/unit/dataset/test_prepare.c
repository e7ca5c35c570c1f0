/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

static char folder[] = P_tmpdir "/nbx-prepare-XXXXXX";
static char text[1 << 16];

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

static void put(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    fputs(content, f);
    fclose(f);
}

/* A file of the folder, or "" where there is none; valid until the next call. */
static const char *get(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = '\0';
    if (f)
        fclose(f);
    return text;
}

/* scripts/prepare NAME folder folder/out EXTRA; its exit code. What it says is in folder/said. */
static int prepare(const char *name, const char *extra)
{
    char command[1024];
    snprintf(command, sizeof command, "'%s/scripts/prepare' %s '%s' '%s/out' %s > '%s/said' 2>&1",
             NBX_SOURCE_DIR, name, folder, folder, extra, folder);
    return WEXITSTATUS(system(command));
}

#define RETAIL_HEADER                                                                              \
    "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n"

static const char retail[] =
    RETAIL_HEADER "1,85123A,WHITE  HOLDER ,6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\r\n"
                  "1,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,17850.0,France\r\n"
                  "1,85123B,\"RED, HOLDER\",2,2010-12-01 08:26:00,1.0,17850.0,United Kingdom\r\n"
                  "2,85123A,WHITE HOLDER,1,2010-12-02 00:00:00,2.95,,United Kingdom\r\n"
                  "C3,85123A,damaged,-4,2010-12-03 00:00:00,2.55,17850.0,United Kingdom\r\n"
                  "4,85123A,WHITE HOLDER,1,2010-12-11 08:26:00,2.95,13047.0,United Kingdom\r\n";

Test(prepare, online_retail, .init = make_folder, .fini = remove_folder)
{
    put("online_retail.csv", retail);
    cr_assert_eq(prepare("online-retail", ""), 0, "%s", get("said"));
    cr_expect_str_eq(get("out/items.csv"),
                     "id,group,kind,title,brand,categories,price,available,url,image\n"
                     "85123A,85123,product,WHITE HOLDER,,,295,true,,\n"
                     "85123B,85123,product,\"RED, HOLDER\",,,100,true,,\n");
    cr_expect_str_eq(get("out/events.csv"),
                     "customer,type,item,time,channel,store,session,order,quantity,value,id\n"
                     "17850,purchase,85123A,1291191960000,web,,1,1,6,1530,1-1\n"
                     "17850,purchase,85123B,1291191960000,web,,1,1,2,200,1-3\n"
                     ",purchase,85123A,1291248000000,web,,2,2,1,295,2-1\n"
                     "17850,return,85123A,1291334400000,web,,C3,C3,4,1020,C3-1\n"
                     "13047,purchase,85123A,1292055960000,web,,4,4,1,295,4-1\n");
    cr_expect_str_eq(get("out/test.csv"), "");
    cr_expect_not_null(strstr(get("out/dataset.json"), "\"left_out_no_product\": 1"));
    cr_expect_not_null(strstr(text, "\"ordered\": true"));
    cr_expect_not_null(strstr(text, "\"currency\": \"GBP\""));
}

Test(prepare, held_out_purchases_are_in_test_only, .init = make_folder, .fini = remove_folder)
{
    put("online_retail.csv", retail);
    cr_assert_eq(prepare("online-retail", "--hold-out 0.1"), 0, "%s", get("said"));
    cr_expect_str_eq(get("out/test.csv"), "customer,item\n13047,85123A\n");
    cr_expect_null(strstr(get("out/events.csv"), "13047"));
    cr_expect_not_null(strstr(get("out/dataset.json"), "held_out"));
    cr_assert_eq(prepare("online-retail", ""), 0);
    cr_expect_str_eq(get("out/test.csv"), "", "a stale file does not stay");
}

Test(prepare, gowalla, .init = make_folder, .fini = remove_folder)
{
    put("train.txt", "0 5 2\n1 2\n2\n");
    put("test.txt", "0 7\n2 5\n");
    cr_assert_eq(prepare("gowalla", ""), 0, "%s", get("said"));
    cr_expect_str_eq(get("out/items.csv"),
                     "id,group,kind,title,brand,categories,price,available,url,image\n"
                     "2,,content,Place 2,,,,true,,\n"
                     "5,,content,Place 5,,,,true,,\n"
                     "7,,content,Place 7,,,,true,,\n");
    cr_expect_str_eq(get("out/events.csv"),
                     "customer,type,item,time,channel,store,session,order,quantity,value,id\n"
                     "0,visit,5,,,,,,1,,0-0\n"
                     "0,visit,2,,,,,,1,,0-1\n"
                     "1,visit,2,,,,,,1,,1-0\n");
    cr_expect_str_eq(get("out/test.csv"), "customer,item\n0,7\n2,5\n");
    cr_expect_not_null(strstr(get("out/dataset.json"), "\"ordered\": false"));
}

Test(prepare, beauty, .init = make_folder, .fini = remove_folder)
{
    put("Beauty.txt", "1 10 2 10\n2 2 3\n3 4\n");
    cr_assert_eq(prepare("beauty", ""), 0, "%s", get("said"));
    cr_expect_str_eq(get("out/items.csv"),
                     "id,group,kind,title,brand,categories,price,available,url,image\n"
                     "2,,product,Product 2,,,,true,,\n"
                     "3,,product,Product 3,,,,true,,\n"
                     "4,,product,Product 4,,,,true,,\n"
                     "10,,product,Product 10,,,,true,,\n");
    cr_expect_str_eq(get("out/events.csv"),
                     "customer,type,item,time,channel,store,session,order,quantity,value,id\n"
                     "1,purchase,10,,,,,,1,,1-000000\n"
                     "1,purchase,2,,,,,,1,,1-000001\n"
                     "2,purchase,2,,,,,,1,,2-000000\n"
                     "3,purchase,4,,,,,,1,,3-000000\n");
    cr_expect_str_eq(get("out/test.csv"), "customer,item\n1,10\n2,3\n", "nobody's only item");
    cr_expect_not_null(strstr(get("out/dataset.json"), "\"ordered\": true"));
    put("Beauty.txt", "1 10 2\n1 3\n");
    cr_expect_eq(prepare("beauty", ""), 1);
    cr_expect_not_null(strstr(get("said"), "Beauty.txt:2: customer 1 has a line already"));
    cr_expect_eq(prepare("beauty", "--hold-out 0.1"), 1);
    cr_expect_not_null(strstr(get("said"), "beauty has no times for --hold-out"));
}

/* Titles and genres are there where the publisher's files are. */
Test(prepare, ml_1m, .init = make_folder, .fini = remove_folder)
{
    put("ml-1m_sas.txt", "1 1\n1 2\n2 2\n1 3\n2 1\n");
    cr_assert_eq(prepare("ml-1m", ""), 0, "%s", get("said"));
    cr_expect_str_eq(get("out/events.csv"),
                     "customer,type,item,time,channel,store,session,order,quantity,value,id\n"
                     "1,view,1,,,,,,1,,1-000000\n"
                     "1,view,2,,,,,,1,,1-000001\n"
                     "2,view,2,,,,,,1,,2-000000\n");
    cr_expect_str_eq(get("out/test.csv"), "customer,item\n1,3\n2,1\n");
    put("sas_to_original_items.txt", "1 600\n2 7\n3 8\n");
    put("movies.dat", "7::Caf\xe9 (1995)::Comedy|Drama\n600::Two, of it (1990)::War\n");
    cr_assert_eq(prepare("ml-1m", ""), 0, "%s", get("said"));
    cr_expect_str_eq(get("out/items.csv"),
                     "id,group,kind,title,brand,categories,price,available,url,image\n"
                     "1,,content,\"Two, of it (1990)\",,War,,true,,\n"
                     "2,,content,Caf\xc3\xa9 (1995),,Comedy|Drama,,true,,\n"
                     "3,,content,Movie 3,,,,true,,\n");
    put("ml-1m_sas.txt", "1 1\n1 2 3\n");
    cr_expect_eq(prepare("ml-1m", ""), 1);
    cr_expect_not_null(strstr(get("said"), "ml-1m_sas.txt:2: not a customer and an item"));
}

Test(prepare, what_is_wrong_is_named, .init = make_folder, .fini = remove_folder)
{
    cr_expect_eq(prepare("gowalla", ""), 1);
    cr_expect_not_null(strstr(get("said"), "train.txt: no such file"));
    put("train.txt", "0 1\n1 x\n");
    put("test.txt", "0 2\n");
    cr_expect_eq(prepare("gowalla", ""), 1);
    cr_expect_not_null(strstr(get("said"), "train.txt:2: not a list of numbers: 'x'"));
    put("online_retail.csv", RETAIL_HEADER "1,85123A,A,six,2010-12-01 08:26:00,2.55,1.0,UK\r\n");
    cr_expect_eq(prepare("online-retail", ""), 1);
    cr_expect_not_null(strstr(get("said"), "online_retail.csv:2:"));
    cr_expect_eq(prepare("nothing", ""), 2);
    cr_expect_not_null(strstr(get("said"), "gowalla"));
    cr_expect_str_eq(get("out/dataset.json"), "", "no half data set");
}
