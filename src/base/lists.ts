// Lists that are emptied and filled again for each request. The rule: a short list never by
// assigning `length`, which V8 leaves to a call of its runtime even where there is nothing in it.

/** More entries are not taken out one by one. */
const POPS_MAX = 16;

/** Takes everything out of `list`. */
export function empty(list: unknown[]): void {
  if (list.length > POPS_MAX) list.length = 0;
  while (list.length > 0) list.pop();
}
