// What bin/run.js needs of oclif; bundled by scripts/bundle.js.
export { flush, run } from '@oclif/core';
