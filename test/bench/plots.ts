// Plots of the growth, drawn by Vega from the figures: medians, with the range of the rounds.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';
import type { Curve } from './results.js';

function specOf({ points, title, xTitle, yTitle }: Curve): TopLevelSpec {
  const values = points.map(({ x, server, figure }) => ({ x, server, ...figure }));
  const x = {
    field: 'x',
    type: 'quantitative' as const,
    title: xTitle,
    scale: { type: 'log' as const, base: 2 },
    axis: { values: [...new Set(values.map((value) => value.x))], format: '~s' },
  };
  const color = { field: 'server', type: 'nominal', title: null } as const;
  return {
    data: { values },
    title,
    width: 480,
    height: 260,
    background: 'white',
    layer: [
      {
        mark: { type: 'line', point: true },
        encoding: { x, y: { field: 'median', type: 'quantitative', title: yTitle }, color },
      },
      {
        mark: { type: 'rule', opacity: 0.5 },
        encoding: {
          x,
          y: { field: 'min', type: 'quantitative', title: yTitle },
          y2: { field: 'max' },
          color,
        },
      },
    ],
  };
}

/** Writes NAME.svg of each curve into `directory`. */
export async function writePlots(curves: readonly Curve[], directory: string): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (const curve of curves) {
    const view = new View(parse(compile(specOf(curve)).spec), { renderer: 'none' });
    const svg = await view.toSVG();
    view.finalize();
    writeFileSync(path.join(directory, `${curve.name}.svg`), `${svg}\n`);
  }
}
