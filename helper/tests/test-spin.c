/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The spinner of the helper, with made-up time.
 */
#include "protocol.h"
#include "spin.h"
#include "tests/check.h"

/* How many tries until one spins; it goes on. */
static uint32_t
tries (struct spinner *s, uint64_t now_us)
{
  uint32_t n = 1;

  while (!spin_begin (s, now_us))
    n++;
  return n;
}

static void
test_processors (void)
{
  struct spinner s;

  spin_init (&s, SPIN_PROCESSORS_MIN);
  CHECK (spin_begin (&s, 1));
  spin_init (&s, SPIN_PROCESSORS_MIN - 1);
  for (uint64_t now = 1; now < 1000; now++)
    CHECK (!spin_begin (&s, now));
}

static void
test_paid (void)
{
  struct spinner s = { 0 };

  for (uint64_t now = 1; now < 1000; now += 10) {
    CHECK (tries (&s, now) == 1);
    CHECK (spin_again (&s, now + 1));
    spin_paid (&s, now + 2);
  }
}

static void
test_vain (void)
{
  struct spinner s = { 0 };
  uint32_t expected = 1;
  uint64_t now = 1;

  for (int i = 0; i < 20; i++) {
    CHECK (tries (&s, now) == expected);
    now += SPIN_US;
    CHECK (!spin_again (&s, now));
    expected = i == 0 ? 2 : expected * 2 - 1;
    if (expected > SPIN_SKIPS_MAX + 2)
      expected = SPIN_SKIPS_MAX + 2;
  }
  CHECK (tries (&s, now) == SPIN_SKIPS_MAX + 2);
  spin_paid (&s, now + 1);
  CHECK (tries (&s, now) == 1);
}

/* Away while nothing came, and while it came. */
static void
test_crowded (void)
{
  struct spinner s = { 0 };

  CHECK (tries (&s, 1) == 1);
  CHECK (!spin_again (&s, 2 + SPIN_GAP_US));
  CHECK (tries (&s, 2) == SPIN_SKIPS_CROWDED_MIN + 1);
  spin_paid (&s, 3 + SPIN_GAP_US);
  CHECK (tries (&s, 3) == 2 * SPIN_SKIPS_CROWDED_MIN + 1);
  spin_paid (&s, 4);
  CHECK (tries (&s, 5) == 1);
}

/* Often: the longest pause; after many that have paid, the shortest again. */
static void
test_calm (void)
{
  struct spinner s = { 0 };
  uint64_t now = 1;

  for (int i = 0; i < 20; i++) {
    tries (&s, now);
    now += SPIN_GAP_US + 1;
    CHECK (!spin_again (&s, now));
  }
  CHECK (tries (&s, now) == SPIN_SKIPS_CROWDED_MAX + 1);
  for (int i = 0; i < SPIN_CALM_COUNT; i++) {
    spin_paid (&s, now);
    CHECK (tries (&s, now) == 1);
  }
  now += SPIN_GAP_US + 1;
  CHECK (!spin_again (&s, now));
  CHECK (tries (&s, now) == SPIN_SKIPS_CROWDED_MIN + 1);
}

int
main (void)
{
  test_processors ();
  test_paid ();
  test_vain ();
  test_crowded ();
  test_calm ();
  puts ("test-spin: the helper looks for a moment only where it pays");
  return 0;
}
