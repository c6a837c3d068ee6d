// The driver of a disk library (helper/builtin/tests/vmdk-tool.c) as tests use it: one run, one
// disk. VMDK_TOOL chooses another build of it, say one with sanitizers.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { must, REPO, run, type Ended } from '../lib/serve.js';

const TOOL = process.env['VMDK_TOOL'] ?? path.join(REPO, 'build/tests/vmdk-tool');

/** Sectors of 512 bytes: first, and how many. */
export type Run = [start: number, length: number];

/** What GetInfo says, as the tool prints it. */
export interface Info {
  capacity: number;
  adapterType: number;
  numLinks: number;
  uuid: string;
  transportMode: string;
}

/** Opens `image` (read-only with `-r` in front) and runs a command that must succeed. */
export function tool(...args: string[]): Promise<string> {
  return must(TOOL, args);
}

/** The same for a command that may fail. */
export function tryTool(...args: string[]): Promise<Ended> {
  return run(TOOL, args);
}

/** GetInfo of an image, opened read-only. */
export async function info(image: string): Promise<Info> {
  return JSON.parse(await tool('-r', image, 'info')) as Info;
}

/** The allocated runs of an image up to its last whole chunk. */
export async function map(image: string): Promise<Run[]> {
  return JSON.parse(await tool('-r', image, 'map')) as Run[];
}

/** Starts a command and goes on without waiting. */
export function startTool(...args: string[]): ChildProcess {
  return spawn(TOOL, args, { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** A process that holds an image open until its stdin ends. */
export async function hold(file: string, args: string[]): Promise<ChildProcess> {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}

/** The tool, holding an image open. */
export function holdTool(...args: string[]): Promise<ChildProcess> {
  return hold(TOOL, [...args, 'hold']);
}

/** Ends a holder the polite way. */
export async function release(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.stdin?.end();
  await exit;
}
