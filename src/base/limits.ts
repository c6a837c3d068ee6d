// Every limit of the program: name, unit, reason. Relations between them are asserted at the end.
import { invariant } from './errors.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Unit of every offset and length that the disk library takes. */
export const SECTOR_BYTES = 512;

/** Longest single call into the library: what VMware's NFC takes without running out of memory. */
export const PIECE_BYTES_MAX = 2 * MIB;

/** Smallest slot of an arena: a page, so that two slots never share one. */
export const SLOT_BYTES_MIN = 4 * KIB;

/** Least block size that clients are asked to prefer: a page of everything in between. */
export const PREFERRED_BLOCK_BYTES = 4 * KIB;

/** Longest NBD request served: what clients may send that never asked for our maximum. */
export const REQUEST_BYTES_MAX = 32 * MIB;

/** --memory: both arenas of one disk together. */
export const MEMORY_BYTES_DEFAULT = 128 * MIB;
/** Below this an arena could not hold two of the largest pieces for each of two connections. */
export const MEMORY_BYTES_MIN = 16 * MIB;
/** Above this memfds and Buffers of one disk stop being reasonable; 8 GiB is far past any gain. */
export const MEMORY_BYTES_MAX = 8192 * MIB;

/** Pieces of one WRITE_ZEROES or CACHE that are in the helper at once. */
export const SHARED_PIECES_IN_FLIGHT_MAX = 16;
/** What one CACHE makes the library read: as much as one READ could ask for next. */
export const PREFETCH_BYTES_MAX = REQUEST_BYTES_MAX;

/** --readahead: what is read ahead of one stream; at 1 GB/s it covers a latency of 8 ms. */
export const READAHEAD_BYTES_DEFAULT = 8 * MIB;
/** Below this nothing would be read ahead of most requests. */
export const READAHEAD_BYTES_MIN = 256 * KIB;
/** What is read ahead of a stream at first, or four of its requests: it may end soon. */
export const READAHEAD_START_BYTES = 128 * KIB;
/** One read ahead at least: much less would cost more than the library's call. */
export const READAHEAD_CHUNK_BYTES_MIN = 64 * KIB;
/** So much in a row is a stream: two requests of many programs, and no pair of 4 KiB by chance. */
export const STREAM_BYTES_MIN = 12 * KIB;
/** Behind so much in a row, what was read is not kept: whoever reads it all reads it once. */
export const STREAM_KEPT_BYTES_MAX = 4 * MIB;
/** Streams of one connection that are told apart: programs read few files at once. */
export const STREAMS_MAX = 8;
/** A stream's requests may come out of order by this much, as from several threads of a client. */
export const STREAM_DISORDER_BYTES_MAX = 256 * KIB;
/** With so many reads in the library a client covers its latency by itself. */
export const DEEP_CLIENT_READS = 8;
/** Reads that nobody has asked for, in the library at once, of one disk. */
export const SPECULATIVE_BYTES_MAX = 8 * MIB;

/** The read cache finds ranges by windows of this size. */
export const CACHE_WINDOW_BYTES = 64 * KIB;
/** Longer reads are not kept: they are bulk, and would push out what is read again. */
export const CACHED_READ_BYTES_MAX = 64 * KIB;
/** Around a read no longer than this more may be read: file systems keep what belongs together. */
export const AROUND_READ_BYTES_MAX = 16 * KIB;

/**
 * Body of a frame to the helper: a batch of requests is a few KiB; connect parameters are small.
 */
export const FRAME_TO_HELPER_BYTES_MAX = 1 * MIB;
/** Body of a frame from the helper: 262,144 allocated runs (32 GiB in 128-sector chunks) fit. */
export const FRAME_FROM_HELPER_BYTES_MAX = 8 * MIB;
/**
 * Microseconds that the event loop stays awake for what is expected at once: the turnaround of a
 * library that answers at once, or of a client that asks for one thing after the other.
 */
export const AWAKE_US = 120;
/** Microseconds between two of its turns that say that others want the processor. */
export const AWAKE_GAP_US = 300;
/** Bytes of a request that is stayed awake for: to move more takes longer than to be woken. */
export const AWAKE_REQUEST_BYTES_MAX = 64 * KIB;
/**
 * Requests under way in a helper that are few: somebody waits for each of them, so that they leave
 * at once, and the loop stays awake for them. With more there is other work meanwhile.
 */
export const FEW_REQUESTS_MAX = 4;
/** Times that nothing is expected after expecting in vain, at most. */
export const AWAKE_SKIPS_MAX = 255;
/** The same where others wanted the processor: who burns it is made to wait for it. */
export const AWAKE_SKIPS_CROWDED_MIN = 16;
/** Twice as many each time, up to this; a spin in 1024 requests costs nothing that counts. */
export const AWAKE_SKIPS_CROWDED_MAX = 1024;
/** So often nobody wanted it: then it begins with the minimum again. */
export const AWAKE_CALM_COUNT = 256;
/**
 * Requests in one frame: keeps a frame far below its byte limit and the helper's batch array fixed.
 */
export const FRAME_REQUESTS_MAX = 1024;
/** A password or cookie: cookies have some hundred bytes; more is another file. */
export const SECRET_BYTES_MAX = 16 * KIB;
/** Words of one command line, or of one file of parameters, that look like a secret. */
export const SUSPECTS_MAX = 64;
/** The file of --params: every parameter with a long value, and comments; more is another file. */
export const PARAMS_FILE_BYTES_MAX = 1 * MIB;
/** Lines of the library that are searched for the reason of a failed open. */
export const DIAGNOSIS_LINES_MAX = 512;
/** Text of one log event; longer lines are cut by the helper. */
export const LOG_EVENT_BYTES_MAX = 4 * KIB;

/** What a library tells of allocation is of chunks this long: the shortest it takes. */
export const CHUNK_BYTES = 64 * KIB;
/** Chunks that one question to a library can be about: 32 GiB. */
export const CHUNKS_PER_STEP = 524_288;
/** The longest pause between two such questions; a pause is as long as the question before it. */
export const EXTENTS_PAUSE_MS_MAX = 5_000;

/** Requests of one connection that were parsed and not answered. More stay in the socket. */
export const CONNECTION_REQUESTS_MAX = 1024;
/**
 * The same of all connections together: a record, and what the disk keeps for it, is about 1.2 KiB.
 */
export const SERVER_REQUESTS_MAX = 16_384;
/** What each connection may have all the same when there are so many. */
export const CONNECTION_REQUESTS_MIN = 16;
/**
 * Requests for block status of one connection that are not answered: each answer is held until it
 * leaves.
 */
export const CONNECTION_EXTENTS_REQUESTS_MAX = 4;
/** Extents in one answer: 32 KiB of extended descriptors; who wants more asks again. */
export const EXTENTS_PER_REPLY_MAX = 2048;
/** Extents of one read that is answered in chunks; above, all of it counts as data. */
export const READ_EXTENTS_MAX = 256;
/** Unsent replies without payload of one connection, after which we stop reading from it. */
export const CONNECTION_REPLY_BYTES_MAX = 1 * MIB;
/** Data of one NBD option: the longest legal string is 4096 bytes, and an INFO list rides along. */
export const OPTION_BYTES_MAX = 16 * KIB;
/** Longest string the protocol allows (proto.md, "Values", strings). */
export const NBD_STRING_BYTES_MAX = 4096;
/** A client that has not finished its handshake by then is closed. */
export const HANDSHAKE_TIMEOUT_MS = 60_000;
/** A client without progress on a payload or reply, while others wait for memory, is closed. */
export const STALL_TIMEOUT_MS = 60_000;
/** Less than this of one payload or reply in that time is none: no disk is copied over 4 KiB/s. */
export const STALL_BYTES_MIN = 256 * KIB;
/** Unsent answers to options, after which we stop reading from a client: a list may be long. */
export const HANDSHAKE_REPLY_BYTES_MAX = 64 * KIB;
/** Certificates, keys and revocation lists: larger than any that makes sense. */
export const TLS_FILE_BYTES_MAX = 4 * MIB;
/** Pre-shared keys: less than 128 bits protect nobody, OpenSSL takes no more than 512. */
export const TLS_PSK_BYTES_MIN = 16;
export const TLS_PSK_BYTES_MAX = 64;
/** A TCP client that is silent this long is asked whether it is still there. */
export const KEEPALIVE_IDLE_MS = 60_000;
/** --max-connections at most: descriptors and receive buffers of more would not fit. */
export const CONNECTIONS_LIMIT = 65_536;
/** Connections to one server by default: each has a receive buffer and at most half an arena. */
export const CONNECTIONS_MAX = 1024;

/**
 * Disks of one server: each is a process, two arenas and some ten descriptors, and a list of names
 * must not become long enough to stall a client.
 */
export const EXPORTS_MAX = 256;
/**
 * Options before the client must have said GO, EXPORT_NAME or ABORT: clients that list a server ask
 * for two or three of each export.
 */
export const OPTIONS_MAX = 64 + 4 * EXPORTS_MAX;
/**
 * Descriptors that clients leave free for each disk: what a new helper and a new spare need while
 * they start, whatever has become of those of the dead ones.
 */
export const DISK_DESCRIPTORS_RESERVED = 24;
/** How long a disk that did not open is not tried again: clients retry, and vCenters count. */
export const OPEN_RETRY_MS = 5_000;

/** --request-timeout: a read or write in the library; some clients wait 60 s for a reply. */
export const REQUEST_TIMEOUT_MS = 25_000;
/** Below this a busy machine would be taken for a hanging library. */
export const REQUEST_TIMEOUT_MS_MIN = 100;
/** QueryAllocatedBlocks may take so many times as long: it walks 32 GiB of tables. */
export const QUERY_TIMEOUT_FACTOR = 5;
/** Init, connect, open, flush and close, too: a vCenter may take minutes. */
export const CALL_TIMEOUT_FACTOR = 10;
/** Starting a helper and its InitEx at least, for a busy machine with a short --request-timeout. */
export const START_TIMEOUT_MS_MIN = 20_000;
/** CREATE: a flat disk of many TiB is written whole; Ctrl-C ends it sooner. */
export const CREATE_TIMEOUT_MS = 24 * 3_600_000;
/** A clean stop: in-flight requests, the last flush and the close together. */
export const SHUTDOWN_TIMEOUT_MS = 60_000;
/** Ping period, and the silence after which the process counts as dead. */
export const HEARTBEAT_INTERVAL_MS = 2_000;
/** Ping period at least, however short --request-timeout is. */
export const HEARTBEAT_INTERVAL_MS_MIN = 50;
export const HEARTBEAT_TIMEOUT_MS = 20_000;
/** Characters of a dead helper's last line on stderr that go into the reason of its end. */
export const HELPER_LAST_WORDS_MAX = 200;
/**
 * Descriptors that must be free when a process is started: three pairs for its streams, one for
 * word of its start, and some for threads of node that open files meanwhile.
 */
export const SPAWN_DESCRIPTORS = 12;
/**
 * How long a dead helper's streams may still deliver what it sent, and a closed one may take to
 * die.
 */
export const HELPER_DRAIN_MS = 250;
/** Restart: at once the first time, then doubling from here ... */
export const RESTART_BACKOFF_MIN_MS = 100;
/** ... to here, with jitter. */
export const RESTART_BACKOFF_MAX_MS = 10_000;
/** --recovery-timeout: without a completed I/O for this long, pending requests get EIO. */
export const RECOVERY_TIMEOUT_MS = 600_000;
/** First opens that end in a crash: the fifth would, too. */
export const START_ATTEMPTS_MAX = 4;
/** First opens that end in an error that passes are tried again for this long. */
export const START_RETRY_MS = 20_000;
/** A host that rejects our login is asked again after this, as often as ... */
export const LOGIN_RETRY_MS = 10_000;
/** ... this in all; more would lock the account. */
export const LOGIN_REJECTIONS_MAX = 3;
/** After that, new requests make us ask once in so long at most. */
export const LOGIN_PAUSE_MS = 60_000;
/** The spare helper is started this long after the first open: clients come first. */
export const SPARE_DELAY_MS = 1_000;
/** A spare that has not said hello after this is not waited for. */
export const SPARE_START_MS = 1_000;
/** A spare that died is replaced after this. */
export const SPARE_RETRY_MS = 10_000;
/** Requests in one helper at once: it holds four times as many before a PING waits for them. */
export const HELPER_REQUESTS_MAX = 16_384;
/** Requests that succeed before limits, which a library out of memory has brought down, grow. */
export const MEMORY_GROW_COMPLETIONS = 512;
/**
 * Bytes in the library at once over NFC (transports nbd and nbdssl): a host has 32 MB (ESXi 5) or
 * 48 MB of NFC buffers for all its disks, and this is more than ten times what a link of 10 Gbit/s
 * with a latency of 1 ms has under way.
 */
export const NFC_IN_FLIGHT_BYTES_MAX = 16 * MIB;
/** Requests are made smaller down to this many sectors, a page, for a library out of memory. */
export const MEMORY_REQUEST_SECTORS_MIN = 8;
/** A request that fails so often for a lost session, in sessions that served others, fails. */
export const SESSION_FAILURES_MAX = 8;
/** A request that was in flight at so many deaths runs alone. */
export const ALONE_DEATHS = 2;
/** A request that so many helpers died of, while it was alone in them, is convicted. */
export const CONVICTION_DEATHS = 4;
/** A convicted range is not tried again for this long. */
export const QUARANTINE_MS = 600_000;
/** Convicted ranges remembered for one disk: each has cost several deaths. */
export const QUARANTINE_RANGES_MAX = 1_024;
/** Reopenings that did not cure an error: so many in ... */
export const ERROR_REOPENS_MAX = 8;
/** ... this time, and no other is made for an error; each delays everybody. */
export const ERROR_REOPEN_INTERVAL_MS = 60_000;
/** After another disk was found in the place of ours, requests make us look once in so long. */
export const ANOTHER_DISK_PAUSE_MS = 1_000;

/** Unflushed writes remembered for one disk; half of them make us flush. */
export const JOURNAL_ENTRIES_MAX = 65_536;
/** After this long without writes we flush what is unflushed, so that a death costs little. */
export const JOURNAL_IDLE_FLUSH_MS = 1_000;
/** Journal writes that are in a fresh helper at once. */
export const REPLAY_PIECES_IN_FLIGHT_MAX = 16;
/** Lines about unflushed ranges at a stop that went wrong. */
export const UNFLUSHED_LINES_MAX = 16;

invariant(PIECE_BYTES_MAX % SLOT_BYTES_MIN === 0, 'a piece is whole slots');
invariant(PIECE_BYTES_MAX % CACHE_WINDOW_BYTES === 0, 'a piece is whole windows');
invariant(CACHE_WINDOW_BYTES % CHUNK_BYTES === 0, 'a window is data or a hole, not both');
invariant(READAHEAD_BYTES_MIN >= 2 * READAHEAD_CHUNK_BYTES_MIN, 'two chunks are ahead at least');
invariant(REQUEST_BYTES_MAX % PIECE_BYTES_MAX === 0, 'a request is whole pieces');
invariant(MEMORY_BYTES_MIN / 2 >= 4 * PIECE_BYTES_MAX, 'the smallest arena holds four pieces');
invariant(FRAME_REQUESTS_MAX * 64 < FRAME_TO_HELPER_BYTES_MAX, 'a full batch fits a frame');
invariant(4 * HELPER_REQUESTS_MAX <= 65_536, 'a PING always fits into the helper');
