// The metadata contexts of an export (proto.md, "Metadata querying"): base:allocation, and which
// queries mean it. Pure.

/** The only context there is (proto.md, "`base:allocation` metadata context"). */
export const ALLOCATION_CONTEXT = 'base:allocation';

/** Its id in NBD_OPT_SET_META_CONTEXT and NBD_CMD_BLOCK_STATUS. */
export const NBD_ALLOCATION_CONTEXT_ID = 1;

/** All contexts of the base namespace, where contexts are listed. */
const BASE_WILDCARD = 'base:';

/**
 * Whether NBD_OPT_LIST_META_CONTEXT with `queries` lists base:allocation. No query asks for all;
 * those of other namespaces, or of none, are ignored.
 */
export function listsAllocation(queries: readonly string[]): boolean {
  return queries.length === 0 || queries.includes(BASE_WILDCARD) || selectsAllocation(queries);
}

/** Whether NBD_OPT_SET_META_CONTEXT with `queries` selects it: only by its whole name. */
export function selectsAllocation(queries: readonly string[]): boolean {
  return queries.includes(ALLOCATION_CONTEXT);
}
