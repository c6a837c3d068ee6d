/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text with many rules; each is found, copied, named by a key, and parsed.
 */
#include "rules.h"

#include <stdio.h>
#include <string.h>

/* FNV-1a of the text; of equal rules each has another key, never 0. */
static uint64_t
key_of (const struct rules *rules, const char *text)
{
  uint64_t key = UINT64_C (14695981039346656037);

  for (; *text != '\0'; text++)
    key = (key ^ (uint8_t)*text) * UINT64_C (1099511628211);
  for (unsigned i = 0; i < rules->nr; i++)
    if (rules->rules[i].key == key)
      key = mixed (key);
  return key == 0 ? 1 : key;
}

/* One rule, without blanks around it.  False on an error. */
static bool
add_rule (struct rules *rules, const char *text, size_t length,
          char error[RULE_ERROR_MAX])
{
  struct rule *rule = &rules->rules[rules->nr];
  const char *wrong, *at = "";

  if (rules->nr == RULES_MAX) {
    snprintf (error, RULE_ERROR_MAX, "more than %d rules", RULES_MAX);
    return false;
  }
  if (length > RULE_TEXT_MAX) {
    snprintf (error, RULE_ERROR_MAX, "a rule of more than %d bytes",
              RULE_TEXT_MAX);
    return false;
  }
  *rule = (struct rule){ 0 };
  memcpy (rule->text, text, length);
  memcpy (rule->words, text, length);
  rule->key = key_of (rules, rule->text);
  wrong = rule_parse (rule, &at);
  if (wrong != NULL) {
    snprintf (error, RULE_ERROR_MAX, "rule \"%s\": %s: %s", rule->text, at,
              wrong);
    return false;
  }
  rules->nr++;
  return true;
}

bool
rules_parse (struct rules *rules, const char *text, char error[RULE_ERROR_MAX])
{
  static const char blanks[] = " \t\r";

  while (*text != '\0') {
    size_t length = strcspn (text, ";\n#");
    const char *next = text + length;

    if (*next == '#')
      next += strcspn (next, "\n");
    if (*next != '\0')
      next++;
    while (length > 0 && strchr (blanks, text[0]) != NULL) {
      text++;
      length--;
    }
    while (length > 0 && strchr (blanks, text[length - 1]) != NULL)
      length--;
    if (length > 0 && !add_rule (rules, text, length, error))
      return false;
    text = next;
  }
  return true;
}
