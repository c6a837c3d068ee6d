// From an untrusted value of a frame to a typed message (docs/helper-protocol.md). Pure. The rule:
// what does not match the page exactly is a ProtocolError; nothing is guessed or repaired.
import { LOG_EVENT_BYTES_MAX } from '../base/limits.js';
import { ProtocolError } from './frame.js';
import { HelperCallError } from './helper.js';
import {
  DONE_STRIDE,
  KIND_DONE,
  KIND_EVENT,
  KIND_RESULT,
  type CallOp,
  type Calls,
  type HelperEvent,
  type HelperLogLevel,
} from './protocol.js';

/** A map of the protocol: its keys are strings, its values anything. */
type Fields = Readonly<Record<string, unknown>>;

/** The answer to one CALL. */
export interface ResultMessage {
  id: number;
  vixError: number | bigint;
  fields: Fields;
}

const LOG_LEVELS: readonly string[] = ['debug', 'warning', 'error', 'helper', 'trace'];
const HELPER_ERRORS: readonly string[] = ['load', 'symbol', 'state', 'parameter', 'arena', 'fence'];

function isVixError(value: unknown): value is number | bigint {
  if (typeof value === 'bigint') return value >= 0n;
  return isUnsigned(value);
}

function isUnsigned(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** The kind of a message. Throws ProtocolError unless a helper may send it. */
export function messageKind(
  body: unknown,
): typeof KIND_RESULT | typeof KIND_DONE | typeof KIND_EVENT {
  const kind: unknown = Array.isArray(body) ? body[0] : undefined;
  if (kind === KIND_DONE || kind === KIND_RESULT || kind === KIND_EVENT) return kind;
  throw new ProtocolError('a frame is no message of a helper');
}

/** Checks a DONE message: [4, id, vixError, id, vixError, ...]. It is used as it is. */
export function checkDone(body: unknown): asserts body is number[] {
  const message = body as unknown[];
  if (message.length < 1 + DONE_STRIDE || message.length % DONE_STRIDE !== 1) {
    throw new ProtocolError('a DONE message has a wrong length');
  }
  for (let index = 1; index < message.length; index += DONE_STRIDE) {
    if (!isUnsigned(message[index]) || !isVixError(message[index + 1])) {
      throw new ProtocolError('a DONE message holds something else than integers');
    }
  }
}

/** [3, id, vixError, {result}]. */
export function decodeResult(body: unknown): ResultMessage {
  const message = body as unknown[];
  const [, id, vixError, fields] = message;
  if (message.length !== 4 || !isUnsigned(id) || !isVixError(vixError)) {
    throw new ProtocolError('a RESULT message has a wrong shape');
  }
  return { id, vixError, fields: fieldsOf(fields, 'RESULT') };
}

/** [5, name, {fields}]. */
export function decodeEvent(body: unknown): HelperEvent {
  const message = body as unknown[];
  const [, name] = message;
  if (message.length !== 3) throw new ProtocolError('an EVENT message has a wrong shape');
  const fields = fieldsOf(message[2], 'EVENT');
  switch (name) {
    case 'log': {
      const level = text(fields, 'level');
      if (!LOG_LEVELS.includes(level)) throw wrong('level');
      const line = text(fields, 'text');
      // Characters are never more than bytes.
      if (line.length > LOG_EVENT_BYTES_MAX) throw wrong('text');
      const dropped = integer(fields, 'dropped');
      return { name, level: level as HelperLogLevel, text: line, dropped };
    }
    case 'panic':
      return { name, text: text(fields, 'text') };
    default:
      throw new ProtocolError('an EVENT message has an unknown name');
  }
}

/** A RESULT with an error, as the caller gets it. */
export function decodeCallError({ vixError, fields }: ResultMessage): HelperCallError {
  const helperError = optionalText(fields, 'helperError');
  if (helperError !== undefined && !HELPER_ERRORS.includes(helperError)) throw wrong('helperError');
  return new HelperCallError({
    call: text(fields, 'call'),
    vixError,
    text: text(fields, 'text'),
    helperError,
  });
}

/** The version in the RESULT of HELLO, which is checked before anything else in it. */
export function decodeVersion(fields: Fields): number {
  return integer(fields, 'version');
}

/** The result of each call. */
export const decodeCallResult: { [Op in CallOp]: (fields: Fields) => Calls[Op]['result'] } = {
  HELLO: (fields) => ({
    library: text(fields, 'library'),
    libraryVersion: integer(fields, 'libraryVersion'),
    functions: list(fields, 'functions', (value) => typeof value === 'string'),
    transportModes: text(fields, 'transportModes'),
  }),
  CONNECT: () => ({}),
  OPEN: (fields) => ({ transportMode: text(fields, 'transportMode') }),
  INFO: (fields) => ({
    capacitySectors: integer(fields, 'capacitySectors'),
    logicalSectorBytes: integer(fields, 'logicalSectorBytes'),
    physicalSectorBytes: integer(fields, 'physicalSectorBytes'),
    adapterType: integer(fields, 'adapterType'),
    numLinks: integer(fields, 'numLinks'),
    uuid: optionalText(fields, 'uuid'),
    parentFileNameHint: optionalText(fields, 'parentFileNameHint'),
  }),
  ALLOCATED_BLOCKS: (fields) => ({ blocks: ascendingRuns(list(fields, 'blocks', isUnsigned)) }),
  CLOSE: () => ({}),
  CREATE: () => ({}),
  PING: (fields) => ({
    inCallMs: integer(fields, 'inCallMs'),
    call: text(fields, 'call'),
    oldestIoMs: integer(fields, 'oldestIoMs'),
    oldestIo: integer(fields, 'oldestIo'),
  }),
};

/** offset, length, offset, length, ...: in order, without overlap, none empty. */
function ascendingRuns(blocks: number[]): number[] {
  let endSector = 0;
  for (let index = 0; index < blocks.length; index += 2) {
    const [startSector, nrSectors] = [blocks[index], blocks[index + 1]];
    if (startSector === undefined || nrSectors === undefined) throw wrong('blocks');
    if (startSector < endSector || nrSectors === 0) throw wrong('blocks');
    endSector = startSector + nrSectors;
  }
  return blocks;
}

function fieldsOf(value: unknown, kind: string): Fields {
  const isMap =
    typeof value === 'object' &&
    value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
  if (isMap) return value as Fields;
  throw new ProtocolError(`the last element of a ${kind} message is no map`);
}

function wrong(key: string): ProtocolError {
  return new ProtocolError(`"${key}" is missing or not what it should be`);
}

/** The value of a key; undefined if it is missing or nil. */
function given(fields: Fields, key: string): unknown {
  if (!Object.hasOwn(fields, key)) return undefined;
  const value = fields[key];
  // msgpackr makes undefined out of an extension.
  if (value === undefined) throw wrong(key);
  return value ?? undefined;
}

function integer(fields: Fields, key: string): number {
  const value = given(fields, key);
  if (!isUnsigned(value)) throw wrong(key);
  return value;
}

function text(fields: Fields, key: string): string {
  const value = given(fields, key);
  if (typeof value !== 'string') throw wrong(key);
  return value;
}

function optionalText(fields: Fields, key: string): string | undefined {
  return given(fields, key) === undefined ? undefined : text(fields, key);
}

function list<T>(fields: Fields, key: string, is: (value: unknown) => value is T): T[] {
  const value = given(fields, key);
  if (!Array.isArray(value) || !value.every(is)) throw wrong(key);
  return value;
}
