/* CRC-32 against zlib, CRC-16 against a bit loop, both ways of computing against each other. */
#include "model/packet/crc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#define LENGTH_MAX   4200u
#define MISALIGN_MAX 17u

static uint8_t bytes[LENGTH_MAX + MISALIGN_MAX];

static int fill(void **state)
{
    (void)state;
    uint64_t x = 0x9E3779B97F4A7C15u;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        bytes[i] = (uint8_t)(x >> 32);
    }
    return 0;
}

/* VCRC by its definition, one bit after the other. */
static uint16_t crc16_bits(const uint8_t *p, size_t n)
{
    uint32_t reg = 0xFFFF;
    for (size_t i = 0; i < n; i++) {
        reg ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            reg = reg & 1 ? reg >> 1 ^ 0xD008 : reg >> 1;
        }
    }
    return (uint16_t)~reg;
}

static void crc32_equals_zlib_at_every_length_and_alignment(void **state)
{
    (void)state;
    for (size_t at = 0; at < MISALIGN_MAX; at++) {
        for (uInt n = 0; n <= LENGTH_MAX; n++) {
            const uint32_t want = (uint32_t)crc32(0, bytes + at, n);
            if (crc32_update(0, bytes + at, n) != want ||
                crc32_update_table(0, bytes + at, n) != want) {
                fail_msg("length %u at offset %zu differs from zlib", n, at);
            }
        }
    }
}

static void crc32_of_pieces_equals_crc32_of_the_whole(void **state)
{
    (void)state;
    const uint32_t whole = (uint32_t)crc32(0, bytes, 300);
    for (size_t cut = 0; cut <= 300; cut++) {
        const uint32_t head = crc32_update(0, bytes, cut);
        assert_int_equal(crc32_update(head, bytes + cut, 300 - cut), whole);
        assert_int_equal(crc32_update_table(head, bytes + cut, 300 - cut), whole);
    }
}

static void crc32_differs_when_any_single_bit_differs(void **state)
{
    (void)state;
    const uint32_t right = crc32_update(0, bytes, 150);
    for (size_t bit = 0; bit < 150 * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(crc32_update(0, bytes, 150), right);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void crc32_of_nothing_is_the_crc_so_far(void **state)
{
    (void)state;
    assert_int_equal(crc32_update(0, NULL, 0), 0);
    assert_int_equal(crc32_update(0x12345678, NULL, 0), 0x12345678);
    assert_int_equal(crc16_update(0x1234, NULL, 0), 0x1234);
}

static void eight_ones_constant_is_the_crc_of_eight_bytes_ff(void **state)
{
    (void)state;
    const uint8_t ones[8] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    assert_int_equal(crc32_update(0, ones, 8), CRC32_EIGHT_ONES);
}

static void crc16_equals_its_definition_at_every_length_and_alignment(void **state)
{
    (void)state;
    for (size_t at = 0; at < MISALIGN_MAX; at += 5) {
        for (size_t n = 0; n <= LENGTH_MAX; n++) {
            const uint16_t table = crc16_update_table(0, bytes + at, n);
            if (crc16_update(0, bytes + at, n) != table) {
                fail_msg("length %zu at offset %zu: the two ways differ", n, at);
            }
            if (at == 0 && (n <= 700 || n % 61 == 0) && table != crc16_bits(bytes, n)) {
                fail_msg("length %zu differs from the bit loop", n);
            }
        }
    }
}

static void crc16_of_pieces_equals_crc16_of_the_whole(void **state)
{
    (void)state;
    const uint16_t whole = crc16_bits(bytes, 300);
    for (size_t cut = 0; cut <= 300; cut++) {
        const uint16_t head = crc16_update(0, bytes, cut);
        assert_int_equal(crc16_update(head, bytes + cut, 300 - cut), whole);
        assert_int_equal(crc16_update_table(head, bytes + cut, 300 - cut), whole);
    }
}

static void check_values_of_the_digits_are_the_published_ones(void **state)
{
    (void)state;
    assert_int_equal(crc32_update(0, "123456789", 9), 0xCBF43926);
    assert_int_equal(crc16_update(0, "123456789", 9), 0x0A3D);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32_equals_zlib_at_every_length_and_alignment),
        cmocka_unit_test(crc32_of_pieces_equals_crc32_of_the_whole),
        cmocka_unit_test(crc32_differs_when_any_single_bit_differs),
        cmocka_unit_test(crc32_of_nothing_is_the_crc_so_far),
        cmocka_unit_test(eight_ones_constant_is_the_crc_of_eight_bytes_ff),
        cmocka_unit_test(crc16_equals_its_definition_at_every_length_and_alignment),
        cmocka_unit_test(crc16_of_pieces_equals_crc16_of_the_whole),
        cmocka_unit_test(check_values_of_the_digits_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
