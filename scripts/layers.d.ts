// Types of layers.js, for the test that uses it.
export interface Layer {
  files: string;
  project: string[];
  packages: string[];
  pure: boolean;
}
export function layerOf(file: string): Layer | undefined;
export function forbidden(layer: Layer, folder: string, specifier: string): string | undefined;
