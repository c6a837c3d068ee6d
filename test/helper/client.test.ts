// The client against a peer in memory: batches, answers, and one end for everything that is wrong.
import t from 'tap';
import type { Duplex } from 'node:stream';
import { Expectation } from '../../src/base/expectation.js';
import { FEW_REQUESTS_MAX, FRAME_REQUESTS_MAX } from '../../src/base/limits.js';
import { HelperClient } from '../../src/helper/client.js';
import { FrameDecoder, encodeFrame } from '../../src/helper/frame.js';
import type { HelperIo } from '../../src/helper/helper.js';
import { Ids } from '../../src/helper/in-flight.js';
import type { HelperEvent } from '../../src/helper/protocol.js';
import { duplexPair } from '../lib/duplex-pair.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Bench {
  client: HelperClient;
  ours: Duplex;
  peer: Duplex;
  /** Writes and messages that arrived at the peer. */
  writes: Buffer[];
  messages: unknown[][];
  broken: string[];
  lost: string[];
  events: HelperEvent[];
  /** "label vixError" for each done(). */
  done: string[];
  /** Times that the event loop was to stay awake. */
  awakeCount: () => number;
  io: (label: string, fields?: Partial<HelperIo>) => HelperIo;
  send: (...messages: unknown[][]) => void;
}

function bench(options: { ids?: Ids; attach?: boolean } = {}): Bench & { attach: () => void } {
  const [ours, peer] = duplexPair();
  const decoder = new FrameDecoder();
  let awakeCount = 0;
  const answer = new Expectation({ nowMs: () => 0, nextTurn: () => awakeCount++ });
  const result: Bench & { attach: () => void } = {
    client: new HelperClient({
      ids: options.ids ?? new Ids(),
      listener: { event: (event) => result.events.push(event) },
      onBroken: (reason) => {
        result.broken.push(reason);
        result.client.close(reason);
      },
      onLost: (reason) => result.lost.push(reason),
      answer,
    }),
    awakeCount: () => awakeCount,
    ours,
    peer,
    writes: [],
    messages: [],
    broken: [],
    lost: [],
    events: [],
    done: [],
    io: (label, fields = {}) => ({
      ...{ op: 16, startSector: 0, nrSectors: 8, arenaOffset: 4096 },
      ...fields,
      done: (vixError) => result.done.push(`${label} ${String(vixError)}`),
    }),
    send: (...messages) => peer.write(Buffer.concat(messages.map((one) => encodeFrame(one)))),
    attach: () => {
      result.client.attach(ours);
    },
  };
  peer.on('data', (chunk: Buffer) => {
    result.writes.push(chunk);
    decoder.push(chunk, chunk.length, {
      body: () => undefined,
      message: (body) => result.messages.push(body as unknown[]) > 0,
    });
  });
  if (options.attach !== false) result.attach();
  return result;
}

t.test('the requests of one turn leave in one write', async (t) => {
  const { client, io, writes, messages, send, done } = bench();
  client.io(io('a', { startSector: 2 ** 33 }));
  client.io(io('b', { op: 17, nrSectors: 4096, arenaOffset: 2 ** 32 }));
  client.io(io('c', { op: 18, startSector: 0, nrSectors: 0, arenaOffset: 0 }));
  t.equal(writes.length, 0, 'not at once');
  await turn();
  t.equal(writes.length, 1);
  const expected = [2, 1, 16, 2 ** 33, 8, 4096, 2, 17, 0, 4096, 2 ** 32, 3, 18, 0, 0, 0];
  t.strictSame(messages, [expected]);
  client.io(io('d'));
  await turn();
  t.strictSame(messages[1], [2, 4, 16, 0, 8, 4096]);
  send([4, 3, 0, 1, 16007], [4, 2, 2n ** 63n]);
  await turn();
  t.strictSame(done, ['c 0', 'a 16007', 'b 9223372036854775808']);
  t.equal(client.takeInFlight().length, 1);
});

t.test('the event loop stays awake for a few small requests under way', async (t) => {
  const send = async (requests: Partial<HelperIo>[]): Promise<number> => {
    const { awakeCount, client, io } = bench();
    for (const fields of requests) client.io(io('', fields));
    await turn();
    return awakeCount();
  };
  const few = new Array<Partial<HelperIo>>(FEW_REQUESTS_MAX).fill({});
  t.equal(await send(few.slice(0, 1)), 1);
  t.equal(await send(few), 1);
  t.equal(await send([...few, {}]), 0, 'with more there is other work');
  t.equal(await send([{ nrSectors: 4096 }]), 0, 'to move that much takes longer');
  t.equal(await send([{ op: 18, nrSectors: 0 }]), 0, 'so does a flush');
});

t.test('with many under way what all ask for leaves at the end of the turn', async (t) => {
  const { client, io, writes, messages } = bench();
  const tick = (): Promise<void> =>
    new Promise((resolve) => {
      process.nextTick(resolve);
    });
  client.io(io('first'));
  await tick();
  t.equal(writes.length, 1, 'few do not wait for others');
  for (let count = 0; count < FEW_REQUESTS_MAX; count++) client.io(io(''));
  await turn();
  t.equal(writes.length, 2);
  client.io(io('of one client'));
  await tick();
  client.io(io('of another'));
  await tick();
  t.equal(writes.length, 2, 'replies go first');
  await turn();
  t.equal(writes.length, 3);
  t.equal(messages[2]?.length, 1 + 2 * 5);
});

t.test('what waits for the end of the turn', async (t) => {
  const firstIds = (messages: unknown[][]): unknown[] => messages.map((one) => one.slice(0, 2));
  /** Many are under way, and one more (id 6) has not left yet. */
  const waiting = async (options: { attach?: boolean } = {}) => {
    const it = bench(options);
    for (let count = 0; count <= FEW_REQUESTS_MAX; count++) it.client.io(it.io(''));
    await turn();
    it.messages.length = 0;
    it.client.io(it.io('last'));
    await new Promise((resolve) => {
      process.nextTick(resolve);
    });
    t.equal(it.messages.length, 0);
    return it;
  };

  await t.test('leaves before a call', async (t) => {
    const { client, messages } = await waiting();
    client.call('PING', {}).catch(() => undefined);
    await turn();
    t.same(firstIds(messages), [
      [2, 6],
      [1, 7],
    ]);
    client.close('is over');
  });

  await t.test('leaves before the end of input', async (t) => {
    const { client, messages } = await waiting();
    client.endInput();
    await turn();
    t.same(firstIds(messages), [[2, 6]]);
  });

  await t.test('does not leave once the client is closed', async (t) => {
    const { client, messages } = await waiting();
    client.close('is killed');
    t.equal(client.takeInFlight().length, 6);
    await turn();
    await turn();
    t.same(messages, []);
  });

  await t.test('waits on for a control stream', async (t) => {
    const { attach, messages } = await waiting({ attach: false });
    attach();
    await turn();
    t.same(firstIds(messages), [
      [2, 1],
      [2, 6],
    ]);
  });

  await t.test('can not have been answered', async (t) => {
    const { broken, done, ours, send } = await waiting();
    send([4, 1, 0, 6, 0]);
    // The stream delivers it before the turn is over.
    ours.read();
    t.strictSame(done, [' 0']);
    t.match(broken, ['broke the protocol: an answer to an I/O request that is not there']);
  });
});

t.test('a full frame does not wait, and none is fuller', async (t) => {
  const { client, io, messages } = bench();
  for (let count = 0; count < 2 * FRAME_REQUESTS_MAX + 5; count++) client.io(io(''));
  await turn();
  t.same(
    messages.map((message) => (message.length - 1) / 5),
    [1024, 1024, 5],
  );
});

t.test('a call does not overtake the requests before it', async (t) => {
  const { client, io, messages, send } = bench();
  client.io(io('a'));
  const ping = client.call('PING', {});
  client.io(io('b'));
  await turn();
  t.same(
    messages.map((message) => message.slice(0, 2)),
    [
      [2, 1],
      [1, 2],
      [2, 3],
    ],
  );
  send([3, 2, 0, { inCallMs: 7, call: 'VixDiskLib_Wait', oldestIoMs: 0, oldestIo: 0 }]);
  t.strictSame(await ping, { inCallMs: 7, call: 'VixDiskLib_Wait', oldestIoMs: 0, oldestIo: 0 });
});

t.test('ids above 32 bits', async (t) => {
  const { client, io, messages, send, done } = bench({ ids: new Ids(2 ** 32 - 1) });
  client.io(io('a'));
  client.io(io('b'));
  const ping = client.call('PING', {});
  await turn();
  t.strictSame(messages[0]?.[1], 2 ** 32 - 1);
  t.strictSame(messages[0]?.[6], 2 ** 32);
  t.strictSame(messages[1]?.[1], 2 ** 32 + 1);
  send(
    [4, BigInt(2 ** 32), 0, 2 ** 32 - 1, 1],
    [3, BigInt(2 ** 32 + 1), 0, { inCallMs: 0, call: '', oldestIoMs: 0, oldestIo: 0 }],
  );
  await ping;
  t.same(done, ['b 0', 'a 1']);
});

t.test('hello', async (t) => {
  const params = {
    libraries: ['/l'],
    libdir: '/d',
    config: undefined,
    readArenaBytes: 2 ** 32,
    writeArenaBytes: 1,
  };
  const fields = { library: '/l', libraryVersion: 8, functions: [], transportModes: '' };
  const { client, messages, send } = bench();
  const hello = client.call('HELLO', params);
  await turn();
  t.strictSame(messages, [[1, 1, 1, { version: 1, ...params, config: null }]]);
  send([3, 1, 0, { version: 1, ...fields }]);
  t.strictSame(await hello, fields);

  const other = bench();
  const refused = other.client.call('HELLO', params);
  other.send([3, 1, 0, { version: 2, ...fields }]);
  await t.rejects(refused, { code: 'HELPER', message: /version 2, this program version 1/ });
  t.equal(other.broken.length, 1);
});

t.test('a password leaves, and is wiped behind', async (t) => {
  const { client, messages } = bench();
  const password = Buffer.from('sesame');
  client.call('CONNECT', { readOnly: true, password }).catch(() => undefined);
  await turn();
  t.strictSame(messages[0]?.[3], { readOnly: true, password: Buffer.from('sesame') });
  t.notOk(
    Buffer.from(encodeFrame(['x']).buffer).includes('sesame'),
    'msgpackr writes into one slab',
  );
  t.equal(password.toString(), 'sesame', 'the buffer of the caller stays');
});

t.test('a refused call', async (t) => {
  const { client, send, broken } = bench();
  const call = client.call('OPEN', { path: '/x', flags: 4 });
  send([3, 1, 2n ** 40n + 7n, { call: 'VixDiskLib_Open', text: 'no such file' }]);
  await t.rejects(call, {
    name: 'HelperCallError',
    call: 'VixDiskLib_Open',
    vixError: 2 ** 40 + 7,
    message: 'no such file',
  });
  t.same(broken, []);
});

t.test('calls are made one at a time', async (t) => {
  const { client } = bench();
  const ignore = (): undefined => undefined;
  client.call('INFO', {}).catch(ignore);
  client.call('PING', {}).catch(ignore);
  client.call('PING', {}).catch(ignore);
  t.throws(() => client.call('CLOSE', {}), /one at a time/);
});

t.test('events', async (t) => {
  const { send, events } = bench();
  send([5, 'log', { level: 'warning', text: 'w', dropped: 0 }], [5, 'panic', { text: 'p' }]);
  await turn();
  t.strictSame(events, [
    { name: 'log', level: 'warning', text: 'w', dropped: 0 },
    { name: 'panic', text: 'p' },
  ]);
});

t.test('whatever breaks the protocol ends in one place', async (t) => {
  const after = encodeFrame([4, 2, 0]);
  const wrongs: [string, Buffer, RegExp][] = [
    ['garbage', Buffer.from('000000020102', 'hex'), /not one msgpack value/],
    ['an oversized length', Buffer.from('7fffffff', 'hex'), /is announced/],
    ['an unknown id', encodeFrame([4, 99, 0]), /I\/O request that is not there/],
    ['a call answered as I/O', encodeFrame([4, 3, 0]), /I\/O request that is not there/],
    ['an I/O request answered as a call', encodeFrame([3, 1, 0, {}]), /call that is not there/],
    ['a request answered twice', encodeFrame([4, 1, 0, 1, 0]), /I\/O request that is not there/],
    ['an unknown call', encodeFrame([3, 77, 0, {}]), /call that is not there/],
    ['a result of a wrong shape', encodeFrame([3, 3, 0, { inCallMs: 'x' }]), /"inCallMs"/],
    ['an error without text', encodeFrame([3, 3, 1, {}]), /"call"/],
    ['an unknown event', encodeFrame([5, 'news', {}]), /unknown name/],
    ['an unknown kind', encodeFrame([8]), /no message of a helper/],
  ];
  for (const [name, bytes, reason] of wrongs) {
    const { client, io, peer, broken, done } = bench();
    client.io(io('a'));
    client.io(io('b'));
    const ping = client.call('PING', {});
    await turn();
    peer.write(Buffer.concat([bytes, after]));
    await t.rejects(ping, { name: 'VddkNbdError', code: 'HELPER', message: reason }, name);
    t.equal(broken.length, 1, name);
    t.match(broken[0], reason);
    t.notOk(done.includes('b 0'), 'nothing behind it is delivered');
    t.equal(client.takeInFlight().length, 2 - done.length);
    t.same(client.takeInFlight(), [], 'once');
  }
});

t.test('the end of the stream', async (t) => {
  const clean = bench();
  const ping = clean.client.call('PING', {});
  clean.peer.end();
  await turn();
  t.same([clean.lost, clean.broken], [['ended its control stream'], []]);
  clean.client.close('was killed');
  await t.rejects(ping, { code: 'HELPER', message: 'PING failed: the helper was killed' });

  const cut = bench();
  cut.peer.end(Buffer.from([0, 0, 0]));
  await turn();
  t.same(cut.lost, ['ended its control stream inside a frame']);

  const failed = bench();
  failed.ours.destroy(new Error('read ECONNRESET'));
  await turn();
  t.same(failed.lost, ['lost its control stream: read ECONNRESET']);

  const closed = bench();
  closed.client.close('was killed');
  closed.ours.destroy(new Error('late'));
  closed.peer.end();
  await turn();
  t.same(closed.lost, []);
});

t.test('nothing is delivered after close()', async (t) => {
  const { client, io, peer, done, events, broken, messages } = bench();
  const close = (): void => {
    done.push('a');
    client.close('verdict');
  };
  client.io({ ...io('a'), done: close });
  client.io(io('b'));
  await turn();
  peer.write(
    Buffer.concat([encodeFrame([4, 1, 0, 2, 0]), encodeFrame([5, 'panic', { text: '' }])]),
  );
  await turn();
  t.same([done, events, broken], [['a'], [], []]);
  await t.rejects(client.call('INFO', {}), { code: 'HELPER', message: /the helper verdict/ });
  client.io(io('c'));
  client.endInput();
  await turn();
  t.equal(messages.length, 1, 'nothing is sent either');
  t.equal(client.takeInFlight().length, 1, 'but what was asked is handed out');
  t.equal(client.takeUnsent().length, 1, 'and what it can not have died of');
  t.same(client.takeUnsent(), [], 'once');
});

t.test('what is asked before the stream is there', async (t) => {
  const { client, io, attach, messages } = bench({ attach: false });
  client.io(io('a'));
  const ping = client.call('PING', {});
  client.endInput();
  await turn();
  attach();
  await turn();
  t.same(
    messages.map((message) => message[0]),
    [2, 1],
  );
  client.close('was killed');
  await t.rejects(ping);

  const never = bench({ attach: false });
  const call = never.client.call('INFO', {});
  never.client.close('could not be started');
  await t.rejects(call, { message: 'INFO failed: the helper could not be started' });
  never.attach();
  await turn();
  t.same(never.messages, []);
});

t.test('endInput', async (t) => {
  const { client, io, peer, messages } = bench();
  let ended = false;
  peer.on('end', () => (ended = true));
  client.io(io('a'));
  client.endInput();
  client.endInput();
  client.io(io('b'));
  await t.rejects(client.call('PING', {}), { message: /is told to end/ });
  await turn();
  t.equal(ended, true);
  t.equal(messages.length, 1, 'what was queued has left');
  t.equal(client.takeInFlight().length, 1);
  t.equal(client.takeUnsent().length, 1);
});
