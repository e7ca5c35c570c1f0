/* SPDX-License-Identifier: MIT
 * RocksDB's texts as codes, and a real stall. */
#include "tests/unit/store/fixture.h"

static enum nbx_err code(const char *text)
{
    return nbx_store__error(strdup(text), "test", "nothing");
}

Test(store_error, texts_become_codes)
{
    cr_assert_eq(code("IO error: No space left on device: While appending to file: x.log: "
                      "No space left on device"),
                 NBX_ESTORAGE);
    cr_assert_eq(code("IO error: While fsync: Input/output error"), NBX_ESTORAGE);
    cr_assert_eq(code("Corruption: block checksum mismatch"), NBX_ECORRUPT);
    cr_assert_eq(code("Result incomplete: Write stall"), NBX_EBUSY);
    cr_assert_eq(code("IO error: While lock file: d/LOCK: Resource temporarily unavailable"),
                 NBX_ECONFLICT);
    cr_assert_eq(code("Invalid argument: Column families not opened: x"), NBX_EVERSION);
    cr_assert_eq(code(""), NBX_ESTORAGE);
}

static void fill(struct fixture *f, char *large, size_t n)
{
    nbx_batch_clear(f->batch);
    nbx_batch_put(f->batch, NBX_FAMILY_ITEMS, NBX_STR("k"), 1,
                  (struct nbx_str){large, (uint32_t)n});
}

/* Batches far larger than the write buffers, as fast as they can be written. */
Test(store_error, a_stall_is_busy_and_passes)
{
    struct fixture f;
    size_t n = 4u << 20;
    char *large = calloc(1, n);
    fixture_folder(&f);
    f.options.write_buffer_bytes = 1u << 16;
    fixture_open(&f);
    enum nbx_err err = NBX_OK;
    for (int i = 0; i < 2000 && !err; i++) {
        large[0] = (char)i;
        fill(&f, large, n);
        err = nbx_store_write(f.store, f.batch);
    }
    cr_assert_eq(err, NBX_EBUSY, "writes never stall, or fail with %d", err);
    nbx_store_be_patient(f.store, true);
    cr_assert_eq(nbx_store_write(f.store, f.batch), NBX_OK, "it waits");
    nbx_store_be_patient(f.store, false);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_ITEMS), NBX_OK);
    fixture_write(&f);
    struct nbx_stored stored;
    cr_assert_eq(nbx_store_get(f.store, NBX_FAMILY_ITEMS, NBX_STR("k"), f.arena, &stored), NBX_OK);
    cr_assert_eq(stored.payload.len, n);
    cr_assert_eq(stored.payload.p[0], large[0]);
    free(large);
    fixture_end(&f);
}
