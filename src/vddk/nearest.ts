// Which known name a mistyped one was meant to be. Pure.
// The rule: a guess is only ever shown to the user, never acted upon.

/** Edits (insert, delete, replace one character) that make `b` of `a`. */
export function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      current.push(
        Math.min(
          (previous[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (previous[column - 1] ?? 0) + same,
        ),
      );
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

/** The one of `known` that takes the fewest edits, in any case; the first of equals. */
export function nearest<Name extends string>(
  name: string,
  known: readonly [Name, ...Name[]],
): Name {
  const distance = (candidate: Name): number =>
    editDistance(name.toLowerCase(), candidate.toLowerCase());
  let best = known[0];
  for (const candidate of known) {
    if (distance(candidate) < distance(best)) best = candidate;
  }
  return best;
}
