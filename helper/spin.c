/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A spin in vain has the next ones skipped, twice as many each time.  One that
 * lost the processor has more skipped, the more the oftener: where others wait
 * for it, who burns their time is made to wait in turn, for longer than a
 * wake-up takes.  On a quiet machine it happens, too, now and then.
 */
#include "spin.h"

#include "protocol.h"

/* Time has passed that this thread did not see. */
static bool
was_away (struct spinner *s, uint64_t now_us)
{
  bool away = now_us - s->last_us > SPIN_GAP_US;

  s->last_us = now_us;
  if (!away)
    return false;
  s->skips = SPIN_SKIPS_CROWDED_MIN << s->losses;
  if (s->skips < SPIN_SKIPS_CROWDED_MAX)
    s->losses++;
  s->calm = 0;
  return true;
}

void
spin_init (struct spinner *s, unsigned processors)
{
  *s = (struct spinner){ .never = processors < SPIN_PROCESSORS_MIN };
}

bool
spin_begin (struct spinner *s, uint64_t now_us)
{
  if (s->never)
    return false;
  if (s->skips > 0) {
    s->skips--;
    return false;
  }
  s->last_us = now_us;
  s->until_us = now_us + SPIN_US;
  return true;
}

bool
spin_again (struct spinner *s, uint64_t now_us)
{
  if (was_away (s, now_us))
    return false;
  if (now_us < s->until_us)
    return true;
  s->skips = s->skips_after_vain + 1;
  if (s->skips_after_vain < SPIN_SKIPS_MAX)
    s->skips_after_vain = 2 * s->skips_after_vain + 1;
  return false;
}

void
spin_paid (struct spinner *s, uint64_t now_us)
{
  if (was_away (s, now_us))
    return;
  s->skips_after_vain = 0;
  if (++s->calm == SPIN_CALM_COUNT)
    s->losses = 0;
}
