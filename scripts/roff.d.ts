// Types of roff.js, for the test that uses it.
export function inline(text: string): string;
export function roff(markdown: string, fill: (word: string) => string[]): string[];
